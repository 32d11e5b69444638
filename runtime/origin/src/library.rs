//! Styles as an origin has them: made of blocks that edges have sent, and of no others.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use cid::Cid;
use iridule_core::{
    fault::Defect,
    limits,
    manifest::{File, Manifest},
    order::Render,
    scene::Scene,
    style::Style,
};
use lru::LruCache;

use crate::{
    painter::Sources,
    store::{Store, StoreError},
};

/// Styles kept loaded.
const STYLES: NonZeroUsize = NonZeroUsize::new(32).expect("32 is not zero");

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
}

/// The styles loaded.
#[derive(Debug)]
pub struct Library {
    store: Arc<Store>,
    styles: Mutex<LruCache<Cid, Arc<Loaded>>>,
}

impl Library {
    /// A library of what is in this store.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, styles: Mutex::new(LruCache::new(STYLES)) }
    }

    /// What a render shows.
    ///
    /// # Errors
    /// [`NoScene`].
    pub async fn scene(&self, render: &Render) -> Result<(Scene, Arc<Loaded>), NoScene> {
        let loaded = self.style(&render.style).await?;
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
        let scene = draft.clone().fill(|path| {
            files.get(path).cloned().ok_or_else(|| NoScene::Unpaintable(format!("no file {path}")))
        })?;
        Ok((scene, loaded))
    }

    async fn style(&self, cid: &Cid) -> Result<Arc<Loaded>, NoScene> {
        if let Some(held) = self.styles.lock().unwrap_or_else(PoisonError::into_inner).get(cid) {
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
        let loaded = Arc::new(Loaded { style: style.map_err(NoScene::Unpaintable)?, sources });
        self.styles.lock().unwrap_or_else(PoisonError::into_inner).put(*cid, loaded.clone());
        Ok(loaded)
    }

    /// The contents of files, or all blocks of them that are missing.
    async fn files<'a>(
        &self,
        wanted: impl Iterator<Item = &'a File>,
    ) -> Result<HashMap<String, Bytes>, NoScene> {
        let (mut files, mut missing) = (HashMap::new(), Vec::new());
        for file in wanted {
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
            files.insert(file.path.clone(), contents.into());
        }
        if missing.is_empty() {
            Ok(files)
        } else {
            missing.sort_unstable();
            missing.dedup();
            Err(NoScene::Missing(missing))
        }
    }
}
