//! What painting a resolved document would cost at this size, and the most that is allowed.
//!
//! The walk follows the tree as the painter will, spends a `Budget`, and stops where that is spent; so it takes
//! bounded time itself, even where patterns within patterns would multiply. It also refuses the few operations of the
//! libraries below whose results differ between processors (see `docs/decisions/005-which-svg-paints-the-same-bytes-on-every-host.md`).

use resvg::{
    tiny_skia::{PathSegment, Point, Rect, Transform},
    usvg::{
        BlendMode, ClipPath, Group, Mask, Node, Paint, Path, Tree,
        filter::{Filter, Kind, TransferFunction},
    },
};

use super::Fault;

/// How often each pixel of the picture may be painted over, on average, by the bounding boxes of shapes, for each time
/// that the layer declares. Boxes hold far more pixels than the shapes in them.
const OVERDRAW: f64 = 16.0;
/// How often each pixel may be touched by layers (groups with opacity, blending, clips, masks or filters; patterns), for
/// each time that the layer declares.
const LAYER_OVERDRAW: f64 = 8.0;
/// Most bytes that nested layers may hold at one time beside a picture that an edge paints; beside larger ones, which only
/// origins paint, as much more as they have more pixels.
const LAYER_BYTES: f64 = (64 << 20) as f64;
/// Most crossings of outlines with pixel rows, over all shapes, of a picture that an edge paints; of larger ones, as much
/// more as their sides are longer.
const EDGE_ROWS: f64 = 50e6;
/// The pixels of the largest picture that an edge paints.
const EDGE_PIXELS: f64 = iridule_scene::limits::EDGE_PIXELS as f64;
/// Most segments in the outlines of one shape, dashes and strokes included: a scan line sorts them.
const SEGMENTS: f64 = 60_000.0;
/// Most primitives in one filter.
const PRIMITIVES: usize = 16;
/// Most pixels from the picture that a coordinate may fall.
const FAR: f32 = 1e7;

/// What is left to spend.
struct Budget {
    /// Pixels under the bounding boxes of shapes.
    painted: f64,
    /// Pixels of layers, each time they are gone over.
    layered: f64,
    /// Crossings of outlines with pixel rows.
    rows: f64,
    /// Nodes to visit.
    nodes: u32,
    /// Bytes that nested layers may hold at one time.
    held: f64,
}

/// The picture, as the walk needs it.
#[derive(Clone, Copy)]
struct Frame {
    width: f32,
    height: f32,
}

/// Refuses a tree that would cost more than the limits above, or far more than `overdraw` declares. `transform` maps its user space to the pixels of a
/// picture of this size.
///
/// # Errors
/// A [`Fault`] that names the element, where it has an id.
pub fn check(tree: &Tree, transform: Transform, width: u32, height: u32, overdraw: u32) -> Result<(), Fault> {
    let pixels = f64::from(width) * f64::from(height);
    let larger = (pixels / EDGE_PIXELS).max(1.0);
    // Small pictures get the allowance of a 256 px one: their cost is small whatever they hold.
    let pixels = pixels.max(65_536.0);
    let mut budget = Budget {
        painted: pixels * OVERDRAW * f64::from(overdraw),
        layered: pixels * LAYER_OVERDRAW * f64::from(overdraw),
        rows: EDGE_ROWS * larger.sqrt(),
        nodes: 200_000,
        held: LAYER_BYTES * larger,
    };
    #[expect(clippy::cast_precision_loss, reason = "sides are at most 4096")]
    let frame = Frame { width: width as f32, height: height as f32 };
    budget.group(tree.root(), transform, frame, 0.0)
}

fn fault(id: &str, why: &str) -> Fault {
    let element = if id.is_empty() { String::new() } else { format!("#{id}") };
    Fault { line: None, element, why: why.into() }
}

fn spend(left: &mut f64, cost: f64, id: &str, why: &str) -> Result<(), Fault> {
    *left -= cost;
    // A cost that is no number must not pass.
    if *left >= 0.0 { Ok(()) } else { Err(fault(id, why)) }
}

const LAYERS: &str = "layers (opacity, clips, masks, filters, patterns) cover more pixels than are allowed";

