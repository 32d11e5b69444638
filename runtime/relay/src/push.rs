//! A development relay in one call: values in, a signed snapshot at a PoP out.

use std::collections::BTreeSet;

use ed25519_dalek::SigningKey;
use iridule_publish::{PlaceError, Pop, keys};
use iridule_records::{gauge::Gauge, signed::TrustedKeys, snapshot::Snapshot};

use crate::statement::{self, Change, Values};

/// What a push did.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// The snapshot now in force.
    pub snapshot: Snapshot,
    /// What it changed.
    pub changes: Vec<Change>,
    /// Every collection and its gauges.
    pub collections: Vec<(String, Vec<Gauge>)>,
}

/// Why a push failed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The PoP did not do its part.
    #[error(transparent)]
    Pop(#[from] PlaceError),
    /// No gauge watches this feed.
    #[error("no gauge watches feed {feed:?}; the feeds watched there are: {known}")]
    UnknownFeed {
        /// The feed that was given.
        feed: String,
        /// Those that gauges watch.
        known: String,
    },
    /// The value is no finite number.
    #[error("{feed}={value}: a value is a finite number")]
    NotFinite {
        /// The feed.
        feed: String,
        /// Its value.
        value: f64,
    },
    /// The snapshot cannot be signed.
    #[error("{0}")]
    Unsealable(String),
    /// The snapshot in force there was signed with another key.
    #[error("the snapshot in force there is not this relay's: {0}")]
    Foreign(String),
}

/// Publishes what follows from these values, on top of what the PoP has in force.
///
/// # Errors
/// [`PushError`]; nothing has changed at the PoP then.
pub async fn push(
    pop: &Pop,
    key: &SigningKey,
    values: &Values,
    now_ms: u64,
    lifetime_ms: u64,
) -> Result<Pushed, PushError> {
    let collections = pop.collections().await?;
    let watched: BTreeSet<&str> =
        collections.iter().flat_map(|(_, gauges)| gauges).map(|gauge| gauge.feed.as_str()).collect();
    for (feed, value) in values {
        if !watched.contains(feed.as_str()) {
            let known = watched.into_iter().collect::<Vec<_>>().join(", ");
            return Err(PushError::UnknownFeed { feed: feed.clone(), known });
        }
        if !value.is_finite() {
            return Err(PushError::NotFinite { feed: feed.clone(), value: *value });
        }
    }
    let mine = TrustedKeys::parse(&keys::public(key)).map_err(PushError::Unsealable)?;
    let before = match pop.snapshot().await? {
        None => None,
        Some(signed) => {
            Some(Snapshot::open(&signed, &mine, now_ms).map_err(|why| PushError::Foreign(why.to_string()))?)
        }
    };
    let panels: Vec<Vec<Gauge>> = collections.iter().map(|(_, gauges)| gauges.clone()).collect();
    let snapshot = statement::next(before.as_ref(), &panels, values, now_ms, lifetime_ms);
    pop.put_snapshot(snapshot.seal(key).map_err(PushError::Unsealable)?).await?;
    let changes = statement::changes(before.as_ref(), &snapshot);
    Ok(Pushed { snapshot, changes, collections })
}
