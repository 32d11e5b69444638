//! The plan: how a picture is to be made, decided by style and variant alone.
//!
//! Never by what happens to be cached, or how loaded a host is: the painter is part of the render key, and one picture
//! must not have two. The cost is static, so that admission comes before work.

use core::fmt;

use crate::{
    expression::Number,
    limits,
    manifest::{ContentSpec, FillSpec, LayerSpec, Manifest, PaintSpec},
};
use iridule_records::render_key::Painter;
use iridule_scene::{
    scene::Blend,
    variant::{Format, Placement, Variant},
};

// Costs are in units of about a nanosecond of the wasm painter on a server core.
/// Of encoding one pixel.
const ENCODE_PIXEL: u64 = 12;
/// Of compositing one pixel once.
const COMPOSITE_PIXEL: u64 = 2;
/// Of one step of a template.
const STEP: u64 = 100;
/// Of one byte of an SVG document: of parsing it, and its share of the paths that are drawn.
const DOCUMENT_BYTE: u64 = 200;
/// Of parsing, shaping and setting up one element of an SVG document.
const ELEMENT: u64 = 4_000;
/// Of a layer that is not painted straight onto the canvas, by pixel: blends, masks.
const BUFFER_PIXEL: u64 = 4;
/// Of 16 operations of a shader on one pixel.
const SHADER_OPS_16: u64 = 4;
/// Of decoding one pixel of a picture file, the master's included.
const DECODE_PIXEL: u64 = 10;
/// Of resizing, by pixel of the larger picture.
const RESIZE_PIXEL: u64 = 6;
/// Of a gradient's pixel.
const FILL_PIXEL: u64 = 8;
/// Of shaping and setting the most text that a layer may hold.
const TEXT: u64 = 4_000_000;

/// How many variants share the work on one master, as reckoned when deriving is weighed against painting.
const MASTER_SHARE: u64 = 4;

/// How a picture is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Painted here, at its size.
    Paint,
    /// Derived here from the master.
    Derive,
    /// Painted by an origin, for this reason.
    Escalate(Reason),
}

impl Plan {
    /// What makes the picture.
    #[must_use]
    pub fn painter(self) -> Painter {
        match self {
            Self::Paint => Painter::Cpu,
            Self::Derive => Painter::Derived,
            Self::Escalate(_) => Painter::Origin,
        }
    }
}

/// Why a render is not painted at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It would cost more than [`limits::EDGE_COST`] units.
    Cost(u64),
    /// It would have more than [`limits::EDGE_PIXELS`] pixels.
    Pixels(u64),
    /// Its picture files have more than [`limits::EDGE_FILE_BYTES`] bytes together.
    Files(u64),
    /// No edge encodes this format.
    Format(Format),
    /// No edge encodes this format with loss.
    Lossy(Format),
}

impl Reason {
    /// What to ask for instead.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Cost(_) | Self::Pixels(_) => "ask for a smaller one",
            Self::Files(_) => "no variant of it is painted without one",
            Self::Format(_) => "ask for png, webp or jpg",
            Self::Lossy(_) => "ask for it without `q`, or for jpg",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cost(cost) => {
                write!(f, "it costs {cost} units, an edge paints up to {}", limits::EDGE_COST)
            }
            Self::Pixels(pixels) => {
                write!(f, "it has {pixels} pixels, an edge paints up to {}", limits::EDGE_PIXELS)
            }
            Self::Files(bytes) => {
                write!(f, "its files have {bytes} bytes, an edge holds up to {}", limits::EDGE_FILE_BYTES)
            }
            Self::Format(format) => write!(f, "an edge does not make {}", format.media_type()),
            Self::Lossy(format) => write!(f, "an edge makes {} without loss only", format.media_type()),
        }
    }
}

/// Plans a picture.
#[must_use]
pub fn plan(manifest: &Manifest, variant: &Variant) -> Plan {
    if !variant.is_by_edge() {
        let reason = if variant.by_edge().format == variant.format { Reason::Lossy } else { Reason::Format };
        return Plan::Escalate(reason(variant.format));
    }
    if variant.pixels() > limits::EDGE_PIXELS {
        return Plan::Escalate(Reason::Pixels(variant.pixels()));
    }
    let files = file_bytes(manifest);
    if files > limits::EDGE_FILE_BYTES {
        return Plan::Escalate(Reason::Files(files));
    }
    let painted = cost(manifest, variant);
    match by_master(manifest, variant) {
        Some((derived, cold)) if derived < painted && cold <= limits::EDGE_COST => Plan::Derive,
        _ if painted > limits::EDGE_COST => Plan::Escalate(Reason::Cost(painted)),
        _ => Plan::Paint,
    }
}

