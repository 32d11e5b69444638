//! Checks a style before it is published: what it costs, how much it uses of what it declares, and which parts never show.
//!
//! A style that is invalid fails when it is built. The check resolves tokens in several states as an edge does, and paints
//! some of them; an error on any of them is an error of the check.

mod report;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::U256;
use iridule_raster::{canvas::Canvas, shader, svg::gate, text};
use iridule_records::{
    gauge::{Band, State},
    limits,
};
use iridule_scene::{
    scene::{Content, Layer},
    variant::{Asked, Format, LADDER, Variant},
};
use iridule_style::{
    manifest::{ContentSpec, LayerSpec},
    plan::{self, Plan},
    style::Style,
};

use crate::{BuiltStyle, Rarity, StudioError};

/// Width in pixels of the pictures that are painted.
const PAINTED_WIDTH: u16 = 256;
/// One in this many of the checked tokens is painted.
const PAINT_EVERY: usize = 16;
/// How many bands of each gauge are checked.
const BANDS_PER_GAUGE: i32 = 9;
/// The widths whose cost is reported, pixels.
const REPORTED_WIDTHS: [u16; 4] = [256, 512, 1024, 2048];
/// A declaration is reported when it is more than this many times what was used.
const EXCESS_FACTOR: u32 = 2;
/// The units that layers declare.
const STEPS: &str = "steps";
const BYTES: &str = "bytes";
const ELEMENTS: &str = "elements";
const OPS: &str = "ops a pixel";
/// Unused steps and bytes up to this number are not reported.
const IGNORED_EXCESS: u32 = 16 << 10;
/// Maximum number of tokens that a finding names.
const MAX_NAMED_TOKENS: usize = 5;

/// The result of a check.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// The style's name.
    pub name: String,
    /// Its CID.
    pub cid: String,
    /// The number of its files, and their size in bytes.
    pub files: (usize, u64),
    /// One entry for each layer and mask.
    pub layers: Vec<LayerReport>,
    /// How a request is served at the common widths 256, 512, 1,024 and 2,048, and its cost.
    pub sizes: Vec<(u16, Plan, u64)>,
    /// The number of tokens, of states for each, and of painted pictures.
    pub examined: (usize, usize, usize),
    /// Findings that the author should look at. None of them prevents publishing.
    pub findings: Vec<String>,
}

/// The result for one layer.
#[derive(Debug, Clone)]
pub struct LayerReport {
    /// Its name.
    pub name: String,
    /// Its kind, as in `style.toml`.
    pub kind: &'static str,
    /// Declared value, largest used value, and unit: steps, bytes and elements of a document, operations of a shader on a
    /// pixel. Other kinds declare nothing.
    pub used: Vec<(u32, u32, &'static str)>,
    /// The share of scenes that contain it, in percent.
    pub shown: u32,
    /// Cost units at the size of the canvas.
    pub cost: u64,
}

/// Checks a style on about this many of its tokens, on this thread. [`crate::StyleSession::check`] does it in a sandbox.
///
/// # Errors
/// [`StudioError::Style`], when a token in some state cannot be resolved or painted; the text names both.
pub fn check(built: &BuiltStyle, tokens: usize) -> Result<CheckReport, StudioError> {
    let style = built.style()?;
    let mut checking = CheckRun::start(built, &style, tokens);
    while checking.check_next(built, &style)? {}
    checking.report(built, &style, &Rarity::of(built, &style)?)
}

/// A running check, one token at a time.
pub(crate) struct CheckRun {
    states: Vec<State>,
    tokens: Vec<u64>,
    /// How many tokens were checked.
    done: usize,
    seen: Observations,
}

impl CheckRun {
    pub(crate) fn start(built: &BuiltStyle, style: &Style, tokens: usize) -> Self {
        let collection = &built.collection;
        let step = usize::try_from(collection.supply).unwrap_or(usize::MAX).div_ceil(tokens.max(1)).max(1);
        let tokens = (collection.first..=collection.last()).step_by(step).collect();
        Self { states: states(style), tokens, done: 0, seen: Observations::default() }
    }

