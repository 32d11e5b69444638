//! Lossless WebP: the VP8L bitstream in its RIFF container (RFC 9649).
//!
//! Our own, since image-webp 0.2 breaks ties between equally frequent symbols by an unstable sort, whose order depends
//! on the width of a pointer: it writes other bytes in wasm32 than natively. This encoder does one thing well enough:
//! green is subtracted, each pixel is predicted from its neighbours by the `Select` rule, runs of equal residues
//! become copies of the pixel before, and one prefix code a channel writes the rest (`prefix.rs`). No colour cache, no
//! search for matches: pictures here are flat or smooth, and time counts.

mod bits;
mod prefix;

use resvg::tiny_skia::Pixmap;

use self::{bits::BitWriter, prefix::PrefixCode};
use crate::pixels;

/// Longest side that the format can say, in pixels.
const SIDE: u32 = 1 << 14;
/// Longest run that one copy can say, in pixels.
const RUN: usize = 4096;
/// Runs shorter than this, in pixels, are written out.
const SHORTEST_RUN: usize = 3;
/// Symbols of the green code: 256 values, then 24 prefixes of run lengths.
const GREEN: usize = 256 + 24;
/// The distance symbol that means "the pixel to the left".
const LEFT: usize = 1;
/// The predictor that chooses between left and above, as the format numbers it.
const SELECT: usize = 11;

/// A pixel: alpha, red, green, blue from the highest byte.
type Argb = u32;

/// Encodes without an alpha channel when `opaque`, otherwise with straight alpha.
///
/// # Errors
/// A sentence, for a side beyond the format's.
pub fn encode(pixmap: &Pixmap, opaque: bool) -> Result<Vec<u8>, String> {
    let (width, height) = (pixmap.width(), pixmap.height());
    if width.max(height) > SIDE {
        return Err(format!("{width} × {height} pixels is beyond {SIDE} on a side"));
    }
    let pixels: Vec<Argb> = if opaque {
        let (pixels, _) = pixmap.data().as_chunks::<4>();
        pixels.iter().map(|[red, green, blue, _]| argb(255, *red, *green, *blue)).collect()
    } else {
        let straight = pixels::straight_rgba(pixmap);
        let (pixels, _) = straight.as_chunks::<4>();
        pixels.iter().map(|[red, green, blue, alpha]| argb(*alpha, *red, *green, *blue)).collect()
    };
    let stream = vp8l(&pixels, width, height, !opaque);
    Ok(container(&stream))
}

/// The RIFF container around a VP8L stream.
fn container(stream: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    let padding = stream.len() % 2;
    let mut bytes = Vec::with_capacity(stream.len() + 21);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&length(12 + stream.len() + padding));
    bytes.extend_from_slice(b"WEBPVP8L");
    bytes.extend_from_slice(&length(stream.len()));
    bytes.extend_from_slice(stream);
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

fn vp8l(pixels: &[Argb], width: u32, height: u32, alpha: bool) -> Vec<u8> {
    let mut out = BitWriter::with_capacity(pixels.len() / 2 + 256);
    out.write(0x2f, 8);
    out.write(u64::from(width - 1), 14);
    out.write(u64::from(height - 1), 14);
    out.write(u64::from(alpha), 1);
    out.write(0, 3); // The version.

    // Transforms, in the order in which they were applied; each is announced by a one.
    out.write(1, 1);
    out.write(2, 2); // Green is subtracted from red and blue.
    out.write(1, 1);
    out.write(0, 2); // Prediction, by one rule for the whole picture: blocks of the largest size, all alike.
    out.write(7, 3);
    out.write(0, 1);
    for symbol in [SELECT, 0, 0, 255, 0] {
        PrefixCode::only(symbol).write(&mut out);
    }
    out.write(0, 1); // No more transforms.
    out.write(0, 1); // No colour cache.
    out.write(0, 1); // One group of prefix codes for the whole picture.

    let residues = predict(pixels, width as usize);
    write_pixels(&mut out, &residues);
    out.finish()
}

