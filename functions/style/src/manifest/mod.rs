//! The manifest: what `style.toml` says, checked, in the form that is content-addressed and that edges read.
//!
//! It is DAG-CBOR; its CID is the style's identity. Lists keep the author's order, which for gauges is the order of
//! the bands in a state. Reading the TOML is [`crate::author`]'s, at publish time.

mod layer;
mod traits;

use alloc::{string::String, vec::Vec};
use iridule_records::block;

use cid::Cid;
use serde::{Deserialize, Serialize};

pub use self::{
    layer::{
        ContentSpec, FONTS, FillSpec, ImageSpec, LayerSpec, MaskSpec, PaintSpec, PictureFile, ShaderSpec,
        SvgSpec, TextSpec, TransformSpec, file_name,
    },
    traits::{Choice, Distribution, Drawn, Exclusion, Override, Palette, Setting, Trait},
};
use crate::{limits, shader};
use iridule_records::gauge::Gauge;
use iridule_scene::{color::Rgb, scene::Canvas};

/// The manifest format that this code reads.
pub const VERSION: u32 = 2;

/// A style's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// The style's name, as people read it.
    pub name: String,
    /// What the style shows, in a sentence or two.
    pub description: String,
    /// The drawing surface.
    pub canvas: CanvasSpec,
    /// What is drawn from a token's seed.
    pub traits: Vec<Trait>,
    /// Combinations of traits that are not to be.
    pub exclusions: Vec<Exclusion>,
    /// Tokens whose traits are set by hand.
    pub overrides: Vec<Override>,
    /// What the style sees of the world. Their order is the order of the bands in a state.
    pub gauges: Vec<Gauge>,
    /// The layers, the lowest first.
    pub layers: Vec<LayerSpec>,
    /// What layers may show through, by name.
    pub masks: Vec<MaskSpec>,
    /// The files that layers name.
    pub files: Vec<File>,
}

/// The canvas, as a manifest says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanvasSpec {
    /// Canvas units across, and pixels when no size is asked for; 16 to 4096.
    pub width: u32,
    /// Canvas units down, likewise.
    pub height: u32,
    /// What lies under the lowest layer; none is transparent.
    pub background: Option<Rgb>,
}

impl CanvasSpec {
    /// The canvas of a scene.
    #[must_use]
    pub fn canvas(&self) -> Canvas {
        Canvas { width: self.width, height: self.height, background: self.background }
    }
}

/// A file of the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path inside the style's folder, `/` between parts.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its blocks in order: raw leaves of 1 MiB, the last one shorter.
    pub blocks: Vec<Cid>,
}

