//! Drawing a picture file into its rectangle.
//!
//! Upright, which is the usual case, the file's rows go through a [`Resizer`] straight to the rows of the picture
//! below, so that no more than a band of them is held. Turned or mirrored, the file is first reduced to about the size
//! at which it is seen, and then sampled between its four nearest pixels.

use iridule_scene::{scene::Image, variant::Fit};
use resvg::tiny_skia::{FillRule, Mask, PathBuilder, Pixmap, Rect, Transform};

use super::{Fault, Info, inspect, premultiplied};
use crate::{
    compose::{Region, rows},
    resize::{self, Axis, Resizer},
};

/// Paints a picture file over what is in the picture. `place` maps canvas units to pixels, `opacity` is 0 to 255. Gives
/// where it may have painted.
///
/// # Errors
/// [`Fault`].
pub fn paint(image: &Image, place: Transform, opacity: u8, picture: &mut Pixmap) -> Result<Region, Fault> {
    let info = inspect(&image.file)?;
    let placed = Placed::new(image, &info, place);
    let region = placed.region(picture);
    if region.is_empty() {
        return Ok(region);
    }
    let upright = placed.to_pixels.kx == 0.0
        && placed.to_pixels.ky == 0.0
        && placed.to_pixels.sx > 0.0
        && placed.to_pixels.sy > 0.0;
    if upright {
        upright_rows(image, &info, &placed, region, opacity, picture)?;
    } else {
        turned(image, &info, &placed, region, opacity, picture)?;
    }
    Ok(region)
}

/// Where a file lies.
struct Placed {
    /// From the file's pixels to the picture's.
    to_pixels: Transform,
    /// What is seen of it, in canvas units.
    seen: Option<Rect>,
    place: Transform,
}

impl Placed {
    fn new(image: &Image, info: &Info, place: Transform) -> Self {
        let area = image.area;
        let (width, height) = (crate::canvas::side(info.width), crate::canvas::side(info.height));
        let (across, down) = (area.width / width, area.height / height);
        let (across, down) = match image.fit {
            Fit::Fill => (across, down),
            Fit::Contain | Fit::Pad => (across.min(down), across.min(down)),
            Fit::Cover => (across.max(down), across.max(down)),
        };
        let (left, top) =
            (area.x + (area.width - across * width) / 2.0, area.y + (area.height - down * height) / 2.0);
        let seen = Rect::from_ltrb(
            left.max(area.x),
            top.max(area.y),
            (left + across * width).min(area.x + area.width),
            (top + down * height).min(area.y + area.height),
        );
        Self {
            to_pixels: place.pre_concat(Transform::from_row(across, 0.0, 0.0, down, left, top)),
            seen,
            place,
        }
    }

    fn region(&self, picture: &Pixmap) -> Region {
        match self.seen.and_then(|seen| seen.transform(self.place)) {
            Some(seen) => Region::touched(seen.left(), seen.top(), seen.right(), seen.bottom(), picture),
            None => Region { left: 0, top: 0, right: 0, bottom: 0 },
        }
    }
}

fn upright_rows(
    image: &Image,
    info: &Info,
    placed: &Placed,
    region: Region,
    opacity: u8,
    picture: &mut Pixmap,
) -> Result<(), Fault> {
    let Some(seen) = placed.seen.and_then(|seen| seen.transform(placed.place)) else { return Ok(()) };
    let map = placed.to_pixels;
    let axis = |source: u32, first: u32, last: u32, scale: f32, begin: f32| {
        Axis::new(source, last - first, f64::from(scale), f64::from(begin) - f64::from(first))
    };
    let across = axis(info.width, region.left, region.right, map.sx, map.tx);
    let down = axis(info.height, region.top, region.bottom, map.sy, map.ty);
    let columns = shares(region.left, region.right, seen.left(), seen.right());
    let lines = shares(region.top, region.bottom, seen.top(), seen.bottom());
    let width = picture.width();
    let mut coverage = vec![255; columns.len()];
    let mut bytes = vec![0; columns.len() * 4];
    let mut put = |y: usize, bytes: &mut [u8]| {
        let line = lines[y];
        for (out, column) in coverage.iter_mut().zip(&columns) {
            // The product of two bytes over 255, to the nearest.
            *out = u8::try_from((u32::from(*column) * u32::from(line) + 127) / 255).unwrap_or(u8::MAX);
        }
        let whole = coverage.iter().all(|share| *share == 255);
        rows::thin(bytes, (!whole).then_some(&coverage), opacity);
        let row = region.row(region.top + u32::try_from(y).unwrap_or(0), width);
        rows::over(&mut picture.data_mut()[row.start * 4..row.end * 4], bytes);
    };
    if across.is_same() && down.is_same() {
        let mut y = 0;
        return super::rows(&image.file, info, &mut |row| {
            premultiplied(row, &mut bytes);
            put(y, &mut bytes);
            y += 1;
        });
    }
    let mut resizer = Resizer::new(across, down);
    super::rows(&image.file, info, &mut |row| {
        resizer.take(row, &mut |y, light| {
            resize::encode(light, &mut bytes);
            put(y, &mut bytes);
        });
    })
}

