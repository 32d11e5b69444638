//! The CPU painter: a scene becomes pixels, pixels become an encoded picture.
//!
//! ```text
//! Scene, Variant
//!  → canvas     a premultiplied RGBA picture, its background laid
//!  → compose    for each layer: blend mode, opacity, transform, mask; what it shows comes from
//!     svg        document → gate → tree → bounds → pixels
//!     shader     program, uniforms, textures → strip VM → pixels
//!     image      PNG, WebP or JPEG → rows → resize → pixels
//!     fill       rectangle, colour or gradient → pixels
//!     text       font → glyphs → lines → outlines → pixels
//!  → pixels     premultiplied RGBA → opaque RGB or straight RGBA
//!  → encode     PNG, WebP or JPEG
//! ```
//!
//! A variant may also be made from a master that was painted before ([`derive()`]): decode → resize → encode.
//!
//! Everything was chosen before a scene exists; nothing here chooses. The same scene and variant give the same bytes
//! on every target: no clock, no system fonts, no platform maths (see [`maths`]). Documents, programs, picture files and
//! fonts are treated as untrusted: what would cost without bound is refused with a [`PaintError`] before it costs.

pub mod canvas;
pub mod compose;
pub mod derive;
pub mod encode;
pub mod fill;
pub mod fonts;
pub mod image;
pub mod maths;
pub mod pixels;
pub mod resize;
pub mod shader;
pub mod srgb;
pub mod svg;
pub mod text;

use iridule_scene::{
    scene::Scene,
    variant::{Format, Variant},
};

pub use derive::derive;
pub use resvg::tiny_skia::Pixmap;

/// Why a scene was not painted. Each is a fault of the style, or of the plan that sent the scene here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaintError {
    /// A layer's document holds something that is not admitted.
    #[error("{layer}, {fault}")]
    Svg {
        /// The layer's name.
        layer: String,
        /// What is wrong with it, and where.
        fault: svg::Fault,
    },
    /// A layer's shader cannot be run.
    #[error("{layer}: {fault}")]
    Shader {
        /// The layer's name.
        layer: String,
        /// What is wrong with it.
        fault: shader::Fault,
    },
    /// A layer's picture file cannot be drawn.
    #[error("{layer}: {fault}")]
    Image {
        /// The layer's name.
        layer: String,
        /// What is wrong with it.
        fault: image::Fault,
    },
    /// A layer's text cannot be set.
    #[error("{layer}: {fault}")]
    Text {
        /// The layer's name.
        layer: String,
        /// What is wrong with it, or with its font.
        fault: text::Fault,
    },
    /// What should be a master is none.
    #[error("the master: {0}")]
    Master(image::Fault),
    /// A picture of this many pixels has no room.
    #[error("a picture of {width} × {height} pixels cannot be painted")]
    Size {
        /// Pixels across.
        width: u16,
        /// Pixels down.
        height: u16,
    },
    /// The encoding is not made at an edge: AVIF, or WebP with loss.
    #[error("the CPU painter does not make {} of quality {}", .0.format.media_type(), .0.quality)]
    Format(Variant),
    /// An encoder failed on pixels that it should take.
    #[error("encoding {}: {why}", .format.media_type())]
    Encode {
        /// The encoding.
        format: Format,
        /// The encoder's own message.
        why: String,
    },
}

/// Paints a scene at a variant's size and encodes it.
///
/// # Errors
/// [`PaintError`]. The same input always gives the same error.
pub fn paint(scene: &Scene, variant: &Variant) -> Result<Vec<u8>, PaintError> {
    if !variant.is_by_edge() {
        return Err(PaintError::Format(*variant));
    }
    let pixmap = paint_pixels(scene, variant)?;
    encode::encode(&pixmap, scene.canvas.background.is_some(), variant)
}

/// Paints a scene at a variant's size: premultiplied RGBA, 8 bits a channel, sRGB, rows from the top.
///
/// # Errors
/// As [`paint`], less those of encoding.
pub fn paint_pixels(scene: &Scene, variant: &Variant) -> Result<Pixmap, PaintError> {
    paint_pixels_with(scene, variant, &shader::StripVm)
}

/// As [`paint_pixels`], with something else to run the shaders.
///
/// # Errors
/// As [`paint_pixels`], and what `shade` says.
pub fn paint_pixels_with(
    scene: &Scene,
    variant: &Variant,
    shade: &dyn shader::Shade,
) -> Result<Pixmap, PaintError> {
    let mut canvas = canvas::Canvas::new(scene, variant)?;
    let mut sheets = compose::Sheets::default();
    for layer in &scene.layers {
        compose::paint(layer, &mut canvas, &mut sheets, shade)?;
    }
    Ok(canvas.finish())
}
