//! PNG, in the mode that costs least time.

use png::{BitDepth, ColorType, Compression, Encoder, Filter};
use resvg::tiny_skia::Pixmap;

use crate::pixels;

/// Encodes as 8-bit RGB when `opaque`, otherwise RGBA with straight alpha.
///
/// # Errors
/// The encoder's message.
pub fn encode(pixmap: &Pixmap, opaque: bool) -> Result<Vec<u8>, String> {
    let (colour, data) = if opaque {
        (ColorType::Rgb, pixels::opaque_rgb(pixmap))
    } else {
        (ColorType::Rgba, pixels::straight_rgba(pixmap))
    };
    let mut bytes = Vec::with_capacity(data.len() / 3 + 1024);
    let mut encoder = Encoder::new(&mut bytes, pixmap.width(), pixmap.height());
    encoder.set_color(colour);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fastest);
    encoder.set_filter(Filter::Up);
    let mut writer = encoder.write_header().map_err(|e| e.to_string())?;
    writer.write_image_data(&data).map_err(|e| e.to_string())?;
    writer.finish().map_err(|e| e.to_string())?;
    Ok(bytes)
}
