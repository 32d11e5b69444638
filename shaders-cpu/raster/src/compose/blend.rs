//! Blend modes: CSS Compositing and Blending Level 1, sections 8 and 9, composited source-over.
//!
//! tiny-skia has these modes too, but takes reciprocals by an instruction that processors answer differently (see
//! `docs/decisions/005-which-svg-paints-the-same-bytes-on-every-host.md`), so they are written here with the four operations and `sqrt`,
//! which IEEE 754 fixes. Pixels go through in blocks of one channel each, which compilers turn into vectors.

use iridule_scene::scene::Blend;

/// Pixels of a block.
const BLOCK: usize = 16;

/// One channel of a block, 0 to 1.
type Channel = [f32; BLOCK];

/// Red, green and blue of a block.
type Colours = [Channel; 3];

/// Blends a row onto another, both premultiplied RGBA.
pub fn row(mode: Blend, below: &mut [u8], above: &[u8]) {
    match mode {
        Blend::Normal => super::rows::over(below, above),
        Blend::Multiply => blocks(below, above, separable(|b, s| b * s)),
        Blend::Screen => blocks(below, above, separable(|b, s| b + s - b * s)),
        Blend::Overlay => blocks(below, above, separable(|b, s| hard_light(s, b))),
        Blend::Darken => blocks(below, above, separable(least)),
        Blend::Lighten => blocks(below, above, separable(most)),
        Blend::ColorDodge => blocks(below, above, separable(color_dodge)),
        Blend::ColorBurn => blocks(below, above, separable(color_burn)),
        Blend::HardLight => blocks(below, above, separable(hard_light)),
        Blend::SoftLight => blocks(below, above, separable(soft_light)),
        Blend::Difference => blocks(below, above, separable(|b, s| (b - s).abs())),
        Blend::Exclusion => blocks(below, above, separable(|b, s| b + s - 2.0 * b * s)),
        Blend::Hue => blocks(below, above, together(|b, s| with_lum(with_sat(s, sat(b)), lum(b)))),
        Blend::Saturation => blocks(below, above, together(|b, s| with_lum(with_sat(b, sat(s)), lum(b)))),
        Blend::Color => blocks(below, above, together(|b, s| with_lum(s, lum(b)))),
        Blend::Luminosity => blocks(below, above, together(|b, s| with_lum(b, lum(s)))),
    }
}

/// A mode that looks at one channel at a time. Arguments are the backdrop's and the source's, as in the text.
fn separable(blend: impl Fn(f32, f32) -> f32) -> impl Fn(&Colours, &Colours) -> Colours {
    move |below, above| {
        let mut out = *below;
        for (out, above) in out.iter_mut().zip(above) {
            for (out, above) in out.iter_mut().zip(above) {
                *out = blend(*out, *above);
            }
        }
        out
    }
}

/// A mode that looks at a colour as a whole.
fn together(blend: impl Fn([f32; 3], [f32; 3]) -> [f32; 3]) -> impl Fn(&Colours, &Colours) -> Colours {
    move |below, above| {
        let mut out = *below;
        for at in 0..BLOCK {
            let colour = |of: &Colours| [of[0][at], of[1][at], of[2][at]];
            let blended = blend(colour(below), colour(above));
            for (out, blended) in out.iter_mut().zip(blended) {
                out[at] = blended;
            }
        }
        out
    }
}

/// Takes two rows through a mode, a block at a time.
fn blocks(below: &mut [u8], above: &[u8], blend: impl Fn(&Colours, &Colours) -> Colours) {
    const BYTES: usize = BLOCK * 4;
    for (below, above) in below.chunks_mut(BYTES).zip(above.chunks(BYTES)) {
        if above.iter().all(|byte| *byte == 0) {
            continue;
        }
        if let (Some(out), Some(above)) = (below.first_chunk_mut::<BYTES>(), above.first_chunk::<BYTES>()) {
            block(out, above, &blend);
        } else {
            // The row's end, filled up with transparent pixels.
            let (mut out, mut source) = ([0; BYTES], [0; BYTES]);
            out[..below.len()].copy_from_slice(below);
            source[..above.len()].copy_from_slice(above);
            block(&mut out, &source, &blend);
            below.copy_from_slice(&out[..below.len()]);
        }
    }
}

