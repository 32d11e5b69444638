//! The oracle relay: turns feed values into bands and publishes signed snapshots.
//!
//! - [`statement`]: what the next snapshot says, given the one before and new values. Pure.
//! - [`push`]: a statement made, signed and published to a PoP, once: a development relay in one call.

pub mod push;
pub mod statement;
