//! The request flow of an edge, without IO, clock or pixels.
//!
//! ```text
//! HTTP request
//!  → route      untrusted text becomes types, once
//!  → token      collection, seed, style; the verified snapshot gives the state and epoch
//!  → plan       paint here, or escalate, by static cost
//!  → key        the render key, hence the ETag; If-None-Match is answered here
//!  → tiers      isolate memory → the store beyond
//!  → paint      scene → bytes; or an origin's, and something to look at until it comes
//!  → reply      the one place where status and headers are made
//! ```
//!
//! [`serve`](serve::serve) is that flow, top to bottom. The outside is the [`platform::Platform`] trait. Nothing here may
//! read a clock, iterate a hash map, or call platform maths: the same request with the same records gives the same
//! bytes on every host.

extern crate alloc;

pub mod fault;
pub mod gallery;
pub mod isolate;
pub mod limits;
pub mod metadata;
pub mod parameters;
pub mod platform;
pub mod reply;
pub mod route;
pub mod serve;
pub mod settings;
