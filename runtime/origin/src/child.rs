//! The painter as a job of a child process: styles, scenes, devices and encoders live there, and nowhere else.
//!
//! The parent sends what a picture is made of. The child answers with the picture, or with the blocks of the style that it
//! lacks; the parent sends the same again with these. Blocks stay in the child for the next picture, so that a style is sent
//! to a child once. A child that takes too long, takes too much memory, crashes or hangs in a driver is killed and
//! replaced ([`iridule_sandbox`]).

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use alloy_primitives::B256;
use bytes::Bytes;
use cid::Cid;
use iridule_origin_api::order::Render;
use iridule_records::{gauge::State as Bands, seed::Seed};
use iridule_sandbox::{Job, Registered, note};
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
    painter::{Found, PaintedBy, Painter, Sources},
};

/// Bytes of blocks that a child keeps. A style's files are at most half of it.
const BLOCK_BYTES: u64 = 2 * limits::PACKAGE_BYTES;
/// Styles that a child keeps loaded.
const STYLES: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not zero");

/// The jobs of this crate. A binary that runs an origin passes them to [`iridule_sandbox::serve_if_asked`].
pub const SANDBOX_JOBS: &[Registered] = &[Registered::of::<Paint>()];

/// Paints and encodes a picture.
#[derive(Debug)]
pub struct Paint;

/// What to paint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    style: ByteBuf,
    seed: ByteBuf,
    state: ByteBuf,
    variant: u64,
    /// Whether devices are looked for, and whether software ones will do.
    devices: (bool, bool),
    /// Blocks that the child lacks.
    blocks: Vec<(ByteBuf, ByteBuf)>,
}

impl Request {
    /// For a render; without blocks at first.
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

    /// The same with these blocks.
    #[must_use]
    pub fn with(mut self, blocks: Vec<(Cid, Bytes)>) -> Self {
        let pair =
            |(cid, bytes): (Cid, Bytes)| (ByteBuf::from(cid.to_bytes()), ByteBuf::from(bytes.to_vec()));
        self.blocks = blocks.into_iter().map(pair).collect();
        self
    }
}

/// What became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Reply {
    /// The picture.
    Picture {
        /// The file.
        file: ByteBuf,
        /// What painted it.
        by: PaintedBy,
        /// What became of looking for devices, where this picture was the child's first.
        found: Option<Found>,
    },
    /// These blocks are wanted first.
    Wants(Vec<ByteBuf>),
}

/// What a child keeps.
#[derive(Debug)]
pub struct Kept {
    painter: Option<Painter>,
    styles: LruCache<Cid, Arc<Loaded>>,
    blocks: LruCache<Cid, Bytes>,
    bytes: u64,
}

impl Default for Kept {
    fn default() -> Self {
        Self { painter: None, styles: LruCache::new(STYLES), blocks: LruCache::unbounded(), bytes: 0 }
    }
}

/// A style with the WGSL of its shaders.
#[derive(Debug)]
struct Loaded {
    style: Style,
    /// By path.
    sources: Sources,
}

/// Why there is no picture yet.
enum NotYet {
    Wants(Vec<Cid>),
    Unpaintable(String),
}

impl From<StyleFailed> for NotYet {
    fn from(defect: StyleFailed) -> Self {
        Self::Unpaintable(defect.to_string())
    }
}

impl From<String> for NotYet {
    fn from(why: String) -> Self {
        Self::Unpaintable(why)
    }
}

impl Job for Paint {
    const NAME: &'static str = "origin-paint";
    type State = Kept;
    type Request = Request;
    type Reply = Reply;
    /// Why it cannot be painted.
    type Error = String;

    fn run(kept: &mut Kept, request: Request) -> Result<Reply, String> {
        match kept.picture(request) {
            Ok(reply) => Ok(reply),
            Err(NotYet::Wants(blocks)) => {
                Ok(Reply::Wants(blocks.iter().map(|cid| ByteBuf::from(cid.to_bytes())).collect()))
            }
            Err(NotYet::Unpaintable(why)) => Err(why),
        }
    }
}

impl Kept {
    fn picture(&mut self, request: Request) -> Result<Reply, NotYet> {
        let cid = |bytes: &[u8]| Cid::read_bytes(bytes).map_err(|why| why.to_string());
        let style = cid(&request.style)?;
        let seed = Seed(B256::try_from(&**request.seed).map_err(|_| "a seed of another length".to_owned())?);
        let state = Bands::from_bytes(&request.state).ok_or_else(|| "a state that is none".to_owned())?;
        let variant = Variant::unpack(request.variant).ok_or_else(|| "a variant that is none".to_owned())?;
        for (name, bytes) in request.blocks {
            self.keep(cid(&name)?, bytes.into_vec().into());
        }
        note("loading the style");
        let loaded = self.style(&style)?;
        note("building the scene");
        let scene = self.scene(&loaded, &seed, &state)?;
        let (devices, software) = request.devices;
        let mut found = None;
        let painter = self.painter.get_or_insert_with(|| {
            let (painter, what) =
                if devices { Painter::open(software) } else { (Painter::cpu(), Found::default()) };
            found = Some(what);
            painter
        });
        note("painting");
        let (pixmap, by) = painter.paint(&scene, &loaded.sources, &variant).map_err(|why| why.to_string())?;
        note("encoding");
        let file = encode::encode(&pixmap, scene.canvas.background.is_some(), &variant)?;
        Ok(Reply::Picture { file: ByteBuf::from(file), by, found })
    }

    fn keep(&mut self, cid: Cid, bytes: Bytes) {
        self.bytes += bytes.len() as u64;
        if let Some(old) = self.blocks.put(cid, bytes) {
            self.bytes -= old.len() as u64;
        }
        while self.bytes > BLOCK_BYTES {
            let Some((_, oldest)) = self.blocks.pop_lru() else { break };
            self.bytes -= oldest.len() as u64;
        }
    }

    fn style(&mut self, cid: &Cid) -> Result<Arc<Loaded>, NotYet> {
        if let Some(held) = self.styles.get(cid) {
            return Ok(held.clone());
        }
        let block = self.blocks.get(cid).cloned().ok_or_else(|| NotYet::Wants(vec![*cid]))?;
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
        let loaded = Arc::new(Loaded { style, sources });
        self.styles.put(*cid, loaded.clone());
        Ok(loaded)
    }

    fn scene(&mut self, loaded: &Loaded, seed: &Seed, state: &Bands) -> Result<Scene, NotYet> {
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

    /// The contents of files, or all blocks of them that are missing.
    fn files<'a>(
        &mut self,
        wanted: impl Iterator<Item = &'a File>,
    ) -> Result<HashMap<String, Bytes>, NotYet> {
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
                Err(NotYet::Wants(missing))
            }
        }
    }
}
