//! Painting a scene: as the CPU painter does, with its shaders run by a device.
//!
//! Everything that is not a shader is painted by the very code that edges use, so it is the same to the bit. A device
//! that fails is put aside for a while and opened anew; until then, and for a shader that it does not take, the strip VM
//! runs in its stead, and the picture says so.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use iridule_raster::{
    PaintError, Pixmap,
    shader::{Fault, Job, Shade, StripVm},
};
use iridule_scene::{
    limits,
    scene::{Scene, binding},
    variant::Variant,
};
use iridule_vm::{AddressMode, FilterMode, Program, Resource, Sampler, Size, Texels, Texture};

use serde::{Deserialize, Serialize};

use crate::{
    gpu::{self, Adapter, BoundResource, Gpu, GpuError, TargetFormat},
    lock::lock,
};

/// For how long a device that failed is put aside.
const DEVICE_RETRY_DELAY: Duration = Duration::from_secs(30);

/// The WGSL of a style's shaders, by path.
pub type ShaderSources = HashMap<String, String>;

/// What painted a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaintedBy {
    /// The CPU alone: there was no shader in it, or there is no device.
    Cpu,
    /// The CPU, and a device its shaders.
    Gpu,
    /// The CPU alone, because the device failed for this reason.
    Fallback(String),
}

impl PaintedBy {
    /// As [`iridule_origin_api::order::PAINTED_BY`] says it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Cpu | Self::Fallback(_) => "cpu",
            Self::Gpu => "gpu",
        }
    }
}

/// The devices of this machine.
#[derive(Debug, Default)]
pub struct ScenePainter {
    devices: Vec<PaintDevice>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct PaintDevice {
    adapter: Adapter,
    state: Mutex<DeviceState>,
}

#[derive(Debug)]
enum DeviceState {
    Ready(Arc<Gpu>),
    Suspended(Instant),
}

/// What became of looking for devices: their names, and why others are not used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Devices that passed the probe.
    pub used: Vec<String>,
    /// Devices that did not, and why.
    pub refused: Vec<String>,
}

impl ScenePainter {
    /// Opens and probes every device there is. Software ones are used only where there is no other, and not at all when
    /// not wanted.
    #[must_use]
    pub fn open(software: bool) -> (Self, DeviceReport) {
        let mut found = DeviceReport::default();
        let mut devices: Vec<PaintDevice> = Vec::new();
        for adapter in gpu::adapters() {
            let hardware = devices.iter().any(|device| !device.adapter.software);
            if adapter.software && (hardware || !software) {
                continue;
            }
            match open(&adapter) {
                Ok(gpu) => {
                    found.used.push(adapter.name.clone());
                    devices
                        .push(PaintDevice { adapter, state: Mutex::new(DeviceState::Ready(Arc::new(gpu))) });
                }
                Err(why) => found.refused.push(format!("{}: {why}", adapter.name)),
            }
        }
        (Self { devices, next: AtomicUsize::new(0) }, found)
    }

    /// Without any device: everything is painted on the CPU.
    #[must_use]
    pub fn cpu() -> Self {
        Self::default()
    }

    /// How many devices there are.
    #[must_use]
    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    /// Paints a scene at a variant's size: premultiplied RGBA, 8 bits a channel, sRGB, rows from the top.
    ///
    /// # Errors
    /// [`PaintError`], when the CPU painter cannot paint it either.
    pub fn paint(
        &self,
        scene: &Scene,
        sources: &ShaderSources,
        variant: &Variant,
    ) -> Result<(Pixmap, PaintedBy), PaintError> {
        let by_cpu = |by| Ok((iridule_raster::paint_pixels_with(scene, variant, &StripVm)?, by));
        let Some((device, gpu)) = self.device() else { return by_cpu(PaintedBy::Cpu) };
        let shade = GpuShader { gpu: &gpu, sources, ran: AtomicUsize::new(0) };
        match iridule_raster::paint_pixels_with(scene, variant, &shade) {
            Ok(pixmap) if shade.ran.into_inner() > 0 => Ok((pixmap, PaintedBy::Gpu)),
            Ok(pixmap) => Ok((pixmap, PaintedBy::Cpu)),
            Err(PaintError::Shader { layer, fault: Fault::Device(why) }) => {
                if gpu.is_lost() {
                    device.suspend(&gpu);
                }
                by_cpu(PaintedBy::Fallback(format!("{}: {layer}: {why}", gpu.name())))
            }
            Err(why) => Err(why),
        }
    }

    /// The next device in turn that works.
    fn device(&self) -> Option<(&PaintDevice, Arc<Gpu>)> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..self.devices.len()).find_map(|step| {
            let device = &self.devices[(first + step) % self.devices.len()];
            Some((device, device.gpu()?))
        })
    }
}

fn open(adapter: &Adapter) -> Result<Gpu, GpuError> {
    let gpu = adapter.open()?;
    gpu.probe(limits::SIDE)?;
    Ok(gpu)
}

