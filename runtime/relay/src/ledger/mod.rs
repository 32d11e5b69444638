//! The ledger: everything that happened, in order, in one file that survives a crash.
//!
//! Entries are only ever added, a step's all together or not at all. One process at a time has the file open: of two
//! relays on one ledger the one that has it leads, and the other waits until the file is free, which the system sees to
//! even when the leader is killed. What waits then continues where the ledger ends, so that no sequence goes back.

mod entry;
mod error;
mod store;
mod tables;
mod tokens;

pub(crate) use self::tokens::{Kept, TokenWrites, Unrecorded};
pub use self::{
    entry::{Entry, Page, Sealed},
    error::LedgerError,
    store::Ledger,
};
