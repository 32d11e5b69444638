//! A style at work: a loaded manifest with its templates compiled.
//!
//! It draws a token's traits from its seed and resolves token and state to a [`Scene`]. After this nothing is left to
//! decide.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use alloy_primitives::B256;
use cid::Cid;
use minijinja::{context, value::Value};

use crate::{
    colour::Rgb,
    fault::Defect,
    gauge::State,
    manifest::{Drawn, Manifest, Trait},
    package,
    scene::{Content, Layer, Scene, Svg},
    seed::Seed,
    template::Template,
};

/// A style, ready to resolve tokens.
#[derive(Debug)]
pub struct Style {
    /// Its identity.
    pub cid: Cid,
    /// The hash inside the CID, as the render key takes it.
    pub digest: B256,
    /// What its manifest says.
    pub manifest: Manifest,
    /// One template for each layer of the manifest.
    templates: Vec<Template>,
}

/// What a trait turned out to be for one token.
#[derive(Debug, Clone, PartialEq)]
pub enum TraitValue {
    /// Of a float.
    Float(f64),
    /// Of an integer.
    Integer(i64),
    /// Of a choice.
    Choice(String),
    /// Of a colour.
    Colour(Rgb),
}

impl Style {
    /// Makes a style from its manifest and the verified contents of its files.
    ///
    /// # Errors
    /// A sentence that names the file and line at fault.
    pub fn load(
        cid: Cid,
        manifest: Manifest,
        file: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, String> {
        let compile = |source: &str| {
            let bytes = file(source).ok_or("the file is missing")?;
            let text = String::from_utf8(bytes).map_err(|_| "the file is not UTF-8")?;
            Template::compile(&text)
        };
        let templates = manifest
            .layers
            .iter()
            .map(|layer| compile(&layer.source).map_err(|why| format!("{}: {why}", layer.source)))
            .collect::<Result<_, _>>()?;
        Ok(Self { cid, digest: package::digest(&cid)?, manifest, templates })
    }

    /// Every trait of a token, in manifest order.
    pub fn traits(&self, seed: &Seed) -> impl Iterator<Item = (&Trait, TraitValue)> {
        self.manifest.traits.iter().map(move |t| (t, t.value(seed)))
    }

    /// Resolves a token in a state, which has one band for each gauge.
    ///
    /// # Errors
    /// [`Defect::Style`], when a template fails on these values.
    pub fn scene(&self, seed: &Seed, state: &State) -> Result<Scene, Defect> {
        let defect = |why: String| Defect::Style { style: self.cid.to_string(), why };
        let values = self.values(seed, state);
        let layers = self.manifest.layers.iter().zip(&self.templates).map(|(layer, template)| {
            let document = template
                .expand(values.clone(), *seed)
                .map_err(|why| defect(format!("{}: {why}", layer.source)))?;
            let svg = Svg { document, elements: layer.elements, overdraw: layer.overdraw };
            Ok(Layer::plain(&layer.source, Content::Svg(svg)))
        });
        Ok(Scene { canvas: self.manifest.canvas.canvas(), layers: layers.collect::<Result<_, Defect>>()? })
    }

    /// What a template sees.
    fn values(&self, seed: &Seed, state: &State) -> Value {
        let canvas = &self.manifest.canvas;
        let mut values: BTreeMap<String, Value> = BTreeMap::new();
        values.insert("width".into(), canvas.width.into());
        values.insert("height".into(), canvas.height.into());
        for (t, value) in self.traits(seed) {
            values.insert(t.name.clone(), value.into());
        }
        for (gauge, band) in self.manifest.gauges.iter().zip(&state.0) {
            let (low, high) = gauge.quantiser.edges(*band);
            let unit = gauge.quantiser.unit(*band);
            values.insert(gauge.name.clone(), context! { band, unit, low, high });
        }
        values.into()
    }
}

impl Trait {
    /// Draws the trait from a seed.
    #[must_use]
    pub fn value(&self, seed: &Seed) -> TraitValue {
        let draw = seed.draw(&self.name);
        let between = |[from, to]: [f64; 2], which| from + (to - from) * draw.unit(which);
        match &self.draw {
            Drawn::Float { min, max } => TraitValue::Float(between([*min, *max], 0)),
            Drawn::Integer { min, max } => {
                let count = max.abs_diff(*min).saturating_add(1);
                TraitValue::Integer(min.saturating_add_unsigned(draw.below(count)))
            }
            Drawn::Choice(options) => {
                let total: u64 = options.iter().map(|option| u64::from(option.weight)).sum();
                let mut at = draw.below(total);
                let chosen = options.iter().find(|option| {
                    let here = at < u64::from(option.weight);
                    at = at.saturating_sub(u64::from(option.weight));
                    here
                });
                TraitValue::Choice(chosen.map(|option| option.value.clone()).unwrap_or_default())
            }
            Drawn::Colour { lightness, chroma, hue } => TraitValue::Colour(Rgb::from_oklch(
                between(*lightness, 0),
                between(*chroma, 1),
                between(*hue, 2),
            )),
        }
    }
}

impl From<TraitValue> for Value {
    fn from(value: TraitValue) -> Self {
        match value {
            TraitValue::Float(v) => v.into(),
            TraitValue::Integer(v) => v.into(),
            TraitValue::Choice(v) => v.into(),
            TraitValue::Colour(v) => v.to_string().into(),
        }
    }
}
