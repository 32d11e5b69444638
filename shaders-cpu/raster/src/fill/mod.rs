//! A fill layer: a rectangle, with round corners or without, of one colour or a gradient ([`gradient`]).
//!
//! Where its edge runs is tiny-skia's to say (`Coverage`); what lies inside goes through [`rows`] without a look at it.

pub mod gradient;

use core::ops::Range;

use iridule_scene::scene::{Area, Fill, Paint};
use resvg::tiny_skia::{FillRule, Mask, Path, PathBuilder, Pixmap, Rect, Transform};

use self::gradient::Gradient;
use crate::compose::{Region, rows};

/// How far from its ends the handles of a cubic lie that stands for a quarter of a circle, in radii.
const QUARTER: f32 = 0.552_284_8;
/// Farthest from the picture that an edge may fall, in pixels: beyond, a coordinate has no fractions.
const FAR: f32 = 1e6;

/// Paints a fill over what is in the picture. `place` maps canvas units to pixels, `opacity` is 0 to 255. Gives where it
/// may have painted.
#[must_use]
pub fn paint(fill: &Fill, place: Transform, opacity: u8, picture: &mut Pixmap) -> Region {
    let nothing = Region { left: 0, top: 0, right: 0, bottom: 0 };
    let Some(outline) = outline(&fill.area, fill.radius).and_then(|path| path.transform(place)) else {
        return nothing;
    };
    let bounds = outline.bounds();
    let edges = [bounds.left(), bounds.top(), bounds.right(), bounds.bottom()];
    let region = Region::touched(edges[0], edges[1], edges[2], edges[3], picture);
    if region.is_empty() {
        return nothing;
    }
    let (width, height) = (picture.width(), picture.height());
    let sharp = fill.radius <= 0.0 && place.kx == 0.0 && place.ky == 0.0;
    let covers = edges[0] <= 0.0
        && edges[1] <= 0.0
        && edges[2] >= crate::canvas::side(width)
        && edges[3] >= crate::canvas::side(height);
    let coverage = if sharp && covers {
        None
    } else {
        // A sharp rectangle is cut to the picture first, so that it may be of any size.
        let cut = || {
            let most = crate::canvas::side(width.max(height)) + 2.0;
            let [left, top, right, bottom] = edges.map(|edge| edge.clamp(-2.0, most));
            Rect::from_ltrb(left, top, right, bottom)
        };
        let cut = if sharp { cut() } else { None };
        if cut.is_none() && edges.iter().any(|edge| edge.abs() > FAR) {
            return nothing;
        }
        let Some(coverage) = Coverage::of(cut.map_or(outline, PathBuilder::from_rect), region) else {
            return nothing;
        };
        Some(coverage)
    };
    let colours = Colours::new(&fill.paint, place, opacity);
    let mut bytes = vec![0; (region.right - region.left) as usize * 4];
    for y in region.top..region.bottom {
        let row = region.row(y, width);
        let below = &mut picture.data_mut()[row.start * 4..row.end * 4];
        let Some(coverage) = &coverage else {
            colours.lay(region.left, y, below, &mut bytes);
            continue;
        };
        let coverage = coverage.row(y);
        let inside = inside(coverage);
        for edge in [0..inside.start, inside.end..coverage.len()] {
            let (pixels, bytes) = (edge.start * 4..edge.end * 4, &mut bytes[..edge.len() * 4]);
            colours.row(region.left + at(edge.start), y, bytes);
            rows::thin(bytes, Some(&coverage[edge]), colours.opacity);
            rows::over(&mut below[pixels], bytes);
        }
        let x = region.left + at(inside.start);
        colours.lay(x, y, &mut below[inside.start * 4..inside.end * 4], &mut bytes);
    }
    region
}

/// A column as the coordinate that it is: sides are at most [`iridule_scene::limits::SIDE`].
fn at(column: usize) -> u32 {
    u32::try_from(column).unwrap_or(u32::MAX)
}

