//! Outlines: placed glyphs become paths and are filled, a line at a time.

use iridule_scene::color::Rgba;
use resvg::tiny_skia::{FillRule, Paint, PathBuilder, Pixmap, Point, Transform};
use skrifa::{
    instance::{LocationRef, Size},
    outline::{DrawSettings, OutlinePen},
};

use super::{Fault, face::Face, layout::Layout};
use crate::compose::Region;

/// Most segments in the outlines of one line: a scan line sorts them.
const LINE_SEGMENTS: u32 = 60_000;
/// Farthest from the picture that a point may fall, in pixels.
const FAR: f32 = 1e6;

/// Fills a text's glyphs. Gives where it may have painted.
pub(super) fn paint(
    layout: &Layout,
    face: &Face<'_>,
    colour: Rgba,
    place: Transform,
    picture: &mut Pixmap,
) -> Result<Region, Fault> {
    let mut touched = Region { left: u32::MAX, top: u32::MAX, right: 0, bottom: 0 };
    let [red, green, blue, alpha] = colour.0;
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, alpha);
    let scale = layout.size / face.units;
    for line in &layout.lines {
        let mut pen = Pen { path: PathBuilder::new(), glyph: Transform::identity(), segments: 0 };
        for glyph in line {
            pen.glyph = place.pre_concat(Transform::from_row(scale, 0.0, 0.0, -scale, glyph.x, glyph.y));
            if !face.admit(glyph.id)? {
                continue;
            }
            let Some(outline) = face.outlines.get(glyph.id) else { continue };
            let settings = DrawSettings::unhinted(Size::unscaled(), LocationRef::default());
            outline.draw(settings, &mut pen).map_err(|_| Fault::Font("has a glyph that cannot be drawn"))?;
            if pen.segments > LINE_SEGMENTS {
                return Err(Fault::Outline);
            }
        }
        let Some(path) = pen.path.finish() else { continue };
        let bounds = path.bounds();
        let edges = [bounds.left(), bounds.top(), bounds.right(), bounds.bottom()];
        if edges.iter().any(|edge| edge.abs() > FAR) {
            continue;
        }
        let region = Region::touched(edges[0], edges[1], edges[2], edges[3], picture);
        if !region.is_empty() {
            picture.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
            touched = touched.or(&region);
        }
    }
    Ok(touched)
}

/// Gathers outlines in pixels.
struct Pen {
    path: PathBuilder,
    /// From the glyph's font units to pixels.
    glyph: Transform,
    segments: u32,
}

impl Pen {
    fn at(&mut self, x: f32, y: f32) -> Point {
        self.segments = self.segments.saturating_add(1);
        let mut point = Point::from_xy(x, y);
        self.glyph.map_point(&mut point);
        point
    }
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let to = self.at(x, y);
        self.path.move_to(to.x, to.y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let to = self.at(x, y);
        self.path.line_to(to.x, to.y);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        let (control, to) = (self.at(cx, cy), self.at(x, y));
        self.path.quad_to(control.x, control.y, to.x, to.y);
    }

    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let (first, second, to) = (self.at(cx0, cy0), self.at(cx1, cy1), self.at(x, y));
        self.path.cubic_to(first.x, first.y, second.x, second.y, to.x, to.y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