impl Budget {
    fn group(&mut self, group: &Group, transform: Transform, frame: Frame, held: f64) -> Result<(), Fault> {
        let transform = transform.pre_concat(group.transform());
        let mut held = held;
        if group.should_isolate() {
            let id = group.id();
            if matches!(group.blend_mode(), BlendMode::ColorDodge | BlendMode::ColorBurn) {
                return Err(fault(
                    id,
                    "color-dodge and color-burn differ between processors; choose another blend mode",
                ));
            }
            let area = layer_area(group.layer_bounding_box().to_rect(), transform, frame);
            let mut passes = 2.0;
            let mut bytes = 4.0;
            if let Some(clip) = group.clip_path() {
                passes += 3.0;
                bytes += 5.0;
                self.clip(clip, transform, frame, held + area * bytes)?;
            }
            if let Some(mask) = group.mask() {
                passes += 4.0;
                bytes += 6.0;
                self.mask(mask, transform, frame, held + area * bytes)?;
            }
            for filter in group.filters() {
                passes += 8.0 * f64::from(u32::try_from(filter.primitives().len()).unwrap_or(u32::MAX));
                bytes += 12.0 + 4.0 * f64::from(u32::try_from(filter.primitives().len()).unwrap_or(u32::MAX));
                check_filter(filter)?;
            }
            held += area * bytes;
            if held > self.held {
                return Err(fault(
                    id,
                    "layers hold more bytes at one time than are allowed: 64 MiB at the edge",
                ));
            }
            spend(&mut self.layered, area * passes, id, LAYERS)?;
        }
        self.children(group, transform, frame, held)
    }

    fn children(
        &mut self,
        group: &Group,
        transform: Transform,
        frame: Frame,
        held: f64,
    ) -> Result<(), Fault> {
        for node in group.children() {
            self.nodes = self
                .nodes
                .checked_sub(1)
                .ok_or_else(|| fault(node.id(), "too many shapes, patterns counted"))?;
            match node {
                Node::Group(group) => self.group(group, transform, frame, held)?,
                Node::Path(path) => self.path(path, transform, frame, held)?,
                Node::Text(text) => self.group(text.flattened(), transform, frame, held)?,
                Node::Image(image) => return Err(fault(image.id(), "images are not admitted")),
            }
        }
        Ok(())
    }

    fn clip(&mut self, clip: &ClipPath, transform: Transform, frame: Frame, held: f64) -> Result<(), Fault> {
        self.nodes = self.nodes.checked_sub(1).ok_or_else(|| fault(clip.id(), "too many clips"))?;
        self.children(clip.root(), transform.pre_concat(clip.transform()), frame, held)?;
        clip.clip_path().map_or(Ok(()), |inner| self.clip(inner, transform, frame, held))
    }

    fn mask(&mut self, mask: &Mask, transform: Transform, frame: Frame, held: f64) -> Result<(), Fault> {
        self.nodes = self.nodes.checked_sub(1).ok_or_else(|| fault(mask.id(), "too many masks"))?;
        self.children(mask.root(), transform, frame, held)?;
        mask.mask().map_or(Ok(()), |inner| self.mask(inner, transform, frame, held))
    }

    fn path(&mut self, path: &Path, transform: Transform, frame: Frame, held: f64) -> Result<(), Fault> {
        let id = path.id();
        let area = match path.stroke_bounding_box().transform(transform) {
            Some(boxed)
                if [boxed.left(), boxed.top(), boxed.right(), boxed.bottom()]
                    .iter()
                    .all(|v| v.abs() < FAR) =>
            {
                let across = boxed.right().min(frame.width) - boxed.left().max(0.0) + 2.0;
                let down = boxed.bottom().min(frame.height) - boxed.top().max(0.0) + 2.0;
                f64::from(across.max(0.0)) * f64::from(down.max(0.0))
            }
            _ => return Err(fault(id, "a shape reaches too far from the picture")),
        };
        let outline = Outline::of(path, transform, frame);
        let mut segments = 0.0;
        if let Some(fill) = path.fill() {
            segments += outline.segments;
            spend(&mut self.painted, area, id, "shapes cover more pixels than are allowed")?;
            spend(&mut self.rows, outline.rows, id, "outlines are longer than is allowed")?;
            self.paint(fill.paint(), transform, held, id)?;
        }
        if let Some(stroke) = path.stroke() {
            let dashes = match stroke.dasharray() {
                Some(array) => {
                    let period: f32 = array.iter().sum();
                    let count = f64::from(u32::try_from(array.len()).unwrap_or(u32::MAX));
                    outline.length / f64::from(period.max(f32::MIN_POSITIVE)) * count
                }
                None => 0.0,
            };
            // Each side of a segment, its join and its caps; curves are cut into a few lines each.
            segments += outline.segments * 8.0 + dashes * 8.0;
            let width = f64::from(stroke.width().get()) * f64::from(scale_of(transform));
            let width = width.min(f64::from(frame.height));
            let rows = outline.rows * 2.0 + (outline.segments + dashes) * (width + 2.0);
            spend(&mut self.rows, rows, id, "strokes or dashes are longer than is allowed")?;
            let along = outline.length * f64::from(scale_of(transform)) * (width + 2.0);
            spend(&mut self.painted, area.min(along), id, "strokes cover more pixels than are allowed")?;
            self.paint(stroke.paint(), transform, held, id)?;
        }
        if segments > SEGMENTS {
            return Err(fault(id, "one shape has more segments or dashes than are allowed; split it"));
        }
        Ok(())
    }

