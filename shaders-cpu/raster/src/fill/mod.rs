//! A fill layer: a rectangle, with round corners or without, of one colour or a gradient ([`gradient`]).

pub mod gradient;

use iridule_core::scene::{Area, Fill, Paint};
use resvg::tiny_skia::{self, Color, FillRule, Mask, Path, PathBuilder, Pixmap, Rect, Transform};

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
    let sharp = fill.radius <= 0.0 && place.kx == 0.0 && place.ky == 0.0;
    // A sharp rectangle is cut to the picture first, so that it may be of any size.
    let cut = || {
        let most = crate::canvas::side(picture.width().max(picture.height())) + 2.0;
        let [left, top, right, bottom] = edges.map(|edge| edge.clamp(-2.0, most));
        Rect::from_ltrb(left, top, right, bottom)
    };
    let cut = if sharp { cut() } else { None };
    if cut.is_none() && edges.iter().any(|edge| edge.abs() > FAR) {
        return nothing;
    }
    let Some(colours) = Gradient::new(&fill.paint, place) else {
        let Paint::Solid(colour) = fill.paint else { return nothing };
        let [red, green, blue, alpha] = colour.0.map(|channel| f32::from(channel) / 255.0);
        let alpha = alpha * (f32::from(opacity) / 255.0);
        let Some(colour) = Color::from_rgba(red, green, blue, alpha) else { return nothing };
        let paint = tiny_skia::Paint { shader: tiny_skia::Shader::SolidColor(colour), ..Default::default() };
        match cut {
            Some(rect) => picture.fill_rect(rect, &paint, Transform::identity(), None),
            None => picture.fill_path(&outline, &paint, FillRule::Winding, Transform::identity(), None),
        }
        return region;
    };
    let (width, height) = (picture.width(), picture.height());
    let covers = edges[0] <= 0.0
        && edges[1] <= 0.0
        && edges[2] >= crate::canvas::side(width)
        && edges[3] >= crate::canvas::side(height);
    let mut coverage = None;
    if !(sharp && covers) {
        let Some(mut mask) = Mask::new(width, height) else { return nothing };
        let path = cut.map_or(outline, PathBuilder::from_rect);
        mask.fill_path(&path, FillRule::Winding, true, Transform::identity());
        coverage = Some(mask);
    }
    let mut bytes = vec![0; (region.right - region.left) as usize * 4];
    for y in region.top..region.bottom {
        colours.row(region.left, y, &mut bytes);
        let row = region.row(y, width);
        let pixels = row.start * 4..row.end * 4;
        rows::thin(&mut bytes, coverage.as_ref().map(|mask| &mask.data()[row]), opacity);
        rows::over(&mut picture.data_mut()[pixels], &bytes);
    }
    region
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
