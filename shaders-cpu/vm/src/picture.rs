//! Where pixels go: a caller's buffer, as floats or as bytes.

use core::ops::Range;

use fearless_simd::{Bytes as _, Simd, SimdBase as _};

use crate::kernel::{maximum, minimum};
use crate::machine::RunError;
use crate::register_file::{LaneSource, RegisterFile};
use crate::tile::Tile;

/// A picture's sides in pixels, each up to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// Values of a picture with four a pixel.
    #[must_use]
    pub fn values(self) -> usize {
        (self.width as usize).saturating_mul(self.height as usize).saturating_mul(4)
    }
}

/// A buffer of four values a pixel, row by row from the top.
pub(crate) enum Pixels<'a> {
    /// As computed.
    F32(&'a mut [f32]),
    /// Each channel limited to 0…1, times 255, to the nearest integer, ties to even.
    Rgba8(&'a mut [u8]),
}

/// A buffer of the right length for its size.
pub(crate) struct Canvas<'a> {
    size: Size,
    pixels: Pixels<'a>,
}

/// What a tile leaves on the picture.
pub(crate) struct Painted<'f> {
    pub file: &'f RegisterFile,
    pub color: [LaneSource; 4],
    /// A mask of the pixels that are transparent black.
    pub gone: Option<LaneSource>,
}

impl Painted<'_> {
    /// Writes the pixels of some lanes.
    fn write<T: Copy + Default>(&self, out: &mut [T], lanes: Range<usize>, convert: impl Fn(f32) -> T) {
        let [r, g, b, a] = self.color;
        for (pixel, lane) in out.chunks_exact_mut(4).zip(lanes) {
            let channel = |source| convert(f32::from_bits(self.file.read(source, lane)));
            let gone = self.gone.is_some_and(|gone| self.file.read(gone, lane) != 0);
            let color = [channel(r), channel(g), channel(b), channel(a)];
            pixel.copy_from_slice(&if gone { [T::default(); 4] } else { color });
        }
    }
}

impl Painted<'_> {
    /// A channel of a vector of lanes as bytes.
    #[inline(always)]
    fn channel<S: Simd>(&self, s: S, source: LaneSource, lane: usize) -> S::u32s {
        let value: S::f32s = self.file.vector(s, source, lane).bitcast();
        let value = maximum(s, S::f32s::splat(s, 0.0), value);
        let value = minimum(s, S::f32s::splat(s, 1.0), value);
        (value * 255.0 + TO_INTEGER).bitcast::<S::u32s>() & 0xff
    }

    /// The pixels of a vector of lanes as bytes, red in the lowest.
    #[inline(always)]
    fn packed<S: Simd>(&self, s: S, lane: usize) -> S::u32s {
        let [r, g, b, a] = self.color;
        let (r, g) = (self.channel(s, r, lane), self.channel(s, g, lane));
        let (b, a) = (self.channel(s, b, lane), self.channel(s, a, lane));
        let pixel = r | (g << 8) | (b << 16) | (a << 24);
        match self.gone {
            Some(gone) => pixel & !self.file.vector(s, gone, lane),
            None => pixel,
        }
    }

    /// Writes the pixels of lanes from `first` on as bytes, in whole vectors.
    fn write_bytes<S: Simd>(&self, s: S, out: &mut [u8], first: usize) {
        s.vectorize(
            #[inline(always)]
            move || {
                let mut lane = first;
                for pixels in out.chunks_mut(4 * S::u32s::LEN) {
                    let words = self.packed(s, lane);
                    for (pixel, word) in pixels.as_chunks_mut::<4>().0.iter_mut().zip(words.as_slice()) {
                        *pixel = word.to_le_bytes();
                    }
                    lane += S::u32s::LEN;
                }
            },
        );
    }
}

/// The last place of a float from 2^23 on is 1: adding that rounds to the nearest integer, ties to even, and leaves it in
/// the low bits.
const TO_INTEGER: f32 = 8_388_608.0;

/// A value as it is, but every NaN as one.
fn canonical(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value }
}

/// A channel as a byte. NaN counts as 0.
#[expect(clippy::cast_possible_truncation, reason = "what is cut off is the float's exponent")]
fn byte(value: f32) -> u8 {
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 1.0 { value } else { 1.0 };
    (value * 255.0 + TO_INTEGER).to_bits() as u8
}

impl<'a> Canvas<'a> {
    pub(crate) fn new(size: Size, pixels: Pixels<'a>) -> Result<Self, RunError> {
        let have = match &pixels {
            Pixels::F32(out) => out.len(),
            Pixels::Rgba8(out) => out.len(),
        };
        let Size { width, height } = size;
        let need = size.values();
        if have != need || width > 0xffff || height > 0xffff {
            return Err(RunError::Buffer { width, height, need, have });
        }
        Ok(Self { size, pixels })
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Writes the pixels of the tile at (x, y) that lie in the picture.
    pub(crate) fn tile<S: Simd>(&mut self, s: S, x: u32, y: u32, tile: Tile, painted: &Painted<'_>) {
        let in_vectors = (tile.columns as usize).is_multiple_of(S::u32s::LEN);
        let columns = tile.columns.min(self.size.width - x) as usize;
        for row in 0..tile.rows.min(self.size.height - y) {
            let start = ((y + row) as usize * self.size.width as usize + x as usize) * 4;
            let range = start..start + columns * 4;
            let first = (row * tile.columns) as usize;
            let lanes = first..first + columns;
            match &mut self.pixels {
                Pixels::F32(out) => painted.write(out.get_mut(range).unwrap_or_default(), lanes, canonical),
                Pixels::Rgba8(out) if in_vectors => {
                    painted.write_bytes(s, out.get_mut(range).unwrap_or_default(), first);
                }
                Pixels::Rgba8(out) => painted.write(out.get_mut(range).unwrap_or_default(), lanes, byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::byte;

    #[test]
    fn channels_round_to_the_nearest_byte() {
        assert_eq!([-1.0, 0.0, 0.5, 1.0, 9.0, f32::NAN].map(byte), [0, 0, 128, 255, 255, 0]);
        assert_eq!([0.5 / 255.0, 1.5 / 255.0, 254.4 / 255.0].map(byte), [0, 2, 254]);
    }
}
