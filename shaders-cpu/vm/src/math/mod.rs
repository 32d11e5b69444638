//! The numbers: every function a pixel can see, as branch-free vector code of plain IEEE operations.
//!
//! There is one rounding story. Only operations that IEEE 754 defines exactly are used (`+ - * / sqrt`,
//! comparisons, roundings to integers, conversions in range, bit operations), in a fixed order and never
//! contracted, so each level computes the same bits. Polynomials were fitted by iteratively reweighted least
//! squares to the weighted minimax error on the reduced interval; each function's doc gives its measured error,
//! and `tests/accuracy.rs` holds it to the table in WGSL §15.7.4.
//!
//! Not here: which registers are read (that is `kernel`), and what WGSL calls things (that is `iridule-wgsl`).
#![allow(
    clippy::excessive_precision,
    clippy::approx_constant,
    reason = "coefficients stand as they were fitted; that one is near ln 2 is no accident, but it is not ln 2"
)]

pub(crate) mod bits;
pub(crate) mod exponential;
pub(crate) mod half;
pub(crate) mod hyperbolic;
pub(crate) mod inverse;
pub(crate) mod trigonometric;

use fearless_simd::{Bytes, Select, Simd, SimdBase, SimdFloat};

/// `x` where `x >= low`, else `low`; a NaN stays.
#[inline(always)]
pub(crate) fn at_least<S: Simd>(s: S, x: S::f32s, low: f32) -> S::f32s {
    let low = S::f32s::splat(s, low);
    x.simd_lt(low).select(low, x)
}

/// `x` where `x <= high`, else `high`; a NaN stays.
#[inline(always)]
pub(crate) fn at_most<S: Simd>(s: S, x: S::f32s, high: f32) -> S::f32s {
    let high = S::f32s::splat(s, high);
    x.simd_gt(high).select(high, x)
}

/// The polynomial with these coefficients, the constant first, by Horner's rule.
#[inline(always)]
pub(crate) fn horner<S: Simd, const N: usize>(s: S, x: S::f32s, coefficients: [f32; N]) -> S::f32s {
    let mut sum = S::f32s::splat(s, coefficients[N - 1]);
    for c in coefficients.iter().rev().skip(1) {
        sum = sum * x + *c;
    }
    sum
}

/// `magnitude` with the sign bit of `sign`.
#[inline(always)]
pub(crate) fn with_sign<S: Simd>(magnitude: S::f32s, sign: S::f32s) -> S::f32s {
    let bits: S::u32s =
        (magnitude.bitcast::<S::u32s>() & 0x7fff_ffff) | (sign.bitcast::<S::u32s>() & 0x8000_0000);
    bits.bitcast()
}

/// −1, 0 or 1; 0 for NaN.
#[inline(always)]
pub(crate) fn sign<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let zero = S::f32s::splat(s, 0.0);
    let one = S::f32s::splat(s, 1.0);
    let negative = x.simd_lt(zero).select(-one, zero);
    x.simd_gt(zero).select(one, negative)
}

/// The fraction of `frexp`: in ±[0.5, 1), or `x` itself where it is 0, infinite or NaN (WGSL §17.5.27).
#[inline(always)]
pub(crate) fn frexp_fract<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let (scaled, _) = normalised(s, x);
    let bits: S::u32s = (scaled.bitcast::<S::u32s>() & 0x807f_ffff) | 0x3f00_0000;
    frexp_is_plain(s, x).select(bits.bitcast(), x)
}

/// The exponent of `frexp`, as `i32`; 0 where `x` is 0, infinite or NaN.
#[inline(always)]
pub(crate) fn frexp_exponent<S: Simd>(s: S, x: S::f32s) -> S::i32s {
    let (scaled, shift) = normalised(s, x);
    let biased: S::u32s = (scaled.bitcast::<S::u32s>() >> 23) & 0xff;
    let exponent = biased.bitcast::<S::i32s>() - 126 - shift;
    frexp_is_plain(s, x).select(exponent, S::i32s::splat(s, 0))
}

#[inline(always)]
fn frexp_is_plain<S: Simd>(s: S, x: S::f32s) -> S::mask32s {
    let size = x.abs();
    size.simd_lt(S::f32s::splat(s, f32::INFINITY)) & size.simd_gt(S::f32s::splat(s, 0.0))
}

/// `x` with subnormals scaled up by 2²³, and the power that was added.
#[inline(always)]
fn normalised<S: Simd>(s: S, x: S::f32s) -> (S::f32s, S::i32s) {
    let tiny = x.abs().simd_lt(S::f32s::splat(s, f32::MIN_POSITIVE));
    (tiny.select(x * 8_388_608.0, x), tiny.select(S::i32s::splat(s, 23), S::i32s::splat(s, 0)))
}

/// `a * 2^b`, exact until the result leaves the range of `f32`; `b` beyond ±300 counts as ±300.
#[inline(always)]
pub(crate) fn ldexp<S: Simd>(s: S, a: S::f32s, b: S::i32s) -> S::f32s {
    let b = b.min(S::i32s::splat(s, 300)).max(S::i32s::splat(s, -300));
    let third = |e: S::i32s| -> S::f32s { ((e + 127) << 23).bitcast() };
    let first = b.min(S::i32s::splat(s, 127)).max(S::i32s::splat(s, -126));
    let rest = b - first;
    let second = rest.min(S::i32s::splat(s, 127)).max(S::i32s::splat(s, -126));
    a * third(first) * third(second) * third(rest - second)
}

/// `a - b * trunc(a / b)` (WGSL §8.7).
#[inline(always)]
pub(crate) fn remainder<S: Simd>(a: S::f32s, b: S::f32s) -> S::f32s {
    a - b * (a / b).trunc()
}

/// `t * t * (3 - 2t)` with `t` the place of `x` between the edges, limited to 0…1 (WGSL §17.5.60).
#[inline(always)]
pub(crate) fn smoothstep<S: Simd>(s: S, low: S::f32s, high: S::f32s, x: S::f32s) -> S::f32s {
    let t = (x - low) / (high - low);
    let t = at_most(s, at_least(s, t, 0.0), 1.0);
    t * t * (S::f32s::splat(s, 3.0) - t * 2.0)
}
