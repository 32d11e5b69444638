//! The GPU origin: renders pictures that edges do not paint themselves.
//!
//! ```text
//! server          connections, limited in number and time
//!  → handler      verifies the signed request: from a known edge, for this origin, sent once
//!  → store        a stored render is returned at once
//!  → style_cache  the style's manifest, read from blocks that edges have sent
//!  → queue        one job for each key; edges take turns, visitors come before prefetches
//!  → worker       sends the job to a child process that can be killed
//!  → paint_job    in the child: builds the scene, paints it (shaders on a device, or on the
//!                 CPU where that fails), and encodes it
//!  → store        keeps the render under its key
//!  → handler      signs the response
//! ```
//!
//! This is the only crate that uses `wgpu`. A device reads the same resources as the strip VM ([`iridule_vm::Resource`]) and
//! paints the same pixels, within the tolerance in `docs/explanation/strip-vm.md`, so each can be tested against the other.

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