/// Where a row is covered wholly: all between the first and the last pixel that is, or nothing.
fn inside(coverage: &[u8]) -> Range<usize> {
    let whole = |share: &u8| *share == 255;
    let (Some(first), Some(last)) = (coverage.iter().position(whole), coverage.iter().rposition(whole))
    else {
        return 0..0;
    };
    if coverage[first..=last].iter().all(whole) { first..last + 1 } else { 0..0 }
}

/// How much of each pixel of a region a path covers.
struct Coverage {
    mask: Mask,
    region: Region,
}

impl Coverage {
    fn of(path: Path, region: Region) -> Option<Self> {
        let mut mask = Mask::new(region.right - region.left, region.bottom - region.top)?;
        let (left, top) = (crate::canvas::side(region.left), crate::canvas::side(region.top));
        mask.fill_path(&path, FillRule::Winding, true, Transform::from_translate(-left, -top));
        Some(Self { mask, region })
    }

    fn row(&self, y: u32) -> &[u8] {
        let width = self.mask.width() as usize;
        let start = (y - self.region.top) as usize * width;
        &self.mask.data()[start..start + width]
    }
}

/// What a fill is filled with.
struct Colours {
    paint: Kind,
    opacity: u8,
    /// Whether nothing below is seen through it.
    opaque: bool,
}

enum Kind {
    /// Premultiplied.
    Flat([u8; 4]),
    Gradient(Gradient),
}

impl Colours {
    fn new(paint: &Paint, place: Transform, opacity: u8) -> Self {
        let (paint, opaque) = match (paint, Gradient::new(paint, place)) {
            (_, Some(gradient)) => {
                let opaque = gradient.is_opaque();
                (Kind::Gradient(gradient), opaque)
            }
            (Paint::Solid(colour), None) => {
                let mut flat = colour.0;
                rows::premultiply(&mut flat);
                (Kind::Flat(flat), flat[3] == 255)
            }
            (_, None) => (Kind::Flat([0; 4]), false),
        };
        Self { paint, opacity, opaque: opaque && opacity == 255 }
    }

    /// The colours of a row from `x` on, without the opacity.
    fn row(&self, x: u32, y: u32, out: &mut [u8]) {
        match &self.paint {
            Kind::Gradient(gradient) => gradient.row(x, y, out),
            Kind::Flat(colour) => out.as_chunks_mut::<4>().0.fill(*colour),
        }
    }

    /// Lays the colours of a row over what is there. `spare` is as long, or longer.
    fn lay(&self, x: u32, y: u32, below: &mut [u8], spare: &mut [u8]) {
        if self.opaque {
            return self.row(x, y, below);
        }
        match &self.paint {
            Kind::Gradient(gradient) => {
                let above = &mut spare[..below.len()];
                gradient.row(x, y, above);
                rows::thin(above, None, self.opacity);
                rows::over(below, above);
            }
            Kind::Flat(colour) => {
                let mut above = *colour;
                rows::thin(&mut above, None, self.opacity);
                rows::over_flat(below, above);
            }
        }
    }
}

/// The outline of a rectangle whose corners are rounded by `radius`, or by as much as it has room for.
fn outline(area: &Area, radius: f32) -> Option<Path> {
    let rect = Rect::from_xywh(area.x, area.y, area.width, area.height)?;
    let radius = radius.min(area.width / 2.0).min(area.height / 2.0);
    if radius.is_nan() || radius <= 0.0 {
        return Some(PathBuilder::from_rect(rect));
    }
    let (left, top, right, bottom) = (rect.left(), rect.top(), rect.right(), rect.bottom());
    let handle = radius * (1.0 - QUARTER);
    let mut path = PathBuilder::new();
    path.move_to(left + radius, top);
    path.line_to(right - radius, top);
    path.cubic_to(right - handle, top, right, top + handle, right, top + radius);
    path.line_to(right, bottom - radius);
    path.cubic_to(right, bottom - handle, right - handle, bottom, right - radius, bottom);
    path.line_to(left + radius, bottom);
    path.cubic_to(left + handle, bottom, left, bottom - handle, left, bottom - radius);
    path.line_to(left, top + radius);
    path.cubic_to(left, top + handle, left + handle, top, left + radius, top);
    path.close();
    path.finish()
}