/// What each pixel is beyond its prediction, each channel modulo 256, with green subtracted before.
fn predict(pixels: &[Argb], width: usize) -> Vec<Argb> {
    let mut residues = Vec::with_capacity(pixels.len());
    let mut above = vec![0; width];
    let mut row = vec![0; width];
    for (y, source) in pixels.chunks_exact(width).enumerate() {
        for (out, pixel) in row.iter_mut().zip(source) {
            *out = subtract_green(*pixel);
        }
        if y == 0 {
            let mut left = argb(255, 0, 0, 0);
            for pixel in &row {
                residues.push(subtract(*pixel, left));
                left = *pixel;
            }
        } else {
            residues.push(subtract(row[0], above[0]));
            for (pair, top) in row.windows(2).zip(above.windows(2)) {
                residues.push(subtract(pair[1], select(pair[0], top[1], top[0])));
            }
        }
        core::mem::swap(&mut above, &mut row);
    }
    residues
}

/// The neighbour that a plane through the three would come closer to.
fn select(left: Argb, top: Argb, corner: Argb) -> Argb {
    // On flat ground, which most of a picture is, nothing needs to be weighed.
    if left == corner {
        return top;
    }
    if top == corner || distance(top, corner) < distance(left, corner) { left } else { top }
}

fn distance(a: Argb, b: Argb) -> u32 {
    a.to_le_bytes().into_iter().zip(b.to_le_bytes()).map(|(a, b)| u32::from(a.abs_diff(b))).sum()
}

/// A literal pixel or a run of copies of the one before.
enum Token {
    Literal(Argb),
    Run(usize),
}

/// Cuts residues into tokens.
fn tokens(residues: &[Argb]) -> impl Iterator<Item = Token> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let pixel = *residues.get(at)?;
        if at > 0 && residues[at - 1] == pixel {
            let most = (residues.len() - at).min(RUN);
            let run = residues[at..at + most].iter().take_while(|next| **next == pixel).count();
            if run >= SHORTEST_RUN {
                at += run;
                return Some(Token::Run(run));
            }
        }
        at += 1;
        Some(Token::Literal(pixel))
    })
}

/// Writes residues: the prefix codes that fit them best, then the tokens.
fn write_pixels(out: &mut BitWriter, residues: &[Argb]) {
    let mut counts = [vec![0; GREEN], vec![0; 256], vec![0; 256], vec![0; 256], vec![0; 40]];
    for token in tokens(residues) {
        match token {
            Token::Literal(pixel) => {
                for (count, value) in counts.iter_mut().zip(channels(pixel)) {
                    count[value] += 1;
                }
            }
            Token::Run(length) => {
                counts[0][256 + run_prefix(length).symbol] += 1;
                counts[4][LEFT] += 1;
            }
        }
    }
    let codes = counts.map(|counts| PrefixCode::fitting(&counts));
    for code in &codes {
        code.write(out);
    }
    for token in tokens(residues) {
        match token {
            Token::Literal(pixel) => {
                for (code, value) in codes.iter().zip(channels(pixel)) {
                    code.write_symbol(out, value);
                }
            }
            Token::Run(length) => {
                let prefix = run_prefix(length);
                codes[0].write_symbol(out, 256 + prefix.symbol);
                out.write(prefix.extra, prefix.bits);
                codes[4].write_symbol(out, LEFT);
            }
        }
    }
}

/// A pixel's channels in the order of their codes: green, red, blue, alpha.
fn channels(pixel: Argb) -> [usize; 4] {
    let [blue, green, red, alpha] = pixel.to_le_bytes().map(usize::from);
    [green, red, blue, alpha]
}

/// How a length is written: a symbol for its order of magnitude, then some bits as they are.
struct RunPrefix {
    symbol: usize,
    extra: u64,
    bits: u32,
}

