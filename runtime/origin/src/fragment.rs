//! One fragment shader over a whole picture, into floats.
//!
//! The shader is given to the device as it is, with a vertex stage of our own that covers the target with one
//! triangle. Nothing of the strip VM is involved.

use iridule_vm::{AddressMode, FilterMode, Resource, Sampler, Size, Texels, Texture};
use wgpu::util::DeviceExt as _;

const COVER: &str = "@vertex fn cover(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
    return vec4f(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}";
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba32Float;
const PIXEL: u32 = 16;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// No adapter, or none that gives a device.
    #[error("no graphics device: {0}")]
    Device(String),
    /// The shader, the bindings or the size are not what the device accepts.
    #[error("{0}")]
    Invalid(String),
    /// The device was lost or ran out of memory on the way.
    #[error("the device failed: {0}")]
    Failed(String),
}

/// A resource and where the shader looks for it.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// `@group`
    pub group: u32,
    /// `@binding`
    pub binding: u32,
    /// What is there.
    pub resource: Resource<'a>,
}

/// A device.
#[derive(Debug)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    name: String,
}

impl Gpu {
    /// The first device there is, a software one included.
    ///
    /// # Errors
    /// [`GpuError::Device`] if there is none.
    pub fn new() -> Result<Self, GpuError> {
        pollster::block_on(async {
            let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
            let adapter = instance
                .request_adapter(&wgpu::RequestAdapterOptions::default())
                .await
                .map_err(|error| GpuError::Device(error.to_string()))?;
            let wanted = wgpu::Features::SHADER_F16 | wgpu::Features::FLOAT32_FILTERABLE;
            let descriptor = wgpu::DeviceDescriptor {
                required_features: adapter.features() & wanted,
                required_limits: adapter.limits(),
                ..wgpu::DeviceDescriptor::default()
            };
            let (device, queue) = adapter
                .request_device(&descriptor)
                .await
                .map_err(|error| GpuError::Device(error.to_string()))?;
            Ok(Self { device, queue, name: adapter.get_info().name })
        })
    }

