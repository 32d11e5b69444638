//! A scene: a style resolved for one token and state, with every value filled in.
//!
//! This is the line between deciding and painting. Everything that could be chosen has been chosen when a [`Scene`]
//! exists; a painter only carries it out, so that two painters cannot disagree about what a token looks like.
//! A new layer kind starts here, and the compiler then points at each painter.
//!
//! Lengths are canvas units: `x` to the right, `y` down, the origin at the top left. Angles are degrees, clockwise, as
//! `y` points down.

use alloc::{boxed::Box, string::String, vec::Vec};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::color::{Rgb, Rgba};

/// What to paint.
#[derive(Debug, Clone, PartialEq)]
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

/// One layer, composited onto those below it.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// What it is called in messages: its name, or the file it came from.
    pub name: String,
    /// What is painted.
    pub content: Content,
    /// How its colours meet those below.
    pub blend: Blend,
    /// 0, nothing of it is seen, to 1.
    pub opacity: f32,
    /// From the layer's own coordinates to the canvas's.
    pub transform: Transform,
    /// Where it shows. `None`: everywhere.
    pub mask: Option<Box<Mask>>,
}

impl Layer {
    /// A layer that shows this, as it is, everywhere.
    #[must_use]
    pub fn plain(name: &str, content: Content) -> Self {
        Self {
            name: name.into(),
            content,
            blend: Blend::Normal,
            opacity: 1.0,
            transform: Transform::IDENTITY,
            mask: None,
        }
    }
}

/// What a layer shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// An SVG document, expanded from its template.
    Svg(Svg),
    /// A shader program, run for each pixel of the canvas.
    Shader(Shader),
    /// A picture file.
    Image(Image),
    /// A colour or gradient.
    Fill(Fill),
    /// Text, set in one font.
    Text(Text),
}

/// How a layer's colours meet those below: the modes of CSS Compositing and Blending Level 1, on sRGB-encoded
/// channels, each composited source-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the CSS keyword of its name; section 9 of that text defines them")]
pub enum Blend {
    #[default]
    Normal,
    Multiply,
    Screen,
    Overlay,
    Darken,
    Lighten,
    ColorDodge,
    ColorBurn,
    HardLight,
    SoftLight,
    Difference,
    Exclusion,
    Hue,
    Saturation,
    Color,
    Luminosity,
}

/// An affine map, as SVG's `matrix(a b c d e f)`: `x' = a·x + c·y + e`, `y' = b·x + d·y + f`. Finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform(pub [f32; 6]);

impl Transform {
    /// The map that moves nothing.
    pub const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
}

/// A layer that is not seen itself: what it shows decides where another one shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    /// What it shows, painted onto a transparent canvas. Its blend mode has nothing to meet; its opacity and transform
    /// count. It has no mask of its own.
    pub layer: Layer,
    /// What of it counts.
    pub channel: Channel,
}

/// What of a mask's pixels counts as coverage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Its alpha.
    #[default]
    Alpha,
    /// The luminance of its colour (0.2126 R + 0.7152 G + 0.0722 B of the sRGB-encoded channels), times its alpha.
    Luminance,
}

/// A rectangle in canvas units, with a width and height above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Its left edge.
    pub x: f32,
    /// Its top edge.
    pub y: f32,
    /// From left to right.
    pub width: f32,
    /// From top to bottom.
    pub height: f32,
}

/// A vector document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Svg {
    /// The document: UTF-8 SVG 1.1, its viewport stretched over the whole canvas.
    pub document: String,
    /// Steps that it took to expand.
    pub steps: u32,
    /// Most elements that it may have. The static cost counted on them, so a painter refuses more.
    pub elements: u32,
    /// How often a pixel is painted over, on average. The static cost counted on it, so a painter refuses what goes far
    /// past it.
    pub overdraw: u32,
}

/// A shader: the strip VM's program, and where the WGSL lies that a GPU runs in its stead.
///
/// The fragment entry point gives the colour of a pixel as straight RGBA, sRGB-encoded, 0 to 1. What it can read is
/// fixed (see [`binding`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shader {
    /// The program's bytes, as `iridule-vm` encodes them.
    pub program: Bytes,
    /// The path of its WGSL in the style's package.
    pub source: String,
    /// Operations that a pixel may take on average. Running out is an error.
    pub ops: u32,
    /// The uniform block, little-endian, as [`binding`] lays it out; its first [`binding::PLACE_BYTES`] are zeros, which
    /// the painter fills in.
    pub uniforms: Vec<u8>,
    /// Picture files that it samples, in the order of their bindings.
    pub images: Vec<Bytes>,
}