/// Section 5.1 with section 9: what the backdrop keeps, what the source adds, and what they blend to where both are.
#[inline]
fn block(
    below: &mut [u8; BLOCK * 4],
    above: &[u8; BLOCK * 4],
    blend: impl Fn(&Colours, &Colours) -> Colours,
) {
    let (b, b_alpha) = apart(below);
    let (s, s_alpha) = apart(above);
    let blended = blend(&straight(&b, &b_alpha), &straight(&s, &s_alpha));
    let mut alpha = [0.0; BLOCK];
    for at in 0..BLOCK {
        alpha[at] = byte(s_alpha[at] + b_alpha[at] - s_alpha[at] * b_alpha[at]);
    }
    let mut out = [alpha; 4];
    for channel in 0..3 {
        for at in 0..BLOCK {
            let alone = (1.0 - b_alpha[at]) * s[channel][at] + (1.0 - s_alpha[at]) * b[channel][at];
            let both = s_alpha[at] * b_alpha[at] * blended[channel][at];
            out[channel][at] = least(byte(alone + both), alpha[at]);
        }
    }
    for (at, pixel) in below.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        for (to, from) in pixel.iter_mut().zip(&out) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255 and whole")]
            {
                *to = from[at] as u8;
            }
        }
    }
}

/// A value from 0 to 1 as the nearest of 0 to 255.
#[inline]
fn byte(value: f32) -> f32 {
    // Adding and taking away 2^23 rounds to a whole number, ties to even.
    let scaled = least(most(value, 0.0), 1.0) * 255.0;
    (scaled + 8_388_608.0) - 8_388_608.0
}

fn apart(pixels: &[u8; BLOCK * 4]) -> (Colours, Channel) {
    let mut channels = [[0.0; BLOCK]; 4];
    for (at, pixel) in pixels.as_chunks::<4>().0.iter().enumerate() {
        for (channel, byte) in channels.iter_mut().zip(pixel) {
            channel[at] = f32::from(*byte) / 255.0;
        }
    }
    let [red, green, blue, alpha] = channels;
    ([red, green, blue], alpha)
}

/// Premultiplied colours made straight; transparent ones stay black.
fn straight(colours: &Colours, alpha: &Channel) -> Colours {
    let mut out = *colours;
    for channel in &mut out {
        for (value, alpha) in channel.iter_mut().zip(alpha) {
            // The least alpha above 0 is 1/255, so that 0 over it is 0.
            *value /= most(*alpha, 1.0 / 255.0);
        }
    }
    out
}

// Plain comparisons, since what `f32::min` does with NaN costs instructions; there is none here.

