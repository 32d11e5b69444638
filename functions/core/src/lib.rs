//! Iridule's core: the way of a request, without IO, clock or pixels.
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
//! [`serve`](serve::serve) is that way, top to bottom; every stage is a module of the same name. The outside is the
//! [`platform::Platform`] trait. Nothing here may read a clock, iterate a hash map, or call platform maths: the same
//! request with the same records gives the same bytes on every host.

extern crate alloc;

pub mod address;
#[cfg(feature = "author")]
pub mod author;
pub mod collection;
pub mod colour;
pub mod dial;
pub mod expression;
pub mod fault;
pub mod forecast;
pub mod gallery;
pub mod gauge;
pub mod isolate;
pub mod key;
pub mod limits;
pub mod manifest;
pub mod metadata;
pub mod order;
pub mod package;
pub mod picture_file;
pub mod plan;
pub mod platform;
pub mod pool;
pub mod records;
pub mod render;
pub mod reply;
pub mod route;
pub mod scene;
pub mod seed;
pub mod serve;
pub mod settings;
pub mod shader;
pub mod signed;
pub mod snapshot;
pub mod standing;
pub mod style;
pub mod template;
pub mod token;
pub mod traits;
pub mod variant;
