//! Where the world stands: which state a style is in now, and how far that can be believed.
//!
//! The rule for snapshots is written here, once. An edge refuses one that is broken, signed by a stranger, or lower
//! in sequence than one it has seen, or over while that one is not; the last good one stays in force. One that has
//! expired since is still served, as stale: an old picture is better than none. With no snapshot at all, or none for one of the style's gauges, the
//! style's rest bands are shown, as stale too.

use alloc::sync::Arc;

use crate::manifest::Manifest;
use iridule_records::{gauge::State, snapshot::Snapshot};

/// How far a state can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Stated by a snapshot in force.
    Fresh,
    /// Stated by a snapshot that has expired.
    Expired,
    /// No relay has stated it; the style's rest bands stand in.
    Rest,
    /// The collection's newest style cannot be loaded just now; the one before it stands in.
    FormerStyle,
}

/// The state of a style now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// One band for each gauge, in manifest order.
    pub state: State,
    /// How far it can be believed.
    pub freshness: Freshness,
}

impl Standing {
    /// Reads the state of a style off the snapshot in force.
    #[must_use]
    pub fn of(manifest: &Manifest, snapshot: Option<&Arc<Snapshot>>, now_ms: u64) -> Self {
        if manifest.gauges.is_empty() {
            return Self { state: State::default(), freshness: Freshness::Fresh };
        }
        let stated = snapshot.and_then(|snapshot| Some((snapshot, snapshot.state(&manifest.gauges)?)));
        match stated {
            None => Self { state: manifest.rest(), freshness: Freshness::Rest },
            Some((snapshot, state)) if snapshot.expires <= now_ms => {
                Self { state, freshness: Freshness::Expired }
            }
            Some((_, state)) => Self { state, freshness: Freshness::Fresh },
        }
    }
}

/// Whether a state may be pinned: the rest state always may, any other once a relay has published it.
#[must_use]
pub fn may_pin(manifest: &Manifest, snapshot: Option<&Arc<Snapshot>>, state: &State) -> bool {
    *state == manifest.rest()
        || snapshot.is_some_and(|snapshot| snapshot.was_published(&manifest.gauges, state))
}
