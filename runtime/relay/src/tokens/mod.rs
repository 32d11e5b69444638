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

pub use self::document::SANDBOX_JOBS;
pub(crate) use self::{
    contract::{Contract, Mint, Reading, SUPPLY},
    document::{Documents, DocumentsFile},
    recorder::{Needs, Recorder},
};
