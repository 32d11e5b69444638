//! Compiled shaders, and what tells one from another. They are compiled in `fragment.rs` and kept by `device.rs`.

/// What the pixels of a picture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetFormat {
    /// Four bytes: what the shader gives, limited to 0 to 1 and rounded to the nearest 255th.
    Bytes,
    /// Four floats: what the shader gives.
    Floats,
}

impl TargetFormat {
    /// The device's name for it.
    pub(super) fn format(self) -> wgpu::TextureFormat {
        match self {
            Self::Bytes => wgpu::TextureFormat::Rgba8Unorm,
            Self::Floats => wgpu::TextureFormat::Rgba32Float,
        }
    }

    /// Bytes of a pixel.
    pub(super) fn bytes(self) -> u32 {
        match self {
            Self::Bytes => 4,
            Self::Floats => 16,
        }
    }
}

/// What tells a pipeline from others, less the layout of what it reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PipelineKey {
    source: String,
    entry: String,
    format: TargetFormat,
}

impl PipelineKey {
    pub(super) fn new(source: &str, entry: &str, format: TargetFormat) -> Self {
        Self { source: source.into(), entry: entry.into(), format }
    }
}

/// A compiled shader.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(super) pipeline: wgpu::RenderPipeline,
    pub(super) layouts: Vec<wgpu::BindGroupLayout>,
    pub(super) entries: Vec<Vec<wgpu::BindGroupLayoutEntry>>,
}
