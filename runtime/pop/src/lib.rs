//! The PoP host: runs the Spin component in wasmtime behind HTTP, with its stores and its write API.
//!
//! [`Pop::start`] takes a [`Config`] and gives a running host. Inside, a request goes from `server.rs` (sockets) through
//! `site.rs` (what it asks for, in one canonical form, and who asks), `front.rs` (what the cache has) and `gate.rs` (who
//! comes in, by `queue.rs`) to `instance.rs` (which guest answers), and the guest reaches out through `host.rs`:
//! `keyvalue.rs` to the `store/`, `outbound.rs` to the network. Beside it, `admin.rs` is the second listener, for
//! publishers and monitors. This is the only crate that names wasmtime, and it knows nothing of pictures: what a
//! request means is the component's to say.

mod accept;
mod admin;
mod ahead;
mod budget;
mod code;
mod config;
mod crashes;
mod date;
mod engine;
mod error;
mod front;
mod gate;
mod guest_memory;
mod guest_threads;
mod host;
mod informational;
mod instance;
mod kept;
mod keyvalue;
mod logs;
mod metrics;
mod outbound;
mod pop;
mod problem;
mod progress;
mod proxies;
mod proxy;
mod queue;
mod readiness;
mod server;
mod site;
mod socket;
mod store;
mod tls;
mod untrue;
mod visitors;

pub use code::Compiling;
pub use config::{CacheLimits, Config, Limits};
pub use error::{PopError, Refused, StoreError};
pub use outbound::AllowedHost;
pub use pop::Pop;
pub use proxies::{NotARange, TrustedProxy};
pub use proxy::{Proxy, ProxyConfig};
pub use store::{Accepted, KEY_BYTES, Records};
pub use tls::Tls;
