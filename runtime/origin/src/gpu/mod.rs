//! Shaders on a graphics device. Nothing of the strip VM is involved, and nothing else here says `wgpu`.

mod bindings;
mod device;
mod fragment;
mod pipeline;
mod probe;

pub use bindings::Bound;
pub use device::{Adapter, Gpu, GpuError, PATIENCE, adapters};
pub use fragment::Prepared;
pub use pipeline::Depth;