/// Where a shader's resources are bound, all in group 0, and what the first bytes of its uniform block mean.
pub mod binding {
    /// `var<uniform> token: Token`.
    pub const TOKEN: u32 = 0;
    /// `var below: texture_2d<f32>`: what the layers below have painted, as large as the picture, premultiplied.
    pub const BELOW: u32 = 1;
    /// `var clamped: sampler`: linear, clamped to the edge.
    pub const CLAMPED: u32 = 2;
    /// `var repeated: sampler`: linear, repeating.
    pub const REPEATED: u32 = 3;
    /// The first of the layer's own images (`texture_2d<f32>`, straight alpha); the others follow.
    pub const IMAGES: u32 = 4;

    /// Bytes that the painter fills in, each four a float:
    ///
    /// | bytes | field | meaning |
    /// |---|---|---|
    /// | 0..12 | `row_x: vec4f`, its first three | `canvas.x = dot(row_x.xyz, vec3f(pixel.xy, 1))` |
    /// | 16..28 | `row_y: vec4f`, likewise | `canvas.y` |
    /// | 32..40 | `picture: vec2f` | width and height of the picture in pixels |
    /// | 40..44 | `scale: f32` | pixels per canvas unit, the geometric mean over the axes |
    pub const PLACE_BYTES: usize = 48;
}

/// A picture file, drawn into a rectangle.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The file's bytes: PNG, WebP or JPEG, of at most [`crate::limits::IMAGE_PIXELS`] pixels.
    pub file: Bytes,
    /// Where it lies.
    pub area: Area,
    /// How it fills the rectangle when its shape is another: `Contain` and `Pad` alike centre it whole.
    pub fit: crate::variant::Fit,
}

/// A painted rectangle.
#[derive(Debug, Clone, PartialEq)]
pub struct Fill {
    /// Where it lies.
    pub area: Area,
    /// The radius of its corners, 0 for sharp ones.
    pub radius: f32,
    /// What it is painted with.
    pub paint: Paint,
}

/// A colour or a gradient. Points are canvas units.
#[derive(Debug, Clone, PartialEq)]
pub enum Paint {
    /// One colour.
    Solid(Rgba),
    /// Along a line; before `from` and after `to` the end colours go on.
    Linear {
        /// Where offset 0 is.
        from: [f32; 2],
        /// Where offset 1 is.
        to: [f32; 2],
        /// The colours on the way.
        stops: Vec<Stop>,
    },
    /// Outwards from a point.
    Radial {
        /// Where offset 0 is.
        centre: [f32; 2],
        /// The distance at which offset 1 is.
        radius: f32,
        /// The colours on the way.
        stops: Vec<Stop>,
    },
    /// Around a point, clockwise from the top.
    Conic {
        /// The point.
        centre: [f32; 2],
        /// Degrees clockwise from the top at which offset 0 is.
        angle: f32,
        /// The colours on the way.
        stops: Vec<Stop>,
    },
}

/// A colour on the way of a gradient. Between two stops the colours are mixed in Oklab, premultiplied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// Where it is, 0 to 1, not below the stop before it.
    pub offset: f32,
    /// The colour there.
    pub colour: Rgba,
}

/// Text, set inside a rectangle.
///
/// It is set at `size`, breaking lines at white space; while it does not fit, in smaller sizes down to `least_size`; what
/// still does not fit ends in an ellipsis.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// What it says, at most [`crate::limits::TEXT_BYTES`] bytes. Line feeds break lines.
    pub text: String,
    /// The font.
    pub font: Font,
    /// Where it lies.
    pub area: Area,
    /// Canvas units per em, above 0.
    pub size: f32,
    /// The least that it may shrink to, above 0, at most `size`.
    pub least_size: f32,
    /// Most lines, at least 1.
    pub lines: u32,
    /// The distance of lines, in sizes.
    pub line_height: f32,
    /// Along a line.
    pub align: Align,
    /// Across lines.
    pub valign: Align,
    /// Its colour.
    pub colour: Rgba,
}

/// A font.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Font {
    /// The bundled one.
    Regular,
    /// The bundled one, bold.
    Bold,
    /// An OpenType file of the style.
    File(Bytes),
}

/// Where something lies in a room larger than itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Align {
    /// At the left, for text that runs to the left at the right; at the top.
    Start,
    /// In the middle.
    #[default]
    Centre,
    /// At the other end.
    End,
}
