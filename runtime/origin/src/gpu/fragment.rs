//! One fragment shader over a whole picture, into bytes or floats.
//!
//! The shader is given to the device as it is, with a vertex stage of our own that covers the target with one
//! triangle. Nothing of the strip VM is involved.

use std::sync::{Arc, mpsc};

use iridule_vm::Size;

use super::{
    bindings::{BindGroup, BoundResource},
    device::{DEVICE_TIMEOUT, Gpu, GpuError},
    pipeline::{Pipeline, PipelineKey, TargetFormat},
};

const VERTEX_SHADER: &str = "@vertex fn cover(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
    return vec4f(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}";

impl Gpu {
    /// Paints `entry` of a WGSL file as linear RGBA floats, four a pixel, row by row from the top.
    ///
    /// # Errors
    /// [`GpuError::Invalid`] with the device's message, or [`GpuError::Failed`].
    pub fn paint(
        &self,
        source: &str,
        entry: &str,
        bound: &[BoundResource<'_>],
        size: Size,
    ) -> Result<Vec<f32>, GpuError> {
        self.prepare(source, entry, bound, size, TargetFormat::Floats)?.paint_floats()
    }

    /// Everything of [`Self::paint`] that need not be repeated for the same picture.
    ///
    /// # Errors
    /// As [`Self::paint`].
    pub fn prepare(
        &self,
        source: &str,
        entry: &str,
        bound: &[BoundResource<'_>],
        size: Size,
        format: TargetFormat,
    ) -> Result<PreparedShader<'_>, GpuError> {
        let max_side = self.device.limits().max_texture_dimension_2d;
        if size.width == 0 || size.height == 0 || size.width > max_side || size.height > max_side {
            return Err(GpuError::Invalid(format!("a picture's sides must be 1 to {max_side} pixels")));
        }
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let count = bound.iter().map(|b| b.group + 1).max().unwrap_or(0);
        let groups: Vec<BindGroup> =
            (0..count).map(|group| self.group(bound.iter().filter(|b| b.group == group))).collect();
        let pipeline = self.pipeline(source, entry, &groups, format);
        let groups =
            groups.iter().zip(&pipeline.layouts).map(|(group, layout)| group.bind(self, layout)).collect();
        let texture = self.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width: size.width, height: size.height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: format.format(),
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let pitch = (size.width * format.bytes()).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let readback = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(pitch) * u64::from(size.height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let invalid = pollster::block_on(scope.pop()).map(|error| GpuError::Invalid(error.to_string()));
        let full = pollster::block_on(memory.pop()).map(|error| GpuError::Failed(error.to_string()));
        if let Some(error) = full.or(invalid) {
            self.forget(source, entry, format);
            // Everything is invalid on a device that was lost, and it says so only when it is polled.
            let _ = self.device.poll(wgpu::PollType::Poll);
            return Err(if self.is_lost() { GpuError::Failed(error.to_string()) } else { error });
        }
        Ok(PreparedShader { gpu: self, pipeline, groups, texture, readback, pitch, size, format })
    }

    /// The pipeline of a shader, made at its first use: compiling one takes longer than painting with it.
    fn pipeline(
        &self,
        source: &str,
        entry: &str,
        groups: &[BindGroup],
        format: TargetFormat,
    ) -> Arc<Pipeline> {
        let entries = || groups.iter().map(|group| group.layout.clone()).collect::<Vec<_>>();
        if let Some(known) = self.pipelines().get(&PipelineKey::new(source, entry, format))
            && known.entries == entries()
        {
            return Arc::clone(known);
        }
        let made = Arc::new(self.make_pipeline(source, entry, entries(), format));
        self.pipelines().put(PipelineKey::new(source, entry, format), Arc::clone(&made));
        made
    }

    fn forget(&self, source: &str, entry: &str, format: TargetFormat) {
        self.pipelines().pop(&PipelineKey::new(source, entry, format));
    }

    fn make_pipeline(
        &self,
        source: &str,
        entry: &str,
        entries: Vec<Vec<wgpu::BindGroupLayoutEntry>>,
        format: TargetFormat,
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
        let (vertex, fragment) = (module(VERTEX_SHADER), module(source));
        let target = wgpu::ColorTargetState {
            format: format.format(),
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
}

/// A picture ready to be painted, as often as wanted.
#[derive(Debug)]
pub struct PreparedShader<'g> {
    gpu: &'g Gpu,
    pipeline: Arc<Pipeline>,
    groups: Vec<wgpu::BindGroup>,
    texture: wgpu::Texture,
    readback: wgpu::Buffer,
    /// Bytes from one row to the next in `readback`.
    pitch: u32,
    size: Size,
    format: TargetFormat,
}

impl PreparedShader<'_> {
    /// Paints, and waits until it is done.
    ///
    /// # Errors
    /// [`GpuError::Failed`] if the device was lost, or took longer than [`DEVICE_TIMEOUT`].
    pub fn run(&self) -> Result<(), GpuError> {
        self.submit(false)
    }

    /// Paints, and brings the pixels back: rows from the top, without padding, little-endian.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn paint(&self) -> Result<Vec<u8>, GpuError> {
        let mut pixels =
            vec![0; self.size.width as usize * self.size.height as usize * self.format.bytes() as usize];
        self.paint_into(&mut pixels)?;
        Ok(pixels)
    }

    /// As [`Self::paint`], for a picture of [`TargetFormat::Floats`]: linear RGBA, four a pixel.
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
        told.recv_timeout(DEVICE_TIMEOUT).map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let mapped = slice.get_mapped_range().map_err(|error| failed(&error))?;
        let row = self.size.width as usize * self.format.bytes() as usize;
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
        let wait = wgpu::PollType::Wait { submission_index: Some(submitted), timeout: Some(DEVICE_TIMEOUT) };
        self.gpu.device.poll(wait).map(|_| ()).map_err(|error| GpuError::Failed(error.to_string()))
    }
}
