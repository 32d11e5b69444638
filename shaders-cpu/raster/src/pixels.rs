//! Finished pixels, as encoders take them: opaque RGB, or RGBA with straight alpha.
//!
//! Painting works in premultiplied RGBA (see [`crate::canvas`]); no file format does. Rows run from the top, without
//! padding; channels are 8-bit sRGB.

use resvg::tiny_skia::{Pixmap, PremultipliedColorU8};

/// The colours of a picture that has no transparent pixel: 3 bytes a pixel. The alpha of the pixmap is not looked at.
#[must_use]
pub fn opaque_rgb(pixmap: &Pixmap) -> Vec<u8> {
    let (pixels, _) = pixmap.data().as_chunks::<4>();
    let mut rgb = vec![0; pixels.len() * 3];
    for (out, [red, green, blue, _]) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        *out = [*red, *green, *blue];
    }
    rgb
}

/// A picture laid on white: 3 bytes a pixel.
#[must_use]
pub fn rgb_on_white(pixmap: &Pixmap) -> Vec<u8> {
    let (pixels, _) = pixmap.data().as_chunks::<4>();
    let mut rgb = vec![0; pixels.len() * 3];
    for (out, [red, green, blue, alpha]) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        // A premultiplied channel is at most its alpha, so the sum stays in a byte.
        let white = 255 - alpha;
        *out = [red.saturating_add(white), green.saturating_add(white), blue.saturating_add(white)];
    }
    rgb
}

/// A picture with straight alpha: 4 bytes a pixel. A pixel of alpha 0 is black.
#[must_use]
pub fn straight_rgba(pixmap: &Pixmap) -> Vec<u8> {
    let mut rgba = Vec::with_capacity(pixmap.data().len());
    for pixel in pixmap.pixels() {
        rgba.extend_from_slice(&straight(*pixel));
    }
    rgba
}

/// Undoes premultiplication, to the nearest byte.
fn straight(pixel: PremultipliedColorU8) -> [u8; 4] {
    let alpha = u32::from(pixel.alpha());
    let channel = |value: u8| match alpha {
        0 => 0,
        255 => value,
        _ => u8::try_from((u32::from(value) * 255 + alpha / 2) / alpha).unwrap_or(u8::MAX),
    };
    [channel(pixel.red()), channel(pixel.green()), channel(pixel.blue()), pixel.alpha()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn opaque_pixels_lose_only_their_alpha(width in 1u32..9, colours in prop::collection::vec(any::<[u8; 3]>(), 8)) {
            let mut pixmap = Pixmap::new(width, 1).unwrap();
            for (pixel, [red, green, blue]) in pixmap.data_mut().as_chunks_mut::<4>().0.iter_mut().zip(&colours) {
                *pixel = [*red, *green, *blue, 255];
            }
            prop_assert_eq!(opaque_rgb(&pixmap), colours[..width as usize].as_flattened());
        }

        #[test]
        fn premultiplying_again_gives_the_pixel_back(red: u8, green: u8, blue: u8, alpha: u8) {
            let [red, green, blue] = [red, green, blue].map(|v| v.min(alpha));
            let pixel = PremultipliedColorU8::from_rgba(red, green, blue, alpha).unwrap();
            let again = straight(pixel);
            for (straight, premultiplied) in again.into_iter().zip([red, green, blue]) {
                let back = (u32::from(straight) * u32::from(alpha) + 127) / 255;
                prop_assert_eq!(back, u32::from(premultiplied));
            }
        }
    }
}
