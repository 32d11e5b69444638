//! The GPU origin. At present: one fragment shader, painted on a device without a window.
//!
//! This is the only crate that says `wgpu`. It takes the same resources as the strip VM
//! ([`iridule_vm::Resource`]) and gives the same pixels, within the tolerance that `docs/strip-vm.md` states, so
//! that either can check the other. Scenes, queues and HTTP are not here.

pub mod fragment;

pub use fragment::{Bound, Gpu, GpuError};
