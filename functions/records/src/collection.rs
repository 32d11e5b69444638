//! Collections: a slug bound to a contract, a supply and a style, by a record that its publisher signs.
//!
//! A record may name a second style for a share of the tokens (a canary), and names the styles before: an edge that
//! cannot load the newest shows the one before it, and pinned URLs of earlier styles stay valid.

use alloc::{string::String, vec::Vec};

use alloy_primitives::{Address, U256};
use cid::Cid;
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::{
    block, limits,
    seed::Seed,
    signed::{self, RecordRefused, TrustedKeys},
    slug::is_slug,
    token::Tokens,
};

/// The record format that this code reads.
pub const VERSION: u32 = 2;

/// What the signature is for.
const DOMAIN: &[u8] = b"iridule/collection/1\n";

/// A collection's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// [`VERSION`].
    pub version: u32,
    /// The name in URLs: `[a-z0-9-]`, at most [`limits::SLUG_BYTES`].
    pub slug: String,
    /// The name that people read.
    pub name: String,
    /// What the collection is, in a sentence or two.
    pub description: String,
    /// The chain of the contract (EIP-155).
    pub chain_id: u64,
    /// The contract, 20 bytes.
    #[serde(with = "address")]
    pub contract: Address,
    /// The number of the first token.
    pub first: u64,
    /// How many tokens there are, numbered from `first`.
    pub supply: u64,
    /// Where they come from.
    #[serde(default, skip_serializing_if = "Tokens::is_derived")]
    pub tokens: Tokens,
    /// Higher in every record of this slug than in the one before.
    pub sequence: u64,
    /// The style: the CID of its manifest.
    pub style: Cid,
    /// A style that a share of the tokens shows instead.
    pub canary: Option<Canary>,
    /// The styles before, the newest first.
    pub history: Vec<Cid>,
}

/// A style on trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The style.
    pub style: Cid,
    /// How many of 10,000 tokens show it.
    pub share: u16,
}

impl Canary {
    /// Whether a token shows the canary. It follows from seed and style, so a token never flickers; as the share grows,
    /// tokens only join.
    #[must_use]
    pub fn takes(&self, seed: &Seed) -> bool {
        seed.draw(&alloc::format!("canary {}", self.style)).below(10_000) < u64::from(self.share)
    }
}

/// A token number that the collection does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("token {token} is not in {slug}: its tokens are {first} to {last}")]
pub struct TokenOutside {
    /// The collection's slug.
    pub slug: String,
    /// The number, in decimal digits.
    pub token: String,
    /// The collection's first token.
    pub first: u64,
    /// The collection's last token.
    pub last: u64,
}

impl Collection {
    /// Opens a signed record and checks it. The sequence is left to the caller, who knows what came before.
    ///
    /// # Errors
    /// [`RecordRefused`], without [`RecordRefused::NotNewer`].
    pub fn open(bytes: &[u8], publishers: &TrustedKeys) -> Result<Self, RecordRefused> {
        let body = publishers.open(DOMAIN, bytes, limits::COLLECTION_BYTES)?;
        Self::decode(&body).map_err(RecordRefused::Malformed)
    }

