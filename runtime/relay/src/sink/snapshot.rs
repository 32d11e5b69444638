//! What sinks are given, and why one may not take it.

use std::time::{Duration, Instant};

use serde::Serialize;

/// The first wait after a failure; each further one is twice as long.
pub(super) const WAIT: Duration = Duration::from_millis(250);
/// The longest wait.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// A signed snapshot on its way.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) sequence: u64,
    pub(crate) bytes: Vec<u8>,
    /// What a webhook is told; the states in it decide whether it is told at all.
    pub(crate) states: Vec<Shown>,
    pub(crate) at: Instant,
}

/// A collection's state, as a webhook is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Shown {
    pub(crate) collection: String,
    pub(crate) state: String,
    pub(crate) epoch: String,
}

/// Why a sink did not take a snapshot.
pub(super) enum Untaken {
    /// Trying again may help.
    Failed(String),
    /// It has a snapshot with this sequence, which is not lower.
    Ahead(u64),
}
