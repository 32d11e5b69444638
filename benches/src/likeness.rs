//! How alike two pictures are.

use anyhow::{anyhow, ensure};
use iridule_raster::image;

/// The peak signal-to-noise ratio of two pictures of one size, over all channels, decibel.
///
/// # Errors
/// When one is no picture, or the two differ in size.
pub fn psnr(one: &[u8], other: &[u8]) -> anyhow::Result<f64> {
    let decode = |file| image::decode(file).map_err(|why| anyhow!("{why}"));
    let (one, other) = (decode(one)?, decode(other)?);
    ensure!((one.width, one.height) == (other.width, other.height), "the pictures differ in size");
    let squares = one.pixels.iter().zip(&other.pixels).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    #[expect(clippy::cast_precision_loss, reason = "a few million at most")]
    let mean = squares.sum::<f64>() / one.pixels.len() as f64;
    Ok(10.0 * (255.0 * 255.0 / mean).log10())
}
