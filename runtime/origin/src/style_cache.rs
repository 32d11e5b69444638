//! The manifests of styles, read from blocks that edges have sent. The contents of their files are parsed only in the
//! painter's child process.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use cid::Cid;
use iridule_scene::variant::{Format, Variant};
use iridule_style::{
    manifest::{ContentSpec, Manifest},
    plan,
};
use lru::LruCache;

use crate::{lock::lock, outcome::RenderFailure, queue::CostEstimate, store::OriginStore};

/// Maximum number of manifests in memory.
const MAX_STYLES: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");
/// Memory for each pixel while a picture is painted and encoded, bytes: the picture, a layer's buffer, the encoder's
/// copies.
const BYTES_PER_PIXEL: u64 = 16;
/// The fixed cost of a picture, in the units of `plan.rs`.
const PICTURE_COST: u64 = 20_000_000;
/// The cost of each pixel in encoders that only origins have, in the units of `plan.rs`.
const AVIF_PIXEL_COST: u64 = 150;
const LOSSY_WEBP_PIXEL_COST: u64 = 40;

/// A style whose manifest is known, and whose templates, programs and fonts are in the store.
#[derive(Debug)]
pub struct KnownStyle {
    cid: Cid,
    manifest: Manifest,
    /// Size of all its files, and of its images when decoded, bytes.
    bytes: u64,
}

impl KnownStyle {
    fn new(cid: Cid, manifest: Manifest) -> Self {
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
        Self { cid, manifest, bytes }
    }

    /// Whether a block belongs to the style.
    #[must_use]
    pub fn has(&self, cid: &Cid) -> bool {
        self.cid == *cid || self.manifest.files.iter().any(|file| file.blocks.contains(cid))
    }

    /// Estimates the cost of painting and encoding a variant.
    #[must_use]
    pub fn estimate(&self, variant: &Variant) -> CostEstimate {
        let further = match variant.format {
            Format::Avif => AVIF_PIXEL_COST,
            Format::WebP if variant.quality > 0 => LOSSY_WEBP_PIXEL_COST,
            Format::Png | Format::WebP | Format::Jpeg => 0,
        };
        CostEstimate {
            units: plan::cost(&self.manifest, variant)
                .saturating_add(PICTURE_COST + further * variant.pixels()),
            class: usize::from(variant.format as u8).saturating_sub(1),
            bytes: self.bytes.saturating_add(variant.pixels() * BYTES_PER_PIXEL),
        }
    }
}

/// The styles that are known.
#[derive(Debug)]
pub struct StyleCache {
    store: Arc<OriginStore>,
    styles: Mutex<LruCache<Cid, Arc<KnownStyle>>>,
    /// Held while a style is loaded, so that concurrent requests for a new style load it once.
    loading: tokio::sync::Mutex<()>,
}

impl StyleCache {
    /// Makes an empty cache of the styles in this store.
    #[must_use]
    pub fn new(store: Arc<OriginStore>) -> Self {
        Self { store, styles: Mutex::new(LruCache::new(MAX_STYLES)), loading: tokio::sync::Mutex::default() }
    }

    /// Returns a style, if its manifest and all files that every token needs are in the store.
    pub(crate) async fn style(&self, cid: &Cid) -> Result<Arc<KnownStyle>, RenderFailure> {
        if let Some(held) = lock(&self.styles).get(cid) {
            return Ok(held.clone());
        }
        let _loading = self.loading.lock().await;
        if let Some(held) = lock(&self.styles).get(cid) {
            return Ok(held.clone());
        }
        let failed = |why: crate::store::OriginStoreError| RenderFailure::Store(why.to_string());
        let block = self.store.block(cid).await.map_err(failed)?;
        let block = block.ok_or_else(|| RenderFailure::Missing(vec![*cid]))?;
        let manifest = Manifest::decode(&block).map_err(RenderFailure::Unpaintable)?;
        let mut missing = Vec::new();
        let sources = manifest.shaders().filter_map(|shader| manifest.file_at(&shader.source));
        for block in manifest.loaded().chain(sources).flat_map(|file| &file.blocks) {
            if !self.store.has_block(block).await.map_err(failed)? {
                missing.push(*block);
            }
        }
        if !missing.is_empty() {
            missing.sort_unstable();
            missing.dedup();
            return Err(RenderFailure::Missing(missing));
        }
        let known = Arc::new(KnownStyle::new(*cid, manifest));
        lock(&self.styles).put(*cid, known.clone());
        Ok(known)
    }
}
