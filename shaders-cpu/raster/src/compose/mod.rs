//! How layers meet: opacity, masks and blend modes.
//!
//! A layer that lies plainly over the others is painted straight onto the picture. Any other is painted onto a sheet
//! of the picture's size first, and the sheet is then composited. There is one sheet, used again for each layer and
//! each mask, so that a scene holds the picture, the sheet and a byte of coverage a pixel, however many layers it has.
//!
//! The kernels on rows of pixels live in [`rows`], the blend modes in [`blend`].

pub mod blend;
pub mod rows;

use iridule_scene::scene::{Blend, Channel, Content, Layer, Mask};
use resvg::tiny_skia::{Pixmap, Transform};

use crate::{
    PaintError,
    canvas::Canvas,
    fill, image,
    shader::{self, Shade},
    svg, text,
};

/// A rectangle of whole pixels inside a picture: from the first column and row up to, not including, the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// The column after the last.
    pub right: u32,
    /// The row after the last.
    pub bottom: u32,
}

impl Region {
    /// All of a picture.
    #[must_use]
    pub fn whole(picture: &Pixmap) -> Self {
        Self { left: 0, top: 0, right: picture.width(), bottom: picture.height() }
    }

    /// The pixels that a rectangle touches, within a picture.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "limited to the picture first"
    )]
    pub fn touched(left: f32, top: f32, right: f32, bottom: f32, picture: &Pixmap) -> Self {
        // A number that is none counts as 0.
        let within = |v: f32, most: u32| v.max(0.0).min(crate::canvas::side(most)) as u32;
        let (width, height) = (picture.width(), picture.height());
        Self {
            left: within(left.floor(), width),
            top: within(top.floor(), height),
            right: within(right.ceil(), width),
            bottom: within(bottom.ceil(), height),
        }
    }

    /// Whether there is no pixel in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left >= self.right || self.top >= self.bottom
    }

    /// What lies in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    /// The least rectangle that holds both.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// Indices of the pixels of one row.
    pub(crate) fn row(&self, y: u32, width: u32) -> core::ops::Range<usize> {
        let start = y as usize * width as usize;
        start + self.left as usize..start + self.right as usize
    }
}

/// What compositing holds between layers.
#[derive(Debug, Default)]
pub struct Sheets {
    /// As large as the picture and transparent, whenever it is not in use.
    sheet: Option<Pixmap>,
    /// A byte a pixel: where the layer shows.
    coverage: Vec<u8>,
}

/// Paints a layer over what is on the canvas.
///
/// # Errors
/// [`PaintError`], naming the layer or its mask.
pub fn paint(
    layer: &Layer,
    canvas: &mut Canvas,
    sheets: &mut Sheets,
    shade: &dyn Shade,
) -> Result<(), PaintError> {
    let opacity = share(layer.opacity);
    if opacity == 0 {
        return Ok(());
    }
    let place = canvas.place(&layer.transform);
    let plain = layer.blend == Blend::Normal && layer.mask.is_none();
    if plain && (opacity == 255 || thins(&layer.content)) && !matches!(layer.content, Content::Shader(_)) {
        draw(layer, &canvas.size, place, opacity, None, shade, &mut canvas.pixmap)?;
        return Ok(());
    }
    let (width, height) = (canvas.pixmap.width(), canvas.pixmap.height());
    let mut sheet = match sheets.sheet.take() {
        Some(sheet) => sheet,
        None => Pixmap::new(width, height).ok_or(PaintError::Size {
            width: u16::try_from(width).unwrap_or(u16::MAX),
            height: u16::try_from(height).unwrap_or(u16::MAX),
        })?,
    };
    let mut region = Region::whole(&sheet);
    if let Some(mask) = &layer.mask {
        region = cover(mask, canvas, &mut sheet, &mut sheets.coverage, shade)?;
    }
    if !region.is_empty() {
        let drawn = draw(layer, &canvas.size, place, 255, Some(&canvas.pixmap), shade, &mut sheet)?;
        let region = region.and(&drawn);
        let coverage = layer.mask.as_ref().map(|_| &*sheets.coverage);
        for y in region.top..region.bottom {
            let row = region.row(y, width);
            let bytes = row.start * 4..row.end * 4;
            let coverage = coverage.and_then(|bytes| bytes.get(row));
            let (below, above) = (&mut canvas.pixmap.data_mut()[bytes.clone()], &mut sheet.data_mut()[bytes]);
            rows::thin(above, coverage, opacity);
            match layer.blend {
                Blend::Normal => rows::over(below, above),
                mode => blend::row(mode, below, above),
            }
        }
        clear(&mut sheet, &drawn);
    }
    sheets.sheet = Some(sheet);
    Ok(())
}

