//! One fragment shader over a whole picture, into bytes or floats.
//!
//! The shader is given to the device as it is, with a vertex stage of our own that covers the target with one
//! triangle. Nothing of the strip VM is involved.

use std::sync::{Arc, mpsc};

use iridule_vm::{AddressMode, FilterMode, Resource, Sampler, Size, Texels, Texture};
use wgpu::util::DeviceExt as _;

use crate::device::{Gpu, GpuError, PATIENCE};

const COVER: &str = "@vertex fn cover(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
    return vec4f(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}";

/// What the pixels of a picture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Depth {
    /// Four bytes: what the shader gives, limited to 0 to 1 and rounded to the nearest 255th.
    Bytes,
    /// Four floats: what the shader gives.
    Floats,
}

impl Depth {
    fn format(self) -> wgpu::TextureFormat {
        match self {
            Self::Bytes => wgpu::TextureFormat::Rgba8Unorm,
            Self::Floats => wgpu::TextureFormat::Rgba32Float,
        }
    }

    /// Bytes of a pixel.
    fn bytes(self) -> u32 {
        match self {
            Self::Bytes => 4,
            Self::Floats => 16,
        }
    }
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

impl Gpu {
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
        self.prepare(source, entry, bound, size, Depth::Floats)?.paint_floats()
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
        depth: Depth,
    ) -> Result<Prepared<'_>, GpuError> {
        let most = self.device.limits().max_texture_dimension_2d;
        if size.width == 0 || size.height == 0 || size.width > most || size.height > most {
            return Err(GpuError::Invalid(format!("a picture's sides must be 1 to {most} pixels")));
        }
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let count = bound.iter().map(|b| b.group + 1).max().unwrap_or(0);
        let groups: Vec<Group> =
            (0..count).map(|group| self.group(bound.iter().filter(|b| b.group == group))).collect();
        let pipeline = self.pipeline(source, entry, &groups, depth);
        let groups =
            groups.iter().zip(&pipeline.layouts).map(|(group, layout)| group.bind(self, layout)).collect();
        let texture = self.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width: size.width, height: size.height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: depth.format(),
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let pitch = (size.width * depth.bytes()).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let readback = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(pitch) * u64::from(size.height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let invalid = pollster::block_on(scope.pop()).map(|error| GpuError::Invalid(error.to_string()));
        let full = pollster::block_on(memory.pop()).map(|error| GpuError::Failed(error.to_string()));
        if let Some(error) = full.or(invalid) {
            self.forget(source, entry, depth);
            // Everything is invalid on a device that was lost, and it says so only when it is polled.
            let _ = self.device.poll(wgpu::PollType::Poll);
            return Err(if self.is_lost() { GpuError::Failed(error.to_string()) } else { error });
        }
        Ok(Prepared { gpu: self, pipeline, groups, texture, readback, pitch, size, depth })
    }

    /// The pipeline of a shader, made at its first use: compiling one takes longer than painting with it.
    fn pipeline(&self, source: &str, entry: &str, groups: &[Group], depth: Depth) -> Arc<Pipeline> {
        let entries = || groups.iter().map(|group| group.layout.clone()).collect::<Vec<_>>();
        if let Some(known) = self.pipelines().get(&PipelineKey::new(source, entry, depth))
            && known.entries == entries()
        {
            return Arc::clone(known);
        }
        let made = Arc::new(self.make_pipeline(source, entry, entries(), depth));
        self.pipelines().put(PipelineKey::new(source, entry, depth), Arc::clone(&made));
        made
    }

    fn forget(&self, source: &str, entry: &str, depth: Depth) {
        self.pipelines().pop(&PipelineKey::new(source, entry, depth));
    }

    fn make_pipeline(
        &self,
        source: &str,
        entry: &str,
        entries: Vec<Vec<wgpu::BindGroupLayoutEntry>>,
        depth: Depth,
    ) -> Pipeline {
        let layout = |entries: &Vec<wgpu::BindGroupLayoutEntry>| {
            self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries })
        };
        let layouts: Vec<wgpu::BindGroupLayout> = entries.iter().map(layout).collect();
        let all: Vec<Option<&wgpu::BindGroupLayout>> = layouts.iter().map(Some).collect();
        let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            bind_group_layouts: &all,
            ..Default::default()
        });
        let module = |source: &str| {
            let source = wgpu::ShaderSource::Wgsl(source.into());
            self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source })
        };
        let (vertex, fragment) = (module(COVER), module(source));
        let target = wgpu::ColorTargetState {
            format: depth.format(),
            blend: None,
            write_mask: wgpu::ColorWrites::ALL,
        };
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
        Pipeline { pipeline, layouts, entries }
    }

    fn group<'a>(&self, bound: impl Iterator<Item = &'a Bound<'a>>) -> Group {
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
        Group { layout, held }
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

