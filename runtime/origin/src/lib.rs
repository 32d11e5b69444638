//! The GPU origin: renders what edges do not paint themselves.
//!
//! ```text
//! server     connections, bounded in number and time
//!  → order   core's `order`: signed by an edge that is known here, for this origin, once
//!  → store   a render that was made before
//!  → library the style's manifest, of blocks that edges have sent
//!  → queue   one job for each key; edges in turn, visitors first
//!  → child   a process that can be ended: the scene, built when the job runs;
//!            painted, its shaders on a device, the CPU where that fails; encoded
//!  → store   kept under its key
//!  → answer  signed
//! ```
//!
//! `answers.rs` is that list as code up to the queue, `worker.rs` from there, `child.rs` what runs in the child. This is the only crate that says `wgpu`. A device takes the same resources as the
//! strip VM ([`iridule_vm::Resource`]) and gives the same pixels, within the tolerance that `docs/strip-vm.md` states, so
//! that either can check the other.

mod answers;
pub mod child;
mod clocks;
mod config;
pub mod encode;
mod faulty;
pub mod gpu;
pub mod library;
mod lock;
mod metrics;
pub mod nonces;
mod outcome;
pub mod painter;
mod painting;
pub mod queue;
mod server;
pub mod service;
mod shared;
pub mod store;
mod throttle;
mod worker;

pub use config::{Config, OriginError, default_memory};
pub use gpu::{Bound, Depth, Gpu, GpuError};
pub use painter::Painter;
pub use painting::PaintingLimits;
pub use server::ConnectionLimits;
pub use service::Origin;
pub use store::Store;
