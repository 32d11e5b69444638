//! Kernels on rows of premultiplied RGBA, in integers: exact to the nearest byte, so alike on every host.
//!
//! Two channels at a time share a 32-bit word, which compilers turn into vectors on every target.

/// The even channels of a pixel read as a little-endian word.
const EVEN: u32 = 0x00ff_00ff;

/// Each channel times `share` (0 to 255) over 255, to the nearest.
#[inline(always)]
fn scaled(pixel: u32, share: u32) -> u32 {
    let nearest = |pair: u32| {
        let sum = pair * share + 0x0080_0080;
        (sum + ((sum >> 8) & EVEN)) >> 8 & EVEN
    };
    nearest(pixel & EVEN) | nearest(pixel >> 8 & EVEN) << 8
}

/// Composites `above` over `below`. No channel of a pixel may exceed its alpha.
pub fn over(below: &mut [u8], above: &[u8]) {
    let (below, above) = (below.as_chunks_mut::<4>().0, above.as_chunks::<4>().0);
    for (out, pixel) in below.iter_mut().zip(above) {
        let pixel = u32::from_le_bytes(*pixel);
        let left = 255 - (pixel >> 24);
        // Both parts are rounded to the nearest, and together come to 255 at most: their exact sum does.
        *out = (pixel + scaled(u32::from_le_bytes(*out), left)).to_le_bytes();
    }
}

/// Composites one colour over `below`, by the same arithmetic as [`over`]. No channel of it may exceed its alpha.
pub fn over_flat(below: &mut [u8], colour: [u8; 4]) {
    let (colour, left) = (u32::from_le_bytes(colour), 255 - u32::from(colour[3]));
    for out in below.as_chunks_mut::<4>().0 {
        *out = (colour + scaled(u32::from_le_bytes(*out), left)).to_le_bytes();
    }
}

/// Scales pixels by an opacity (0 to 255), and each by its coverage where there is one.
pub fn thin(pixels: &mut [u8], coverage: Option<&[u8]>, opacity: u8) {
    let pixels = pixels.as_chunks_mut::<4>().0;
    let opacity = u32::from(opacity);
    match coverage {
        Some(coverage) => {
            for (pixel, share) in pixels.iter_mut().zip(coverage) {
                let share = scaled(u32::from(*share), opacity);
                *pixel = scaled(u32::from_le_bytes(*pixel), share).to_le_bytes();
            }
        }
        None if opacity == 255 => {}
        None => {
            for pixel in pixels {
                *pixel = scaled(u32::from_le_bytes(*pixel), opacity).to_le_bytes();
            }
        }
    }
}

/// Multiplies straight colours by their alpha.
pub fn premultiply(pixels: &mut [u8]) {
    for pixel in pixels.as_chunks_mut::<4>().0 {
        let straight = u32::from_le_bytes(*pixel);
        let alpha = straight >> 24;
        *pixel = (scaled(straight & 0x00ff_ffff, alpha) | alpha << 24).to_le_bytes();
    }
}

/// What of each pixel counts as coverage: its alpha, or its luminance, times `opacity`.
pub fn coverage(pixels: &[[u8; 4]], luminance: bool, opacity: u8, out: &mut [u8]) {
    let opacity = u32::from(opacity);
    for (out, [red, green, blue, alpha]) in out.iter_mut().zip(pixels) {
        let counts = if luminance {
            // 0.2126, 0.7152 and 0.0722 in parts of 65536; premultiplied channels carry the alpha already.
            let sum = 13_933 * u32::from(*red) + 46_871 * u32::from(*green) + 4_732 * u32::from(*blue);
            (sum + 0x8000) >> 16
        } else {
            u32::from(*alpha)
        };
        *out = scaled(counts, opacity).to_le_bytes()[0];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nearest(value: u8, share: u8) -> u8 {
        u8::try_from((u32::from(value) * u32::from(share) + 127) / 255).unwrap()
    }

    #[test]
    fn every_product_is_the_nearest_byte() {
        for value in 0..=255u8 {
            for share in 0..=255u8 {
                let product = scaled(u32::from_le_bytes([value; 4]), u32::from(share));
                assert_eq!(product.to_le_bytes(), [nearest(value, share); 4]);
            }
        }
    }

    #[test]
    fn luminance_of_white_is_whole() {
        let mut out = [0; 2];
        coverage(&[[255; 4], [128, 128, 128, 128]], true, 255, &mut out);
        assert_eq!(out, [255, 128]);
    }

    proptest! {
        #[test]
        fn over_stays_premultiplied(below: [u8; 4], above: [u8; 4]) {
            let valid = |mut pixel: [u8; 4]| {
                for channel in 0..3 { pixel[channel] = pixel[channel].min(pixel[3]); }
                pixel
            };
            let (mut out, above) = (valid(below), valid(above));
            let before = out;
            over(&mut out, &above);
            for channel in 0..4 {
                let exact = f64::from(above[channel]) + f64::from(before[channel]) * f64::from(255 - above[3]) / 255.0;
                prop_assert!((f64::from(out[channel]) - exact).abs() <= 0.5 + 1e-9);
                prop_assert!(out[channel] <= out[3]);
            }
        }
    }
}
