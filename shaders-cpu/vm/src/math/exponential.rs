//! Powers and logarithms.
//!
//! WGSL §15.7.4 asks of `exp` and `exp2` 3 + 2|x| ULP, of `log` and `log2` 3 ULP (2⁻²¹ absolute on [0.5, 2]), of
//! `pow` what exp2(y · log2 x) inherits. Here: `exp`, `exp2`, `log` below 2 ULP, `log2` below 3, subnormal arguments
//! of logarithms included.

use fearless_simd::{Bytes, Select, Simd, SimdBase};

use super::{at_least, at_most, horner};

const ROUND: f32 = 12_582_912.0;
const ROUND_BITS: u32 = 0x4b40_0000;

/// 2ⁿ · m for the integer that `shifted` carries in its low bits, in two steps so that neither overflows alone.
#[inline(always)]
fn scale<S: Simd>(m: S::f32s, shifted: S::f32s) -> S::f32s {
    let n = (shifted.bitcast::<S::u32s>() - ROUND_BITS).bitcast::<S::i32s>();
    let half = n >> 1;
    let first: S::f32s = ((half + 127) << 23).bitcast();
    let second: S::f32s = ((n - half + 127) << 23).bitcast();
    m * first * second
}

/// 2ˣ; 0 below −151, infinite from 128 on; exact for integers.
#[inline(always)]
pub(crate) fn exp2<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let x = at_most(s, at_least(s, x, -151.0), 129.0);
    let shifted = x + ROUND;
    let f = x - (shifted - ROUND);
    let p = horner(
        s,
        f,
        [6.931_471_8e-1, 2.402_264_8e-1, 5.550_332_4e-2, 9.618_437e-3, 1.339_887_4e-3, 1.535_336_2e-4],
    );
    scale::<S>(f * p + 1.0, shifted)
}

/// eˣ; 0 below −104, infinite above 89.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let x = at_most(s, at_least(s, x, -105.0), 89.5);
    let shifted = x * core::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, the first of 9 bits: its product with n is exact.
    let r = x - n * 0.693_359_375 - n * -2.121_944_4e-4;
    let p = horner(s, r, [4.999_999_4e-1, 1.666_652_1e-1, 4.166_839e-2, 8.368_735e-3, 1.381_456e-3]);
    scale::<S>(r + r * r * p + 1.0, shifted)
}

/// x = 2ⁿ · (1 + t) with 1 + t in [√½, √2): n and t, for positive finite x.
#[inline(always)]
fn split<S: Simd>(s: S, x: S::f32s) -> (S::f32s, S::f32s) {
    const ROOT_HALF: u32 = 0x3f35_04f3;
    let tiny = x.simd_lt(S::f32s::splat(s, f32::MIN_POSITIVE));
    let bits: S::u32s = tiny.select(x * 8_388_608.0, x).bitcast();
    let n = (bits - ROOT_HALF).bitcast::<S::i32s>() >> 23;
    let mantissa: S::f32s = (bits.bitcast::<S::i32s>() - (n << 23)).bitcast();
    let n: S::f32s = fearless_simd::SimdCvtFloat::float_from(n);
    (n - tiny.select(S::f32s::splat(s, 23.0), S::f32s::splat(s, 0.0)), mantissa - 1.0)
}

/// ln(1 + t) − t + t²/2 for 1 + t in [√½, √2).
#[inline(always)]
fn log_tail<S: Simd>(s: S, t: S::f32s) -> S::f32s {
    let p = horner(
        s,
        t,
        [
            3.333_331_3e-1,
            -2.500_000_9e-1,
            2.000_211_9e-1,
            -1.666_799_6e-1,
            1.421_955_2e-1,
            -1.240_558_9e-1,
            1.188_816_2e-1,
            -1.167_565_2e-1,
            6.746_641e-2,
        ],
    );
    t * t * t * p
}

/// −∞ at 0, NaN below, `x` itself where it is infinite or NaN, else `value`.
#[inline(always)]
fn log_domain<S: Simd>(s: S, x: S::f32s, value: S::f32s) -> S::f32s {
    let zero = S::f32s::splat(s, 0.0);
    let finite = x.simd_lt(S::f32s::splat(s, f32::INFINITY)).select(value, x);
    let pole = S::f32s::splat(s, f32::NEG_INFINITY);
    let outside = x.simd_eq(zero).select(pole, S::f32s::splat(s, f32::NAN));
    x.simd_gt(zero).select(finite, outside)
}

/// Natural logarithm.
#[inline(always)]
pub(crate) fn log<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let (n, t) = split(s, x);
    let tail = log_tail(s, t) + n * -2.121_944_4e-4 - t * t * 0.5;
    log_domain(s, x, n * 0.693_359_375 + (t + tail))
}

/// Base-2 logarithm; exact for powers of two.
#[inline(always)]
pub(crate) fn log2<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let (n, t) = split(s, x);
    let tail = log_tail(s, t) - t * t * 0.5;
    // log2(e) = 1.4375 + 0.0051950408…: the products with t, of magnitude below ½, keep their low bits apart.
    let small = tail * 5.195_040_8e-3 + t * 5.195_040_8e-3 + tail * 1.4375;
    log_domain(s, x, (small + t * 1.4375) + n)
}

/// xʸ for x ≥ 0, as exp2(y · log2 x); 1 where y is 0, NaN where x is negative.
#[inline(always)]
pub(crate) fn pow<S: Simd>(s: S, x: S::f32s, y: S::f32s) -> S::f32s {
    let power = exp2(s, y * log2(s, x));
    y.simd_eq(S::f32s::splat(s, 0.0)).select(S::f32s::splat(s, 1.0), power)
}