fn run_prefix(length: usize) -> RunPrefix {
    let value = length - 1;
    if value < 4 {
        return RunPrefix { symbol: value, extra: 0, bits: 0 };
    }
    let bits = value.ilog2() - 1;
    let symbol = 2 * (bits as usize + 1) + (value >> bits & 1);
    RunPrefix { symbol, extra: value as u64 & ((1 << bits) - 1), bits }
}

fn argb(alpha: u8, red: u8, green: u8, blue: u8) -> Argb {
    u32::from_be_bytes([alpha, red, green, blue])
}

fn subtract_green(pixel: Argb) -> Argb {
    let green = pixel >> 8 & 0xff;
    subtract(pixel, green << 16 | green)
}

/// Each channel's difference, modulo 256. Two channels at a time: a borrow is kept from its neighbour by a bit lent
/// above each.
fn subtract(a: Argb, b: Argb) -> Argb {
    let even = ((a & 0x00ff_00ff) | 0x0100_0100).wrapping_sub(b & 0x00ff_00ff) & 0x00ff_00ff;
    let odd = ((a >> 8 & 0x00ff_00ff) | 0x0100_0100).wrapping_sub(b >> 8 & 0x00ff_00ff) & 0x00ff_00ff;
    even | odd << 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes with another implementation: RGBA.
    fn decoded(bytes: &[u8]) -> Vec<u8> {
        let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(bytes)).unwrap();
        let mut data = vec![0; decoder.output_buffer_size().unwrap()];
        decoder.read_image(&mut data).unwrap();
        if decoder.has_alpha() {
            return data;
        }
        data.chunks_exact(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]).collect()
    }

    fn round_trip(pixels: &[Argb], width: u32, alpha: bool) {
        let height = u32::try_from(pixels.len()).unwrap() / width;
        let bytes = container(&vp8l(pixels, width, height, alpha));
        let expected: Vec<u8> = pixels
            .iter()
            .flat_map(|pixel| {
                let [alpha, red, green, blue] = pixel.to_be_bytes();
                [red, green, blue, alpha]
            })
            .collect();
        assert_eq!(decoded(&bytes), expected);
    }

    #[test]
    fn long_runs_and_skewed_counts_come_back() {
        round_trip(&vec![argb(255, 1, 2, 3); 300 * 300], 300, false);
        // Each value about twice as frequent as the next: codes would grow past the longest that is allowed.
        let mut skewed = Vec::new();
        for value in 0..18u32 {
            for n in 0..(1u32 << value) {
                skewed.push(0xff00_0000 | (value * 11) << 8 | (n % 2) << 16);
            }
        }
        skewed.truncate(512 * 511);
        round_trip(&skewed, 511, false);
        let noise: Vec<Argb> =
            (0..256 * 64u32).map(|n| n.wrapping_mul(2_654_435_761).rotate_left(11)).collect();
        round_trip(&noise, 64, true);
    }

    proptest! {
        #[test]
        fn any_picture_comes_back(
            width in 1u32..20, rows in prop::collection::vec(prop::collection::vec(any::<(u32, u8)>(), 1..9), 1..20),
        ) {
            // Runs of random lengths of random pixels, cut to whole rows.
            let mut pixels: Vec<Argb> =
                rows.into_iter().flatten().flat_map(|(pixel, run)| vec![pixel; usize::from(run)]).collect();
            pixels.resize(pixels.len().next_multiple_of(width as usize).max(width as usize), 0x8000_ff00);
            round_trip(&pixels, width, true);
        }

        #[test]
        fn subtraction_is_per_channel(a: u32, b: u32) {
            let (left, right) = (a.to_le_bytes(), b.to_le_bytes());
            let expected = core::array::from_fn(|i| left[i].wrapping_sub(right[i]));
            prop_assert_eq!(subtract(a, b), u32::from_le_bytes(expected));
        }
    }
}
