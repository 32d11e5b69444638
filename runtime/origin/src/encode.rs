//! Encodes pixels into files: with the encoders of the CPU painter, and as AVIF and lossy WebP, which no edge makes.

use iridule_origin_api::limits;
use iridule_raster::{Pixmap, encode, pixels};
use iridule_scene::variant::{Format, Variant};
use ravif::{Img, RGBA8};
use webp::Encoder;

/// The speed of the AVIF encoder, 1 to 10 (fastest). Slower settings make files a few per cent smaller.
const AVIF_SPEED: u8 = 8;

/// Why a picture could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// An encoder that the CPU painter has too failed.
    #[error("{0}")]
    Raster(String),
    /// The AVIF or the lossy WebP encoder failed.
    #[error("encoding {media_type}: {why}")]
    Encoder {
        /// The media type of the file.
        media_type: &'static str,
        /// What the encoder reports.
        why: String,
    },
    /// The file is larger than an edge accepts.
    #[error(
        "the file has {0} bytes, at most {max}; ask for a smaller picture, or for jpg or avif",
        max = limits::ORIGIN_BYTES
    )]
    TooLarge(usize),
}

/// Encodes premultiplied pixels. `opaque` says that no pixel is transparent.
///
/// # Errors
/// [`EncodeError`]
pub fn encode(pixmap: &Pixmap, opaque: bool, variant: &Variant) -> Result<Vec<u8>, EncodeError> {
    let bytes = match variant.format {
        Format::Avif => avif(pixmap, variant.quality)?,
        Format::WebP if variant.quality > 0 => webp(pixmap, opaque, variant.quality)?,
        Format::Png | Format::WebP | Format::Jpeg => {
            encode::encode(pixmap, opaque, variant).map_err(|why| EncodeError::Raster(why.to_string()))?
        }
    };
    match bytes.len() <= limits::ORIGIN_BYTES {
        true => Ok(bytes),
        false => Err(EncodeError::TooLarge(bytes.len())),
    }
}

fn avif(pixmap: &Pixmap, quality: u8) -> Result<Vec<u8>, EncodeError> {
    let rgba = pixels::straight_rgba(pixmap);
    let (rgba, _) = rgba.as_chunks::<4>();
    let rgba: Vec<RGBA8> = rgba.iter().map(|[r, g, b, a]| RGBA8::new(*r, *g, *b, *a)).collect();
    let picture = Img::new(&*rgba, pixmap.width() as usize, pixmap.height() as usize);
    let encoder = ravif::Encoder::new().with_quality(quality.into()).with_speed(AVIF_SPEED);
    let encoded = encoder
        .encode_rgba(picture)
        .map_err(|why| EncodeError::Encoder { media_type: "image/avif", why: why.to_string() })?;
    Ok(encoded.avif_file)
}

fn webp(pixmap: &Pixmap, opaque: bool, quality: u8) -> Result<Vec<u8>, EncodeError> {
    let (width, height) = (pixmap.width(), pixmap.height());
    let data = if opaque { pixels::opaque_rgb(pixmap) } else { pixels::straight_rgba(pixmap) };
    let encoder = match opaque {
        true => Encoder::from_rgb(&data, width, height),
        false => Encoder::from_rgba(&data, width, height),
    };
    let encoded = encoder.encode_simple(false, quality.into());
    let encoded =
        encoded.map_err(|why| EncodeError::Encoder { media_type: "image/webp", why: format!("{why:?}") })?;
    Ok(encoded.to_vec())
}
