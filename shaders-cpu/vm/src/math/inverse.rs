//! Arc sine, arc cosine and arc tangent.
//!
//! WGSL §15.7.4 asks of `atan` and `atan2` 4096 ULP, of `asin` and `acos` 6.77e-5 absolute or what their `atan2`
//! form inherits. Here all are within 4 ULP, or 2⁻²² absolute where the result passes through 0.

use core::f32::consts::{FRAC_PI_2, PI};

use fearless_simd::{Bytes, Select, Simd, SimdBase, SimdFloat};

use super::{horner, with_sign};

/// atan(t) for 0 ≤ t ≤ 1.
#[inline(always)]
fn atan_unit<S: Simd>(s: S, t: S::f32s) -> S::f32s {
    let z = t * t;
    let p = horner(
        s,
        z,
        [
            -3.333_329_9e-1,
            1.999_854_9e-1,
            -1.426_424_2e-1,
            1.095_218_6e-1,
            -8.403_451e-2,
            5.795_760_1e-2,
            -3.117_785e-2,
            1.091_460_9e-2,
            -1.793_622_3e-3,
        ],
    );
    t + t * z * p
}

/// Arc tangent, radians in [−π/2, π/2].
#[inline(always)]
pub(crate) fn atan<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let size = x.abs();
    let one = S::f32s::splat(s, 1.0);
    let large = size.simd_gt(one);
    let angle = atan_unit(s, large.select(one / size, size));
    with_sign::<S>(large.select(S::f32s::splat(s, FRAC_PI_2) - angle, angle), x)
}

/// The angle of (x, y) in [−π, π], by the signs of both, zeros included; 0 or ±π at the origin.
#[inline(always)]
pub(crate) fn atan2<S: Simd>(s: S, y: S::f32s, x: S::f32s) -> S::f32s {
    let (across, along) = (x.abs(), y.abs());
    let steep = along.simd_gt(across);
    let (short, long) = (steep.select(across, along), steep.select(along, across));
    let zero = S::f32s::splat(s, 0.0);
    let ratio = long.simd_eq(zero).select(zero, short / long);
    let ratio = short.simd_eq(long).select(long.simd_eq(zero).select(zero, S::f32s::splat(s, 1.0)), ratio);
    let angle = atan_unit(s, ratio);
    let angle = steep.select(S::f32s::splat(s, FRAC_PI_2) - angle, angle);
    let left = x.bitcast::<S::i32s>().simd_lt(S::i32s::splat(s, 0));
    with_sign::<S>(left.select(S::f32s::splat(s, PI) - angle, angle), y)
}

/// asin(t) for |t| ≤ ½, relative error 5e-9 before rounding.
#[inline(always)]
fn asin_small<S: Simd>(s: S, t: S::f32s) -> S::f32s {
    let z = t * t;
    let p = horner(s, z, [1.666_675_2e-1, 7.495_297_5e-2, 4.547_037_6e-2, 2.417_951_5e-2, 4.216_630_8e-2]);
    t + t * z * p
}

/// Arc sine, radians in [−π/2, π/2]; NaN outside [−1, 1].
#[inline(always)]
pub(crate) fn asin<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let size = x.abs();
    let large = size.simd_gt(S::f32s::splat(s, 0.5));
    let root = ((S::f32s::splat(s, 1.0) - size) * 0.5).sqrt();
    let angle = asin_small(s, large.select(root, size));
    with_sign::<S>(large.select(S::f32s::splat(s, FRAC_PI_2) - angle * 2.0, angle), x)
}

/// Arc cosine, radians in [0, π]; NaN outside [−1, 1].
#[inline(always)]
pub(crate) fn acos<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let size = x.abs();
    let large = size.simd_gt(S::f32s::splat(s, 0.5));
    let root = ((S::f32s::splat(s, 1.0) - size) * 0.5).sqrt();
    let angle = asin_small(s, large.select(root, x));
    let doubled = angle * 2.0;
    let left = x.simd_lt(S::f32s::splat(s, 0.0));
    let near_end = left.select(S::f32s::splat(s, PI) - doubled, doubled);
    large.select(near_end, S::f32s::splat(s, FRAC_PI_2) - angle)
}
