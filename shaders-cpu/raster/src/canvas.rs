//! The picture being painted: its pixels, its background, and where the scene's canvas lies in it.
//!
//! Layers draw onto it in order. How they meet is [`crate::compose`]'s; what becomes of the finished pixels is
//! [`crate::pixels`]'s and [`crate::encode`]'s.

use iridule_scene::{
    scene::{self, Scene},
    variant::{Fit, Placement, Variant},
};
use resvg::tiny_skia::{Color, Paint, Pixmap, Rect, Transform};

use crate::PaintError;

/// A picture in the making.
#[derive(Debug)]
pub struct Canvas {
    /// Premultiplied RGBA, 8 bits a channel, sRGB, rows from the top, without padding between rows.
    pub pixmap: Pixmap,
    /// The scene's canvas, in canvas units.
    pub size: scene::Canvas,
    /// From canvas units to pixels.
    placement: Placement,
    /// Whether the frame shows more than the canvas, so that what overflows the canvas must be cut.
    padded: bool,
}

impl Canvas {
    /// A picture of the variant's size, with the background laid.
    ///
    /// # Errors
    /// [`PaintError::Size`] for a side of zero.
    pub fn new(scene: &Scene, variant: &Variant) -> Result<Self, PaintError> {
        let (width, height) = (variant.width, variant.height);
        let mut pixmap =
            Pixmap::new(u32::from(width), u32::from(height)).ok_or(PaintError::Size { width, height })?;
        if let Some(colour) = background(&scene.canvas) {
            pixmap.fill(colour);
        }
        Ok(Self {
            pixmap,
            size: scene.canvas,
            placement: variant.placement(&scene.canvas),
            padded: variant.fit == Fit::Pad,
        })
    }

    /// The map from a layer's own coordinates to pixels.
    #[must_use]
    pub fn place(&self, layer: &scene::Transform) -> Transform {
        let Placement { scale_x, scale_y, left, top } = self.placement;
        let [a, b, c, d, e, f] = layer.0;
        Transform::from_row(scale_x, 0.0, 0.0, scale_y, left, top)
            .pre_concat(Transform::from_row(a, b, c, d, e, f))
    }

    /// The finished pixels. In a padded frame, what layers drew outside the canvas is covered by the background
    /// again, down to the last whole pixel.
    #[must_use]
    pub fn finish(mut self) -> Pixmap {
        if self.padded {
            let (width, height) = (self.pixmap.width(), self.pixmap.height());
            let (right, bottom) = (side(width), side(height));
            let (left, top) = (self.placement.left.floor(), self.placement.top.floor());
            for (x0, y0, x1, y1) in [
                (0.0, 0.0, left, bottom),
                (right - left, 0.0, right, bottom),
                (0.0, 0.0, right, top),
                (0.0, bottom - top, right, bottom),
            ] {
                let Some(bar) = Rect::from_ltrb(x0, y0, x1, y1) else { continue };
                let mut paint = Paint { anti_alias: false, ..Paint::default() };
                paint.blend_mode = resvg::tiny_skia::BlendMode::Source;
                paint.set_color(background(&self.size).unwrap_or(Color::TRANSPARENT));
                self.pixmap.fill_rect(bar, &paint, Transform::identity(), None);
            }
        }
        self.pixmap
    }
}

/// What lies under the lowest layer.
pub(crate) fn background(canvas: &scene::Canvas) -> Option<Color> {
    canvas.background.map(|colour| {
        let [red, green, blue] = colour.0;
        Color::from_rgba8(red, green, blue, 255)
    })
}

/// A side as a float: exact, since sides are at most [`iridule_scene::limits::SIDE`].
pub(crate) fn side(side: u32) -> f32 {
    f32::from(u16::try_from(side).unwrap_or(u16::MAX))
}
