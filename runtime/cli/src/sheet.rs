//! Contact sheets: many pictures in one, row by row.

use anyhow::{Context as _, bail, ensure};

/// Pixels between pictures, and around them.
const GAP: usize = 12;
/// The colour of the gaps.
const GROUND: [u8; 3] = [0x0c, 0x0d, 0x12];
/// Most pixels of a sheet.
const MOST_PIXELS: usize = 256 << 20;

/// A sheet in the making: opaque RGB, 8 bits, row by row from the top.
pub struct Sheet {
    columns: usize,
    tile: (usize, usize),
    size: (usize, usize),
    pixels: Vec<u8>,
}

impl Sheet {
    /// An empty sheet for `count` pictures of this size, near to a square.
    ///
    /// # Errors
    /// When it would be larger than [`MOST_PIXELS`].
    pub fn new(count: usize, width: usize, height: usize) -> anyhow::Result<Self> {
        let columns = (1..=count).find(|n| n * n >= count).unwrap_or(1);
        let rows = count.div_ceil(columns).max(1);
        let size = (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP);
        ensure!(
            size.0 * size.1 <= MOST_PIXELS,
            "a sheet of {count} pictures is too large; leave --sheet out"
        );
        Ok(Self { columns, tile: (width, height), size, pixels: GROUND.repeat(size.0 * size.1) })
    }

    /// Puts the `place`-th picture, a PNG, in its place.
    ///
    /// # Errors
    /// When it is no 8-bit RGB or RGBA PNG of the sheet's tile size.
    pub fn place(&mut self, place: usize, png: &[u8]) -> anyhow::Result<()> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().context("not a PNG")?;
        let mut pixels = vec![0; reader.output_buffer_size().context("too large")?];
        let info = reader.next_frame(&mut pixels)?;
        let samples = match info.color_type {
            png::ColorType::Rgb => 3,
            png::ColorType::Rgba => 4,
            other => bail!("{other:?} pictures do not go on a sheet"),
        };
        let (width, height) = self.tile;
        ensure!(pixels.len() == width * height * samples, "the picture is not of the sheet's tile size");
        let left = GAP + place % self.columns * (width + GAP);
        let top = GAP + place / self.columns * (height + GAP);
        for (row, line) in pixels.chunks_exact(width * samples).enumerate() {
            let start = ((top + row) * self.size.0 + left) * 3;
            let target = &mut self.pixels[start..start + width * 3];
            for (to, from) in target.chunks_exact_mut(3).zip(line.chunks_exact(samples)) {
                let alpha = from.get(3).copied().map_or(255, u32::from);
                for (channel, value) in to.iter_mut().zip(from) {
                    let mixed = (u32::from(*value) * alpha + u32::from(*channel) * (255 - alpha) + 127) / 255;
                    *channel = u8::try_from(mixed).unwrap_or(u8::MAX);
                }
            }
        }
        Ok(())
    }

    /// The sheet as a PNG.
    ///
    /// # Errors
    /// What the encoder says.
    pub fn encode(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder =
            png::Encoder::new(&mut bytes, u32::try_from(self.size.0)?, u32::try_from(self.size.1)?);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::Balanced);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(bytes)
    }
}
