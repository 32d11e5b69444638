//! Graphics devices: which there are, whether they can be trusted, and what becomes of them.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lru::LruCache;

use super::pipeline::{Pipeline, PipelineKey};
use crate::lock::lock;

/// How long a device may take for one picture. A shader that hangs it costs this, and the device.
pub const DEVICE_TIMEOUT: Duration = Duration::from_secs(10);

/// Compiled shaders that a device keeps.
const MAX_PIPELINES: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// No adapter, or none that gives a device.
    #[error("no graphics device: {0}")]
    Device(String),
    /// The shader, the bindings or the size are not what the device accepts.
    #[error("{0}")]
    Invalid(String),
    /// The device was lost, hung, or ran out of memory on the way.
    #[error("the device failed: {0}")]
    Failed(String),
}

/// A device.
#[derive(Debug)]
pub struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    name: String,
    lost: Arc<AtomicBool>,
    pipelines: Mutex<LruCache<PipelineKey, Arc<Pipeline>>>,
}

/// A device that could be opened.
#[derive(Debug, Clone)]
pub struct Adapter {
    adapter: wgpu::Adapter,
    /// What it calls itself.
    pub name: String,
    /// Whether it is a program that runs on the CPU.
    pub software: bool,
}

/// Every device there is, in the order in which they would rather be used.
#[must_use]
pub fn adapters() -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
    let described = |adapter: wgpu::Adapter| {
        let info = adapter.get_info();
        Adapter { adapter, name: info.name, software: info.device_type == wgpu::DeviceType::Cpu }
    };
    let mut all: Vec<Adapter> = adapters.into_iter().map(described).collect();
    all.sort_by_key(|adapter| adapter.software);
    all
}

impl Adapter {
    /// Opens the device.
    ///
    /// # Errors
    /// [`GpuError::Device`].
    pub fn open(&self) -> Result<Gpu, GpuError> {
        Gpu::of(&self.adapter)
    }
}

impl Gpu {
    /// The first device there is, a software one included.
    ///
    /// # Errors
    /// [`GpuError::Device`] if there is none.
    pub fn new() -> Result<Self, GpuError> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default());
        Self::of(&pollster::block_on(adapter).map_err(|error| GpuError::Device(error.to_string()))?)
    }

    fn of(adapter: &wgpu::Adapter) -> Result<Self, GpuError> {
        let wanted = wgpu::Features::SHADER_F16 | wgpu::Features::FLOAT32_FILTERABLE;
        let descriptor = wgpu::DeviceDescriptor {
            required_features: adapter.features() & wanted,
            required_limits: adapter.limits(),
            ..wgpu::DeviceDescriptor::default()
        };
        let opened = pollster::block_on(adapter.request_device(&descriptor));
        let (device, queue) = opened.map_err(|error| GpuError::Device(error.to_string()))?;
        let lost = Arc::new(AtomicBool::new(false));
        let (gone, wrong) = (lost.clone(), lost.clone());
        device.set_device_lost_callback(move |_, _| gone.store(true, Ordering::Relaxed));
        // Whatever no scope catches is no fault of a shader.
        device.on_uncaptured_error(Arc::new(move |_| wrong.store(true, Ordering::Relaxed)));
        let name = adapter.get_info().name;
        Ok(Self { device, queue, name, lost, pipelines: Mutex::new(LruCache::new(MAX_PIPELINES)) })
    }

    /// The adapter's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is of no use any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Says that it is of no use any more.
    pub fn mark_lost(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    pub(crate) fn pipelines(&self) -> MutexGuard<'_, LruCache<PipelineKey, Arc<Pipeline>>> {
        lock(&self.pipelines)
    }
}
