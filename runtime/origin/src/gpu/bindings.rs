//! What a shader reads, as objects of the device: uniforms, textures, samplers.

use iridule_vm::{AddressMode, FilterMode, Resource, Sampler, Texels, Texture};
use wgpu::util::DeviceExt as _;

use super::device::Gpu;

/// A resource and where the shader looks for it.
#[derive(Clone, Copy, Debug)]
pub struct BoundResource<'a> {
    /// `@group`
    pub group: u32,
    /// `@binding`
    pub binding: u32,
    /// What is there.
    pub resource: Resource<'a>,
}

/// What a shader may read of one group.
pub(super) struct BindGroup {
    pub(super) layout: Vec<wgpu::BindGroupLayoutEntry>,
    held: Vec<(u32, BoundObject)>,
}

impl BindGroup {
    pub(super) fn bind(&self, gpu: &Gpu, layout: &wgpu::BindGroupLayout) -> wgpu::BindGroup {
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (self.held.iter())
            .map(|(binding, held)| wgpu::BindGroupEntry { binding: *binding, resource: held.resource() })
            .collect();
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
    }
}

/// A device object that a bind group refers to.
enum BoundObject {
    Buffer(wgpu::Buffer),
    View(wgpu::TextureView),
    Sampler(wgpu::Sampler),
}

impl BoundObject {
    fn resource(&self) -> wgpu::BindingResource<'_> {
        match self {
            Self::Buffer(buffer) => buffer.as_entire_binding(),
            Self::View(view) => wgpu::BindingResource::TextureView(view),
            Self::Sampler(sampler) => wgpu::BindingResource::Sampler(sampler),
        }
    }
}

impl Gpu {
    pub(super) fn group<'a>(&self, bound: impl Iterator<Item = &'a BoundResource<'a>>) -> BindGroup {
        let mut layout = Vec::new();
        let mut held = Vec::new();
        for b in bound {
            let (ty, resource) = match b.resource {
                Resource::Uniform(bytes) => {
                    let kind = wgpu::BufferBindingType::Uniform;
                    let ty = wgpu::BindingType::Buffer {
                        ty: kind,
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    };
                    (ty, BoundObject::Buffer(self.uniform(bytes)))
                }
                Resource::Texture(texture) => {
                    let filterable = match texture.texels {
                        Texels::Rgba8(_) => true,
                        Texels::Rgba32F(_) => {
                            self.device.features().contains(wgpu::Features::FLOAT32_FILTERABLE)
                        }
                    };
                    let ty = wgpu::BindingType::Texture {
                        sample_type: wgpu::TextureSampleType::Float { filterable },
                        view_dimension: wgpu::TextureViewDimension::D2,
                        multisampled: false,
                    };
                    (ty, BoundObject::View(self.texture(texture)))
                }
                Resource::Sampler(sampler) => (
                    wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering),
                    BoundObject::Sampler(self.sampler(sampler)),
                ),
            };
            let visibility = wgpu::ShaderStages::FRAGMENT;
            layout.push(wgpu::BindGroupLayoutEntry { binding: b.binding, visibility, ty, count: None });
            held.push((b.binding, resource));
        }
        BindGroup { layout, held }
    }

    fn uniform(&self, bytes: &[u8]) -> wgpu::Buffer {
        let mut contents = bytes.to_vec();
        contents.resize(bytes.len().next_multiple_of(16).max(16), 0);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: contents.len() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        // Not mapped at its creation: on a device that was lost, that panics.
        self.queue.write_buffer(&buffer, 0, &contents);
        buffer
    }

    fn texture(&self, texture: Texture<'_>) -> wgpu::TextureView {
        let bytes: Vec<u8>;
        let (format, data) = match texture.texels {
            Texels::Rgba8(data) => (wgpu::TextureFormat::Rgba8Unorm, data),
            Texels::Rgba32F(floats) => {
                bytes = floats.iter().flat_map(|f| f.to_le_bytes()).collect();
                (wgpu::TextureFormat::Rgba32Float, &bytes[..])
            }
        };
        let descriptor = wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width: texture.width, height: texture.height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        };
        let order = wgpu::util::TextureDataOrder::LayerMajor;
        let made = self.device.create_texture_with_data(&self.queue, &descriptor, order, data);
        made.create_view(&wgpu::TextureViewDescriptor::default())
    }

    fn sampler(&self, sampler: Sampler) -> wgpu::Sampler {
        let mode = |mode| match mode {
            AddressMode::ClampToEdge => wgpu::AddressMode::ClampToEdge,
            AddressMode::Repeat => wgpu::AddressMode::Repeat,
            AddressMode::MirrorRepeat => wgpu::AddressMode::MirrorRepeat,
        };
        let filter = match sampler.filter {
            FilterMode::Nearest => wgpu::FilterMode::Nearest,
            FilterMode::Linear => wgpu::FilterMode::Linear,
        };
        self.device.create_sampler(&wgpu::SamplerDescriptor {
            address_mode_u: mode(sampler.u),
            address_mode_v: mode(sampler.v),
            mag_filter: filter,
            min_filter: filter,
            ..Default::default()
        })
    }
}
