//! Where pixels go: a caller's buffer, as floats or as bytes.

use core::ops::Range;

use crate::machine::RunError;
use crate::register_file::{RegisterFile, Source};
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
    pub color: [Source; 4],
    /// A mask of the pixels that are transparent black.
    pub gone: Option<Source>,
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

/// A value as it is, but every NaN as one.
fn canonical(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value }
}

/// A channel as a byte. NaN counts as 0.
#[expect(clippy::cast_possible_truncation, reason = "what is cut off is the float's exponent")]
fn byte(value: f32) -> u8 {
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 1.0 { value } else { 1.0 };
    // The last place of a float from 2^23 on is 1: adding that rounds to the nearest integer, ties to even, and leaves it
    // in the low bits.
    (value * 255.0 + 8_388_608.0).to_bits() as u8
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
    pub(crate) fn tile(&mut self, x: u32, y: u32, tile: Tile, painted: &Painted<'_>) {
        let columns = tile.columns.min(self.size.width - x) as usize;
        for row in 0..tile.rows.min(self.size.height - y) {
            let start = ((y + row) as usize * self.size.width as usize + x as usize) * 4;
            let range = start..start + columns * 4;
            let first = (row * tile.columns) as usize;
            let lanes = first..first + columns;
            match &mut self.pixels {
                Pixels::F32(out) => painted.write(out.get_mut(range).unwrap_or_default(), lanes, canonical),
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
