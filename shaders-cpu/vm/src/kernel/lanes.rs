//! What instruction sets have and `fearless_simd` does not name, or has no vectors for: of floats, `minimum` is `b < a ? b : a`
//! (WGSL §17.5.44) and `maximum` `a < b ? b : a`, hence `a` where either is NaN; of words, `shift_left` and `shift_right` (which
//! fills with zeros) shift lane by lane, by amounts below 32.

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(crate) use plain::{maximum, minimum, shift_left, shift_right};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) use simd128::{maximum, minimum, shift_left, shift_right};

/// As `fearless_simd` has it.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod plain {
    use fearless_simd::{Select, Simd, SimdBase};

    #[inline(always)]
    pub(crate) fn minimum<S: Simd>(_: S, a: S::f32s, b: S::f32s) -> S::f32s {
        b.simd_lt(a).select(b, a)
    }

    #[inline(always)]
    pub(crate) fn maximum<S: Simd>(_: S, a: S::f32s, b: S::f32s) -> S::f32s {
        a.simd_lt(b).select(b, a)
    }

    #[inline(always)]
    pub(crate) fn shift_left<S: Simd>(_: S, a: S::u32s, b: S::u32s) -> S::u32s {
        a << b
    }

    #[inline(always)]
    pub(crate) fn shift_right<S: Simd>(_: S, a: S::u32s, b: S::u32s) -> S::u32s {
        a >> b
    }
}

/// wasm. It has no shift by lanes: a product with a power of two is one.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128 {
    use core::{
        any::Any,
        arch::wasm32::{
            f32x4_pmax, f32x4_pmin, i8x16_shuffle, i8x16_sub, i8x16_swizzle, i32x4_mul, i32x4_shuffle, u8x16,
            u32x4_splat, u64x2_extmul_high_u32x4, u64x2_extmul_low_u32x4, u64x2_shr, v128,
        },
    };

    use fearless_simd::{Bytes, Simd, SimdBase, SimdFrom, u32x4};

    /// The vector as it is. Lane by lane it would be the same to read, and not to run: the compiler would load the lanes
    /// one by one.
    #[inline(always)]
    fn whole<S: Simd>(a: S::u32s) -> v128 {
        match (&a as &dyn Any).downcast_ref::<u32x4<S>>() {
            Some(four) => (*four).into(),
            None => unreachable!("the vectors of wasm have four lanes"),
        }
    }

    #[inline(always)]
    fn lanes<S: Simd>(s: S, v: v128) -> S::u32s {
        S::u32s::block_splat(u32x4::simd_from(s, v))
    }

    #[inline(always)]
    pub(crate) fn minimum<S: Simd>(s: S, a: S::f32s, b: S::f32s) -> S::f32s {
        lanes(s, f32x4_pmin(whole::<S>(a.bitcast()), whole::<S>(b.bitcast()))).bitcast()
    }

    #[inline(always)]
    pub(crate) fn maximum<S: Simd>(s: S, a: S::f32s, b: S::f32s) -> S::f32s {
        lanes(s, f32x4_pmax(whole::<S>(a.bitcast()), whole::<S>(b.bitcast()))).bitcast()
    }

    /// Two to the power of an exponent below 32, a byte at a time: the byte `n` is that of the exponent less `8 n`, and 0
    /// where that is no number below 8.
    #[inline(always)]
    fn power_of_two(exponents_less: v128) -> v128 {
        let powers = u8x16(1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0);
        i8x16_swizzle(powers, exponents_less)
    }

    /// The lowest byte of each lane in all its bytes.
    #[inline(always)]
    fn lowest(a: v128) -> v128 {
        i8x16_shuffle::<0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12>(a, a)
    }

    #[inline(always)]
    pub(crate) fn shift_left<S: Simd>(s: S, a: S::u32s, b: S::u32s) -> S::u32s {
        let places = u32x4_splat(0x1810_0800);
        let power = power_of_two(i8x16_sub(lowest(whole::<S>(b)), places));
        lanes(s, i32x4_mul(whole::<S>(a), power))
    }

    /// `(a << (31 - b)) >> 31` in 64 bits.
    #[inline(always)]
    pub(crate) fn shift_right<S: Simd>(s: S, a: S::u32s, b: S::u32s) -> S::u32s {
        let places = u32x4_splat(0x070f_171f);
        let power = power_of_two(i8x16_sub(places, lowest(whole::<S>(b))));
        let a = whole::<S>(a);
        let low = u64x2_shr(u64x2_extmul_low_u32x4(a, power), 31);
        let high = u64x2_shr(u64x2_extmul_high_u32x4(a, power), 31);
        lanes(s, i32x4_shuffle::<0, 2, 4, 6>(low, high))
    }
}
