//! Gradients: colours mixed in Oklab, premultiplied, and dithered to bytes.
//!
//! Oklab (<https://bottosson.github.io/posts/oklab/>) mixes without the grey and dark middles of sRGB. The mixtures
//! stand in a table that the pixels then look up. Its entries have eight more bits than a byte; an ordered pattern of
//! thresholds turns those into nearby bytes, so that no bands are seen. A colour that is a byte exactly stays exactly
//! that.

use core::f32::consts::{FRAC_PI_2, PI};

use iridule_scene::{
    color::Rgba,
    scene::{Paint, Stop},
};
use resvg::tiny_skia::Transform;

use crate::srgb;

/// Entries of the table that are used, less one.
const STEPS: u16 = 1024;
/// Entries of the table: a power of two, so that no index is out of it.
const TABLE: usize = 2048;
/// Pixels that go through together: a multiple of the dither's period.
const BLOCK: usize = 32;
const BLOCK_F: f32 = 32.0;
/// An alpha of 255, a byte's worth 256.
const OPAQUE: u16 = 65_280;

/// Thresholds of the ordered dither (Bayer's 8 × 8 matrix), in parts of 256, none of them 0 or 256.
const DITHER: [[u16; 8]; 8] = {
    let mut matrix = [[0u16; 8]; 8];
    let mut y = 0u16;
    while y < 8 {
        let mut x = 0u16;
        while x < 8 {
            // The bits of x ^ y and y, interleaved from the lowest.
            let (mut value, mut bit) = (0u16, 0);
            while bit < 3 {
                value = value << 2 | ((x ^ y) >> bit & 1) << 1 | y >> bit & 1;
                bit += 1;
            }
            matrix[y as usize][x as usize] = value * 4 + 2;
            x += 1;
        }
        y += 1;
    }
    matrix
};

/// How far a pixel is along the gradient.
#[derive(Debug, Clone, Copy)]
enum Along {
    /// By its distance from the left, after the transform.
    Linear,
    /// By its distance from the origin.
    Radial,
    /// By its angle about the origin.
    Conic,
}

/// A gradient, ready for pixels.
#[derive(Debug)]
pub struct Gradient {
    along: Along,
    /// From the middle of a pixel to the space of `along`, in which the offset is 0 to 1 (in turns, for an angle).
    from_pixels: Transform,
    /// Premultiplied sRGB, a byte's worth 256, at offsets from 0 to 1; what is beyond is as the last.
    table: Box<[[u16; 4]; TABLE]>,
}

impl Gradient {
    /// A gradient, or nothing for one colour. `place` maps canvas units to pixels.
    #[must_use]
    pub fn new(paint: &Paint, place: Transform) -> Option<Self> {
        let shape = |x: f32, y: f32, [e, f]: [f32; 2]| Transform::from_row(x, y, -y, x, e, f);
        let (along, unit, stops) = match paint {
            Paint::Solid(_) => return None,
            Paint::Linear { from, to, stops } => {
                (Along::Linear, shape(to[0] - from[0], to[1] - from[1], *from), stops)
            }
            Paint::Radial { centre, radius, stops } => (Along::Radial, shape(*radius, 0.0, *centre), stops),
            Paint::Conic { centre, angle, stops } => {
                // A quarter turn less: from the top, not from the right.
                let turned = f64::from(*angle - 90.0).to_radians();
                #[expect(clippy::cast_possible_truncation, reason = "rounded to the nearest single")]
                let (sin, cos) = (libm::sin(turned) as f32, libm::cos(turned) as f32);
                (Along::Conic, shape(cos, sin, *centre), stops)
            }
        };
        // Without extent, everything lies after the last stop.
        let degenerate = Transform::from_row(0.0, 0.0, 0.0, 0.0, 2.0, 0.0);
        let from_pixels = place.pre_concat(unit).invert().filter(Transform::is_finite).unwrap_or(degenerate);
        Some(Self { along, from_pixels, table: table(stops) })
    }

