//! Where pixels go: a caller's buffer, as floats or as bytes.

use crate::machine::RunError;
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

/// A channel as a byte. NaN counts as 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is in 0…255")]
fn byte(value: f32) -> u8 {
    // Below 2^22 the sum's last place is a half: adding and taking away 2^23 rounds to the nearest, ties to even.
    let scaled = value.clamp(0.0, 1.0) * 255.0;
    ((scaled + 8_388_608.0) - 8_388_608.0) as u8
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

    /// Writes the pixels of the tile at (x, y) that lie in the picture, each from its lane.
    pub(crate) fn tile(&mut self, x: u32, y: u32, tile: Tile, pixel: impl Fn(usize) -> [f32; 4]) {
        let columns = tile.columns.min(self.size.width - x) as usize;
        for row in 0..tile.rows.min(self.size.height - y) {
            let start = ((y + row) as usize * self.size.width as usize + x as usize) * 4;
            let first = (row * tile.columns) as usize;
            let lanes = first..first + columns;
            let range = start..start + columns * 4;
            match &mut self.pixels {
                Pixels::F32(out) => {
                    let out = out.get_mut(range).unwrap_or_default().chunks_exact_mut(4);
                    for (to, lane) in out.zip(lanes) {
                        to.copy_from_slice(&pixel(lane).map(|v| if v.is_nan() { f32::NAN } else { v }));
                    }
                }
                Pixels::Rgba8(out) => {
                    let out = out.get_mut(range).unwrap_or_default().chunks_exact_mut(4);
                    for (to, lane) in out.zip(lanes) {
                        to.copy_from_slice(&pixel(lane).map(byte));
                    }
                }
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
