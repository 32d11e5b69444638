//! The job that paints, in a child process. Styles, scenes, devices and encoders are used only there.
//!
//! The parent sends the description of a picture. The child replies with the picture, or with the names of blocks of the
//! style that it needs; then the parent sends the same description with these blocks. The child caches blocks, so that it
//! gets each style once. A child that exceeds its time or memory, crashes, or hangs in a driver is killed and replaced
//! ([`iridule_sandbox`]).

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use alloy_primitives::B256;
use bytes::Bytes;
use cid::Cid;
use iridule_origin_api::order::Render;
use iridule_records::{gauge::State as Bands, seed::Seed};
use iridule_sandbox::{Job, RegisteredJob, report_activity};
use iridule_scene::{scene::Scene, variant::Variant};
use iridule_style::style::StyleFailed;
use iridule_style::{
    limits,
    manifest::{File, Manifest},
    style::Style,
};
use lru::LruCache;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    encode,
    painter::{DeviceReport, PaintedBy, ScenePainter, ShaderSources},
};

/// Maximum size of the block cache, bytes. The files of one style take at most half of it.
const CACHED_BLOCK_BYTES: u64 = 2 * limits::PACKAGE_BYTES;
/// Maximum number of styles that stay loaded.
const CACHED_STYLES: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not zero");

/// The jobs of this crate. A binary that runs an origin passes them to [`iridule_sandbox::serve_if_asked`].
pub const SANDBOX_JOBS: &[RegisteredJob] = &[RegisteredJob::of::<PaintJob>()];

/// Paints and encodes a picture.
#[derive(Debug)]
pub struct PaintJob;

/// The description of a picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaintRequest {
    style: ByteBuf,
    seed: ByteBuf,
    state: ByteBuf,
    variant: u64,
    /// Whether to look for devices, and whether to accept software devices.
    devices: (bool, bool),
    /// The blocks that the child asked for.
    blocks: Vec<(ByteBuf, ByteBuf)>,
}

impl PaintRequest {
    /// Describes a render, without blocks.
    #[must_use]
    pub fn new(render: &Render, devices: (bool, bool)) -> Self {
        Self {
            style: ByteBuf::from(render.style.to_bytes()),
            seed: ByteBuf::from(render.seed.0.to_vec()),
            state: ByteBuf::from(render.state.to_bytes()),
            variant: render.variant.packed(),
            devices,
            blocks: Vec::new(),
        }
    }

    /// Adds blocks.
    #[must_use]
    pub fn with(mut self, blocks: Vec<(Cid, Bytes)>) -> Self {
        let pair =
            |(cid, bytes): (Cid, Bytes)| (ByteBuf::from(cid.to_bytes()), ByteBuf::from(bytes.to_vec()));
        self.blocks = blocks.into_iter().map(pair).collect();
        self
    }
}

/// The child's reply.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum PaintReply {
    /// The picture.
    Picture {
        /// The file.
        file: ByteBuf,
        /// What painted the picture.
        by: PaintedBy,
        /// The devices that were found, if this is the child's first picture.
        found: Option<DeviceReport>,
    },
    /// The CIDs of blocks that the child needs first.
    Wants(Vec<ByteBuf>),
}

/// The state of a child between jobs.
#[derive(Debug)]
pub struct PainterState {
    painter: Option<ScenePainter>,
    styles: LruCache<Cid, Arc<LoadedStyle>>,
    blocks: LruCache<Cid, Bytes>,
    bytes: u64,
}

impl Default for PainterState {
    fn default() -> Self {
        Self { painter: None, styles: LruCache::new(CACHED_STYLES), blocks: LruCache::unbounded(), bytes: 0 }
    }
}

/// A style with the WGSL of its shaders.
#[derive(Debug)]
struct LoadedStyle {
    style: Style,
    /// WGSL by path.
    sources: ShaderSources,
}

/// Why painting stopped before there was a picture.
enum PaintStop {
    Wants(Vec<Cid>),
    Unpaintable(String),
}

impl From<StyleFailed> for PaintStop {
    fn from(defect: StyleFailed) -> Self {
        Self::Unpaintable(defect.to_string())
    }
}

impl From<String> for PaintStop {
    fn from(why: String) -> Self {
        Self::Unpaintable(why)
    }
}

impl Job for PaintJob {
    const NAME: &'static str = "origin-paint";
    type State = PainterState;
    type Request = PaintRequest;
    type Reply = PaintReply;
    /// Why the picture cannot be painted.
    type Error = String;

    fn run(state: &mut PainterState, request: PaintRequest) -> Result<PaintReply, String> {
        match state.picture(request) {
            Ok(reply) => Ok(reply),
            Err(PaintStop::Wants(blocks)) => {
                Ok(PaintReply::Wants(blocks.iter().map(|cid| ByteBuf::from(cid.to_bytes())).collect()))
            }
            Err(PaintStop::Unpaintable(why)) => Err(why),
        }
    }
}

