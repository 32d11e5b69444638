//! A style at work: a loaded manifest with its templates compiled.
//!
//! It resolves a token in a state to a [`Draft`], and, once the draft's picture files are there, to a [`Scene`]. After
//! this nothing is left to decide.

use alloc::{
    boxed::Box,
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
use iridule_records::block;

use alloy_primitives::B256;
use bytes::Bytes;
use cid::Cid;
use minijinja::{context, value::Value};

use crate::{
    expression::{Colour, Number},
    manifest::{ContentSpec, FillSpec, LayerSpec, Manifest, PaintSpec, TextSpec, TransformSpec},
    shader,
    template::{self, Expanded, Template},
    traits::Traits,
};
use iridule_records::{gauge::State, seed::Seed};
use iridule_scene::scene::{
    Area, Content, Fill, Font, Image, Layer, Mask, Paint, Scene, Shader, Stop, Svg, Text, Transform,
};

/// A template or an expression of a style failed on the values of one token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("style {style}: {why}")]
pub struct StyleFailed {
    /// The style's CID.
    pub style: String,
    /// What failed.
    pub why: String,
}

/// A style, ready to resolve tokens.
#[derive(Debug)]
pub struct Style {
    /// Its identity.
    pub cid: Cid,
    /// The hash inside the CID, as the render key takes it.
    pub digest: B256,
    /// What its manifest says.
    pub manifest: Manifest,
    /// The files that every token needs, by path.
    loaded: BTreeMap<String, Loaded>,
}

/// A file that every token needs.
#[derive(Debug)]
enum Loaded {
    Template(Box<Template>),
    Bytes(Bytes),
}

/// A scene whose picture files are still to come.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    scene: Scene,
    /// The path of each picture file, in the order of [`slots`].
    files: Vec<String>,
}

impl Draft {
    /// The picture files that it needs; one may come twice.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// The scene, with its files filled in.
    ///
    /// # Errors
    /// What `file` says.
    pub fn fill<E>(mut self, mut file: impl FnMut(&str) -> Result<Bytes, E>) -> Result<Scene, E> {
        for (slot, path) in slots(&mut self.scene).zip(&self.files) {
            *slot = file(path)?;
        }
        Ok(self.scene)
    }
}

/// Every place of a picture file, in a fixed order.
fn slots(scene: &mut Scene) -> impl Iterator<Item = &mut Bytes> {
    scene.layers.iter_mut().flat_map(|layer| {
        let mask = layer.mask.as_mut().map(|mask| &mut mask.layer.content);
        core::iter::once(&mut layer.content).chain(mask).flat_map(|content| match content {
            Content::Image(image) => core::slice::from_mut(&mut image.file).iter_mut(),
            Content::Shader(shader) => shader.images.iter_mut(),
            Content::Svg(_) | Content::Fill(_) | Content::Text(_) => [].iter_mut(),
        })
    })
}

impl Style {
    /// Makes a style from its manifest and the verified contents of the files that [`Manifest::loaded`] lists.
    ///
    /// # Errors
    /// A sentence that names the file and line at fault.
    pub fn load(
        cid: Cid,
        manifest: Manifest,
        file: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, String> {
        let mut loaded = BTreeMap::new();
        for layer in manifest.layers.iter().chain(manifest.masks.iter().map(|mask| &mask.layer)) {
            let Some(path) = layer.loaded() else { continue };
            let bytes = file(path).ok_or_else(|| format!("{path}: the file is missing"))?;
            let one = if matches!(layer.content, ContentSpec::Svg(_)) {
                let text = String::from_utf8(bytes).map_err(|_| format!("{path}: the file is not UTF-8"))?;
                Loaded::Template(Box::new(Template::compile(&text).map_err(|why| format!("{path}: {why}"))?))
            } else {
                Loaded::Bytes(bytes.into())
            };
            loaded.insert(path.to_string(), one);
        }
        Ok(Self { cid, digest: block::digest(&cid)?, manifest, loaded })
    }

    /// Every trait of a token.
    ///
    /// # Errors
    /// [`StyleFailed`], when an expression fails on this token.
    pub fn traits(&self, seed: &Seed) -> Result<Traits, StyleFailed> {
        Traits::of(&self.manifest, seed).map_err(|why| self.failed(why))
    }

    /// Resolves a token in a state, which has one band for each gauge.
    ///
    /// # Errors
    /// [`StyleFailed`], when a template or expression fails on these values.
    pub fn draft(&self, seed: &Seed, state: &State) -> Result<Draft, StyleFailed> {
        let traits = self.traits(seed)?;
        let values = self.values(&traits, seed, state);
        let mut token = Token { style: self, seed, state, traits, values, files: Vec::new() };
        let mut layers = Vec::new();
        for spec in &self.manifest.layers {
            let layer = token.masked(spec);
            layers.extend(layer.map_err(|why| self.failed(format!("layer {:?}: {why}", spec.name)))?);
        }
        let scene = Scene { canvas: self.manifest.canvas.canvas(), layers };
        Ok(Draft { scene, files: token.files })
    }

    fn failed(&self, why: String) -> StyleFailed {
        StyleFailed { style: self.cid.to_string(), why }
    }

    /// What templates and expressions see.
    fn values(&self, traits: &Traits, seed: &Seed, state: &State) -> Value {
        let canvas = &self.manifest.canvas;
        let mut values: BTreeMap<String, Value> = traits.named(&self.manifest).collect();
        values.insert("width".into(), canvas.width.into());
        values.insert("height".into(), canvas.height.into());
        for (gauge, band) in self.manifest.gauges.iter().zip(&state.0) {
            let (low, high) = gauge.quantiser.edges(*band);
            let unit = gauge.quantiser.unit(*band);
            values.insert(gauge.name.clone(), context! { band, unit, low, high });
        }
        template::values(values, *seed)
    }

    fn bytes(&self, path: &str) -> Result<Bytes, String> {
        match self.loaded.get(path) {
            Some(Loaded::Bytes(bytes)) => Ok(bytes.clone()),
            _ => Err(format!("{path} is not loaded")),
        }
    }
}

/// One token in one state, while its layers are filled in.
struct Token<'a> {
    style: &'a Style,
    seed: &'a Seed,
    state: &'a State,
    traits: Traits,
    values: Value,
    files: Vec<String>,
}

