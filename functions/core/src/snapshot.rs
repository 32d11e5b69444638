//! Snapshots: the relay's signed, sequenced, expiring statement of every gauge's band.
//!
//! The envelope is DAG-CBOR `{kid, body, sig}`: a key id, the body's bytes, and an Ed25519 signature over
//! `"iridule/snapshot/1\n" ‖ body`, checked with `verify_strict`. The body is DAG-CBOR of [`Snapshot`]. What an edge
//! does with an old, a broken or no snapshot is [`crate::standing`]'s to say.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use alloy_primitives::{hex, keccak256};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    gauge::{Band, Gauge, State},
    limits,
};

/// The body format that this code reads.
pub const VERSION: u32 = 1;

/// What is signed stands behind these bytes, so that a signature made for another purpose is worth nothing here.
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

/// Why a snapshot was refused. For the log and for whoever tried to publish it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotRefused {
    /// It does not decode, or breaks a limit.
    #[error("not a snapshot: {0}")]
    Malformed(String),
    /// Its key is not among the trusted ones.
    #[error("signed by key {0}, which is not trusted here")]
    UnknownKey(String),
    /// The signature does not fit.
    #[error("the signature of key {0} does not fit the body")]
    BadSignature(String),
    /// It is dated further ahead than clocks may differ.
    #[error("issued {0} ms ahead of the clock here")]
    FromTheFuture(u64),
    /// A newer one is known.
    #[error("its sequence {offered} is not above {known}")]
    NotNewer {
        /// The sequence of the snapshot offered.
        offered: u64,
        /// The highest known.
        known: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    kid: String,
    body: ByteBuf,
    sig: ByteBuf,
}

/// The keys whose snapshots an edge believes.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(Vec<(String, VerifyingKey)>);

impl TrustedKeys {
    /// Reads public keys as 64 hexadecimal digits each, separated by commas or white space.
    ///
    /// # Errors
    /// A sentence that names the key at fault.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys = Vec::new();
        for word in text.split([',', ' ', '\n', '\t']).filter(|word| !word.is_empty()) {
            let bytes: [u8; 32] = hex::decode(word)
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or_else(|| alloc::format!("{word:?} is no public key: 64 hexadecimal digits"))?;
            let key =
                VerifyingKey::from_bytes(&bytes).map_err(|_| alloc::format!("{word} is no Ed25519 key"))?;
            keys.push((key_id(&key), key));
        }
        if keys.len() > limits::TRUSTED_KEYS {
            return Err(alloc::format!("{} keys, at most {}", keys.len(), limits::TRUSTED_KEYS));
        }
        Ok(Self(keys))
    }
}

/// A key's id: the first 8 bytes of its keccak256, in hexadecimal.
#[must_use]
pub fn key_id(key: &VerifyingKey) -> String {
    hex::encode(&keccak256(key.as_bytes())[..8])
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
    /// [`SnapshotRefused`], without [`SnapshotRefused::NotNewer`].
    pub fn open(bytes: &[u8], keys: &TrustedKeys, now_ms: u64) -> Result<Self, SnapshotRefused> {
        let malformed = |why: String| SnapshotRefused::Malformed(why);
        if bytes.len() > limits::SNAPSHOT_BYTES {
            return Err(malformed(alloc::format!(
                "{} bytes, at most {}",
                bytes.len(),
                limits::SNAPSHOT_BYTES
            )));
        }
        let envelope: Envelope =
            serde_ipld_dagcbor::from_slice(bytes).map_err(|e| malformed(alloc::format!("{e}")))?;
        let kid: String = envelope.kid.chars().take(32).collect();
        let key = keys.0.iter().find(|(id, _)| *id == kid).map(|(_, key)| key);
        let key = key.ok_or_else(|| SnapshotRefused::UnknownKey(kid.clone()))?;
        let signature =
            Signature::from_slice(&envelope.sig).map_err(|_| SnapshotRefused::BadSignature(kid.clone()))?;
        key.verify_strict(&signed_bytes(&envelope.body), &signature)
            .map_err(|_| SnapshotRefused::BadSignature(kid))?;
        let snapshot: Self =
            serde_ipld_dagcbor::from_slice(&envelope.body).map_err(|e| malformed(alloc::format!("{e}")))?;
        snapshot.check().map_err(malformed)?;
        let ahead = snapshot.issued.saturating_sub(now_ms);
        if ahead > limits::CLOCK_SKEW_MS {
            return Err(SnapshotRefused::FromTheFuture(ahead));
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
        let signature = key.sign(&signed_bytes(&body));
        let envelope = Envelope {
            kid: key_id(&key.verifying_key()),
            body: ByteBuf::from(body),
            sig: ByteBuf::from(signature.to_bytes()),
        };
        let bytes = serde_ipld_dagcbor::to_vec(&envelope).map_err(|e| alloc::format!("{e}"))?;
        if bytes.len() > limits::SNAPSHOT_BYTES {
            return Err(alloc::format!(
                "the snapshot has {} bytes, at most {}",
                bytes.len(),
                limits::SNAPSHOT_BYTES
            ));
        }
        Ok(bytes)
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

fn signed_bytes(body: &[u8]) -> Vec<u8> {
    [DOMAIN, body].concat()
}
