//! What edges and origins say to each other: signed render requests and answers, and an edge's decisions on its pool.
//!
//! No IO: an edge sends what this crate writes, an origin reads it. Which origin is asked, when and how often is decided in [`pool`].

extern crate alloc;

pub mod limits;
pub mod order;
pub mod picture_file;
pub mod pool;
pub mod sync;