fn least(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

fn most(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

fn hard_light(b: f32, s: f32) -> f32 {
    let t = 2.0 * s - 1.0;
    if s <= 0.5 { b * 2.0 * s } else { b + t - b * t }
}

fn color_dodge(b: f32, s: f32) -> f32 {
    let lifted = if s < 1.0 { least(b / (1.0 - s), 1.0) } else { 1.0 };
    if b == 0.0 { 0.0 } else { lifted }
}

fn color_burn(b: f32, s: f32) -> f32 {
    let burnt = if s > 0.0 { 1.0 - least((1.0 - b) / s, 1.0) } else { 0.0 };
    if b == 1.0 { 1.0 } else { burnt }
}

fn soft_light(b: f32, s: f32) -> f32 {
    let lifted = if b <= 0.25 { ((16.0 * b - 12.0) * b + 4.0) * b } else { b.sqrt() };
    let t = 2.0 * s - 1.0;
    if s <= 0.5 { b + t * b * (1.0 - b) } else { b + t * (lifted - b) }
}

/// Section 10.2's `Lum`.
fn lum([red, green, blue]: [f32; 3]) -> f32 {
    0.3 * red + 0.59 * green + 0.11 * blue
}

/// `Sat`.
fn sat([red, green, blue]: [f32; 3]) -> f32 {
    most(most(red, green), blue) - least(least(red, green), blue)
}

/// `SetLum` with `ClipColor`.
fn with_lum(colour: [f32; 3], target: f32) -> [f32; 3] {
    let shift = target - lum(colour);
    let colour = colour.map(|v| v + shift);
    let [red, green, blue] = colour;
    let (low, high) = (least(least(red, green), blue), most(most(red, green), blue));
    let l = lum(colour);
    // How far colours must draw in towards their luminance; where nothing is outside, the factor is 1.
    let up = if low < 0.0 { l / (l - low) } else { 1.0 };
    let down = if high > 1.0 { (1.0 - l) / (high - l) } else { 1.0 };
    let factor = up * down;
    colour.map(|v| l + (v - l) * factor)
}

/// `SetSat`, for the three channels alike: the least becomes 0, the greatest `target`.
fn with_sat(colour: [f32; 3], target: f32) -> [f32; 3] {
    let [red, green, blue] = colour;
    let low = least(least(red, green), blue);
    let span = most(most(red, green), blue) - low;
    let factor = if span > 0.0 { target / span } else { 0.0 };
    colour.map(|v| (v - low) * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use resvg::tiny_skia::{BlendMode, Pixmap, PixmapPaint, Transform};

    /// The modes, and those that another painter has for them. Its last four are some levels off the text's formulas.
    const MODES: [(Blend, BlendMode); 16] = [
        (Blend::Normal, BlendMode::SourceOver),
        (Blend::Multiply, BlendMode::Multiply),
        (Blend::Screen, BlendMode::Screen),
        (Blend::Overlay, BlendMode::Overlay),
        (Blend::Darken, BlendMode::Darken),
        (Blend::Lighten, BlendMode::Lighten),
        (Blend::ColorDodge, BlendMode::ColorDodge),
        (Blend::ColorBurn, BlendMode::ColorBurn),
        (Blend::HardLight, BlendMode::HardLight),
        (Blend::SoftLight, BlendMode::SoftLight),
        (Blend::Difference, BlendMode::Difference),
        (Blend::Exclusion, BlendMode::Exclusion),
        (Blend::Hue, BlendMode::Hue),
        (Blend::Saturation, BlendMode::Saturation),
        (Blend::Color, BlendMode::Color),
        (Blend::Luminosity, BlendMode::Luminosity),
    ];

    fn valid([red, green, blue, alpha]: [u8; 4]) -> [u8; 4] {
        [red.min(alpha), green.min(alpha), blue.min(alpha), alpha]
    }

    proptest! {
        #[test]
        fn modes_are_what_another_painter_makes_of_them(
            pixels in prop::collection::vec(any::<([u8; 4], [u8; 4])>(), 1..40),
            opaque: bool,
        ) {
            let alpha = |mut pixel: [u8; 4]| {
                if opaque { pixel[3] = 255; }
                valid(pixel)
            };
            let below: Vec<u8> = pixels.iter().flat_map(|(pixel, _)| alpha(*pixel)).collect();
            let above: Vec<u8> = pixels.iter().flat_map(|(_, pixel)| alpha(*pixel)).collect();
            let width = u32::try_from(pixels.len()).unwrap();
            let pixmap = |bytes: &[u8]| {
                let mut pixmap = Pixmap::new(width, 1).unwrap();
                pixmap.data_mut().copy_from_slice(bytes);
                pixmap
            };
            for (mode, other) in MODES.into_iter().take(12) {
                let mut ours = below.clone();
                row(mode, &mut ours, &above);
                let mut theirs = pixmap(&below);
                let paint = PixmapPaint { blend_mode: other, ..PixmapPaint::default() };
                theirs.draw_pixmap(0, 0, pixmap(&above).as_ref(), &paint, Transform::identity(), None);
                for (at, (ours, theirs)) in ours.iter().zip(theirs.data()).enumerate() {
                    // Theirs rounds to bytes on the way, in some modes more than once.
                    prop_assert!(ours.abs_diff(*theirs) <= 3, "{mode:?} {at} {ours} {theirs} {below:?} {above:?}");
                }
                for pixel in ours.chunks_exact(4) {
                    prop_assert!(pixel[..3].iter().all(|channel| *channel <= pixel[3]), "{mode:?}");
                }
            }
        }
    }

    /// Section 10.2 word by word, on straight colours.
    fn as_written(mode: Blend, b: [f64; 3], s: [f64; 3]) -> [f64; 3] {
        let lum = |c: [f64; 3]| 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2];
        let sorted = |c: [f64; 3]| {
            let mut order = [0, 1, 2];
            order.sort_by(|a, b| c[*a].total_cmp(&c[*b]));
            order
        };
        let sat = |c: [f64; 3]| c[sorted(c)[2]] - c[sorted(c)[0]];
        let set_lum = |c: [f64; 3], to: f64| {
            let mut c = c.map(|v| v + to - lum(c));
            let (l, [n, _, x]) = (lum(c), sorted(c).map(|at| c[at]));
            if n < 0.0 {
                c = c.map(|v| l + (v - l) * l / (l - n));
            }
            if x > 1.0 {
                c = c.map(|v| l + (v - l) * (1.0 - l) / (x - l));
            }
            c
        };
        let set_sat = |c: [f64; 3], to: f64| {
            let [min, mid, max] = sorted(c);
            let mut out = [0.0; 3];
            if c[max] > c[min] {
                out[mid] = (c[mid] - c[min]) * to / (c[max] - c[min]);
                out[max] = to;
            }
            out
        };
        match mode {
            Blend::Hue => set_lum(set_sat(s, sat(b)), lum(b)),
            Blend::Saturation => set_lum(set_sat(b, sat(s)), lum(b)),
            Blend::Color => set_lum(s, lum(b)),
            _ => set_lum(b, lum(s)),
        }
    }

    proptest! {
        #[test]
        fn colour_modes_are_what_is_written(below: [u8; 4], above: [u8; 4]) {
            let (below, above) = (valid(below), valid(above));
            let straight = |[red, green, blue, alpha]: [u8; 4]| {
                [red, green, blue].map(|v| if alpha == 0 { 0.0 } else { f64::from(v) / f64::from(alpha) })
            };
            let (b, s) = (f64::from(below[3]) / 255.0, f64::from(above[3]) / 255.0);
            for (mode, _) in &MODES[12..] {
                let blended = as_written(*mode, straight(below), straight(above));
                let mut out = below;
                row(*mode, &mut out, &above);
                for channel in 0..3 {
                    let exact = (1.0 - b) * f64::from(above[channel])
                        + (1.0 - s) * f64::from(below[channel])
                        + s * b * blended[channel] * 255.0;
                    prop_assert!((f64::from(out[channel]) - exact).abs() < 0.51, "{mode:?} {out:?} {exact}");
                }
            }
        }
    }

    #[test]
    fn nothing_below_leaves_a_layer_as_it_is() {
        for (mode, _) in MODES {
            let above: Vec<u8> = (0..=255).flat_map(|v: u8| valid([v, 255 - v, v / 2, 200])).collect();
            let mut below = vec![0; above.len()];
            row(mode, &mut below, &above);
            assert_eq!(below, above, "{mode:?}");
            let mut kept = above.clone();
            row(mode, &mut kept, &vec![0; above.len()]);
            assert_eq!(kept, above, "{mode:?}");
        }
    }
}
