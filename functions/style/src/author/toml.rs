//! `style.toml` as its author writes it. Anything that has no meaning here is an error that names it.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::Deserialize;
use toml::{Table, Value};

use crate::{
    expression::{Colour, Expression, Number, Phrase, no_such},
    limits,
    manifest::{
        self, CanvasSpec, Choice, ContentSpec, Distribution, Drawn, Exclusion, FillSpec, ImageSpec,
        LayerSpec, Manifest, MaskSpec, Override, PaintSpec, Palette, PictureFile, Setting, ShaderSpec,
        SvgSpec, TextSpec, Trait, TransformSpec,
    },
};
use iridule_records::gauge::{Band, Gauge, Quantiser, Scale};
use iridule_scene::{
    color::Rgb,
    scene::{Align, Blend, Channel},
    variant::Fit,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StyleToml {
    name: String,
    description: String,
    canvas: CanvasToml,
    #[serde(default, rename = "trait")]
    traits: Table,
    #[serde(default, rename = "exclude")]
    exclusions: Vec<Exclusion>,
    #[serde(default, rename = "override")]
    overrides: Vec<OverrideToml>,
    #[serde(default, rename = "gauge")]
    gauges: Table,
    #[serde(default, rename = "layer")]
    layers: Vec<Table>,
    #[serde(default, rename = "mask")]
    masks: Vec<Table>,
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
    Float {
        label: Option<String>,
        min: f64,
        max: f64,
        #[serde(default)]
        distribution: Distribution,
    },
    Integer {
        label: Option<String>,
        min: i64,
        max: i64,
        #[serde(default)]
        distribution: Distribution,
    },
    Choice {
        label: Option<String>,
        options: Vec<ChoiceToml>,
    },
    Colour {
        label: Option<String>,
        lightness: [f64; 2],
        chroma: [f64; 2],
        hue: [f64; 2],
    },
    Palette {
        label: Option<String>,
        options: Vec<PaletteToml>,
    },
    Derived {
        label: Option<String>,
        value: Expression,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChoiceToml {
    value: String,
    #[serde(default = "one")]
    weight: u32,
}

/// Options that say no weight are alike.
fn one() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PaletteToml {
    value: String,
    #[serde(default = "one")]
    weight: u32,
    colours: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OverrideToml {
    token: u64,
    set: Table,
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
    dwell: u32,
    #[serde(default)]
    rest: Band,
    #[serde(default)]
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepToml {
    from: f64,
    step: f64,
}

/// A number, or an expression in quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberToml {
    Whole(i64),
    Number(f64),
    Expression(String),
}

impl From<NumberToml> for Number {
    #[expect(clippy::cast_precision_loss, reason = "what an artist writes is far below 2^53")]
    fn from(number: NumberToml) -> Self {
        match number {
            NumberToml::Whole(number) => Self::Literal(number as f64),
            NumberToml::Number(number) => Self::Literal(number),
            NumberToml::Expression(text) => Self::Computed(Expression(text)),
        }
    }
}

/// What every layer may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommonToml {
    name: Option<String>,
    when: Option<Expression>,
    #[serde(default)]
    blend: Blend,
    opacity: Option<NumberToml>,
    transform: Option<TransformToml>,
    mask: Option<String>,
}

/// The names of [`CommonToml`]'s fields.
const COMMON: [&str; 6] = ["name", "when", "blend", "opacity", "transform", "mask"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransformToml {
    translate: Option<[NumberToml; 2]>,
    rotate: Option<NumberToml>,
    scale: Option<ScaleToml>,
    origin: Option<[NumberToml; 2]>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ScaleToml {
    Both(NumberToml),
    Each([NumberToml; 2]),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SvgToml {
    source: String,
    steps: Option<u32>,
    bytes: Option<u32>,
    elements: u32,
    overdraw: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShaderToml {
    source: String,
    ops: u32,
    #[serde(default)]
    values: Table,
    #[serde(default)]
    images: Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageToml {
    source: String,
    #[serde(default)]
    blank: Vec<String>,
    area: Option<[NumberToml; 4]>,
    #[serde(default)]
    fit: Fit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FillToml {
    area: Option<[NumberToml; 4]>,
    radius: Option<NumberToml>,
    fill: PaintToml,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PaintToml {
    Solid(String),
    Gradient(Box<GradientToml>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GradientToml {
    linear: Option<[NumberToml; 4]>,
    radial: Option<[NumberToml; 3]>,
    conic: Option<[NumberToml; 3]>,
    stops: Vec<(NumberToml, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextToml {
    text: Phrase,
    font: Option<String>,
    area: Option<[NumberToml; 4]>,
    size: NumberToml,
    least_size: Option<NumberToml>,
    lines: Option<u32>,
    line_height: Option<NumberToml>,
    #[serde(default)]
    align: Align,
    #[serde(default)]
    valign: Align,
    colour: String,
}

/// Reads the text of `style.toml`. `seed` gives the seed of a token, for overrides.
///
/// Files, and what is only known from them, are still missing in the manifest.
///
/// # Errors
/// A sentence that names the part and, where there is one, the line.
pub(super) fn parse(
    style_toml: &str,
    seed: impl Fn(u64) -> Result<[u8; 32], String>,
) -> Result<Manifest, String> {
    let toml: StyleToml = toml::from_str(style_toml).map_err(|e| format!("{e}"))?;
    let traits = toml.traits.into_iter().map(|(name, table)| {
        let parsed = table.try_into().map_err(|e| format!("trait {name}: {e}"))?;
        make_trait(name.clone(), parsed).map_err(|why| format!("trait {name}: {why}"))
    });
    let gauges = toml.gauges.into_iter().map(|(name, table)| {
        let parsed = table.try_into().map_err(|e| format!("gauge {name}: {e}"))?;
        make_gauge(name.clone(), parsed).map_err(|why| format!("gauge {name}: {why}"))
    });
    let overrides = toml.overrides.into_iter().map(|one| {
        let set = one.set.into_iter().map(|(name, value)| Ok((name, setting(&value)?)));
        let set =
            set.collect::<Result<_, String>>().map_err(|why| format!("override of {}: {why}", one.token))?;
        Ok(Override { seed: seed(one.token)?.into(), set })
    });
    let layers = toml.layers.into_iter().enumerate().map(|(at, table)| {
        let name = shown(&table, at);
        make_layer(table).map_err(|why| format!("layer {name}: {why}"))
    });
    let masks = toml.masks.into_iter().enumerate().map(|(at, mut table)| {
        let name = shown(&table, at);
        let channel = match table.remove("channel") {
            None => Channel::default(),
            Some(value) => value.try_into().map_err(|e| format!("mask {name}: channel: {e}"))?,
        };
        if !table.contains_key("name") {
            return Err(format!("mask {name}: a mask needs a name, by which layers call it"));
        }
        let layer = make_layer(table).map_err(|why| format!("mask {name}: {why}"))?;
        Ok(MaskSpec { layer, channel })
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
        exclusions: toml.exclusions,
        overrides: overrides.collect::<Result<_, String>>()?,
        gauges: gauges.collect::<Result<_, String>>()?,
        layers: layers.collect::<Result<_, String>>()?,
        masks: masks.collect::<Result<_, String>>()?,
        files: Vec::new(),
    })
}

fn make_trait(name: String, toml: TraitToml) -> Result<Trait, String> {
    let (label, draw) = match toml {
        TraitToml::Float { label, min, max, distribution } => {
            (label, Drawn::Float { min, max, distribution })
        }
        TraitToml::Integer { label, min, max, distribution } => {
            (label, Drawn::Integer { min, max, distribution })
        }
        TraitToml::Choice { label, options } => {
            let option = |ChoiceToml { value, weight }| Choice { value, weight };
            (label, Drawn::Choice(options.into_iter().map(option).collect()))
        }
        TraitToml::Colour { label, lightness, chroma, hue } => {
            (label, Drawn::Colour { lightness, chroma, hue })
        }
        TraitToml::Palette { label, options } => {
            let option = |PaletteToml { value, weight, colours }| {
                let colours = colours.iter().map(|text| literal(text)).collect::<Result<_, String>>()?;
                Ok(Palette { value, weight, colours })
            };
            (label, Drawn::Palette(options.into_iter().map(option).collect::<Result<_, String>>()?))
        }
        TraitToml::Derived { label, value } => (label, Drawn::Derived(value)),
    };
    Ok(Trait { name, label, draw })
}

/// A colour that is known when the style is built: `#rrggbb` or `oklch(lightness chroma hue)`, commas allowed.
fn literal(text: &str) -> Result<Rgb, String> {
    let parts = || {
        let inside = text.trim().strip_prefix("oklch(")?.strip_suffix(')')?;
        let parts: Vec<f64> = inside
            .split([' ', ','])
            .filter(|part| !part.is_empty())
            .map_while(|part| part.parse().ok())
            .collect();
        <[f64; 3]>::try_from(parts).ok()
    };
    let oklch = || parts().map(|[l, c, h]| Rgb::from_oklch(l, c, h));
    Rgb::parse(text)
        .or_else(oklch)
        .ok_or_else(|| format!("{text:?} is no colour: #rrggbb or oklch(0.7 0.15 48)"))
}

fn setting(value: &Value) -> Result<Setting, String> {
    #[expect(clippy::cast_precision_loss, reason = "checked against the trait; large ones are refused there")]
    match value {
        Value::Integer(number) => Ok(Setting::Number(*number as f64)),
        Value::Float(number) => Ok(Setting::Number(*number)),
        Value::String(text) => Ok(Setting::Text(text.clone())),
        other => Err(format!("{other:?} is neither a number nor a text")),
    }
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
    let quantiser = Quantiser { scale, low, high, hysteresis: toml.hysteresis, dwell: toml.dwell };
    Ok(Gauge {
        label: toml.label.unwrap_or_else(|| name.clone()),
        name,
        feed: toml.feed,
        quantiser,
        rest: toml.rest,
        names: toml.names,
    })
}

/// What a layer is called in messages: its name, its source, or its place.
fn shown(table: &Table, at: usize) -> String {
    let text = |key| table.get(key).and_then(Value::as_str).map(ToString::to_string);
    text("name").or_else(|| text("source")).unwrap_or_else(|| format!("{}", at + 1))
}

fn make_layer(mut table: Table) -> Result<LayerSpec, String> {
    let kind = table.remove("kind");
    let kind = kind
        .as_ref()
        .and_then(Value::as_str)
        .ok_or("its kind is missing: svg, shader, image, fill or text")?;
    let mut common = Table::new();
    for name in COMMON {
        common.extend(table.remove(name).map(|value| (name.to_string(), value)));
    }
    let common: CommonToml = common.try_into().map_err(|e| format!("{e}"))?;
    let source = table.get("source").and_then(Value::as_str).map(ToString::to_string);
    let content = match kind {
        "svg" => {
            let SvgToml { source, steps, bytes, elements, overdraw } = rest(table)?;
            let usual = |each: u32, besides: u32, most| {
                elements.saturating_mul(each).saturating_add(besides).min(most)
            };
            let bytes = bytes.unwrap_or_else(|| usual(160, 4096, limits::SVG_BYTES));
            let steps = steps.unwrap_or_else(|| usual(150, 10_000, limits::TEMPLATE_STEPS));
            ContentSpec::Svg(SvgSpec { source, steps, bytes, elements, overdraw })
        }
        "shader" => shader(rest(table)?)?,
        "image" => {
            let ImageToml { source, blank, area, fit } = rest(table)?;
            ContentSpec::Image(ImageSpec { source, blank, area: area.map(each), fit, pixels: 0 })
        }
        "fill" => {
            let FillToml { area, radius, fill } = rest(table)?;
            let radius = radius.map_or(Number::Literal(0.0), Number::from);
            ContentSpec::Fill(FillSpec { area: area.map(each), radius, paint: paint(fill)? })
        }
        "text" => text(rest(table)?),
        other => {
            return Err(no_such("kind", other, ["svg", "shader", "image", "fill", "text"].into_iter()));
        }
    };
    let mut name = common.name.or(source).unwrap_or_else(|| kind.into());
    name.truncate(
        (0..=limits::NAME_BYTES.min(name.len())).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0),
    );
    Ok(LayerSpec {
        name,
        when: common.when,
        blend: common.blend,
        opacity: common.opacity.map_or(Number::Literal(1.0), Number::from),
        transform: common.transform.map(transform),
        mask: common.mask,
        content,
    })
}

fn rest<T: serde::de::DeserializeOwned>(table: Table) -> Result<T, String> {
    table.try_into().map_err(|e| format!("{e}"))
}

fn each<const N: usize>(numbers: [NumberToml; N]) -> [Number; N] {
    numbers.map(Number::from)
}

fn transform(toml: TransformToml) -> TransformSpec {
    let zero = || [Number::Literal(0.0), Number::Literal(0.0)];
    TransformSpec {
        translate: toml.translate.map_or_else(zero, each),
        rotate: toml.rotate.map_or(Number::Literal(0.0), Number::from),
        scale: match toml.scale {
            None => [Number::Literal(1.0), Number::Literal(1.0)],
            Some(ScaleToml::Both(number)) => {
                let number = Number::from(number);
                [number.clone(), number]
            }
            Some(ScaleToml::Each(numbers)) => each(numbers),
        },
        origin: toml.origin.map_or_else(zero, each),
    }
}

fn shader(toml: ShaderToml) -> Result<ContentSpec, String> {
    let values = toml.values.into_iter().map(|(name, value)| {
        let number: NumberToml = value.try_into().map_err(|e| format!("values: {name}: {e}"))?;
        Ok((name, number.into()))
    });
    let images = toml.images.into_iter().map(|(name, value)| {
        let source =
            value.as_str().ok_or_else(|| format!("images: {name} is the path of a file"))?.to_string();
        Ok((name, PictureFile { source, pixels: 0 }))
    });
    Ok(ContentSpec::Shader(ShaderSpec {
        program: format!("{}.program", toml.source),
        source: toml.source,
        ops: toml.ops,
        values: values.collect::<Result<_, String>>()?,
        images: images.collect::<Result<_, String>>()?,
    }))
}

fn paint(toml: PaintToml) -> Result<PaintSpec, String> {
    let GradientToml { linear, radial, conic, stops } = match toml {
        PaintToml::Solid(colour) => return Ok(PaintSpec::Solid(Colour(colour))),
        PaintToml::Gradient(gradient) => *gradient,
    };
    let stops = stops.into_iter().map(|(offset, colour)| (offset.into(), Colour(colour))).collect();
    match (linear, radial, conic) {
        (Some(line), None, None) => Ok(PaintSpec::Linear { line: each(line), stops }),
        (None, Some(circle), None) => Ok(PaintSpec::Radial { circle: each(circle), stops }),
        (None, None, Some(turn)) => Ok(PaintSpec::Conic { turn: each(turn), stops }),
        _ => Err("fill: give one of linear, radial and conic".into()),
    }
}

fn text(toml: TextToml) -> ContentSpec {
    let size = Number::from(toml.size);
    ContentSpec::Text(TextSpec {
        text: toml.text,
        font: toml.font.unwrap_or_else(|| "regular".into()),
        area: toml.area.map(each),
        least_size: toml.least_size.map_or_else(|| size.clone(), Number::from),
        size,
        lines: toml.lines.unwrap_or(1),
        line_height: toml.line_height.map_or(Number::Literal(1.2), Number::from),
        align: toml.align,
        valign: toml.valign,
        colour: Colour(toml.colour),
    })
}
