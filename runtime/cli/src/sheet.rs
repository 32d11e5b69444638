//! Contact sheets: many pictures in one, row by row.

use anyhow::{Context as _, ensure};
use iridule_raster::{Pixmap, encode};
use iridule_scene::variant::Variant;
use iridule_studio::session::TilePicture;

/// Pixels between pictures, and around them.
const GAP: u32 = 12;
/// The colour of the gaps: red, green, blue, alpha.
const GROUND: [u8; 4] = [0x0c, 0x0d, 0x12, 0xff];
/// Most pixels of a sheet.
const MOST_PIXELS: u32 = 64 << 20;

/// A sheet in the making.
pub struct Sheet {
    columns: u32,
    tile: (u32, u32),
    pixels: Pixmap,
}

impl Sheet {
    /// An empty sheet for `count` pictures of this size, near to a square.
    ///
    /// # Errors
    /// When it would be larger than [`MOST_PIXELS`].
    pub fn new(count: usize, width: u32, height: u32) -> anyhow::Result<Self> {
        let count = u32::try_from(count)?;
        let columns = (1..=count).find(|n| n * n >= count).unwrap_or(1);
        let rows = count.div_ceil(columns).max(1);
        let side = |count: u32, tile: u32| count.checked_mul(tile + GAP)?.checked_add(GAP);
        let size = side(columns, width).zip(side(rows, height));
        let size =
            size.filter(|(width, height)| width.checked_mul(*height).is_some_and(|all| all <= MOST_PIXELS));
        let large = || format!("a sheet of {count} pictures is too large; a smaller --tile would do");
        let (across, down) = size.with_context(large)?;
        let mut pixels = Pixmap::new(across, down).with_context(large)?;
        pixels.data_mut().as_chunks_mut().0.fill(GROUND);
        Ok(Self { columns, tile: (width, height), pixels })
    }

    /// Puts the `place`-th picture in its place, over the ground.
    ///
    /// # Errors
    /// When it is not of the sheet's tile size, or the sheet has no such place.
    pub fn place(&mut self, place: usize, picture: &TilePicture) -> anyhow::Result<()> {
        let (width, height) = self.tile;
        ensure!((picture.width, picture.height) == (width, height), "a picture of another size");
        let place = u32::try_from(place)?;
        let left = (GAP + place % self.columns * (width + GAP)) as usize * 4;
        let top = (GAP + place / self.columns * (height + GAP)) as usize;
        let stride = self.pixels.width() as usize * 4;
        let line = width as usize * 4;
        let rows = self.pixels.data_mut().chunks_exact_mut(stride).skip(top);
        for (to, from) in rows.zip(picture.pixels.chunks_exact(line)) {
            let to = to.get_mut(left..left + line).context("no such place on the sheet")?;
            for (to, from) in to.as_chunks_mut::<4>().0.iter_mut().zip(from.as_chunks::<4>().0) {
                over(to, *from);
            }
        }
        Ok(())
    }

    /// The sheet in the format of a variant.
    ///
    /// # Errors
    /// What the encoder says.
    pub fn encode(&self, variant: &Variant) -> anyhow::Result<Vec<u8>> {
        Ok(encode::encode(&self.pixels, true, variant)?)
    }
}

/// Composites a premultiplied pixel over an opaque one.
fn over(to: &mut [u8; 4], from: [u8; 4]) {
    let left = 255 - u32::from(from[3]);
    for (to, from) in to.iter_mut().zip(from) {
        *to = u8::try_from(u32::from(from) + (u32::from(*to) * left + 127) / 255).unwrap_or(u8::MAX);
    }
}
