//! A shared HTTP cache (RFC 9111): what may be kept, for how long, for whom, and who waits for whom.
//!
//! [`Cache::at_hand`] has the answer to most requests; [`Cache::answer`] has it for all, and takes an [`Origin`] to ask when
//! nothing kept will do. It opens no socket and knows no
//! picture: the PoP puts it in front of its functions, or of any HTTP origin.
//!
//! | step | file | from |
//! |---|---|---|
//! | what a request asks for: one URL, one host, one set of fields | `canonical.rs`, `fields.rs` | RFC 9112, section 3.2; RFC 9113, section 8.3.1 |
//! | which stored response a request may get | `key.rs`, `vary.rs` | RFC 9111, sections 2 and 4.1 |
//! | what the origin said about keeping it | `directives.rs` | sections 5.2 and 5.3; RFC 9213; RFC 5861 |
//! | how time passes | `clock.rs` | section 4.2.3 |
//! | for how long it is fresh | `freshness.rs` | sections 4.2 and 4.2.3 |
//! | whether it may be kept, and which fields | `storable.rs`, `fields.rs` | sections 3 and 3.1 |
//! | asking whether it still holds | `conditional.rs` | section 4.3 |
//! | parts of it | `range.rs` | sections 3.3 and 3.4 |
//! | where it lies | `entry.rs`, `store.rs` | – |
//! | what makes it untrue | `purge.rs` | section 4.4 |
//! | memory for what waits | `admission.rs`, `predictor.rs` | – |
//! | one request for many that ask alike | `flight.rs` | – |
//! | asking the origin, and what becomes of its answer | `fetch.rs` | – |
//! | what is stored for a request, and beside what it is kept | `lookup.rs` | section 4.1 |
//! | the way of a request through all of these | `front.rs`, `reply.rs` | section 4 |
//! | what the answer says of it | `status.rs` | RFC 9211 |
//!
//! All but the last eight are pure: no clock, no IO, no lock.

mod admission;
mod body;
mod canonical;
mod clock;
mod conditional;
mod directives;
mod entry;
mod fetch;
mod fields;
mod flight;
mod freshness;
mod front;
mod key;
mod lookup;
mod moment;
mod predictor;
mod purge;
mod range;
mod reply;
mod status;
mod storable;
mod store;
mod vary;

pub use body::{Body, BodyError};
pub use canonical::{CanonicalRequest, Malformed, Received, Waiting};
pub use clock::{SystemClock, TimeSource};
pub use fields::retain as retain_fields;
pub use front::{Cache, Limits, NoAnswer, Origin, Outcome, Unanswered, Watch};
pub use key::{FilterFields, Keying, Normalise};
pub use purge::Purge;
pub use store::{Policy, StoreError};