impl PaintDevice {
    fn gpu(&self) -> Option<Arc<Gpu>> {
        let mut state = lock(&self.state);
        if let DeviceState::Ready(gpu) = &*state
            && !gpu.is_lost()
        {
            return Some(gpu.clone());
        }
        match &*state {
            DeviceState::Suspended(since) if since.elapsed() < DEVICE_RETRY_DELAY => None,
            DeviceState::Ready(_) | DeviceState::Suspended(_) => match open(&self.adapter) {
                Ok(gpu) => {
                    let gpu = Arc::new(gpu);
                    *state = DeviceState::Ready(gpu.clone());
                    Some(gpu)
                }
                Err(_) => {
                    *state = DeviceState::Suspended(Instant::now());
                    None
                }
            },
        }
    }

    fn suspend(&self, failed: &Arc<Gpu>) {
        let mut state = lock(&self.state);
        if matches!(&*state, DeviceState::Ready(gpu) if Arc::ptr_eq(gpu, failed)) {
            *state = DeviceState::Suspended(Instant::now());
        }
    }
}

/// Runs shaders on a device.
struct GpuShader<'a> {
    gpu: &'a Gpu,
    sources: &'a ShaderSources,
    ran: AtomicUsize,
}

impl Shade for GpuShader<'_> {
    fn shade(&self, job: &Job<'_>, picture: &mut Pixmap) -> Result<(), Fault> {
        let path = &job.shader.source;
        let source =
            self.sources.get(path).ok_or_else(|| Fault::Device(format!("the source {path} is not here")))?;
        let size = Size { width: picture.width(), height: picture.height() };
        // A device has no texture without pixels, and this one is transparent wherever it is looked at. It also stands for
        // what the program does not look at: carrying a picture to the device takes longer than painting one there.
        let nothing = [0; 4];
        let program = Program::decode(&job.shader.program).map_err(Fault::Decode)?;
        let looks_below = program.bindings.iter().any(|bound| bound.binding == binding::BELOW);
        let texture = |binding, width, height, bytes| BoundResource {
            group: 0,
            binding,
            resource: Resource::Texture(Texture { width, height, texels: Texels::Rgba8(bytes) }),
        };
        let sampler = |binding, mode| BoundResource {
            group: 0,
            binding,
            resource: Resource::Sampler(Sampler { u: mode, v: mode, filter: FilterMode::Linear }),
        };
        let mut bound = vec![
            BoundResource { group: 0, binding: binding::TOKEN, resource: Resource::Uniform(job.uniforms) },
            match job.below.filter(|_| looks_below) {
                Some(below) => texture(binding::BELOW, below.width(), below.height(), below.data()),
                None => texture(binding::BELOW, 1, 1, &nothing),
            },
            sampler(binding::CLAMPED, AddressMode::ClampToEdge),
            sampler(binding::REPEATED, AddressMode::Repeat),
        ];
        for (at, image) in (binding::IMAGES..).zip(job.images) {
            bound.push(texture(at, image.width, image.height, &image.pixels));
        }
        let painted = self
            .gpu
            .prepare(source, "main", &bound, size, TargetFormat::Bytes)
            .and_then(|prepared| prepared.paint_into(picture.data_mut()));
        self.ran.fetch_add(1, Ordering::Relaxed);
        painted.map_err(|why| {
            if matches!(why, GpuError::Failed(_)) {
                self.gpu.mark_lost();
            }
            Fault::Device(why.to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;
    use iridule_scene::variant::{Asked, Format};
    use iridule_studio::StyleFolder;

    #[test]
    fn a_device_that_is_lost_costs_one_picture_its_speed_and_is_opened_anew() {
        let (mut painter, found) = ScenePainter::open(true);
        painter.devices.truncate(1);
        let Some(PaintDevice { state, .. }) = painter.devices.first() else {
            eprintln!("skipped: no device passes the probe: {found:?}");
            return;
        };
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions/styles/aurora");
        let built = StyleFolder::open(folder).unwrap().build().unwrap();
        let style = built.style().unwrap();
        let text = |path: &str| String::from_utf8(built.file(path).unwrap()).unwrap();
        let shaders = built.package.manifest.shaders();
        let sources: ShaderSources = shaders.map(|one| (one.source.clone(), text(&one.source))).collect();
        let seed = built.collection.seed(U256::from(1)).unwrap();
        let scene = built.scene(&style, &seed, &style.manifest.rest()).unwrap();
        let asked = Asked { width: Some(64), ..Asked::default() };
        let variant = Variant::resolve(&asked, Format::Png, &style.manifest.canvas.canvas()).unwrap();
        let paint = || painter.paint(&scene, &sources, &variant).unwrap();
        let by_cpu = iridule_raster::paint_pixels(&scene, &variant).unwrap();

        assert_eq!(paint().1, PaintedBy::Gpu);
        match &*state.lock().unwrap() {
            DeviceState::Ready(gpu) => gpu.device.destroy(),
            DeviceState::Suspended(_) => panic!("it painted"),
        }
        let (picture, by) = paint();
        assert!(matches!(by, PaintedBy::Fallback(_)), "{by:?}");
        assert_eq!(picture, by_cpu);
        assert_eq!(paint(), (by_cpu, PaintedBy::Cpu), "it is put aside");
        *state.lock().unwrap() =
            DeviceState::Suspended(Instant::now().checked_sub(DEVICE_RETRY_DELAY).unwrap());
        assert_eq!(paint().1, PaintedBy::Gpu, "opened anew");
    }
}