/// How much of each column or row from `first` to `last` lies between two edges, 0 to 255.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limited to a byte first")]
fn shares(first: u32, last: u32, begin: f32, end: f32) -> Vec<u8> {
    let share = |at: u32| {
        let at = crate::canvas::side(at);
        let inside = (at + 1.0).min(end) - at.max(begin);
        (inside.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
    };
    (first..last).map(share).collect()
}

fn turned(
    image: &Image,
    info: &Info,
    placed: &Placed,
    region: Region,
    opacity: u8,
    picture: &mut Pixmap,
) -> Result<(), Fault> {
    let map = placed.to_pixels;
    let Some(outline) = placed.seen.and_then(|seen| PathBuilder::from_rect(seen).transform(placed.place))
    else {
        return Ok(());
    };
    // The size at which it is seen, where that is less than its own.
    let length = |x: f32, y: f32| (x * x + y * y).sqrt();
    let (across, down) = (length(map.sx, map.ky).min(1.0), length(map.kx, map.sy).min(1.0));
    let (width, height) = (reduced(info.width, across), reduced(info.height, down));
    let (to_x, to_y) = (
        crate::canvas::side(width) / crate::canvas::side(info.width),
        crate::canvas::side(height) / crate::canvas::side(info.height),
    );
    let Some(inverse) = map.pre_scale(1.0 / to_x, 1.0 / to_y).invert() else { return Ok(()) };
    let (Some(mut coverage), Some(mut source)) =
        (Mask::new(picture.width(), picture.height()), Pixmap::new(width, height))
    else {
        return Ok(());
    };
    let line = width as usize * 4;
    if (width, height) == (info.width, info.height) {
        let mut lines = source.data_mut().chunks_exact_mut(line);
        super::rows(&image.file, info, &mut |row| {
            if let Some(out) = lines.next() {
                premultiplied(row, out);
            }
        })?;
    } else {
        let mut resizer = Resizer::new(
            Axis::new(info.width, width, f64::from(to_x), 0.0),
            Axis::new(info.height, height, f64::from(to_y), 0.0),
        );
        super::rows(&image.file, info, &mut |row| {
            resizer.take(row, &mut |y, light| {
                resize::encode(light, &mut source.data_mut()[y * line..][..line]);
            });
        })?;
    }
    coverage.fill_path(&outline, FillRule::Winding, true, Transform::identity());
    let picture_width = picture.width();
    let mut bytes = vec![0; (region.right - region.left) as usize * 4];
    for y in region.top..region.bottom {
        let row = region.row(y, picture_width);
        let shares = &coverage.data()[row.clone()];
        for ((x, out), share) in (region.left..).zip(bytes.as_chunks_mut::<4>().0).zip(shares) {
            *out = if *share == 0 { [0; 4] } else { between(&source, inverse, x, y) };
        }
        rows::thin(&mut bytes, Some(shares), opacity);
        rows::over(&mut picture.data_mut()[row.start * 4..row.end * 4], &bytes);
    }
    Ok(())
}

/// A side, reduced.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the side")]
fn reduced(side: u32, scale: f32) -> u32 {
    ((crate::canvas::side(side) * scale).ceil() as u32).clamp(1, side)
}

/// The source's colour at the middle of a pixel: its four nearest pixels, weighted in parts of 256.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limited to the source first")]
fn between(source: &Pixmap, inverse: Transform, x: u32, y: u32) -> [u8; 4] {
    let (x, y) = (crate::canvas::side(x) + 0.5, crate::canvas::side(y) + 0.5);
    let place = |at: f32, count: u32| {
        let at = (at - 0.5).clamp(0.0, crate::canvas::side(count - 1));
        let low = at as u32;
        (low as usize, (low + 1).min(count - 1) as usize, ((at - low as f32) * 256.0) as u32)
    };
    let (left, right, tx) = place(inverse.sx * x + inverse.kx * y + inverse.tx, source.width());
    let (top, bottom, ty) = place(inverse.ky * x + inverse.sy * y + inverse.ty, source.height());
    let (pixels, _) = source.data().as_chunks::<4>();
    let width = source.width() as usize;
    let corner = |x: usize, y: usize| pixels.get(y * width + x).copied().unwrap_or_default();
    let corners = [corner(left, top), corner(right, top), corner(left, bottom), corner(right, bottom)];
    let weights = [(256 - tx) * (256 - ty), tx * (256 - ty), (256 - tx) * ty, tx * ty];
    core::array::from_fn(|channel| {
        let sum: u32 =
            corners.iter().zip(weights).map(|(pixel, weight)| u32::from(pixel[channel]) * weight).sum();
        ((sum + 0x8000) >> 16) as u8
    })
}