    /// A pattern is painted to a layer of its own, each time it is used.
    fn paint(&mut self, paint: &Paint, transform: Transform, held: f64, id: &str) -> Result<(), Fault> {
        let Paint::Pattern(pattern) = paint else { return Ok(()) };
        self.nodes = self.nodes.checked_sub(1).ok_or_else(|| fault(id, "too many patterns"))?;
        let (x, y) = transform.pre_concat(pattern.transform()).get_scale();
        let tile = Frame { width: pattern.rect().width() * x, height: pattern.rect().height() * y };
        let area = f64::from(tile.width) * f64::from(tile.height);
        let held = held + area * 4.0;
        if held > LAYER_BYTES || !area.is_finite() {
            return Err(fault(pattern.id(), "a pattern's tile is too large"));
        }
        spend(&mut self.layered, area, pattern.id(), LAYERS)?;
        self.children(pattern.root(), Transform::from_scale(x, y), tile, held)
    }
}

/// Pixels of a layer for this box, as the painter will cut it: at most five times the picture each way.
fn layer_area(boxed: Rect, transform: Transform, frame: Frame) -> f64 {
    let Some(boxed) = boxed.transform(transform) else { return f64::INFINITY };
    let side = |length: f32, most: f32| f64::from((length + 5.0).min(most * 5.0));
    side(boxed.width(), frame.width) * side(boxed.height(), frame.height)
}

fn scale_of(transform: Transform) -> f32 {
    let (x, y) = transform.get_scale();
    x.max(y)
}

fn check_filter(filter: &Filter) -> Result<(), Fault> {
    let id = filter.id();
    if filter.primitives().len() > PRIMITIVES {
        return Err(fault(id, "a filter has at most 16 primitives"));
    }
    for primitive in filter.primitives() {
        match primitive.kind() {
            Kind::Blend(blend) if matches!(blend.mode(), BlendMode::ColorDodge | BlendMode::ColorBurn) => {
                return Err(fault(
                    id,
                    "color-dodge and color-burn differ between processors; choose another mode",
                ));
            }
            Kind::ComponentTransfer(transfer) => {
                let gamma = [transfer.func_r(), transfer.func_g(), transfer.func_b(), transfer.func_a()]
                    .into_iter()
                    .any(|function| matches!(function, TransferFunction::Gamma { .. }));
                if gamma {
                    return Err(fault(id, "a gamma curve differs between hosts; use a table"));
                }
            }
            Kind::Blend(_)
            | Kind::ColorMatrix(_)
            | Kind::Composite(_)
            | Kind::DropShadow(_)
            | Kind::Flood(_)
            | Kind::GaussianBlur(_)
            | Kind::Merge(_)
            | Kind::Offset(_)
            | Kind::Tile(_) => {}
            _ => return Err(fault(id, "this filter primitive is not admitted")),
        }
    }
    Ok(())
}

/// The size of a path's outline, from the polygons through its control points, which are never shorter than it.
struct Outline {
    /// Line segments, with a curve counted as eight.
    segments: f64,
    /// Length in user units.
    length: f64,
    /// Pixel rows that its segments pass, each at most the picture's height.
    rows: f64,
}

impl Outline {
    fn of(path: &Path, transform: Transform, frame: Frame) -> Self {
        let mut outline = Self { segments: 0.0, length: 0.0, rows: 0.0 };
        let (mut first, mut last) = (Point::zero(), Point::zero());
        for segment in path.data().segments() {
            match segment {
                PathSegment::MoveTo(p) => (first, last) = (p, p),
                PathSegment::LineTo(p) => {
                    outline.line(last, p, transform, frame);
                    last = p;
                }
                PathSegment::QuadTo(a, p) => {
                    outline.segments += 6.0;
                    outline.line(last, a, transform, frame);
                    outline.line(a, p, transform, frame);
                    last = p;
                }
                PathSegment::CubicTo(a, b, p) => {
                    outline.segments += 5.0;
                    outline.line(last, a, transform, frame);
                    outline.line(a, b, transform, frame);
                    outline.line(b, p, transform, frame);
                    last = p;
                }
                PathSegment::Close => {
                    outline.line(last, first, transform, frame);
                    last = first;
                }
            }
        }
        outline
    }

    fn line(&mut self, from: Point, to: Point, transform: Transform, frame: Frame) {
        let (x, y) = (to.x - from.x, to.y - from.y);
        let down = (x * transform.ky + y * transform.sy).abs();
        self.segments += 1.0;
        self.length += f64::from((x * x + y * y).sqrt());
        self.rows += f64::from(down.min(frame.height) + 1.0);
    }
}
