//! The stores behind `spin:key-value`: small records that must last, and renders that may go.
//!
//! `records.rs` is the first, `renders.rs` the second; what publishers may put into the records is `publish.rs`. How
//! guests reach them is `keyvalue.rs`.

mod publish;
mod records;
mod renders;

use std::{path::Path, sync::Arc};

pub use publish::Accepted;
pub use records::Records;
pub(crate) use renders::{Renders, buffers as renders_buffers};

use crate::{
    config::Limits,
    error::{PopError, StoreError},
    metrics::Metrics,
    readiness::Readiness,
};

/// Longest key of either store, bytes.
pub const KEY_BYTES: usize = 256;

/// Both stores of one host.
pub(crate) struct Stores {
    /// Label `default`.
    pub(crate) records: Records,
    /// Label `renders`.
    pub(crate) renders: Renders,
}

impl Stores {
    /// Opens the stores under `data`, which is made if it is not there.
    ///
    /// # Errors
    /// [`PopError::Data`] or [`PopError::Store`].
    pub(crate) async fn open(
        data: &Path,
        limits: &Limits,
        metrics: &Arc<Metrics>,
        readiness: &Readiness,
    ) -> Result<Self, PopError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| PopError::Data { path, source }
        };
        std::fs::create_dir_all(data).map_err(at(data))?;
        let file = data.join("records.redb");
        let records = Records::open_with(&file, limits.records_cache, metrics.clone(), readiness.clone())?;
        let renders = Renders::open(&data.join("renders"), limits, metrics.renders.clone()).await?;
        Ok(Self { records, renders })
    }
}

/// Refuses keys that no store takes.
pub(crate) fn check_key(key: &str) -> Result<(), StoreError> {
    if key.len() > KEY_BYTES { Err(StoreError::KeyTooLong(key.len())) } else { Ok(()) }
}