    /// Whether every colour of it is opaque.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.table.iter().all(|[.., alpha]| *alpha == OPAQUE)
    }

    /// The pixels of a row from `x` on: premultiplied sRGB bytes.
    pub fn row(&self, x: u32, y: u32, out: &mut [u8]) {
        let map = self.from_pixels;
        let (middle, down) = (crate::canvas::side(x) + 0.5, crate::canvas::side(y) + 0.5);
        let (begin_x, begin_y) = (map.kx * down + map.tx, map.sy * down + map.ty);
        let thresholds: [u16; BLOCK * 4] =
            core::array::from_fn(|lane| DITHER[y as usize % 8][(x as usize + lane / 4) % 8]);
        let mut left = middle;
        for block in out.chunks_mut(BLOCK * 4) {
            // Each step for all of a block at once, as arrays that compilers turn into vectors.
            let points = Points { map: &map, left, begin_x, begin_y };
            let index = match self.along {
                Along::Linear => points.entries(|u, _| u),
                Along::Radial => points.entries(|u, v| (u * u + v * v).sqrt()),
                Along::Conic => points.entries(turn),
            };
            let mut colours = [[0; 4]; BLOCK];
            for (colour, index) in colours.iter_mut().zip(index) {
                *colour = self.table[index as usize % TABLE];
            }
            let mut bytes = [0; BLOCK * 4];
            for ((byte, channel), threshold) in bytes.iter_mut().zip(colours.as_flattened()).zip(thresholds) {
                *byte = (channel + threshold).to_le_bytes()[1];
            }
            block.copy_from_slice(&bytes[..block.len()]);
            left += BLOCK_F;
        }
    }
}

/// The middles of a block's pixels, in the space of the gradient.
struct Points<'a> {
    map: &'a Transform,
    /// The first one's distance from the picture's left edge.
    left: f32,
    begin_x: f32,
    begin_y: f32,
}

impl Points<'_> {
    /// The table's entries for what lies so far along.
    #[inline(always)]
    fn entries(&self, along: impl Fn(f32, f32) -> f32) -> [u32; BLOCK] {
        core::array::from_fn(|step| {
            let pixel = self.left + STEP[step];
            let (u, v) = (self.map.sx * pixel + self.begin_x, self.map.ky * pixel + self.begin_y);
            entry(along(u, v))
        })
    }
}

/// The pixels of a block, as floats.
const STEP: [f32; BLOCK] = {
    let (mut steps, mut at) = ([0.0; BLOCK], 0);
    while at + 1 < BLOCK {
        steps[at + 1] = steps[at] + 1.0;
        at += 1;
    }
    steps
};

/// The table's entry for an offset: to the nearest, and up from halfway.
#[inline(always)]
fn entry(offset: f32) -> u32 {
    // 2^23: from there on, floats are the whole numbers.
    const WHOLE: f32 = 8_388_608.0;
    let offset = if offset > 0.0 { offset } else { 0.0 };
    let offset = if offset < 1.0 { offset } else { 1.0 };
    let exact = offset * f32::from(STEPS) + 0.5;
    let near = (exact + WHOLE) - WHOLE;
    let floor = if near > exact { near - 1.0 } else { near };
    // A conversion would have to mind numbers that do not fit, which takes longer.
    (floor + WHOLE).to_bits() & 0x7f_ffff
}

/// The angle of a point, clockwise as y points down, in turns from 0 to 1; within 2·10⁻⁵ of a turn.
#[inline(always)]
fn turn(x: f32, y: f32) -> f32 {
    let (near, far) = if x.abs() > y.abs() { (y.abs(), x.abs()) } else { (x.abs(), y.abs()) };
    let t = if far > 0.0 { near / far } else { 0.0 };
    let square = t * t;
    // Abramowitz and Stegun 4.4.49, the arc tangent from 0 to 1.
    let series = ((((0.020_835_1 * square - 0.085_133_0) * square + 0.180_141) * square - 0.330_299_5)
        * square
        + 0.999_866)
        * t;
    let octant = if x.abs() > y.abs() { series } else { FRAC_PI_2 - series };
    let half = if x < 0.0 { PI - octant } else { octant };
    let whole = if y < 0.0 { 2.0 * PI - half } else { half };
    whole / (2.0 * PI)
}

