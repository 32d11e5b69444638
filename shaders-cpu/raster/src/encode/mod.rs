//! Encoders: finished pixels become the bytes of a picture.
//!
//! All are integer code without run-time CPU detection, so that every host writes the same bytes.

pub mod jpeg;
pub mod png;
pub mod webp;

use iridule_scene::variant::{Format, Variant};
use resvg::tiny_skia::Pixmap;

use crate::PaintError;

/// Encodes premultiplied pixels. `opaque` says that no pixel is transparent, so that no alpha channel is written.
///
/// # Errors
/// [`PaintError::Format`] for what no edge makes, [`PaintError::Encode`] when an encoder fails.
pub fn encode(pixmap: &Pixmap, opaque: bool, variant: &Variant) -> Result<Vec<u8>, PaintError> {
    if !variant.is_by_edge() {
        return Err(PaintError::Format(*variant));
    }
    let encoded = match variant.format {
        Format::Png => png::encode(pixmap, opaque),
        Format::WebP => webp::encode(pixmap, opaque),
        Format::Jpeg => jpeg::encode(pixmap, variant.quality),
        Format::Avif => return Err(PaintError::Format(*variant)),
    };
    encoded.map_err(|why| PaintError::Encode { format: variant.format, why })
}