impl PainterState {
    fn picture(&mut self, request: PaintRequest) -> Result<PaintReply, PaintStop> {
        let cid = |bytes: &[u8]| Cid::read_bytes(bytes).map_err(|why| why.to_string());
        let style = cid(&request.style)?;
        let seed = Seed(B256::try_from(&**request.seed).map_err(|_| "a seed of another length".to_owned())?);
        let state = Bands::from_bytes(&request.state).ok_or_else(|| "a state that is none".to_owned())?;
        let variant = Variant::unpack(request.variant).ok_or_else(|| "a variant that is none".to_owned())?;
        for (name, bytes) in request.blocks {
            self.keep(cid(&name)?, bytes.into_vec().into());
        }
        report_activity("loading the style");
        let loaded = self.style(&style)?;
        report_activity("building the scene");
        let scene = self.scene(&loaded, &seed, &state)?;
        let (devices, software) = request.devices;
        let mut found = None;
        let painter = self.painter.get_or_insert_with(|| {
            let (painter, what) = if devices {
                ScenePainter::open(software)
            } else {
                (ScenePainter::cpu(), DeviceReport::default())
            };
            found = Some(what);
            painter
        });
        report_activity("painting");
        let (pixmap, by) = painter.paint(&scene, &loaded.sources, &variant).map_err(|why| why.to_string())?;
        report_activity("encoding");
        let file = encode::encode(&pixmap, scene.canvas.background.is_some(), &variant)
            .map_err(|why| why.to_string())?;
        Ok(PaintReply::Picture { file: ByteBuf::from(file), by, found })
    }

    fn keep(&mut self, cid: Cid, bytes: Bytes) {
        self.bytes += bytes.len() as u64;
        if let Some(old) = self.blocks.put(cid, bytes) {
            self.bytes -= old.len() as u64;
        }
        while self.bytes > CACHED_BLOCK_BYTES {
            let Some((_, oldest)) = self.blocks.pop_lru() else { break };
            self.bytes -= oldest.len() as u64;
        }
    }

    fn style(&mut self, cid: &Cid) -> Result<Arc<LoadedStyle>, PaintStop> {
        if let Some(held) = self.styles.get(cid) {
            return Ok(held.clone());
        }
        let block = self.blocks.get(cid).cloned().ok_or_else(|| PaintStop::Wants(vec![*cid]))?;
        let manifest = Manifest::decode(&block)?;
        let sources: Vec<String> = manifest.shaders().map(|shader| shader.source.clone()).collect();
        let of_shaders = || sources.iter().filter_map(|path| manifest.file_at(path));
        let size: u64 = of_shaders().map(|file| file.size).sum();
        if size > limits::LOADED_BYTES {
            return Err(format!("{size} bytes of WGSL, at most {}", limits::LOADED_BYTES).into());
        }
        let files = self.files(manifest.loaded().chain(of_shaders()))?;
        let text = |path: &String| {
            let bytes = files.get(path)?;
            Some((path.clone(), String::from_utf8(bytes.to_vec()).ok()?))
        };
        let sources = sources.iter().filter_map(text).collect();
        let style = Style::load(*cid, manifest, |path| files.get(path).map(|bytes| bytes.to_vec()))?;
        let loaded = Arc::new(LoadedStyle { style, sources });
        self.styles.put(*cid, loaded.clone());
        Ok(loaded)
    }

    fn scene(&mut self, loaded: &LoadedStyle, seed: &Seed, state: &Bands) -> Result<Scene, PaintStop> {
        let manifest = &loaded.style.manifest;
        let (bands, gauges) = (state.0.len(), manifest.gauges.len());
        if bands != gauges {
            return Err(format!("a state of {bands} bands, the style has {gauges} gauges").into());
        }
        let draft = loaded.style.draft(seed, state)?;
        let mut paths: Vec<&str> = draft.files().collect();
        paths.sort_unstable();
        paths.dedup();
        let files = self.files(paths.iter().filter_map(|path| manifest.file_at(path)))?;
        draft.clone().fill(|path| files.get(path).cloned().ok_or_else(|| format!("no file {path}").into()))
    }

    /// Returns the contents of files by path. Stops with the names of all blocks that are missing.
    fn files<'a>(
        &mut self,
        wanted: impl Iterator<Item = &'a File>,
    ) -> Result<HashMap<String, Bytes>, PaintStop> {
        let (mut files, mut missing) = (HashMap::new(), Vec::new());
        for file in wanted {
            let mut contents = Vec::new();
            for cid in &file.blocks {
                match self.blocks.get(cid) {
                    Some(block) => contents.extend_from_slice(block),
                    None => missing.push(*cid),
                }
            }
            if contents.len() as u64 > file.size {
                return Err(format!("{} is larger than stated", file.path).into());
            }
            files.insert(file.path.clone(), contents.into());
        }
        match missing.is_empty() {
            true => Ok(files),
            false => {
                missing.sort_unstable();
                missing.dedup();
                Err(PaintStop::Wants(missing))
            }
        }
    }
}