/// What a variant costs when it is derived: with its share of the master, and with all of the master, as when that is
/// not there yet. `None` where it cannot be derived: for the master itself, and for what is larger.
fn by_master(manifest: &Manifest, variant: &Variant) -> Option<(u64, u64)> {
    let canvas = manifest.canvas.canvas();
    let master = Variant::master(&canvas).ok()?;
    let Placement { scale_x, scale_y, .. } = variant.placement(&canvas);
    let full = master.placement(&canvas);
    if *variant == master || scale_x > full.scale_x || scale_y > full.scale_y {
        return None;
    }
    if master.pixels() > limits::EDGE_PIXELS {
        return None;
    }
    let (pixels, of_master) = (variant.pixels(), master.pixels());
    let resized =
        if (variant.width, variant.height) == (master.width, master.height) { 0 } else { RESIZE_PIXEL };
    let derived = of_master * (DECODE_PIXEL + resized) + pixels * ENCODE_PIXEL;
    let whole = cost(manifest, &master);
    Some((derived + whole / MASTER_SHARE, derived + whole))
}

/// Bytes of the picture files that one token may need at once: of each layer the largest. Where all files of the package
/// are few, the sum of them, which is quicker to tell.
fn file_bytes(manifest: &Manifest) -> u64 {
    let all = manifest.files.iter().map(|file| file.size).sum();
    if all <= limits::EDGE_FILE_BYTES {
        return all;
    }
    let size = |path: &str| manifest.file_at(path).map_or(0, |file| file.size);
    let layers = manifest.layers.iter().chain(manifest.masks.iter().map(|mask| &mask.layer));
    let of_layer = |layer: &LayerSpec| match &layer.content {
        ContentSpec::Image(image) => {
            // A manifest that was decoded names its files; one that did not could not be painted.
            let files = image.files(manifest).unwrap_or_default();
            files.iter().map(|path| size(path)).max().unwrap_or(0)
        }
        ContentSpec::Shader(shader) => shader.images.iter().map(|(_, picture)| size(&picture.source)).sum(),
        ContentSpec::Svg(_) | ContentSpec::Fill(_) | ContentSpec::Text(_) => 0,
    };
    layers.map(of_layer).sum()
}

/// What painting this variant of any token in any state is reckoned to cost, in cost units: by what the manifest declares
/// of its layers, all of them there. A painter refuses a layer that holds more than was declared.
#[must_use]
pub fn cost(manifest: &Manifest, variant: &Variant) -> u64 {
    let layers = manifest.layers.iter().map(|layer| {
        let named = layer.mask.as_ref();
        let mask = manifest.masks.iter().find(|mask| Some(&mask.layer.name) == named);
        let mask = mask.map_or(0, |mask| layer_cost(&mask.layer, variant) + variant.pixels() * BUFFER_PIXEL);
        layer_cost(layer, variant) + mask
    });
    layers.sum::<u64>() + variant.pixels() * ENCODE_PIXEL
}

/// What one layer costs without its mask.
#[must_use]
pub fn layer_cost(layer: &LayerSpec, variant: &Variant) -> u64 {
    let pixels = variant.pixels();
    let own = match &layer.content {
        ContentSpec::Svg(svg) => {
            let document = u64::from(svg.steps) * STEP + u64::from(svg.bytes) * DOCUMENT_BYTE;
            let drawn =
                u64::from(svg.elements) * ELEMENT + pixels * u64::from(svg.overdraw) * COMPOSITE_PIXEL;
            document + drawn
        }
        ContentSpec::Shader(shader) => {
            let images: u64 = shader.images.iter().map(|(_, picture)| u64::from(picture.pixels)).sum();
            let run = pixels.max(limits::SHADER_PIXELS) * u64::from(shader.ops) * SHADER_OPS_16 / 16;
            run + pixels * COMPOSITE_PIXEL + images * DECODE_PIXEL
        }
        ContentSpec::Image(image) => {
            let larger = pixels.max(image.pixels.into());
            u64::from(image.pixels) * DECODE_PIXEL + larger * RESIZE_PIXEL + pixels * COMPOSITE_PIXEL
        }
        ContentSpec::Fill(FillSpec { paint: PaintSpec::Solid(_), .. }) => pixels * COMPOSITE_PIXEL,
        ContentSpec::Fill(_) => pixels * FILL_PIXEL,
        ContentSpec::Text(_) => TEXT + pixels * COMPOSITE_PIXEL,
    };
    let straight = layer.blend == Blend::Normal && layer.opacity == Number::Literal(1.0);
    own + if straight { 0 } else { pixels * BUFFER_PIXEL }
}