/// What a shader may read of one group.
struct Group {
    layout: Vec<wgpu::BindGroupLayoutEntry>,
    held: Vec<(u32, Held)>,
}

impl Group {
    fn bind(&self, gpu: &Gpu, layout: &wgpu::BindGroupLayout) -> wgpu::BindGroup {
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (self.held.iter())
            .map(|(binding, held)| wgpu::BindGroupEntry { binding: *binding, resource: held.resource() })
            .collect();
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
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

/// What tells a pipeline from others, less the layout of what it reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PipelineKey {
    source: String,
    entry: String,
    depth: Depth,
}

impl PipelineKey {
    fn new(source: &str, entry: &str, depth: Depth) -> Self {
        Self { source: source.into(), entry: entry.into(), depth }
    }
}

/// A compiled shader.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pipeline: wgpu::RenderPipeline,
    layouts: Vec<wgpu::BindGroupLayout>,
    entries: Vec<Vec<wgpu::BindGroupLayoutEntry>>,
}

/// A picture ready to be painted, as often as wanted.
#[derive(Debug)]
pub struct Prepared<'g> {
    gpu: &'g Gpu,
    pipeline: Arc<Pipeline>,
    groups: Vec<wgpu::BindGroup>,
    texture: wgpu::Texture,
    readback: wgpu::Buffer,
    /// Bytes from one row to the next in `readback`.
    pitch: u32,
    size: Size,
    depth: Depth,
}

impl Prepared<'_> {
    /// Paints, and waits until it is done.
    ///
    /// # Errors
    /// [`GpuError::Failed`] if the device was lost, or took longer than [`PATIENCE`].
    pub fn run(&self) -> Result<(), GpuError> {
        self.submit(false)
    }

    /// Paints, and brings the pixels back: rows from the top, without padding, little-endian.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn paint(&self) -> Result<Vec<u8>, GpuError> {
        let mut pixels =
            vec![0; self.size.width as usize * self.size.height as usize * self.depth.bytes() as usize];
        self.paint_into(&mut pixels)?;
        Ok(pixels)
    }

    /// As [`Self::paint`], for a picture of [`Depth::Floats`]: linear RGBA, four a pixel.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn paint_floats(&self) -> Result<Vec<f32>, GpuError> {
        let bytes = self.paint()?;
        let (floats, _) = bytes.as_chunks::<4>();
        Ok(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// As [`Self::paint`], into a buffer of the right length.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn paint_into(&self, pixels: &mut [u8]) -> Result<(), GpuError> {
        let failed = |error: &dyn std::error::Error| GpuError::Failed(error.to_string());
        self.submit(true)?;
        let slice = self.readback.slice(..);
        let (tell, told) = mpsc::channel();
        slice.map_async(wgpu::MapMode::Read, move |mapped| {
            let _ = tell.send(mapped);
        });
        self.gpu.device.poll(wgpu::PollType::Poll).map_err(|error| failed(&error))?;
        // Another thread that waits for its own picture may be the one that learns of this one.
        told.recv_timeout(PATIENCE).map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let mapped = slice.get_mapped_range().map_err(|error| failed(&error))?;
        let row = self.size.width as usize * self.depth.bytes() as usize;
        for (line, to) in mapped.chunks_exact(self.pitch as usize).zip(pixels.chunks_exact_mut(row)) {
            to.copy_from_slice(&line[..row]);
        }
        drop(mapped);
        self.readback.unmap();
        Ok(())
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
            pass.set_pipeline(&self.pipeline.pipeline);
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
        let submitted = self.gpu.queue.submit([encoder.finish()]);
        let wait = wgpu::PollType::Wait { submission_index: Some(submitted), timeout: Some(PATIENCE) };
        self.gpu.device.poll(wait).map(|_| ()).map_err(|error| GpuError::Failed(error.to_string()))
    }
}