/// A colour as premultiplied Oklab and alpha.
type Lab = [f64; 4];

fn lab(colour: Rgba) -> Lab {
    let [red, green, blue, alpha] = colour.0.map(|byte| f64::from(byte) / 255.0);
    let [red, green, blue] = [red, green, blue].map(srgb::linear);
    let l = libm::cbrt(0.412_221_470_8 * red + 0.536_332_536_3 * green + 0.051_445_992_9 * blue);
    let m = libm::cbrt(0.211_903_498_2 * red + 0.680_699_545_1 * green + 0.107_396_956_6 * blue);
    let s = libm::cbrt(0.088_302_461_9 * red + 0.281_718_837_6 * green + 0.629_978_700_5 * blue);
    [
        alpha * (0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s),
        alpha * (1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s),
        alpha * (0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s),
        alpha,
    ]
}

/// Premultiplied sRGB from 0 to 1.
fn premultiplied([l, a, b, alpha]: Lab) -> [f64; 4] {
    if alpha <= 0.0 {
        return [0.0; 4];
    }
    let [l, a, b] = [l, a, b].map(|v| v / alpha);
    let cube = |v: f64| v * v * v;
    let long = cube(l + 0.396_337_777_4 * a + 0.215_803_757_3 * b);
    let mid = cube(l - 0.105_561_345_8 * a - 0.063_854_172_8 * b);
    let short = cube(l - 0.089_484_177_5 * a - 1.291_485_548_0 * b);
    let light = [
        4.076_741_662_1 * long - 3.307_711_591_3 * mid + 0.230_969_929_2 * short,
        -1.268_438_004_6 * long + 2.609_757_401_1 * mid - 0.341_319_396_5 * short,
        -0.004_196_086_3 * long - 0.703_418_614_7 * mid + 1.707_614_701_0 * short,
    ];
    let tables = srgb::tables();
    let [red, green, blue] = light.map(|light| tables.encoded(light) * alpha);
    [red, green, blue, alpha]
}