impl Manifest {
    /// Reads a manifest's block and checks everything that can be checked without its files.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub fn decode(block: &[u8]) -> Result<Self, String> {
        if block.len() > limits::BLOCK_BYTES {
            return Err(alloc::format!("the manifest has {} bytes, over one block", block.len()));
        }
        let manifest: Self =
            serde_ipld_dagcbor::from_slice(block).map_err(|e| alloc::format!("not a manifest: {e}"))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The canonical DAG-CBOR of the manifest.
    ///
    /// # Errors
    /// A sentence, for a number that DAG-CBOR has no form for (NaN, an infinity).
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        serde_ipld_dagcbor::to_vec(self).map_err(|e| alloc::format!("the manifest cannot be encoded: {e}"))
    }

    /// Checks ranges, names and references.
    ///
    /// # Errors
    /// A sentence that names the part at fault.
    pub fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(alloc::format!("manifest version {} is not {VERSION}", self.version));
        }
        if self.name.is_empty() || self.name.len() > limits::NAME_BYTES {
            return Err(alloc::format!("name has 1 to {} bytes", limits::NAME_BYTES));
        }
        if self.description.len() > limits::TEXT_BYTES {
            return Err(alloc::format!("description has at most {} bytes", limits::TEXT_BYTES));
        }
        let side = |v: u32| (16..=limits::SIDE).contains(&v);
        if !side(self.canvas.width) || !side(self.canvas.height) {
            return Err("canvas: width and height are 16 to 4096".into());
        }
        at_most("traits", self.traits.len(), limits::TRAITS)?;
        at_most("gauges", self.gauges.len(), limits::GAUGES)?;
        at_most("layers", self.layers.len(), limits::LAYERS)?;
        at_most("masks", self.masks.len(), limits::LAYERS)?;
        at_most("files", self.files.len(), limits::FILES)?;
        let size = self.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.size));
        if size > limits::PACKAGE_BYTES {
            return Err(alloc::format!("{size} bytes of files, at most {}", limits::PACKAGE_BYTES));
        }
        let loaded: u64 = self.loaded().map(|file| file.size).sum();
        if loaded > limits::LOADED_BYTES {
            return Err(alloc::format!(
                "{loaded} bytes of templates, programs and fonts, at most {}",
                limits::LOADED_BYTES
            ));
        }
        self.check_names()?;
        self.check_traits()?;
        for gauge in &self.gauges {
            gauge.check().map_err(|why| alloc::format!("gauge {}: {why}", gauge.name))?;
        }
        self.check_layers()?;
        let used = self.used()?;
        if let Some(file) = self.files.iter().find(|file| !used.contains(&file.path)) {
            return Err(alloc::format!("file {:?}: no layer names it", file.path));
        }
        self.files
            .iter()
            .try_for_each(|file| file.check().map_err(|why| alloc::format!("file {:?}: {why}", file.path)))
    }

    /// Trait and gauge names are identifiers, and distinct: layers see them side by side.
    fn check_names(&self) -> Result<(), String> {
        let mut seen = Vec::new();
        for name in self.traits.iter().map(|t| &t.name).chain(self.gauges.iter().map(|g| &g.name)) {
            is_name(name)?;
            if seen.contains(&name) {
                return Err(alloc::format!("{name} is given twice"));
            }
            seen.push(name);
        }
        Ok(())
    }

    /// The files that are needed before any token is known: templates, programs, fonts.
    pub fn loaded(&self) -> impl Iterator<Item = &File> {
        let layers = || self.layers.iter().chain(self.masks.iter().map(|mask| &mask.layer));
        self.files.iter().filter(move |file| layers().any(|layer| layer.loaded() == Some(&file.path)))
    }

    /// The shaders of all layers and masks.
    pub fn shaders(&self) -> impl Iterator<Item = &ShaderSpec> {
        let layers = self.layers.iter().chain(self.masks.iter().map(|mask| &mask.layer));
        layers.filter_map(|layer| match &layer.content {
            ContentSpec::Shader(shader) => Some(shader),
            ContentSpec::Svg(_) | ContentSpec::Image(_) | ContentSpec::Fill(_) | ContentSpec::Text(_) => None,
        })
    }

    /// The paths of all files that layers and masks name.
    fn used(&self) -> Result<Vec<String>, String> {
        let mut used = Vec::new();
        for layer in self.layers.iter().chain(self.masks.iter().map(|mask| &mask.layer)) {
            match &layer.content {
                ContentSpec::Svg(svg) => used.push(svg.source.clone()),
                ContentSpec::Shader(shader) => {
                    used.extend([shader.source.clone(), shader.program.clone()]);
                    used.extend(shader.images.iter().map(|(_, picture)| picture.source.clone()));
                }
                ContentSpec::Image(image) => used.extend(image.files(self)?),
                ContentSpec::Text(text) => used.push(text.font.clone()),
                ContentSpec::Fill(_) => {}
            }
        }
        Ok(used)
    }

    /// A file by its path.
    #[must_use]
    pub fn file_at(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The rest state: the bands shown until a relay has published any.
    #[must_use]
    pub fn rest(&self) -> iridule_records::gauge::State {
        iridule_records::gauge::State(self.gauges.iter().map(|gauge| gauge.rest).collect())
    }
}

/// Whether layers can use a name: templates and shaders alike.
fn is_name(name: &str) -> Result<(), String> {
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !starts || !rest || name.len() > limits::NAME_BYTES {
        return Err(alloc::format!("{name:?} is no name: a lowercase letter, then letters, digits and _"));
    }
    if crate::template::RESERVED.contains(&name) || shader::MEMBERS.contains(&name) {
        return Err(alloc::format!("{name} has a meaning of its own in layers; choose another name"));
    }
    Ok(())
}

fn at_most(what: &str, count: usize, most: usize) -> Result<(), String> {
    if count > most { Err(alloc::format!("{count} {what}, at most {most}")) } else { Ok(()) }
}

impl File {
    fn check(&self) -> Result<(), String> {
        let parts_ok = self.path.split('/').all(|part| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        });
        if !parts_ok || self.path.len() > 256 {
            return Err("a path has parts of letters, digits, - _ and .".into());
        }
        if self.size > limits::FILE_BYTES {
            return Err(alloc::format!("{} bytes, at most {}", self.size, limits::FILE_BYTES));
        }
        if self.blocks.len() as u64 != self.size.div_ceil(limits::BLOCK_BYTES as u64) {
            return Err(alloc::format!("{} blocks do not make {} bytes", self.blocks.len(), self.size));
        }
        // A leaf refers to nothing, so what is listed here can lead nowhere else, nor back.
        if let Some(cid) = self.blocks.iter().find(|cid| !block::is_leaf(cid)) {
            return Err(alloc::format!("{cid} is no leaf: a file's blocks are raw, with sha2-256"));
        }
        Ok(())
    }
}
