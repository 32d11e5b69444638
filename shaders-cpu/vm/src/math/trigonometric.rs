//! Sine, cosine and tangent of radians.
//!
//! The argument is reduced to r = x − qπ with |r| ≤ π/2, π in three parts of few enough bits that the first two
//! products are exact for |q| < 2¹⁴ (Cody and Waite). On [−π, π] the error is below 2⁻²²; it grows with |x| as
//! the gap between neighbouring arguments does, and results never leave [−1, 1]. WGSL asks for 2⁻¹¹ on [−π, π].

use fearless_simd::{Bytes, Simd};

use super::{at_least, at_most, horner};

const PI_HIGH: f32 = 3.140_625;
const PI_MIDDLE: f32 = 9.670_257_568_359_375e-4;
const PI_LOW: f32 = 6.278_329_5e-7;
/// Adding 1.5 · 2²³ leaves the nearest integer in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// sin(r) for |r| ≤ π/2, relative error 6e-9 before rounding.
#[inline(always)]
fn sine_reduced<S: Simd>(s: S, r: S::f32s) -> S::f32s {
    let r = at_most(s, at_least(s, r, -core::f32::consts::FRAC_PI_2), core::f32::consts::FRAC_PI_2);
    let z = r * r;
    let p = horner(s, z, [-1.666_666_0e-1, 8.333_065_5e-3, -1.980_952_1e-4, 2.605_590_2e-6]);
    r + r * z * p
}

#[inline(always)]
fn reduce<S: Simd>(x: S::f32s, q: S::f32s) -> S::f32s {
    x - q * PI_HIGH - q * PI_MIDDLE - q * PI_LOW
}

/// Sine of radians.
#[inline(always)]
pub(crate) fn sin<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let shifted = x * core::f32::consts::FRAC_1_PI + ROUND;
    let odd = shifted.bitcast::<S::u32s>() << 31;
    let r = reduce::<S>(x, shifted - ROUND);
    (sine_reduced(s, r).bitcast::<S::u32s>() ^ odd).bitcast()
}

/// Cosine of radians: with x = (q + ½)π + r, cos x = (−1)^(q+1) sin r.
#[inline(always)]
pub(crate) fn cos<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let shifted = x * core::f32::consts::FRAC_1_PI - 0.5 + ROUND;
    let even = !shifted.bitcast::<S::u32s>() << 31;
    let r = reduce::<S>(x, shifted - ROUND + 0.5);
    (sine_reduced(s, r).bitcast::<S::u32s>() ^ even).bitcast()
}

/// Tangent of radians, as sin over cos (WGSL §15.7.4).
#[inline(always)]
pub(crate) fn tan<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    sin(s, x) / cos(s, x)
}
