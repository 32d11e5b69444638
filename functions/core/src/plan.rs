//! The plan: how a picture is to be made, decided by style and variant alone.
//!
//! Never by what happens to be cached, or how loaded a host is: the painter is part of the render key, and one picture
//! must not have two. The cost is static, so that admission comes before work.

use core::fmt;

use crate::{
    key::Painter,
    limits,
    manifest::Manifest,
    variant::{Format, Variant},
};

/// Cost of encoding one pixel, in cost units. A unit is about a nanosecond of the wasm painter on a server core.
const ENCODE_PIXEL: u64 = 12;
/// Cost of compositing one pixel once.
const COMPOSITE_PIXEL: u64 = 2;
/// Cost of parsing, shaping and setting up one element.
const ELEMENT: u64 = 4_000;

/// How a picture is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Here, by this painter.
    Paint(Painter),
    /// By an origin, for this reason.
    Escalate(Reason),
}

/// Why a render is not painted at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It would cost more than [`limits::EDGE_COST`] units.
    Cost(u64),
    /// It would have more than [`limits::EDGE_PIXELS`] pixels.
    Pixels(u64),
    /// No edge encodes this format.
    Format(Format),
}

impl Reason {
    /// What to ask for instead.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Cost(_) | Self::Pixels(_) => "ask for a smaller one",
            Self::Format(_) => "ask for png, webp or jpg",
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
            Self::Format(format) => write!(f, "an edge does not make {}", format.media_type()),
        }
    }
}

/// Plans a picture.
#[must_use]
pub fn plan(manifest: &Manifest, variant: &Variant) -> Plan {
    if variant.format == Format::Avif {
        return Plan::Escalate(Reason::Format(variant.format));
    }
    if variant.pixels() > limits::EDGE_PIXELS {
        return Plan::Escalate(Reason::Pixels(variant.pixels()));
    }
    match cost(manifest, variant) {
        cost if cost > limits::EDGE_COST => Plan::Escalate(Reason::Cost(cost)),
        _ => Plan::Paint(Painter::Cpu),
    }
}

/// What painting this variant of any token in any state is reckoned to cost, in cost units: by what the manifest declares
/// of its layers. A painter refuses a layer that has more elements, or goes far past its overdraw.
#[must_use]
pub fn cost(manifest: &Manifest, variant: &Variant) -> u64 {
    let pixels = variant.pixels();
    let layers: u64 = manifest
        .layers
        .iter()
        .map(|layer| {
            u64::from(layer.elements) * ELEMENT + pixels * u64::from(layer.overdraw) * COMPOSITE_PIXEL
        })
        .sum();
    layers + pixels * ENCODE_PIXEL
}
