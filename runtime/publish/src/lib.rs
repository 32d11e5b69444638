//! The way from a publisher to the edges: keys to sign with, and the places where records are put.
//!
//! A record is published to a [`Place`]: the write API of a PoP, the KV namespace of a Worker, or the Redis that a Spin
//! application keeps its records in. What the records mean is core's to say; a PoP checks them as they come, the other
//! two take anything, so edges check what they read, whichever it was.

mod address;
pub mod bounded;
mod error;
mod http;
pub mod keys;
pub mod place;
pub mod pop;
pub mod shelf;

pub use address::Address;
pub use bounded::root_cause;
pub use error::PlaceError;
pub use place::Place;
pub use pop::Pop;