impl Token<'_> {
    /// A layer with its mask; `None` where its condition does not hold, or where its mask is not there.
    fn masked(&mut self, spec: &LayerSpec) -> Result<Option<Layer>, String> {
        let Some(mut layer) = self.layer(spec)? else { return Ok(None) };
        if let Some(name) = &spec.mask {
            let mask = self.style.manifest.masks.iter().find(|mask| mask.layer.name == *name);
            let mask = mask.ok_or_else(|| format!("there is no mask {name:?}"))?;
            match self.layer(&mask.layer).map_err(|why| format!("mask {name:?}: {why}"))? {
                Some(seen) => layer.mask = Some(Box::new(Mask { layer: seen, channel: mask.channel })),
                None => {
                    self.forget(&layer);
                    return Ok(None);
                }
            }
        }
        Ok(Some(layer))
    }

    /// Takes back the files of a layer that was filled in last and is not shown after all.
    fn forget(&mut self, layer: &Layer) {
        let count = match &layer.content {
            Content::Image(_) => 1,
            Content::Shader(shader) => shader.images.len(),
            Content::Svg(_) | Content::Fill(_) | Content::Text(_) => 0,
        };
        self.files.truncate(self.files.len() - count);
    }

    fn layer(&mut self, spec: &LayerSpec) -> Result<Option<Layer>, String> {
        if let Some(when) = &spec.when
            && !when.holds(&self.values)?
        {
            return Ok(None);
        }
        let Some(content) = self.content(&spec.content)? else { return Ok(None) };
        let transform = spec.transform.as_ref().map(|spec| self.transform(spec)).transpose()?;
        Ok(Some(Layer {
            name: spec.name.clone(),
            content,
            blend: spec.blend,
            opacity: self.number(&spec.opacity)?.clamp(0.0, 1.0),
            transform: transform.unwrap_or(Transform::IDENTITY),
            mask: None,
        }))
    }

    fn content(&mut self, spec: &ContentSpec) -> Result<Option<Content>, String> {
        let content = match spec {
            ContentSpec::Svg(svg) => {
                let Some(Loaded::Template(template)) = self.style.loaded.get(&svg.source) else {
                    return Err(format!("{} is not loaded", svg.source));
                };
                let blame = |why| format!("{}: {why}", svg.source);
                let Expanded { text, steps } = template.expand(&self.values, svg.bytes).map_err(blame)?;
                if steps > svg.steps {
                    return Err(blame(format!(
                        "it takes {steps} steps, and the layer declares {}",
                        svg.steps
                    )));
                }
                Content::Svg(Svg { document: text, steps, elements: svg.elements, overdraw: svg.overdraw })
            }
            ContentSpec::Shader(spec) => {
                self.files.extend(spec.images.iter().map(|(_, picture)| picture.source.clone()));
                let manifest = &self.style.manifest;
                Content::Shader(Shader {
                    program: self.style.bytes(&spec.program)?,
                    source: spec.source.clone(),
                    ops: spec.ops,
                    uniforms: shader::uniforms(
                        manifest,
                        spec,
                        self.seed,
                        &self.traits,
                        self.state,
                        &self.values,
                    )?,
                    images: alloc::vec![Bytes::new(); spec.images.len()],
                })
            }
            ContentSpec::Image(spec) => {
                let Some(path) = spec.file(|name| self.option(name))? else { return Ok(None) };
                self.files.push(path);
                Content::Image(Image {
                    file: Bytes::new(),
                    area: self.area(spec.area.as_ref())?,
                    fit: spec.fit,
                })
            }
            ContentSpec::Fill(fill) => Content::Fill(self.fill(fill)?),
            ContentSpec::Text(text) => Content::Text(self.text(text)?),
        };
        Ok(Some(content))
    }

    fn option(&self, name: &str) -> Option<String> {
        let at = self.style.manifest.traits.iter().position(|t| t.name == name)?;
        self.traits.values.get(at)?.option().map(String::from)
    }

    fn number(&self, number: &Number) -> Result<f32, String> {
        number.evaluate(&self.values)
    }

    fn numbers<const N: usize>(&self, numbers: &[Number; N]) -> Result<[f32; N], String> {
        let mut all = [0.0; N];
        for (to, from) in all.iter_mut().zip(numbers) {
            *to = self.number(from)?;
        }
        Ok(all)
    }

    fn area(&self, area: Option<&[Number; 4]>) -> Result<Area, String> {
        let canvas = &self.style.manifest.canvas;
        let whole = [0, 0, canvas.width, canvas.height].map(|side| Number::Literal(side.into()));
        let [x, y, width, height] = self.numbers(area.unwrap_or(&whole))?;
        if width <= 0.0 || height <= 0.0 {
            return Err(format!("its area is {width} × {height}; both sides are above 0"));
        }
        Ok(Area { x, y, width, height })
    }

    /// Scaled, then rotated, both about the origin, then moved.
    #[expect(clippy::cast_possible_truncation, reason = "painters take single precision")]
    fn transform(&self, spec: &TransformSpec) -> Result<Transform, String> {
        let [across, down] = self.numbers(&spec.scale)?;
        let [x, y] = self.numbers(&spec.origin)?;
        let [right, below] = self.numbers(&spec.translate)?;
        let radians = f64::from(self.number(&spec.rotate)?).to_radians();
        let (sin, cos) = (libm::sin(radians) as f32, libm::cos(radians) as f32);
        let [a, b, c, d] = [cos * across, sin * across, -sin * down, cos * down];
        let (e, f) = (x + right - a * x - c * y, y + below - b * x - d * y);
        let all = [a, b, c, d, e, f];
        if all.iter().all(|v| v.is_finite()) {
            Ok(Transform(all))
        } else {
            Err("its transform is not finite".into())
        }
    }

    fn stops(&self, stops: &[(Number, Colour)]) -> Result<Vec<Stop>, String> {
        let mut least = 0.0;
        let stop = |(offset, colour): &(Number, Colour)| {
            // As SVG has it: an offset below the one before it is that one.
            least = self.number(offset)?.clamp(least, 1.0);
            Ok(Stop { offset: least, colour: colour.evaluate(&self.values)? })
        };
        stops.iter().map(stop).collect()
    }

    fn fill(&self, spec: &FillSpec) -> Result<Fill, String> {
        let paint = match &spec.paint {
            PaintSpec::Solid(colour) => Paint::Solid(colour.evaluate(&self.values)?),
            PaintSpec::Linear { line, stops } => {
                let [x0, y0, x1, y1] = self.numbers(line)?;
                Paint::Linear { from: [x0, y0], to: [x1, y1], stops: self.stops(stops)? }
            }
            PaintSpec::Radial { circle, stops } => {
                let [x, y, radius] = self.numbers(circle)?;
                Paint::Radial { centre: [x, y], radius, stops: self.stops(stops)? }
            }
            PaintSpec::Conic { turn, stops } => {
                let [x, y, angle] = self.numbers(turn)?;
                Paint::Conic { centre: [x, y], angle, stops: self.stops(stops)? }
            }
        };
        Ok(Fill { area: self.area(spec.area.as_ref())?, radius: self.number(&spec.radius)?.max(0.0), paint })
    }

    fn text(&self, spec: &TextSpec) -> Result<Text, String> {
        let font = match spec.font.as_str() {
            "regular" => Font::Regular,
            "bold" => Font::Bold,
            path => Font::File(self.style.bytes(path)?),
        };
        let [size, least_size, line_height] =
            [&spec.size, &spec.least_size, &spec.line_height].map(|number| self.number(number));
        let (size, least_size) = (size?, least_size?);
        if size <= 0.0 || least_size <= 0.0 {
            return Err("its size and least_size are above 0".into());
        }
        Ok(Text {
            text: spec.text.evaluate(&self.values)?,
            font,
            area: self.area(spec.area.as_ref())?,
            size,
            least_size: least_size.min(size),
            lines: spec.lines,
            line_height: line_height?,
            align: spec.align,
            valign: spec.valign,
            colour: spec.colour.evaluate(&self.values)?,
        })
    }
}
