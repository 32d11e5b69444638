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
//! `handler.rs` is that list as code up to the queue, `worker.rs` from there, `paint_job.rs` what runs in the child. This is the only crate that says `wgpu`. A device takes the same resources as the
//! strip VM ([`iridule_vm::Resource`]) and gives the same pixels, within the tolerance that `docs/strip-vm.md` states, so
//! that either can check the other.

mod clocks;
mod config;
pub mod encode;
pub mod gpu;
mod handler;
mod lock;
mod log_throttle;
mod metrics;
pub mod nonces;
mod origin;
mod outcome;
pub mod paint_job;
pub mod painter;
mod painter_process;
pub mod queue;
mod recent_failures;
mod server;
mod shared;
pub mod store;
pub mod style_cache;
mod worker;

pub use config::{OriginConfig, OriginError, default_memory};
pub use gpu::{BoundResource, Gpu, GpuError, TargetFormat};
pub use origin::Origin;
pub use painter::ScenePainter;
pub use painter_process::PaintingLimits;
pub use server::ConnectionLimits;
pub use store::OriginStore;
