//! Lossless WebP.

use image_webp::{ColorType, WebPEncoder};
use resvg::tiny_skia::Pixmap;

use crate::pixels;

/// Encodes without an alpha channel when `opaque`, otherwise with straight alpha.
///
/// # Errors
/// The encoder's message.
pub fn encode(pixmap: &Pixmap, opaque: bool) -> Result<Vec<u8>, String> {
    let (colour, data) = if opaque {
        (ColorType::Rgb8, pixels::opaque_rgb(pixmap))
    } else {
        (ColorType::Rgba8, pixels::straight_rgba(pixmap))
    };
    let mut bytes = Vec::with_capacity(data.len() / 4 + 1024);
    WebPEncoder::new(&mut bytes)
        .encode(&data, pixmap.width(), pixmap.height(), colour)
        .map_err(|e| e.to_string())?;
    Ok(bytes)
}
