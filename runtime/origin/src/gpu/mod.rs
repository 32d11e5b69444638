//! Shaders on a graphics device. Nothing of the strip VM is involved, and nothing else here says `wgpu`.

mod bindings;
mod device;
mod fragment;
mod pipeline;
mod probe;

pub use bindings::BoundResource;
pub use device::{Adapter, DEVICE_TIMEOUT, Gpu, GpuError, adapters};
pub use fragment::PreparedShader;
pub use pipeline::TargetFormat;