    /// Reads a record out of its envelope, and checks it.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub fn decode(body: &[u8]) -> Result<Self, String> {
        let record: Self = serde_ipld_dagcbor::from_slice(body)
            .map_err(|e| alloc::format!("not a collection record: {e}"))?;
        record.check()?;
        Ok(record)
    }

    /// The canonical DAG-CBOR of the record, without an envelope.
    ///
    /// # Errors
    /// What [`Self::decode`] would say of it.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        self.check()?;
        serde_ipld_dagcbor::to_vec(self).map_err(|e| alloc::format!("{e}"))
    }

    /// Signs the record.
    ///
    /// # Errors
    /// A sentence on what is wrong with it.
    pub fn seal(&self, publisher: &SigningKey) -> Result<Vec<u8>, String> {
        signed::seal(DOMAIN, self.encode()?, publisher, limits::COLLECTION_BYTES)
    }

    /// The record that shows another style from now on, or the same one with another canary.
    #[must_use]
    pub fn succeeded_by(&self, style: Cid, canary: Option<Canary>) -> Self {
        let mut history = self.history.clone();
        history.retain(|known| *known != style);
        if style != self.style {
            history.insert(0, self.style);
        }
        history.truncate(limits::HISTORY);
        Self { sequence: self.sequence.saturating_add(1), style, canary, history, ..self.clone() }
    }

    /// The styles to show a token in, the best first: what cannot be shown gives way to the next. At most
    /// [`limits::FALLBACKS`].
    pub fn styles(&self, seed: &Seed) -> impl Iterator<Item = Cid> {
        let canary = self.canary.as_ref().filter(|canary| canary.takes(seed)).map(|canary| canary.style);
        let all = canary.into_iter().chain([self.style]).chain(self.history.iter().copied());
        all.take(limits::FALLBACKS)
    }

    /// Whether this style is, or was, one of the collection's.
    #[must_use]
    pub fn has_shown(&self, style: &Cid) -> bool {
        let canary = self.canary.as_ref().map(|canary| &canary.style);
        canary.into_iter().chain([&self.style]).chain(&self.history).any(|known| known == style)
    }

    /// Checks what can be checked of the record alone.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(alloc::format!("collection version {} is not {VERSION}", self.version));
        }
        if !is_slug(&self.slug) {
            return Err(alloc::format!("{:?} is no slug: use a-z, 0-9 and -, at most 64", self.slug));
        }
        if self.name.is_empty()
            || self.name.len() > limits::NAME_BYTES
            || self.description.len() > limits::TEXT_BYTES
        {
            return Err("name has 1 to 64 bytes, description at most 4096".into());
        }
        if self.supply == 0 || self.first.checked_add(self.supply).is_none() {
            return Err("supply is at least 1, and the last token's number fits 64 bits".into());
        }
        if self.history.len() > limits::HISTORY {
            return Err(alloc::format!(
                "{} styles before this one, at most {}",
                self.history.len(),
                limits::HISTORY
            ));
        }
        if self.canary.as_ref().is_some_and(|canary| canary.share > 10_000) {
            return Err("a canary's share is at most 10000 of 10000".into());
        }
        let canary = self.canary.as_ref().map(|canary| &canary.style);
        for style in canary.into_iter().chain([&self.style]).chain(&self.history) {
            if style.codec() != block::DAG_CBOR {
                return Err("a style is named by the CID of a dag-cbor manifest".into());
            }
            block::digest(style)?;
        }
        Ok(())
    }

    /// The number of the last token.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.first.saturating_add(self.supply - 1)
    }

    /// Whether a number is one of the collection's.
    #[must_use]
    pub fn holds(&self, number: u64) -> bool {
        (self.first..=self.last()).contains(&number)
    }

    /// The number of a token, if it is one of the collection's.
    ///
    /// # Errors
    /// [`TokenOutside`].
    pub fn number(&self, token: U256) -> Result<u64, TokenOutside> {
        let number = u64::try_from(token).ok();
        number.filter(|number| self.holds(*number)).ok_or_else(|| TokenOutside {
            slug: self.slug.clone(),
            token: alloc::format!("{token}"),
            first: self.first,
            last: self.last(),
        })
    }

    /// The seed of a token that exists, where no record gives it another.
    ///
    /// # Errors
    /// [`TokenOutside`].
    pub fn seed(&self, token: U256) -> Result<Seed, TokenOutside> {
        self.number(token)?;
        Ok(Seed::derived(self.chain_id, self.contract, token))
    }
}

/// Reads the list of slugs.
///
/// # Errors
/// A sentence on what is wrong.
pub fn decode_index(bytes: &[u8]) -> Result<Vec<String>, String> {
    let slugs: Vec<String> =
        serde_ipld_dagcbor::from_slice(bytes).map_err(|e| alloc::format!("not a list of slugs: {e}"))?;
    if slugs.len() > limits::COLLECTIONS || !slugs.iter().all(|slug| is_slug(slug)) {
        return Err(alloc::format!("the list holds at most {} slugs, and nothing else", limits::COLLECTIONS));
    }
    Ok(slugs)
}

/// Writes the list of slugs: sorted, each once.
///
/// # Errors
/// What [`decode_index`] would say of it.
pub fn encode_index(mut slugs: Vec<String>) -> Result<Vec<u8>, String> {
    slugs.sort_unstable();
    slugs.dedup();
    let bytes = serde_ipld_dagcbor::to_vec(&slugs).map_err(|e| alloc::format!("{e}"))?;
    decode_index(&bytes)?;
    Ok(bytes)
}

/// An address as a CBOR byte string.
mod address {
    use alloy_primitives::Address;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use serde_bytes::{ByteArray, Bytes};

    pub(super) fn serialize<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes::new(address.as_slice()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        ByteArray::<20>::deserialize(deserializer).map(|bytes| bytes.into_array().into())
    }
}
