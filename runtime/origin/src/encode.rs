//! Pixels into files: the encoders of the CPU painter, and what no edge makes: AVIF, and WebP with loss.

use iridule_origin_api::limits;
use iridule_raster::{Pixmap, encode, pixels};
use iridule_scene::variant::{Format, Variant};
use ravif::{Img, RGBA8};
use webp::Encoder;

/// How hard the AVIF encoder tries, 1 to 10, the fastest. Slower is a few per cent smaller.
const AVIF_SPEED: u8 = 8;

/// Encodes premultiplied pixels. `opaque` says that no pixel is transparent.
///
/// # Errors
/// A sentence: an encoder fails, or the file is larger than an edge takes.
pub fn encode(pixmap: &Pixmap, opaque: bool, variant: &Variant) -> Result<Vec<u8>, String> {
    let bytes = match variant.format {
        Format::Avif => avif(pixmap, variant.quality)?,
        Format::WebP if variant.quality > 0 => webp(pixmap, opaque, variant.quality)?,
        Format::Png | Format::WebP | Format::Jpeg => {
            encode::encode(pixmap, opaque, variant).map_err(|why| why.to_string())?
        }
    };
    match bytes.len() <= limits::ORIGIN_BYTES {
        true => Ok(bytes),
        false => Err(format!(
            "the file has {} bytes, at most {}; ask for a smaller picture, or for jpg or avif",
            bytes.len(),
            limits::ORIGIN_BYTES
        )),
    }
}

fn avif(pixmap: &Pixmap, quality: u8) -> Result<Vec<u8>, String> {
    let rgba = pixels::straight_rgba(pixmap);
    let (rgba, _) = rgba.as_chunks::<4>();
    let rgba: Vec<RGBA8> = rgba.iter().map(|[r, g, b, a]| RGBA8::new(*r, *g, *b, *a)).collect();
    let picture = Img::new(&*rgba, pixmap.width() as usize, pixmap.height() as usize);
    let encoder = ravif::Encoder::new().with_quality(quality.into()).with_speed(AVIF_SPEED);
    let encoded = encoder.encode_rgba(picture).map_err(|why| format!("encoding image/avif: {why}"))?;
    Ok(encoded.avif_file)
}

fn webp(pixmap: &Pixmap, opaque: bool, quality: u8) -> Result<Vec<u8>, String> {
    let (width, height) = (pixmap.width(), pixmap.height());
    let data = if opaque { pixels::opaque_rgb(pixmap) } else { pixels::straight_rgba(pixmap) };
    let encoder = match opaque {
        true => Encoder::from_rgb(&data, width, height),
        false => Encoder::from_rgba(&data, width, height),
    };
    let encoded = encoder.encode_simple(false, quality.into());
    let encoded = encoded.map_err(|why| format!("encoding image/webp: {why:?}"))?;
    Ok(encoded.to_vec())
}
