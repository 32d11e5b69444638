//! Hyperbolic functions and their inverses.
//!
//! By the formulas WGSL §15.7.4 lets them inherit from, and by a polynomial near 0, where those cancel.

use fearless_simd::{Select, Simd, SimdBase, SimdFloat};

use super::exponential::{exp, log};
use super::{horner, with_sign};

/// x + x³ · p(x²)
#[inline(always)]
fn odd<S: Simd, const N: usize>(s: S, x: S::f32s, coefficients: [f32; N]) -> S::f32s {
    let z = x * x;
    x + x * z * horner(s, z, coefficients)
}

/// (eˣ − e⁻ˣ) / 2
#[inline(always)]
pub(crate) fn sinh<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let near = odd(s, x, [1.666_666_7e-1, 8.333_35e-3, 1.983_615_9e-4, 2.816_951_3e-6]);
    let far = (exp(s, x) - exp(s, -x)) * 0.5;
    x.abs().simd_le(S::f32s::splat(s, 1.0)).select(near, far)
}

/// (eˣ + e⁻ˣ) / 2
#[inline(always)]
pub(crate) fn cosh<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    (exp(s, x) + exp(s, -x)) * 0.5
}

/// sinh over cosh, in [−1, 1]
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let size = x.abs();
    let near = odd(s, x, [-3.333_328_1e-1, 1.333_144_2e-1, -5.373_971_5e-2, 2.063_908_8e-2, -5.704_986_9e-3]);
    let one = S::f32s::splat(s, 1.0);
    let far = one - S::f32s::splat(s, 2.0) / (exp(s, size * 2.0) + 1.0);
    size.simd_lt(S::f32s::splat(s, 0.625)).select(near, with_sign::<S>(far, x))
}

/// ln(x + √(x² + 1))
#[inline(always)]
pub(crate) fn asinh<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let size = x.abs();
    let near = odd(s, x, [-1.666_664_3e-1, 7.498_652_5e-2, -4.438_451_7e-2, 2.816_912_3e-2, -1.323_752_7e-2]);
    let far = with_sign::<S>(log(s, size + (size * size + 1.0).sqrt()), x);
    size.simd_lt(S::f32s::splat(s, 0.5)).select(near, far)
}

/// ln(x + √(x² − 1)); NaN below 1
#[inline(always)]
pub(crate) fn acosh<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    log(s, x + (x * x - 1.0).sqrt())
}

/// ½ ln((1 + x) / (1 − x)); infinite at ±1, NaN outside
#[inline(always)]
pub(crate) fn atanh<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let near = odd(
        s,
        x,
        [3.333_330_2e-1, 2.000_251_9e-1, 1.422_276_2e-1, 1.182_372_9e-1, 5.135_825_6e-2, 1.766_911_6e-1],
    );
    let one = S::f32s::splat(s, 1.0);
    let far = log(s, (one + x) / (one - x)) * 0.5;
    x.abs().simd_lt(S::f32s::splat(s, 0.5)).select(near, far)
}
