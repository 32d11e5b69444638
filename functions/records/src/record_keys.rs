//! The keys of the small records that publishers write and edges read.
//!
//! | key | value |
//! |---|---|
//! | `snapshot` | the newest signed snapshot ([`crate::snapshot`]) |
//! | `snapshot/previous` | the one before it, for the case that the newest turns out to be broken |
//! | `collections` | DAG-CBOR list of the slugs there are, sorted |
//! | `collection/{slug}` | the newest signed [`crate::collection::Collection`] |
//! | `token/{slug}/{number}` | the newest signed [`crate::token::TokenRecord`], in collections whose tokens are recorded |
//! | `block/{cid}` | a block of a style ([`crate::block`]) |
//! | `moves` | which states followed which, as a host has seen it ([`crate::forecast`]); its own, not signed, and read by no edge |

use alloc::{format, string::String};

use cid::Cid;

/// The newest signed snapshot.
pub const SNAPSHOT: &str = "snapshot";
/// The signed snapshot before the newest.
pub const PREVIOUS_SNAPSHOT: &str = "snapshot/previous";
/// The list of slugs.
pub const COLLECTIONS: &str = "collections";

/// Which states followed which.
pub const MOVES: &str = "moves";

/// A collection's record.
#[must_use]
pub fn collection(slug: &str) -> String {
    format!("collection/{slug}")
}

/// A token's record.
#[must_use]
pub fn token(slug: &str, number: u64) -> String {
    format!("token/{slug}/{number}")
}

/// A block of a style.
#[must_use]
pub fn block(cid: &Cid) -> String {
    format!("block/{cid}")
}
