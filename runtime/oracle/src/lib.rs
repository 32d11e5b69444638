//! The oracle relay: turns feed values into bands and publishes signed snapshots.
//!
//! - [`keys`]: the key that a relay signs with, in a file.
//! - [`statement`]: what the next snapshot says, given the one before and new values. Pure.
//! - [`node`]: the write API of a PoP, as a publisher sees it.
//! - [`push`]: the three together, once: a development relay in one call.

pub mod keys;
pub mod node;
pub mod push;
pub mod statement;
