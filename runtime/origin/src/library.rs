//! Styles as an origin has them: made of blocks that edges have sent, and of no others.
//!
//! A file is in memory once, however many scenes hold it; what was used last stays for a while.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;
use cid::Cid;
use iridule_core::{
    fault::Defect,
    limits,
    manifest::{ContentSpec, File, Manifest},
    order::Render,
    plan,
    scene::Scene,
    style::Style,
    variant::{Format, Variant},
};
use lru::LruCache;

use crate::{
    painter::Sources,
    queue::Estimate,
    store::{Store, StoreError},
};

/// Styles kept loaded.
const STYLES: NonZeroUsize = NonZeroUsize::new(32).expect("32 is not zero");
/// Bytes of files that stay in memory while no scene holds them.
const FILE_BYTES: u64 = 64 << 20;
/// Bytes that a pixel takes while it is painted and encoded: the picture, a layer's buffer, what the encoder copies.
const PIXEL_BYTES: u64 = 16;
/// What every picture costs, however small, in the units of `plan.rs`.
const PICTURE: u64 = 20_000_000;
/// What encoders of origins alone cost beside those that `plan.rs` counts, in its units by pixel.
const AVIF_PIXEL: u64 = 150;
const LOSSY_WEBP_PIXEL: u64 = 40;

