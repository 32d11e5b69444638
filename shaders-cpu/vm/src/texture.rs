//! Texture reads, one lane at a time: addressing, filtering, and the texel behind a coordinate.
//!
//! Coordinates follow WebGPU: texel (x, y) covers [x, x+1) × [y, y+1) of a space in which the image is as wide
//! as it has texels; a coordinate that is not finite counts as 0 or the end of the range.

use crate::inputs::{AddressMode, FilterMode, Sampler, Texels, Texture};

/// The texel at (x, y), which must be inside.
fn texel(image: &Texture<'_>, x: u32, y: u32) -> [f32; 4] {
    let at = (y as usize).saturating_mul(image.width as usize).saturating_add(x as usize).saturating_mul(4);
    match image.texels {
        Texels::Rgba8(bytes) => match bytes.get(at..).and_then(|b| b.first_chunk::<4>()) {
            Some(texel) => texel.map(|byte| f32::from(byte) / 255.0),
            None => [0.0; 4],
        },
        Texels::Rgba32F(floats) => {
            floats.get(at..).and_then(|f| f.first_chunk::<4>()).copied().unwrap_or([0.0; 4])
        }
    }
}

/// `textureLoad`: zeros outside (one of the results WGSL §17.7.4 allows).
pub(crate) fn load(image: &Texture<'_>, x: u32, y: u32) -> [f32; 4] {
    if x < image.width && y < image.height { texel(image, x, y) } else { [0.0; 4] }
}

/// The column or row that stands in for index `i` of `count`.
fn address(i: i32, count: u32, mode: AddressMode) -> u32 {
    let count = i64::from(count.max(1));
    let i = i64::from(i);
    let inside = match mode {
        AddressMode::ClampToEdge => i.clamp(0, count - 1),
        AddressMode::Repeat => i.rem_euclid(count),
        AddressMode::MirrorRepeat => {
            let i = i.rem_euclid(2 * count);
            if i < count { i } else { 2 * count - 1 - i }
        }
    };
    u32::try_from(inside).unwrap_or(0)
}

/// The largest integer not above `x`, within the range of `i32`; 0 for NaN.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "saturation is meant")]
fn floor(x: f32) -> i32 {
    let towards_zero = x as i32;
    if (towards_zero as f32) > x { towards_zero.saturating_sub(1) } else { towards_zero }
}

/// The lower index of the two that surround `x`, and how far `x` lies towards the upper one.
#[expect(clippy::cast_precision_loss, reason = "indices beyond 2^24 have no fraction")]
fn between(x: f32) -> (i32, f32) {
    let x = x - 0.5;
    let low = floor(x);
    let t = x - low as f32;
    (low, if (0.0..=1.0).contains(&t) { t } else { 0.0 })
}

fn mix(a: f32, b: f32, t: f32) -> f32 {
    a * (1.0 - t) + b * t
}

/// The four texels around `uv`: upper left, upper right, lower left, lower right; and the place among them.
#[expect(clippy::cast_precision_loss, reason = "a texture's side is at most 65535")]
fn neighbours(
    image: &Texture<'_>,
    sampler: Sampler,
    uv: [f32; 2],
    offset: [i32; 2],
) -> ([[f32; 4]; 4], [f32; 2]) {
    let (x, tx) = between(uv[0] * image.width as f32);
    let (y, ty) = between(uv[1] * image.height as f32);
    let column = |i: i32| address(x.saturating_add(offset[0]).saturating_add(i), image.width, sampler.u);
    let row = |i: i32| address(y.saturating_add(offset[1]).saturating_add(i), image.height, sampler.v);
    let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(i, j)| texel(image, column(i), row(j)));
    (four, [tx, ty])
}

/// `textureSample` and its relatives, at the one level there is.
#[expect(clippy::cast_precision_loss, reason = "a texture's side is at most 65535")]
pub(crate) fn sample(image: &Texture<'_>, sampler: Sampler, uv: [f32; 2], offset: [i32; 2]) -> [f32; 4] {
    match sampler.filter {
        FilterMode::Nearest => {
            let x = floor(uv[0] * image.width as f32).saturating_add(offset[0]);
            let y = floor(uv[1] * image.height as f32).saturating_add(offset[1]);
            texel(image, address(x, image.width, sampler.u), address(y, image.height, sampler.v))
        }
        FilterMode::Linear => {
            let ([a, b, c, d], [tx, ty]) = neighbours(image, sampler, uv, offset);
            let mut out = [0.0; 4];
            for (i, out) in out.iter_mut().enumerate() {
                *out = mix(mix(a[i], b[i], tx), mix(c[i], d[i], tx), ty);
            }
            out
        }
    }
}

/// `textureGather`: channel `channel` of the four texels, counter-clockwise from the lower left (WGSL §17.7.2).
pub(crate) fn gather(
    image: &Texture<'_>,
    sampler: Sampler,
    uv: [f32; 2],
    offset: [i32; 2],
    channel: u32,
) -> [f32; 4] {
    let ([a, b, c, d], _) = neighbours(image, sampler, uv, offset);
    [c, d, b, a].map(|texel| texel.get(channel as usize).copied().unwrap_or(0.0))
}
