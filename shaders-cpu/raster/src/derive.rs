//! Deriving: a variant made from the master, which is the canvas painted once at its own size, without loss.
//!
//! The master is resampled in linear light ([`resize`]) to where the variant places the canvas, and encoded. Where a
//! variant's frame shows more than the canvas, the rest is the background, as when it is painted.

use iridule_scene::{
    scene::Canvas,
    variant::{Fit, Variant},
};
use resvg::tiny_skia::Pixmap;

use crate::{
    PaintError, canvas,
    compose::Region,
    encode,
    image::{self, Row},
    resize::{self, Axis, Resizer},
};

/// Makes a variant from a master: the PNG that [`crate::paint`] gives for the canvas at its own size.
///
/// # Errors
/// [`PaintError::Master`] for bytes that are no such picture, [`PaintError::Format`] for what no edge makes, and those of encoding.
pub fn derive(master: &[u8], canvas: &Canvas, variant: &Variant) -> Result<Vec<u8>, PaintError> {
    if !variant.is_by_edge() {
        return Err(PaintError::Format(*variant));
    }
    encode::encode(&derive_pixels(master, canvas, variant)?, canvas.background.is_some(), variant)
}

/// As [`derive()`], without the encoding: premultiplied RGBA, 8 bits a channel, sRGB, rows from the top.
///
/// # Errors
/// As [`derive()`], less those of encoding.
pub fn derive_pixels(master: &[u8], canvas: &Canvas, variant: &Variant) -> Result<Pixmap, PaintError> {
    let info = image::inspect(master).map_err(PaintError::Master)?;
    if info.format != image::Format::Png {
        return Err(PaintError::Master(image::Fault::Unknown));
    }
    let (width, height) = (variant.width, variant.height);
    let mut picture = Pixmap::new(width.into(), height.into()).ok_or(PaintError::Size { width, height })?;
    let place = variant.placement(canvas);
    // The master stands for the canvas, whatever its own size is.
    let scale =
        |scale: f32, canvas: u32, master: u32| f64::from(scale) * f64::from(canvas) / f64::from(master);
    let (scale_x, scale_y) =
        (scale(place.scale_x, canvas.width, info.width), scale(place.scale_y, canvas.height, info.height));
    let mut region = Region::whole(&picture);
    if variant.fit == Fit::Pad {
        if let Some(colour) = canvas::background(canvas) {
            picture.fill(colour);
        }
        let (right, bottom) = (f32::from(width) - place.left.floor(), f32::from(height) - place.top.floor());
        region = Region::touched(place.left.floor(), place.top.floor(), right, bottom, &picture);
    }
    let across = Axis::new(
        info.width,
        region.right.saturating_sub(region.left),
        scale_x,
        f64::from(place.left) - f64::from(region.left),
    );
    let down = Axis::new(
        info.height,
        region.bottom.saturating_sub(region.top),
        scale_y,
        f64::from(place.top) - f64::from(region.top),
    );
    let pixels = |y: usize| {
        let row = region.row(region.top + u32::try_from(y).unwrap_or(0), u32::from(width));
        row.start * 4..row.end * 4
    };
    if across.is_same() && down.is_same() {
        let mut y = 0;
        let mut copy = |row: Row<'_>| {
            image::premultiplied(row, &mut picture.data_mut()[pixels(y)]);
            y += 1;
        };
        image::png_rows(master, &info, true, &mut copy).map_err(PaintError::Master)?;
    } else if !region.is_empty() {
        let mut resizer = Resizer::new(across, down);
        let mut take = |row: Row<'_>| {
            resizer.take(row, &mut |y, light| resize::encode(light, &mut picture.data_mut()[pixels(y)]));
        };
        image::png_rows(master, &info, true, &mut take).map_err(PaintError::Master)?;
    }
    Ok(picture)
}