/// The colours at offsets from 0 to 1.
fn table(stops: &[Stop]) -> Box<[[u16; 4]; TABLE]> {
    // Stops themselves are exact, so that a colour between two alike is, too.
    let exact = |colour: Rgba| {
        let [red, green, blue, alpha] = colour.0.map(|byte| f64::from(byte) / 255.0);
        [red * alpha, green * alpha, blue * alpha, alpha]
    };
    let offset = |stop: &Stop| f64::from(stop.offset).clamp(0.0, 1.0);
    let labs: Vec<Lab> = stops.iter().map(|stop| lab(stop.colour)).collect();
    let mut next = 0;
    let mut entry = |step: u16| {
        let at = f64::from(step) / f64::from(STEPS);
        while stops.get(next).is_some_and(|stop| offset(stop) <= at) {
            next += 1;
        }
        let colour = match (next.checked_sub(1).map(|before| (before, stops[before])), stops.get(next)) {
            (Some((_, before)), Some(after)) if before.colour == after.colour => exact(before.colour),
            (Some((number, before)), Some(after)) => {
                let part = (at - offset(&before)) / (offset(after) - offset(&before));
                let (first, last) = (labs[number], labs[next]);
                premultiplied(core::array::from_fn(|at| first[at] + (last[at] - first[at]) * part))
            }
            (Some((_, stop)), None) => exact(stop.colour),
            (None, Some(stop)) => exact(stop.colour),
            (None, None) => [0.0; 4],
        };
        // Whole bytes are multiples of 256, and thresholds are less than that.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "limited to a word first"
        )]
        let [red, green, blue, alpha] = colour.map(|v| (v.clamp(0.0, 1.0) * f64::from(OPAQUE) + 0.5) as u16);
        [red.min(alpha), green.min(alpha), blue.min(alpha), alpha]
    };
    let mut table = Box::new([[0; 4]; TABLE]);
    let mut last = [0; 4];
    for (step, place) in (0..).zip(table.iter_mut()) {
        if step <= STEPS {
            last = entry(step);
        }
        *place = last;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(colours: &[(f32, [u8; 4])], width: f32) -> Gradient {
        let stops = colours.iter().map(|(offset, colour)| Stop { offset: *offset, colour: Rgba(*colour) });
        let paint = Paint::Linear { from: [0.0; 2], to: [width, 0.0], stops: stops.collect() };
        Gradient::new(&paint, Transform::identity()).unwrap()
    }

    #[test]
    fn a_colour_between_equal_stops_is_exact() {
        for value in 0..=255 {
            let colour = [value, 255 - value, value / 3, 255];
            let gradient = linear(&[(0.0, colour), (0.3, colour), (1.0, colour)], 100.0);
            let mut row = vec![0; 100 * 4];
            for y in 0..8 {
                gradient.row(0, y, &mut row);
                assert!(row.chunks_exact(4).all(|pixel| pixel == colour));
            }
        }
    }

    #[test]
    fn dither_is_within_half_a_level_and_fair() {
        let gradient = linear(&[(0.0, [10, 10, 10, 255]), (1.0, [18, 18, 18, 255])], 64.0);
        let mut sums = [0.0; 64];
        let mut row = vec![0; 64 * 4];
        for y in 0..8 {
            gradient.row(0, y, &mut row);
            for ((sum, pixel), x) in sums.iter_mut().zip(row.chunks_exact(4)).zip(0u16..) {
                let exact = gradient.table[usize::from(x * 16 + 8)][0];
                assert!((f64::from(pixel[0]) - f64::from(exact) / 256.0).abs() < 1.0);
                *sum += f64::from(pixel[0]);
            }
        }
        let blocks = sums.chunks_exact(8).map(|block| block.iter().sum::<f64>() / 64.0);
        for (block, mean) in (0u16..).zip(blocks) {
            let exact: u32 =
                (0..8).map(|x| u32::from(gradient.table[usize::from((block * 8 + x) * 16 + 8)][0])).sum();
            assert!((mean - f64::from(exact) / 8.0 / 256.0).abs() < 0.05, "{mean}");
        }
    }

    #[test]
    fn the_table_follows_oklab() {
        let (from, to) = (Rgba([255, 230, 0, 255]), Rgba([20, 10, 200, 80]));
        let stops = [Stop { offset: 0.0, colour: from }, Stop { offset: 1.0, colour: to }];
        for (step, entry) in (0..=STEPS).zip(*table(&stops)) {
            let part = f64::from(step) / f64::from(STEPS);
            let (first, last) = (lab(from), lab(to));
            let mixed = core::array::from_fn(|at| first[at] + (last[at] - first[at]) * part);
            let exact = premultiplied(mixed);
            for (value, exact) in entry.into_iter().zip(exact) {
                assert!((f64::from(value) / 256.0 - exact * 255.0).abs() < 0.01, "{step}: {entry:?} {exact}");
            }
        }
    }

    #[test]
    fn turns_are_angles() {
        for degree in 0..3600 {
            let angle = f64::from(degree) / 3600.0;
            let radians = angle * core::f64::consts::TAU;
            #[expect(clippy::cast_possible_truncation, reason = "any nearby single will do")]
            let turned = turn(libm::cos(radians) as f32 * 9.0, libm::sin(radians) as f32 * 9.0);
            let off = (f64::from(turned) - angle).abs();
            assert!(off.min(1.0 - off) < 2e-5, "{degree} {turned}");
        }
        assert_eq!(turn(0.0, 0.0), 0.25);
    }
}
