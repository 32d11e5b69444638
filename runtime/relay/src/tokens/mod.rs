//! Tokens: what a contract says of them, read once, verified, recorded and signed; and read again when it says so.
//!
//! A recorder looks at its chain at one block, as feeds do. The first look reads every number of the supply that the
//! contract has; later ones follow its events: a mint (`Transfer` from nobody), and ERC-4906's `MetadataUpdate` and
//! `BatchMetadataUpdate`. What a token's record says is kept in the ledger with the style that is its own, and each place
//! is given what it does not have yet (`sink/tokens.rs`).
//!
//! A recorder is a task of its own: whatever a token's document costs, feeds are read and snapshots signed meanwhile. What
//! a document says is worked out in a sandbox (`document.rs`); one that exceeds its bounds is refused, and is not tried
//! again until it changes. A token that cannot be read is tried again later (`queue.rs`), and holds up no other.

mod art;
mod contract;
mod document;
mod mirror;
mod queue;
mod recorder;
#[cfg(test)]
mod tests;

use std::{ops::RangeInclusive, time::Duration};

use alloy::primitives::{Address, B256};
use serde::Deserialize;

pub use self::document::SANDBOX_JOBS;
pub(crate) use self::{
    document::{Documents, DocumentsFile},
    recorder::{Needs, Recorder},
};
use crate::chain::Chain;

/// Most tokens of a collection.
pub(crate) const SUPPLY: u64 = 1_000_000;
/// What is read of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reading {
    /// Picture and metadata that the contract keeps itself: ERC-721's `tokenURI`.
    Art,
    /// The same by ERC-1155's `uri`.
    Art1155,
    /// The token's hash, which is its seed: Art Blocks' `tokenIdToHash`.
    Hash,
    /// The same from the event of its mint.
    Event,
}

/// An event that gives a token its hash: the token's number is its first indexed word, the hash its second, or the first
/// that is not indexed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mint {
    /// Its first topic: `keccak256` of its signature.
    pub(crate) topic: B256,
    /// No event is in a block before this one.
    pub(crate) since: u64,
}

/// A collection's contract, and what is read of it.
pub(crate) struct Contract {
    pub(crate) slug: String,
    pub(crate) chain: Chain,
    pub(crate) address: Address,
    pub(crate) reading: Reading,
    /// What gives tokens their hashes, for [`Reading::Event`].
    pub(crate) mint: Option<Mint>,
    /// The numbers that its tokens may have.
    pub(crate) numbers: RangeInclusive<u64>,
    /// How often it is looked at.
    pub(crate) every: Duration,
}
