//! Signed records: what a publisher states, with a signature that an edge checks before it believes it.
//!
//! The envelope is DAG-CBOR `{kid, body, sig}`: a key id, the body's bytes, and an Ed25519 signature over
//! `domain ‖ body`, checked with `verify_strict`. The domain is a line that says what the body is, so that a signature
//! made for one purpose is worth nothing for another.

use alloc::{string::String, vec::Vec};

use alloy_primitives::{hex, keccak256};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::limits;

/// Why a signed record was refused. For the log and for whoever tried to publish it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordRefused {
    /// It does not decode, or breaks a limit.
    #[error("malformed: {0}")]
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
    /// It is over already, and what is in force is not.
    #[error("expired {0} ms ago")]
    Expired(u64),
    /// A newer one is known.
    #[error("its sequence {offered} is not above {known}")]
    NotNewer {
        /// The sequence of the record offered.
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

/// The keys whose records an edge believes.
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

    /// Opens an envelope and gives back its body.
    ///
    /// # Errors
    /// [`RecordRefused`], without what depends on a clock or on what came before.
    pub fn open(&self, domain: &[u8], bytes: &[u8], most: usize) -> Result<Vec<u8>, RecordRefused> {
        Ok(self.open_with_signer(domain, bytes, most)?.1)
    }

    /// As [`Self::open`], with the id of the key that signed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_signer(
        &self,
        domain: &[u8],
        bytes: &[u8],
        most: usize,
    ) -> Result<(String, Vec<u8>), RecordRefused> {
        let malformed = |why: String| RecordRefused::Malformed(why);
        if bytes.len() > most {
            return Err(malformed(alloc::format!("{} bytes, at most {most}", bytes.len())));
        }
        let envelope: Envelope =
            serde_ipld_dagcbor::from_slice(bytes).map_err(|e| malformed(alloc::format!("{e}")))?;
        let kid: String = envelope.kid.chars().take(32).collect();
        let key = self.0.iter().find(|(id, _)| *id == kid).map(|(_, key)| key);
        let key = key.ok_or_else(|| RecordRefused::UnknownKey(kid.clone()))?;
        let signature =
            Signature::from_slice(&envelope.sig).map_err(|_| RecordRefused::BadSignature(kid.clone()))?;
        key.verify_strict(&[domain, envelope.body.as_slice()].concat(), &signature)
            .map_err(|_| RecordRefused::BadSignature(kid.clone()))?;
        Ok((kid, envelope.body.into_vec()))
    }
}

/// Signs a body and puts it into its envelope.
///
/// # Errors
/// A sentence, when the envelope is over `most` bytes.
pub fn seal(domain: &[u8], body: Vec<u8>, key: &SigningKey, most: usize) -> Result<Vec<u8>, String> {
    let signature = key.sign(&[domain, body.as_slice()].concat());
    let envelope = Envelope {
        kid: key_id(&key.verifying_key()),
        body: ByteBuf::from(body),
        sig: ByteBuf::from(signature.to_bytes()),
    };
    let bytes = serde_ipld_dagcbor::to_vec(&envelope).map_err(|e| alloc::format!("{e}"))?;
    if bytes.len() > most {
        return Err(alloc::format!("the signed record has {} bytes, at most {most}", bytes.len()));
    }
    Ok(bytes)
}

/// A key's id: the first 8 bytes of its keccak256, in hexadecimal.
#[must_use]
pub fn key_id(key: &VerifyingKey) -> String {
    hex::encode(&keccak256(key.as_bytes())[..8])
}
