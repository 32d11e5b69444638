//! The GPU origin: renders what edges do not paint themselves.
//!
//! ```text
//! order      core's `order`: signed by an edge that is known here, once
//!  → store   a render that was made before
//!  → library the style, of blocks that edges have sent; then the scene
//!  → queue   one job for each key; visitors first
//!  → painter the scene, its shaders on a device; the CPU where that fails
//!  → encode  PNG, WebP, JPEG, AVIF
//!  → store   kept under its key
//! ```
//!
//! `service.rs` is that list as code. This is the only crate that says `wgpu`. A device takes the same resources as the
//! strip VM ([`iridule_vm::Resource`]) and gives the same pixels, within the tolerance that `docs/strip-vm.md` states, so
//! that either can check the other.

pub mod device;
pub mod encode;
pub mod fragment;
pub mod library;
mod metrics;
pub mod nonces;
pub mod painter;
pub mod queue;
pub mod service;
pub mod store;

pub use device::{Gpu, GpuError};
pub use fragment::{Bound, Depth};
pub use painter::Painter;
pub use service::{Config, Origin, OriginError};
pub use store::Store;
