//! Reading what an artist writes: `style.toml` and the files beside it become a package. Publish time only.
//!
//! TOML tables keep the author's order. Anything that has no meaning here is an error that names it; what the numbers
//! mean is checked once, by [`Manifest::check`].

use alloc::{format, string::String, vec::Vec};

use cid::Cid;
use serde::Deserialize;
use toml::Table;

use crate::{
    collection::{self, Collection},
    colour::Rgb,
    gauge::{Band, Gauge, Quantiser, Scale},
    manifest::{self, CanvasSpec, Choice, Drawn, LayerSpec, Manifest, Trait},
    package::{self, Block},
    template::Template,
};

/// A built package: its manifest's name and every block, the manifest's last.
#[derive(Debug, Clone)]
pub struct Package {
    /// The style's identity.
    pub cid: Cid,
    /// What `style.toml` said.
    pub manifest: Manifest,
    /// All blocks, each once.
    pub blocks: Vec<Block>,
}

/// Builds a package from the text of `style.toml` and a way to read the files that it names.
///
/// The same input gives the same CID on every machine.
///
/// # Errors
/// A sentence that names the file, the part and, where there is one, the line.
pub fn build(
    style_toml: &str,
    mut read: impl FnMut(&str) -> Result<Vec<u8>, String>,
) -> Result<Package, String> {
    let mut manifest = parse(style_toml).map_err(|why| format!("style.toml: {why}"))?;
    let mut blocks: Vec<Block> = Vec::new();
    let mut sources: Vec<&String> = manifest.layers.iter().map(|layer| &layer.source).collect();
    sources.sort_unstable();
    sources.dedup();
    for source in sources {
        let bytes = read(source)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| format!("{source}: not UTF-8"))?;
        Template::compile(text).map_err(|why| format!("{source}: {why}"))?;
        let (file, leaves) = package::split(source, &bytes)?;
        manifest.files.push(file);
        for leaf in leaves {
            if !blocks.contains(&leaf) {
                blocks.push(leaf);
            }
        }
    }
    manifest.check().map_err(|why| format!("style.toml: {why}"))?;
    let block = Block::new(package::DAG_CBOR, manifest.encode()?)?;
    let cid = block.cid;
    blocks.push(block);
    Ok(Package { cid, manifest, blocks })
}

/// What `collection.toml` beside a shipped style says: everything of a record but its style.
///
/// # Errors
/// A sentence on what is wrong.
pub fn collection(slug: &str, collection_toml: &str, style: Cid) -> Result<Collection, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Toml {
        name: String,
        description: String,
        chain_id: u64,
        contract: String,
        first: u64,
        supply: u64,
    }
    let toml: Toml = toml::from_str(collection_toml).map_err(|e| format!("collection.toml: {e}"))?;
    let record = Collection {
        version: collection::VERSION,
        slug: slug.into(),
        name: toml.name,
        description: toml.description,
        chain_id: toml.chain_id,
        contract: toml
            .contract
            .parse()
            .map_err(|_| "collection.toml: contract is 0x and 40 hexadecimal digits")?,
        first: toml.first,
        supply: toml.supply,
        style,
    };
    record.encode().map_err(|why| format!("collection.toml: {why}"))?;
    Ok(record)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StyleToml {
    name: String,
    description: String,
    canvas: CanvasToml,
    #[serde(default, rename = "trait")]
    traits: Table,
    #[serde(default, rename = "gauge")]
    gauges: Table,
    #[serde(default, rename = "layer")]
    layers: Vec<LayerToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CanvasToml {
    width: u32,
    height: u32,
    background: Option<Rgb>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "lowercase")]
enum TraitToml {
    Float { label: Option<String>, min: f64, max: f64 },
    Integer { label: Option<String>, min: i64, max: i64 },
    Choice { label: Option<String>, options: Vec<Choice> },
    Colour { label: Option<String>, lightness: [f64; 2], chroma: [f64; 2], hue: [f64; 2] },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GaugeToml {
    feed: String,
    label: Option<String>,
    linear: Option<StepToml>,
    log: Option<StepToml>,
    edges: Option<Vec<f64>>,
    bands: Option<[Band; 2]>,
    #[serde(default)]
    hysteresis: f64,
    #[serde(default)]
    rest: Band,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepToml {
    from: f64,
    step: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "lowercase")]
enum LayerToml {
    Svg { source: String, elements: u32, overdraw: u32 },
}

fn parse(style_toml: &str) -> Result<Manifest, String> {
    let toml: StyleToml = toml::from_str(style_toml).map_err(|e| format!("{e}"))?;
    let traits = toml.traits.into_iter().map(|(name, table)| {
        let parsed = table.try_into().map_err(|e| format!("trait {name}: {e}"))?;
        Ok(make_trait(name, parsed))
    });
    let gauges = toml.gauges.into_iter().map(|(name, table)| {
        let parsed = table.try_into().map_err(|e| format!("gauge {name}: {e}"))?;
        make_gauge(name.clone(), parsed).map_err(|why| format!("gauge {name}: {why}"))
    });
    let layers = toml.layers.into_iter().map(|layer| match layer {
        LayerToml::Svg { source, elements, overdraw } => LayerSpec { source, elements, overdraw },
    });
    Ok(Manifest {
        version: manifest::VERSION,
        name: toml.name,
        description: toml.description,
        canvas: CanvasSpec {
            width: toml.canvas.width,
            height: toml.canvas.height,
            background: toml.canvas.background,
        },
        traits: traits.collect::<Result<_, String>>()?,
        gauges: gauges.collect::<Result<_, String>>()?,
        layers: layers.collect(),
        files: Vec::new(),
    })
}

fn make_trait(name: String, toml: TraitToml) -> Trait {
    let (label, draw) = match toml {
        TraitToml::Float { label, min, max } => (label, Drawn::Float { min, max }),
        TraitToml::Integer { label, min, max } => (label, Drawn::Integer { min, max }),
        TraitToml::Choice { label, options } => (label, Drawn::Choice(options)),
        TraitToml::Colour { label, lightness, chroma, hue } => {
            (label, Drawn::Colour { lightness, chroma, hue })
        }
    };
    Trait { name, label, draw }
}

fn make_gauge(name: String, toml: GaugeToml) -> Result<Gauge, String> {
    let stepped = |bands: Option<[Band; 2]>| bands.ok_or("bands = [lowest, highest] is missing");
    let (scale, [low, high]) = match (toml.linear, toml.log, toml.edges) {
        (Some(StepToml { from, step }), None, None) => (Scale::Linear { from, step }, stepped(toml.bands)?),
        (None, Some(StepToml { from, step }), None) => (Scale::Log { from, step }, stepped(toml.bands)?),
        (None, None, Some(edges)) => {
            let high = Band::try_from(edges.len()).map_err(|_| "too many edges")?;
            (Scale::Edges(edges), toml.bands.unwrap_or([0, high]))
        }
        _ => return Err("give one of linear, log and edges".into()),
    };
    let quantiser = Quantiser { scale, low, high, hysteresis: toml.hysteresis };
    Ok(Gauge {
        label: toml.label.unwrap_or_else(|| name.clone()),
        name,
        feed: toml.feed,
        quantiser,
        rest: toml.rest,
    })
}