/// Why there is no scene.
#[derive(Debug, thiserror::Error)]
pub enum NoScene {
    /// These blocks are not here.
    #[error("{} blocks are not here", .0.len())]
    Missing(Vec<Cid>),
    /// The style cannot show this token in this state.
    #[error("{0}")]
    Unpaintable(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Defect> for NoScene {
    fn from(defect: Defect) -> Self {
        Self::Unpaintable(defect.to_string())
    }
}

/// A style with the WGSL of its shaders.
#[derive(Debug)]
pub struct Loaded {
    style: Style,
    /// By path.
    pub sources: Sources,
    /// Bytes of all its files, and of its pictures when they are decoded.
    bytes: u64,
}

impl Loaded {
    fn new(style: Style, sources: Sources) -> Self {
        let manifest = &style.manifest;
        let files: u64 = manifest.files.iter().map(|file| file.size).sum();
        let layers = manifest.layers.iter().chain(manifest.masks.iter().map(|mask| &mask.layer));
        let pixels = layers.map(|layer| match &layer.content {
            ContentSpec::Image(image) => u64::from(image.pixels),
            ContentSpec::Shader(shader) => {
                shader.images.iter().map(|(_, image)| u64::from(image.pixels)).sum()
            }
            ContentSpec::Svg(_) | ContentSpec::Fill(_) | ContentSpec::Text(_) => 0,
        });
        let bytes = files + pixels.sum::<u64>() * 4;
        Self { style, sources, bytes }
    }

    /// What painting and encoding a variant is expected to cost.
    #[must_use]
    pub fn estimate(&self, variant: &Variant) -> Estimate {
        let further = match variant.format {
            Format::Avif => AVIF_PIXEL,
            Format::WebP if variant.quality > 0 => LOSSY_WEBP_PIXEL,
            Format::Png | Format::WebP | Format::Jpeg => 0,
        };
        Estimate {
            units: plan::cost(&self.style.manifest, variant)
                .saturating_add(PICTURE + further * variant.pixels()),
            class: usize::from(variant.format as u8).saturating_sub(1),
            bytes: self.bytes.saturating_add(variant.pixels() * PIXEL_BYTES),
        }
    }
}

/// The styles loaded.
#[derive(Debug)]
pub struct Library {
    store: Arc<Store>,
    styles: Mutex<LruCache<Cid, Arc<Loaded>>>,
    /// Held while a style is loaded, so that many requests for a new one load it once.
    loading: tokio::sync::Mutex<()>,
    files: Mutex<Files>,
}

/// Files in memory, by their blocks.
#[derive(Debug)]
struct Files {
    /// Everything that anybody holds.
    held: HashMap<Vec<Cid>, Weak<Vec<u8>>>,
    /// What was used last.
    recent: LruCache<Vec<Cid>, Arc<Vec<u8>>>,
    recent_bytes: u64,
}

impl Default for Files {
    fn default() -> Self {
        Self { held: HashMap::new(), recent: LruCache::unbounded(), recent_bytes: 0 }
    }
}

impl Files {
    fn get(&mut self, blocks: &[Cid]) -> Option<Arc<Vec<u8>>> {
        let file = self.held.get(blocks)?.upgrade()?;
        if self.recent.get(blocks).is_none() {
            self.keep(blocks, &file);
        }
        Some(file)
    }

    fn put(&mut self, blocks: &[Cid], file: &Arc<Vec<u8>>) {
        self.held.retain(|_, file| file.strong_count() > 0);
        self.held.insert(blocks.to_vec(), Arc::downgrade(file));
        self.keep(blocks, file);
    }

    fn keep(&mut self, blocks: &[Cid], file: &Arc<Vec<u8>>) {
        let size = |file: &Vec<u8>| file.len() as u64;
        self.recent_bytes += size(file);
        if let Some(old) = self.recent.put(blocks.to_vec(), file.clone()) {
            self.recent_bytes -= size(&old);
        }
        while self.recent_bytes > FILE_BYTES {
            let Some((_, oldest)) = self.recent.pop_lru() else { break };
            self.recent_bytes -= size(&oldest);
        }
    }
}

/// Bytes that share one file.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Library {
    /// A library of what is in this store.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            styles: Mutex::new(LruCache::new(STYLES)),
            loading: tokio::sync::Mutex::default(),
            files: Mutex::default(),
        }
    }

    /// What a render of this style shows.
    ///
    /// # Errors
    /// [`NoScene`].
    pub async fn scene(&self, loaded: &Loaded, render: &Render) -> Result<Scene, NoScene> {
        let gauges = loaded.style.manifest.gauges.len();
        if render.state.0.len() != gauges {
            let why = format!("a state of {} bands, the style has {gauges} gauges", render.state.0.len());
            return Err(NoScene::Unpaintable(why));
        }
        let draft = loaded.style.draft(&render.seed, &render.state)?;
        let manifest = &loaded.style.manifest;
        let mut paths: Vec<&str> = draft.files().collect();
        paths.sort_unstable();
        paths.dedup();
        let wanted = paths.iter().filter_map(|path| manifest.file_at(path));
        let files = self.files(wanted).await?;
        draft.clone().fill(|path| {
            files.get(path).cloned().ok_or_else(|| NoScene::Unpaintable(format!("no file {path}")))
        })
    }

    /// A style, loaded if it is not.
    ///
    /// # Errors
    /// [`NoScene`].
    pub async fn style(&self, cid: &Cid) -> Result<Arc<Loaded>, NoScene> {
        if let Some(held) = lock(&self.styles).get(cid) {
            return Ok(held.clone());
        }
        let _loading = self.loading.lock().await;
        if let Some(held) = lock(&self.styles).get(cid) {
            return Ok(held.clone());
        }
        let block = self.store.block(cid).await?.ok_or_else(|| NoScene::Missing(vec![*cid]))?;
        let manifest = Manifest::decode(&block).map_err(NoScene::Unpaintable)?;
        let sources: Vec<&str> = manifest.shaders().map(|shader| &*shader.source).collect();
        let size: u64 = sources.iter().filter_map(|path| manifest.file_at(path)).map(|file| file.size).sum();
        if size > limits::LOADED_BYTES {
            return Err(NoScene::Unpaintable(format!(
                "{size} bytes of WGSL, at most {}",
                limits::LOADED_BYTES
            )));
        }
        let wanted = manifest.loaded().chain(sources.iter().filter_map(|path| manifest.file_at(path)));
        let files = self.files(wanted).await?;
        let text = |path: &&str| {
            let bytes = files.get(*path)?;
            Some(((*path).to_owned(), String::from_utf8(bytes.to_vec()).ok()?))
        };
        let sources = sources.iter().filter_map(text).collect();
        let style = Style::load(*cid, manifest, |path| files.get(path).map(|bytes| bytes.to_vec()));
        let loaded = Arc::new(Loaded::new(style.map_err(NoScene::Unpaintable)?, sources));
        lock(&self.styles).put(*cid, loaded.clone());
        Ok(loaded)
    }

    /// The contents of files, or all blocks of them that are missing. Which are missing is known before one is read.
    async fn files<'a>(
        &self,
        wanted: impl Iterator<Item = &'a File>,
    ) -> Result<HashMap<String, Bytes>, NoScene> {
        let (mut files, mut unread, mut missing) = (HashMap::new(), Vec::new(), Vec::new());
        for file in wanted {
            match lock(&self.files).get(&file.blocks) {
                Some(held) => drop(files.insert(file.path.clone(), Bytes::from_owner(Shared(held)))),
                None => unread.push(file),
            }
        }
        for cid in unread.iter().flat_map(|file| &file.blocks) {
            if !self.store.has_block(cid).await? {
                missing.push(*cid);
            }
        }
        for file in unread {
            if missing.is_empty() {
                let read = self.read(file, &mut missing).await?;
                files.extend(read.map(|read| (file.path.clone(), Bytes::from_owner(Shared(read)))));
            }
        }
        if missing.is_empty() {
            Ok(files)
        } else {
            missing.sort_unstable();
            missing.dedup();
            Err(NoScene::Missing(missing))
        }
    }

    /// A file, if all of its blocks are here and whole.
    async fn read(&self, file: &File, missing: &mut Vec<Cid>) -> Result<Option<Arc<Vec<u8>>>, NoScene> {
        let mut contents = Vec::new();
        for cid in &file.blocks {
            match self.store.block(cid).await? {
                Some(block) => contents.extend_from_slice(&block),
                None => missing.push(*cid),
            }
            if contents.len() as u64 > file.size {
                return Err(NoScene::Unpaintable(format!("{} is larger than stated", file.path)));
            }
        }
        if !missing.is_empty() {
            return Ok(None);
        }
        let contents = Arc::new(contents);
        lock(&self.files).put(&file.blocks, &contents);
        Ok(Some(contents))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
