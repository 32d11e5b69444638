//! Baseline JPEG. Transparency is laid on white, as viewers without it would show.

use jpeg_encoder::{ColorType, Encoder};
use resvg::tiny_skia::Pixmap;

use crate::pixels;

/// Encodes at a quality of 1 to 100.
///
/// # Errors
/// The encoder's message.
pub fn encode(pixmap: &Pixmap, quality: u8) -> Result<Vec<u8>, String> {
    let data = pixels::rgb_on_white(pixmap);
    let side = |pixels: u32| u16::try_from(pixels).map_err(|_| format!("{pixels} pixels on a side"));
    let (width, height) = (side(pixmap.width())?, side(pixmap.height())?);
    let mut bytes = Vec::with_capacity(data.len() / 8 + 1024);
    Encoder::new(&mut bytes, quality.clamp(1, 100))
        .encode(&data, width, height, ColorType::Rgb)
        .map_err(|e| e.to_string())?;
    Ok(bytes)
}
