//! Token records: what a relay read of one token on its chain, signed.
//!
//! A collection whose tokens are *recorded* takes their seeds from here, and, where the contract keeps the picture itself,
//! a style of each token's own: its picture is then the one that the chain has. A signed record ([`crate::signed`]) whose
//! body is DAG-CBOR of [`TokenRecord`].

use crate::block;
use alloc::{string::String, vec::Vec};

use alloy_primitives::B256;
use cid::Cid;
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::{
    limits,
    seed::Seed,
    signed::{self, RecordRefused, TrustedKeys},
    slug::is_slug,
};

/// The record format that this code reads.
pub const VERSION: u32 = 1;

/// What the signature is for.
const DOMAIN: &[u8] = b"iridule/token/1\n";

/// Where a collection's tokens come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tokens {
    /// All numbers of the supply exist; seeds are [`Seed::derived`].
    #[default]
    Derived,
    /// Those exist that a relay has recorded, with the seeds that it read.
    Recorded,
}

impl Tokens {
    pub(crate) fn is_derived(&self) -> bool {
        *self == Self::Derived
    }
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// [`VERSION`].
    pub version: u32,
    /// The collection's slug.
    pub slug: String,
    /// The token's number.
    pub number: u64,
    /// Higher in every record of this token than in the one before.
    pub sequence: u64,
    /// The block at which it was read.
    pub block: u64,
    /// The token's seed.
    pub seed: ByteArray<32>,
    /// Styles of its own, the newest first; empty when the collection's is its style.
    pub styles: Vec<Cid>,
    /// Its name, where it has one of its own.
    pub name: Option<String>,
    /// Its description, likewise.
    pub description: Option<String>,
    /// Attributes that the contract gives it.
    pub attributes: Vec<RecordedAttribute>,
}

/// An attribute as the contract gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedAttribute {
    /// What collectors read before it.
    pub trait_type: String,
    /// Its value.
    pub value: RecordedValue,
}

/// An attribute's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordedValue {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
}

impl TokenRecord {
    /// Opens a signed record and checks it. The sequence is left to the caller, who knows what came before.
    ///
    /// # Errors
    /// [`RecordRefused`], without what depends on what came before.
    pub fn open(bytes: &[u8], relays: &TrustedKeys) -> Result<Self, RecordRefused> {
        let body = relays.open(DOMAIN, bytes, limits::TOKEN_BYTES)?;
        let record: Self = serde_ipld_dagcbor::from_slice(&body)
            .map_err(|e| RecordRefused::Malformed(alloc::format!("not a token's record: {e}")))?;
        record.check().map_err(RecordRefused::Malformed)?;
        Ok(record)
    }

    /// Signs the record.
    ///
    /// # Errors
    /// A sentence on what is wrong with it.
    pub fn seal(&self, relay: &SigningKey) -> Result<Vec<u8>, String> {
        self.check()?;
        let body = serde_ipld_dagcbor::to_vec(self).map_err(|e| alloc::format!("{e}"))?;
        signed::seal(DOMAIN, body, relay, limits::TOKEN_BYTES)
    }

    /// The token's seed.
    #[must_use]
    pub fn seed(&self) -> Seed {
        Seed(B256::from(*self.seed))
    }

    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(alloc::format!("token version {} is not {VERSION}", self.version));
        }
        if !is_slug(&self.slug) {
            return Err(alloc::format!("{:?} is no slug", self.slug));
        }
        let longest = |text: Option<&String>| text.map_or(0, String::len);
        if longest(self.name.as_ref()) > limits::TOKEN_NAME_BYTES
            || longest(self.description.as_ref()) > limits::TEXT_BYTES
        {
            return Err("name has at most 256 bytes, description at most 4096".into());
        }
        if self.attributes.len() > limits::TOKEN_ATTRIBUTES
            || self.attributes.iter().any(|one| one.trait_type.len() > limits::TOKEN_NAME_BYTES)
        {
            return Err("at most 128 attributes, whose names have at most 256 bytes".into());
        }
        let finite = |one: &RecordedAttribute| match &one.value {
            RecordedValue::Text(text) => text.len() <= limits::TEXT_BYTES,
            RecordedValue::Number(number) => number.is_finite(),
        };
        if !self.attributes.iter().all(finite) {
            return Err("an attribute is a text of at most 4096 bytes or a finite number".into());
        }
        if self.styles.len() > limits::FALLBACKS {
            return Err(alloc::format!(
                "{} styles of its own, at most {}",
                self.styles.len(),
                limits::FALLBACKS
            ));
        }
        for style in &self.styles {
            if style.codec() != block::DAG_CBOR {
                return Err("a style is named by the CID of a dag-cbor manifest".into());
            }
            block::digest(style)?;
        }
        Ok(())
    }
}
