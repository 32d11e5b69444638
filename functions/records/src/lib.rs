//! The records that publishers sign and edges read: snapshots, gauges, collections, tokens, blocks; and the render key.
//!
//! A record is decoded within limits and checked before it is used. This crate has no IO and no clock.

extern crate alloc;

pub mod address;
pub mod block;
pub mod collection;
pub mod dial;
pub mod forecast;
pub mod gauge;
pub mod limits;
pub mod record_keys;
pub mod render_key;
pub mod seed;
pub mod signed;
pub mod slug;
pub mod snapshot;
pub mod stored_render;
pub mod token;