    /// The adapter's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Paints `entry` of a WGSL file as linear RGBA floats, four a pixel, row by row from the top.
    ///
    /// # Errors
    /// [`GpuError::Invalid`] with the device's message, or [`GpuError::Failed`].
    pub fn paint(
        &self,
        source: &str,
        entry: &str,
        bound: &[Bound<'_>],
        size: Size,
    ) -> Result<Vec<f32>, GpuError> {
        self.prepare(source, entry, bound, size)?.paint()
    }

    /// Everything of [`Self::paint`] that need not be repeated for the same picture.
    ///
    /// # Errors
    /// As [`Self::paint`].
    pub fn prepare(
        &self,
        source: &str,
        entry: &str,
        bound: &[Bound<'_>],
        size: Size,
    ) -> Result<Prepared<'_>, GpuError> {
        let most = self.device.limits().max_texture_dimension_2d;
        if size.width == 0 || size.height == 0 || size.width > most || size.height > most {
            return Err(GpuError::Invalid(format!("a picture's sides must be 1 to {most} pixels")));
        }
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let groups = self.groups(bound);
        let layouts: Vec<Option<&wgpu::BindGroupLayout>> =
            groups.iter().map(|(layout, _)| Some(layout)).collect();
        let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            bind_group_layouts: &layouts,
            ..Default::default()
        });
        let module = |source: &str| {
            let source = wgpu::ShaderSource::Wgsl(source.into());
            self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source })
        };
        let (vertex, fragment) = (module(COVER), module(source));
        let target =
            wgpu::ColorTargetState { format: FORMAT, blend: None, write_mask: wgpu::ColorWrites::ALL };
        let pipeline = self.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: None,
            layout: Some(&layout),
            vertex: wgpu::VertexState {
                module: &vertex,
                entry_point: None,
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &fragment,
                entry_point: Some(entry),
                compilation_options: Default::default(),
                targets: &[Some(target)],
            }),
            multiview_mask: None,
            cache: None,
        });
        let texture = self.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width: size.width, height: size.height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let pitch = (size.width * PIXEL).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let readback = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(pitch) * u64::from(size.height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(GpuError::Invalid(error.to_string()));
        }
        let groups = groups.into_iter().map(|(_, group)| group).collect();
        Ok(Prepared { gpu: self, pipeline, groups, texture, readback, pitch, size })
    }

    /// A bind group for each group up to the last that is used.
    fn groups(&self, bound: &[Bound<'_>]) -> Vec<(wgpu::BindGroupLayout, wgpu::BindGroup)> {
        let count = bound.iter().map(|b| b.group + 1).max().unwrap_or(0);
        (0..count).map(|group| self.group(bound.iter().filter(|b| b.group == group))).collect()
    }

    fn group<'a>(
        &self,
        bound: impl Iterator<Item = &'a Bound<'a>>,
    ) -> (wgpu::BindGroupLayout, wgpu::BindGroup) {
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
                    (ty, Held::Buffer(self.uniform(bytes)))
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
                    (ty, Held::View(self.texture(texture)))
                }
                Resource::Sampler(sampler) => (
                    wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering),
                    Held::Sampler(self.sampler(sampler)),
                ),
            };
            let visibility = wgpu::ShaderStages::FRAGMENT;
            layout.push(wgpu::BindGroupLayoutEntry { binding: b.binding, visibility, ty, count: None });
            held.push((b.binding, resource));
        }
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &layout });
        let entries: Vec<wgpu::BindGroupEntry<'_>> = held
            .iter()
            .map(|(binding, held)| wgpu::BindGroupEntry { binding: *binding, resource: held.resource() })
            .collect();
        let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries };
        let group = self.device.create_bind_group(&descriptor);
        (layout, group)
    }

    fn uniform(&self, bytes: &[u8]) -> wgpu::Buffer {
        let mut contents = bytes.to_vec();
        contents.resize(bytes.len().next_multiple_of(16).max(16), 0);
        let usage = wgpu::BufferUsages::UNIFORM;
        self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: &contents,
            usage,
        })
    }

    fn texture(&self, texture: Texture<'_>) -> wgpu::TextureView {
        let bytes: Vec<u8>;
        let (format, data) = match texture.texels {
            Texels::Rgba8(data) => (wgpu::TextureFormat::Rgba8Unorm, data),
            Texels::Rgba32F(floats) => {
                bytes = floats.iter().flat_map(|f| f.to_le_bytes()).collect();
                (FORMAT, &bytes[..])
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

/// A device object that a bind group refers to.
enum Held {
    Buffer(wgpu::Buffer),
    View(wgpu::TextureView),
    Sampler(wgpu::Sampler),
}

impl Held {
    fn resource(&self) -> wgpu::BindingResource<'_> {
        match self {
            Self::Buffer(buffer) => buffer.as_entire_binding(),
            Self::View(view) => wgpu::BindingResource::TextureView(view),
            Self::Sampler(sampler) => wgpu::BindingResource::Sampler(sampler),
        }
    }
}

/// A picture ready to be painted, as often as wanted.
#[derive(Debug)]
pub struct Prepared<'g> {
    gpu: &'g Gpu,
    pipeline: wgpu::RenderPipeline,
    groups: Vec<wgpu::BindGroup>,
    texture: wgpu::Texture,
    readback: wgpu::Buffer,
    /// Bytes from one row to the next in `readback`.
    pitch: u32,
    size: Size,
}

impl Prepared<'_> {
    /// Paints, and waits until it is done.
    ///
    /// # Errors
    /// [`GpuError::Failed`] if the device was lost.
    pub fn run(&self) -> Result<(), GpuError> {
        self.submit(false)
    }

    /// Paints, and brings the pixels back.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn paint(&self) -> Result<Vec<f32>, GpuError> {
        let failed = |error: &dyn std::error::Error| GpuError::Failed(error.to_string());
        self.submit(true)?;
        let slice = self.readback.slice(..);
        slice.map_async(wgpu::MapMode::Read, |_| {});
        self.wait()?;
        let mapped = slice.get_mapped_range().map_err(|error| failed(&error))?;
        let row = (self.size.width * PIXEL) as usize;
        let mut pixels = Vec::with_capacity(self.size.values());
        for line in mapped.chunks_exact(self.pitch as usize) {
            pixels.extend(line[..row].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        }
        drop(mapped);
        self.readback.unmap();
        Ok(pixels)
    }

    fn submit(&self, read_back: bool) -> Result<(), GpuError> {
        let view = self.texture.create_view(&wgpu::TextureViewDescriptor::default());
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let ops = wgpu::Operations {
                load: wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT),
                store: wgpu::StoreOp::Store,
            };
            let attachment =
                wgpu::RenderPassColorAttachment { view: &view, depth_slice: None, resolve_target: None, ops };
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                color_attachments: &[Some(attachment)],
                ..Default::default()
            });
            pass.set_pipeline(&self.pipeline);
            for (index, group) in (0..).zip(&self.groups) {
                pass.set_bind_group(index, group, &[]);
            }
            pass.draw(0..3, 0..1);
        }
        if read_back {
            let layout = wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(self.pitch),
                rows_per_image: None,
            };
            encoder.copy_texture_to_buffer(
                self.texture.as_image_copy(),
                wgpu::TexelCopyBufferInfo { buffer: &self.readback, layout },
                self.texture.size(),
            );
        }
        self.gpu.queue.submit([encoder.finish()]);
        self.wait()
    }

    fn wait(&self) -> Result<(), GpuError> {
        let wait = wgpu::PollType::Wait { submission_index: None, timeout: None };
        self.gpu.device.poll(wait).map(|_| ()).map_err(|error| GpuError::Failed(error.to_string()))
    }
}
