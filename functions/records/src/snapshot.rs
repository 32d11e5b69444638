//! Snapshots: the relay's signed, sequenced, expiring statement of every gauge's band.
//!
//! A signed record ([`crate::signed`]) whose body is DAG-CBOR of [`Snapshot`]. What an edge does with an old, a broken
//! or no snapshot is `iridule_style::standing`'s to say.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    gauge::{Band, Gauge, State},
    limits,
    signed::{self, RecordRefused, TrustedKeys},
};

/// The body format that this code reads.
pub const VERSION: u32 = 1;

/// What the signature is for.
const DOMAIN: &[u8] = b"iridule/snapshot/1\n";

/// What the relay states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// [`VERSION`].
    pub version: u32,
    /// The chain whose feeds were read (EIP-155); 0 when they are not on a chain.
    pub chain: u64,
    /// Higher in every snapshot than in the one before.
    pub sequence: u64,
    /// When it was made, Unix milliseconds.
    pub issued: u64,
    /// Until when it is fresh, Unix milliseconds. Afterwards it is served as stale.
    pub expires: u64,
    /// The band of every gauge, by [`Gauge::id`].
    pub gauges: BTreeMap<String, Band>,
    /// Every state ever published, by panel: the ids of a style's gauges in manifest order, joined by commas. Each is
    /// [`State::to_bytes`]. A pinned URL of a state that is not here is refused, so nobody can make up states.
    pub published: BTreeMap<String, Vec<ByteBuf>>,
}

/// The name of a style's panel in [`Snapshot::published`].
#[must_use]
pub fn panel(gauges: &[Gauge]) -> String {
    let ids: Vec<String> = gauges.iter().map(Gauge::id).collect();
    ids.join(",")
}

impl Snapshot {
    /// Opens a signed snapshot: signature first, then the body. Sequence and expiry are left to the caller, who knows
    /// what came before.
    ///
    /// # Errors
    /// [`RecordRefused`], without [`RecordRefused::NotNewer`] and [`RecordRefused::Expired`].
    pub fn open(bytes: &[u8], keys: &TrustedKeys, now_ms: u64) -> Result<Self, RecordRefused> {
        let malformed = |why: String| RecordRefused::Malformed(why);
        let body = keys.open(DOMAIN, bytes, limits::SNAPSHOT_BYTES)?;
        let snapshot: Self =
            serde_ipld_dagcbor::from_slice(&body).map_err(|e| malformed(alloc::format!("{e}")))?;
        snapshot.check().map_err(malformed)?;
        let ahead = snapshot.issued.saturating_sub(now_ms);
        if ahead > limits::CLOCK_SKEW_MS {
            return Err(RecordRefused::FromTheFuture(ahead));
        }
        Ok(snapshot)
    }

    /// Signs the snapshot.
    ///
    /// # Errors
    /// A sentence, when it breaks a limit.
    pub fn seal(&self, key: &SigningKey) -> Result<Vec<u8>, String> {
        self.check()?;
        let body = serde_ipld_dagcbor::to_vec(self).map_err(|e| alloc::format!("{e}"))?;
        signed::seal(DOMAIN, body, key, limits::SNAPSHOT_BYTES)
    }

    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(alloc::format!("snapshot version {} is not {VERSION}", self.version));
        }
        if self.expires <= self.issued {
            return Err("it expires before it is issued".into());
        }
        if self.gauges.len() > limits::SNAPSHOT_GAUGES {
            return Err(alloc::format!("{} gauges, at most {}", self.gauges.len(), limits::SNAPSHOT_GAUGES));
        }
        let states: usize = self.published.values().map(Vec::len).sum();
        if states > limits::SNAPSHOT_STATES {
            return Err(alloc::format!("{states} published states, at most {}", limits::SNAPSHOT_STATES));
        }
        Ok(())
    }

    /// The state that these gauges are in; `None` when any of them was never published, or with a band that the gauge
    /// does not have.
    #[must_use]
    pub fn state(&self, gauges: &[Gauge]) -> Option<State> {
        let band = |gauge: &Gauge| {
            self.gauges.get(&gauge.id()).copied().filter(|band| gauge.quantiser.range().contains(band))
        };
        gauges.iter().map(band).collect::<Option<_>>().map(State)
    }

    /// Whether these gauges were ever published in this state.
    #[must_use]
    pub fn was_published(&self, gauges: &[Gauge], state: &State) -> bool {
        let bytes = state.to_bytes();
        self.published.get(&panel(gauges)).is_some_and(|states| states.iter().any(|known| **known == bytes))
    }

    /// Adds the state that these gauges are in now to the record of what was published.
    pub fn note_published(&mut self, gauges: &[Gauge]) {
        if let Some(state) = self.state(gauges)
            && !gauges.is_empty()
            && !self.was_published(gauges, &state)
        {
            self.published.entry(panel(gauges)).or_default().push(ByteBuf::from(state.to_bytes()));
        }
    }
}
