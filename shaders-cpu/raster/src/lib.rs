//! The CPU painter: a scene becomes pixels, pixels become an encoded picture.
//!
//! ```text
//! Scene, Variant
//!  → canvas     a premultiplied RGBA picture, its background laid
//!  → svg        for each layer: document → gate → tree → bounds → pixels
//!  → pixels     premultiplied RGBA → opaque RGB or straight RGBA
//!  → encode     PNG, WebP or JPEG
//! ```
//!
//! Everything was chosen before a scene exists; nothing here chooses. The same scene and variant give the same bytes
//! on every target: no clock, no system fonts, no platform maths (see [`maths`]). Documents are treated as untrusted:
//! what would cost without bound is refused with a [`PaintError`] before it costs.

pub mod canvas;
pub mod encode;
pub mod fonts;
pub mod maths;
pub mod pixels;
pub mod svg;

use iridule_core::{
    scene::{Content, Scene},
    variant::{Format, Variant},
};

/// Why a scene was not painted. Each is a fault of the style, or of the plan that sent the scene here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaintError {
    /// A layer's document holds something that is not admitted.
    #[error("{layer}, {fault}")]
    Svg {
        /// The layer's source file.
        layer: String,
        /// What is wrong with it, and where.
        fault: svg::Fault,
    },
    /// A layer of a kind that is not painted here.
    #[error("{layer}: the CPU painter does not paint layers of this kind")]
    Kind {
        /// The layer's name.
        layer: String,
    },
    /// A picture of this many pixels has no room.
    #[error("a picture of {width} × {height} pixels cannot be painted")]
    Size {
        /// Pixels across.
        width: u16,
        /// Pixels down.
        height: u16,
    },
    /// The format is not made on a CPU.
    #[error("the CPU painter does not make {}", .0.media_type())]
    Format(Format),
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
    if variant.format == Format::Avif {
        return Err(PaintError::Format(variant.format));
    }
    let pixmap = paint_pixels(scene, variant)?;
    encode::encode(&pixmap, scene.canvas.background.is_some(), variant)
}

/// Paints a scene at a variant's size: premultiplied RGBA, 8 bits a channel, sRGB, rows from the top.
///
/// # Errors
/// As [`paint`], less those of encoding.
pub fn paint_pixels(scene: &Scene, variant: &Variant) -> Result<resvg::tiny_skia::Pixmap, PaintError> {
    let mut canvas = canvas::Canvas::new(scene, variant)?;
    for layer in &scene.layers {
        match &layer.content {
            Content::Svg(svg) => svg::paint(svg, &mut canvas)
                .map_err(|fault| PaintError::Svg { layer: layer.name.clone(), fault })?,
            Content::Shader(_) | Content::Image(_) | Content::Fill(_) | Content::Text(_) => {
                return Err(PaintError::Kind { layer: layer.name.clone() });
            }
        }
    }
    Ok(canvas.finish())
}