    /// The number of checked tokens, and the total.
    pub(crate) fn progress(&self) -> (usize, usize) {
        (self.done, self.tokens.len())
    }

    /// Checks the next token. Returns `false` if there was none.
    pub(crate) fn check_next(&mut self, built: &BuiltStyle, style: &Style) -> Result<bool, StudioError> {
        let Some(token) = self.tokens.get(self.done) else { return Ok(false) };
        self.seen.token(built, style, *token, &self.states, self.done.is_multiple_of(PAINT_EVERY))?;
        self.done += 1;
        Ok(true)
    }

    /// Makes the report.
    pub(crate) fn report(
        self,
        built: &BuiltStyle,
        style: &Style,
        rarity: &Rarity,
    ) -> Result<CheckReport, StudioError> {
        let Self { states, tokens, seen, .. } = self;
        let manifest = &style.manifest;
        let variant = |width: u16| {
            let asked = Asked { width: Some(width.into()), ..Asked::default() };
            Variant::resolve(&asked, Format::Png, &manifest.canvas.canvas()).ok()
        };
        let master =
            Variant::master(&manifest.canvas.canvas()).map_err(|why| built.blame(why.to_string()))?;
        let masks = manifest.masks.iter().map(|mask| &mask.layer);
        let layers: Vec<LayerReport> =
            manifest.layers.iter().chain(masks).map(|layer| seen.report(layer, &master)).collect();
        let sizes = REPORTED_WIDTHS.into_iter().filter(|width| LADDER.contains(width)).filter_map(|width| {
            let variant = variant(width)?;
            Some((width, plan::plan(manifest, &variant), plan::cost(manifest, &variant)))
        });
        let mut findings = built.package.warnings.clone();
        findings.extend(seen.findings(style, &layers, rarity, plan::plan(manifest, &master)));
        Ok(CheckReport {
            name: manifest.name.clone(),
            cid: style.cid.to_string(),
            files: (manifest.files.len(), manifest.files.iter().map(|file| file.size).sum()),
            layers,
            sizes: sizes.collect(),
            examined: (tokens.len(), states.len(), seen.painted),
            findings,
        })
    }
}

/// Returns the states that are checked: all gauges at rest, all at their lowest band, all at their highest, and each gauge
/// alone at [`BANDS_PER_GAUGE`] bands over its range.
fn states(style: &Style) -> Vec<State> {
    let gauges = &style.manifest.gauges;
    let mut states = vec![
        style.manifest.rest(),
        State(gauges.iter().map(|gauge| gauge.quantiser.low).collect()),
        State(gauges.iter().map(|gauge| gauge.quantiser.high).collect()),
    ];
    for (at, gauge) in gauges.iter().enumerate() {
        let (low, high) = (i32::from(gauge.quantiser.low), i32::from(gauge.quantiser.high));
        for step in 0..BANDS_PER_GAUGE {
            let band = low + (high - low) * step / (BANDS_PER_GAUGE - 1);
            let mut alone = style.manifest.rest();
            alone.0[at] = Band::try_from(band).unwrap_or(gauge.rest);
            states.push(alone);
        }
    }
    let mut known = BTreeSet::new();
    states.retain(|state| known.insert(state.token()));
    states
}

/// What was observed so far.
#[derive(Default)]
struct Observations {
    scenes: usize,
    painted: usize,
    /// The number of scenes that contain each layer.
    shown: BTreeMap<String, usize>,
    /// The largest used value of each layer and unit.
    used: BTreeMap<(String, &'static str), u32>,
    /// Tokens whose text was cut, and characters that the font lacks, by layer.
    cut: BTreeMap<String, BTreeSet<u64>>,
    missing: BTreeMap<String, BTreeSet<char>>,
    /// Gauges that changed a picture.
    moving: BTreeSet<usize>,
}

impl Observations {
    fn token(
        &mut self,
        built: &BuiltStyle,
        style: &Style,
        token: u64,
        states: &[State],
        paint: bool,
    ) -> Result<(), StudioError> {
        let seed = built.collection.seed(U256::from(token));
        let seed = seed.map_err(|why| built.blame(format!("token {token}: {why}")))?;
        let asked = Asked { width: Some(PAINTED_WIDTH.into()), ..Asked::default() };
        let small = Variant::resolve(&asked, Format::Png, &style.manifest.canvas.canvas())
            .map_err(|why| built.blame(why.to_string()))?;
        let mut at_rest = None;
        for state in states {
            let blame = |why: String| built.blame(format!("token {token} in state {state}: {why}"));
            iridule_sandbox::report_activity(&format!(
                "{}: token {token} in state {state}",
                built.collection.slug
            ));
            let scene = built.scene(style, &seed, state).map_err(|why| blame(why.to_string()))?;
            self.scenes += 1;
            let canvas = Canvas::new(&scene, &small).map_err(|why| blame(why.to_string()))?;
            for layer in &scene.layers {
                self.layer(layer, &canvas, token, paint).map_err(&blame)?;
                if let Some(mask) = &layer.mask {
                    self.layer(&mask.layer, &canvas, token, paint).map_err(&blame)?;
                }
            }
            if paint {
                let picture = iridule_raster::paint(&scene, &small).map_err(|why| blame(why.to_string()))?;
                self.painted += 1;
                match &at_rest {
                    None => at_rest = Some((state.clone(), picture)),
                    Some((rest, seen)) if *seen != picture => self.note_moving(rest, state),
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// If only one gauge is not at rest, and the picture differs from the one at rest, that gauge changed it.
    fn note_moving(&mut self, rest: &State, state: &State) {
        let mut moved = rest.0.iter().zip(&state.0).enumerate().filter(|(_, (rest, now))| rest != now);
        if let (Some((gauge, _)), None) = (moved.next(), moved.next()) {
            self.moving.insert(gauge);
        }
    }

    fn layer(&mut self, layer: &Layer, canvas: &Canvas, token: u64, run: bool) -> Result<(), String> {
        let blame = |why: String| format!("{}: {why}", layer.name);
        *self.shown.entry(layer.name.clone()).or_default() += 1;
        match &layer.content {
            Content::Svg(svg) => {
                let admitted = |most| gate::admit(&svg.document, most);
                admitted(svg.elements).map_err(|why| blame(why.to_string()))?;
                let used = self.used(layer, STEPS);
                *used = svg.steps.max(*used);
                let length = u32::try_from(svg.document.len()).unwrap_or(u32::MAX);
                let used = self.used(layer, BYTES);
                *used = length.max(*used);
                let used = self.used(layer, ELEMENTS);
                // Searches for the lowest declaration that is accepted. Usually it is not above what was seen before.
                let (mut refused, mut enough) = (*used, svg.elements);
                if admitted(refused).is_err() {
                    while refused + 1 < enough {
                        let middle = refused.midpoint(enough);
                        if admitted(middle).is_ok() { enough = middle } else { refused = middle }
                    }
                    *used = enough;
                }
            }
            Content::Shader(content) if run => {
                let (width, height) = (canvas.pixmap.width(), canvas.pixmap.height());
                let ops = shader::measure(content, canvas.place(&layer.transform), width, height);
                let ops = ops.map_err(|why| blame(why.to_string()))?;
                let used = self.used(layer, OPS);
                *used = ops.max(*used);
            }
            Content::Text(content) => {
                let fit = text::fits(content).map_err(|why| blame(why.to_string()))?;
                if fit.overflowed {
                    self.cut.entry(layer.name.clone()).or_default().insert(token);
                }
                if let Some(missing) = fit.missing {
                    self.missing.entry(layer.name.clone()).or_default().insert(missing);
                }
            }
            Content::Shader(_) | Content::Image(_) | Content::Fill(_) => {}
        }
        Ok(())
    }

    fn used(&mut self, layer: &Layer, unit: &'static str) -> &mut u32 {
        self.used.entry((layer.name.clone(), unit)).or_default()
    }

    #[expect(clippy::cast_possible_truncation, reason = "a percentage")]
    fn report(&self, layer: &LayerSpec, master: &Variant) -> LayerReport {
        let seen = |declared, unit| {
            let used = self.used.get(&(layer.name.clone(), unit));
            (declared, used.copied().unwrap_or(0), unit)
        };
        let (kind, used) = match &layer.content {
            ContentSpec::Svg(svg) => {
                ("svg", vec![seen(svg.steps, STEPS), seen(svg.bytes, BYTES), seen(svg.elements, ELEMENTS)])
            }
            ContentSpec::Shader(shader) => ("shader", vec![seen(shader.ops, OPS)]),
            ContentSpec::Image(_) => ("image", Vec::new()),
            ContentSpec::Fill(_) => ("fill", Vec::new()),
            ContentSpec::Text(_) => ("text", Vec::new()),
        };
        let shown = self.shown.get(&layer.name).copied().unwrap_or(0);
        LayerReport {
            name: layer.name.clone(),
            kind,
            used,
            shown: (shown * 100).div_ceil(self.scenes.max(1)).min(100) as u32,
            cost: plan::layer_cost(layer, master),
        }
    }

    fn findings(&self, style: &Style, layers: &[LayerReport], rarity: &Rarity, master: Plan) -> Vec<String> {
        let mut findings = Vec::new();
        if let Plan::Escalate(reason) = master {
            findings.push(format!(
                "no edge paints it at the size of its canvas: {reason}. A smaller canvas, or fewer operations or \
                 elements, would do"
            ));
        }
        for layer in layers {
            if layer.shown == 0 {
                findings.push(format!("{}: in none of the pictures looked at", layer.name));
                continue;
            }
            let excessive = |(declared, used, unit): &&(u32, u32, &str)| {
                let ignored = if matches!(*unit, STEPS | BYTES) { IGNORED_EXCESS } else { 0 };
                *used > 0 && *declared > used.saturating_mul(EXCESS_FACTOR).saturating_add(ignored)
            };
            for (declared, used, unit) in layer.used.iter().filter(excessive) {
                findings.push(format!(
                    "{}: declares {declared} {unit} and used {used} at most; every request pays for the rest",
                    layer.name
                ));
            }
        }
        for (layer, tokens) in &self.cut {
            let named: Vec<String> = tokens.iter().take(MAX_NAMED_TOKENS).map(u64::to_string).collect();
            findings.push(format!(
                "{layer}: its text does not fit, and is cut with an ellipsis, on {} tokens: {}{}",
                tokens.len(),
                named.join(", "),
                if tokens.len() > MAX_NAMED_TOKENS { " …" } else { "" }
            ));
        }
        for (layer, missing) in &self.missing {
            let missing: String = missing.iter().collect();
            findings.push(format!("{layer}: its font has no glyph for {missing:?}"));
        }
        // If only the first million tokens were drawn, a later token may have the option.
        for (name, share) in rarity.never().filter(|_| rarity.tokens == rarity.supply) {
            findings.push(format!("trait {name}: no token of the collection is {:?}", share.value));
        }
        if rarity.excluded > 0 {
            findings.push(format!(
                "{} tokens are an excluded combination still, after every redraw",
                rarity.excluded
            ));
        }
        for (at, gauge) in style.manifest.gauges.iter().enumerate() {
            if !self.moving.contains(&at) {
                findings.push(format!("gauge {}: no picture that was painted changes with it", gauge.name));
            }
        }
        let largest = style.manifest.files.iter().max_by_key(|file| file.size);
        if let Some(file) = largest.filter(|file| file.size > limits::BLOCK_BYTES as u64) {
            findings.push(format!(
                "{}: {} kB; an edge fetches it in pieces of 1,024 kB before it can paint",
                file.path,
                file.size / 1000
            ));
        }
        findings
    }
}
