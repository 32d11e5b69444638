//! The manifest: what `style.toml` says, checked, in the form that is content-addressed and that edges read.
//!
//! It is DAG-CBOR; its CID is the style's identity. Lists keep the author's order, which for gauges is the order of
//! the bands in a state. Reading the TOML is [`crate::author`]'s, at publish time.

use alloc::{string::String, vec::Vec};

use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::{colour::Rgb, gauge::Gauge, limits, scene::Canvas};

/// The manifest format that this code reads.
pub const VERSION: u32 = 1;

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
    /// What the style sees of the world. Their order is the order of the bands in a state.
    pub gauges: Vec<Gauge>,
    /// The layers, the lowest first.
    pub layers: Vec<LayerSpec>,
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

/// A named draw from the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trait {
    /// The name that layers use, and that the draw is made from.
    pub name: String,
    /// The `trait_type` that collectors read; none keeps the trait out of the metadata.
    pub label: Option<String>,
    /// What is drawn.
    pub draw: Drawn,
}

/// What a trait may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Drawn {
    /// A number, uniform in `[min, max)`.
    Float {
        /// The least.
        min: f64,
        /// The bound above.
        max: f64,
    },
    /// A whole number, uniform in `min..=max`.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// One of several texts, by weight.
    Choice(Vec<Choice>),
    /// A colour, uniform in a box of OKLCH.
    Colour {
        /// Lightness, 0 to 1, from and to.
        lightness: [f64; 2],
        /// Chroma, 0 to 0.4, from and to.
        chroma: [f64; 2],
        /// Hue in degrees, from and to; the second may pass 360.
        hue: [f64; 2],
    },
}

/// One option of a choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The text.
    pub value: String,
    /// Its weight among the weights of all options; at least 1.
    pub weight: u32,
}

/// A layer, as a manifest says it: an SVG template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerSpec {
    /// The file of the template.
    pub source: String,
    /// Most elements that the template may expand to. The static cost counts on them.
    pub elements: u32,
    /// How often a pixel is painted over, on average; at least 1. The static cost counts on it.
    pub overdraw: u32,
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
        at_most("files", self.files.len(), limits::FILES)?;
        let sources: u64 = self.sources().map(|file| file.size).sum();
        if sources > limits::TEMPLATE_BYTES {
            return Err(alloc::format!("{sources} bytes of templates, at most {}", limits::TEMPLATE_BYTES));
        }
        self.check_names()?;
        for t in &self.traits {
            t.check().map_err(|why| alloc::format!("trait {}: {why}", t.name))?;
        }
        for gauge in &self.gauges {
            gauge.check().map_err(|why| alloc::format!("gauge {}: {why}", gauge.name))?;
        }
        for layer in &self.layers {
            layer.check(&self.files).map_err(|why| alloc::format!("layer {}: {why}", layer.source))?;
        }
        self.files
            .iter()
            .try_for_each(|file| file.check().map_err(|why| alloc::format!("file {:?}: {why}", file.path)))
    }

    /// Trait and gauge names are identifiers, and distinct: layers see them side by side.
    fn check_names(&self) -> Result<(), String> {
        let mut seen = Vec::new();
        for name in self.traits.iter().map(|t| &t.name).chain(self.gauges.iter().map(|g| &g.name)) {
            let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
            let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if !starts || !rest || name.len() > limits::NAME_BYTES {
                return Err(alloc::format!(
                    "{name:?} is no name: a lowercase letter, then letters, digits and _"
                ));
            }
            if crate::template::RESERVED.contains(&name.as_str()) {
                return Err(alloc::format!("{name} is a word of the template language; choose another name"));
            }
            if seen.contains(&name) {
                return Err(alloc::format!("{name} is given twice"));
            }
            seen.push(name);
        }
        Ok(())
    }

    /// The files that layers are made from.
    pub fn sources(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| self.layers.iter().any(|layer| layer.source == file.path))
    }

    /// The rest state: the bands shown until a relay has published any.
    #[must_use]
    pub fn rest(&self) -> crate::gauge::State {
        crate::gauge::State(self.gauges.iter().map(|gauge| gauge.rest).collect())
    }
}

fn at_most(what: &str, count: usize, most: usize) -> Result<(), String> {
    if count > most { Err(alloc::format!("{count} {what}, at most {most}")) } else { Ok(()) }
}

impl Trait {
    fn check(&self) -> Result<(), String> {
        if self.label.as_ref().is_some_and(|label| label.is_empty() || label.len() > limits::NAME_BYTES) {
            return Err(alloc::format!("label has 1 to {} bytes", limits::NAME_BYTES));
        }
        let ordered = |[from, to]: [f64; 2], least: f64, most: f64| from >= least && to <= most && from <= to;
        match &self.draw {
            Drawn::Float { min, max } if min < max && min.is_finite() && max.is_finite() => Ok(()),
            Drawn::Float { .. } => Err("min is a number below max".into()),
            Drawn::Integer { min, max } if min <= max => Ok(()),
            Drawn::Integer { .. } => Err("min is at most max".into()),
            Drawn::Choice(options) => {
                at_most("options", options.len(), limits::OPTIONS)?;
                if options.is_empty()
                    || options.iter().any(|o| o.weight == 0 || o.value.len() > limits::NAME_BYTES)
                {
                    return Err(
                        "a choice has options, each with a weight above 0 and a value of at most 64 bytes"
                            .into(),
                    );
                }
                Ok(())
            }
            Drawn::Colour { lightness, chroma, hue } => {
                if !ordered(*lightness, 0.0, 1.0) || !ordered(*chroma, 0.0, 0.4) || !ordered(*hue, 0.0, 720.0)
                {
                    return Err(
                        "a colour has lightness in 0..1, chroma in 0..0.4, hue in 0..720, each from and to"
                            .into(),
                    );
                }
                Ok(())
            }
        }
    }
}

impl LayerSpec {
    fn check(&self, files: &[File]) -> Result<(), String> {
        if !files.iter().any(|file| file.path == self.source) {
            return Err("its source is not among the package's files".into());
        }
        if !(1..=limits::SVG_ELEMENTS).contains(&self.elements) {
            return Err(alloc::format!("elements is 1 to {}", limits::SVG_ELEMENTS));
        }
        if !(1..=64).contains(&self.overdraw) {
            return Err("overdraw is 1 to 64".into());
        }
        Ok(())
    }
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
        Ok(())
    }
}
