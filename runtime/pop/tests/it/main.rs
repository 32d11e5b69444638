//! The host under real guests: what they may do, what their misbehaviour costs, and what lasts.
//!
//! The guest is `../guest`, built here once. No part of the host is replaced by a stand-in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod canonical;
mod crashes;
mod full_disk;
mod isolation;
mod lifecycle;
mod listeners;
mod machine;
mod outbound;
mod publishing;
mod stores;
mod support;