/// Paints a mask onto the sheet, turns it into coverage, and leaves the sheet as it was. Gives where the coverage is
/// not zero.
fn cover(
    mask: &Mask,
    canvas: &Canvas,
    sheet: &mut Pixmap,
    coverage: &mut Vec<u8>,
    shade: &dyn Shade,
) -> Result<Region, PaintError> {
    let layer = &mask.layer;
    let width = sheet.width();
    coverage.clear();
    coverage.resize(sheet.pixels().len(), 0);
    let opacity = share(layer.opacity);
    if opacity == 0 {
        return Ok(Region { left: 0, top: 0, right: 0, bottom: 0 });
    }
    let drawn = draw(layer, &canvas.size, canvas.place(&layer.transform), 255, None, shade, sheet)?;
    for y in drawn.top..drawn.bottom {
        let row = drawn.row(y, width);
        let (pixels, _) = sheet.data()[row.start * 4..row.end * 4].as_chunks::<4>();
        rows::coverage(pixels, mask.channel == Channel::Luminance, opacity, &mut coverage[row]);
    }
    clear(sheet, &drawn);
    Ok(drawn)
}

fn clear(sheet: &mut Pixmap, region: &Region) {
    let width = sheet.width();
    for y in region.top..region.bottom {
        let row = region.row(y, width);
        sheet.data_mut()[row.start * 4..row.end * 4].fill(0);
    }
}

/// Whether a kind can be painted thinner by itself, with the same result as a sheet of it would have.
fn thins(content: &Content) -> bool {
    match content {
        Content::Image(_) | Content::Fill(_) => true,
        Content::Svg(_) | Content::Shader(_) | Content::Text(_) => false,
    }
}

/// Paints what a layer shows into a picture, and gives where it may have painted. `below` is what its shader can see;
/// without one, nothing was painted below.
fn draw(
    layer: &Layer,
    canvas: &iridule_scene::scene::Canvas,
    place: Transform,
    opacity: u8,
    below: Option<&Pixmap>,
    shade: &dyn Shade,
    picture: &mut Pixmap,
) -> Result<Region, PaintError> {
    let name = || layer.name.clone();
    match &layer.content {
        Content::Svg(content) => {
            svg::paint(content, canvas, place, picture)
                .map_err(|fault| PaintError::Svg { layer: name(), fault })?;
            Ok(Region::whole(picture))
        }
        Content::Shader(content) => shader::paint(content, place, below, shade, picture)
            .map_err(|fault| PaintError::Shader { layer: name(), fault }),
        Content::Image(content) => image::paint(content, place, opacity, picture)
            .map_err(|fault| PaintError::Image { layer: name(), fault }),
        Content::Fill(content) => Ok(fill::paint(content, place, opacity, picture)),
        Content::Text(content) => {
            text::paint(content, place, picture).map_err(|fault| PaintError::Text { layer: name(), fault })
        }
    }
}

/// An opacity as a share of 255. A number that is none counts as 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limited to a byte first")]
fn share(opacity: f32) -> u8 {
    (opacity.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}
