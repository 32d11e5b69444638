//! A scene: a style resolved for one token and state, with every value filled in.
//!
//! This is the line between deciding and painting. Everything that could be chosen has been chosen when a [`Scene`]
//! exists; a painter only carries it out, so that two painters cannot disagree about what a token looks like.
//! A new layer kind starts here, and the compiler then points at each painter.

use alloc::{string::String, vec::Vec};

use crate::colour::Rgb;

/// What to paint, in canvas units: `x` to the right, `y` down, the origin at the top left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// The canvas that the layers' coordinates mean.
    pub canvas: Canvas,
    /// The layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// The style's drawing surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canvas {
    /// Width in canvas units; also the width in pixels of the picture when no size is asked for.
    pub width: u32,
    /// Height in canvas units and pixels, likewise.
    pub height: u32,
    /// What lies under the lowest layer. `None` leaves the picture transparent there.
    pub background: Option<Rgb>,
}

/// One layer, composited over those below it (source-over).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// An SVG document, expanded from its template.
    Svg(Svg),
}

/// A vector layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Svg {
    /// The file it came from, for messages.
    pub source: String,
    /// The document: UTF-8 SVG 1.1, its viewport stretched over the whole canvas.
    pub document: String,
    /// Most elements that it may have. The static cost counted on them, so a painter refuses more.
    pub elements: u32,
    /// How often a pixel is painted over, on average. The static cost counted on it, so a painter refuses what goes far
    /// past it.
    pub overdraw: u32,
}
