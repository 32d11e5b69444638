//! Operations on `f32` lanes, comparisons, selection and conversions.

use fearless_simd::{Bytes, Select, Simd, SimdBase, SimdCvtFloat, SimdFloat};

use super::forms::{
    brief, choice4, copy, copy_word, each1, hot2, hot3, last4, moved6, operations, pairs4, pairs6, right2,
    right3, strips,
};
use super::lanes::{maximum, minimum};
use super::{Choice, Form};
use crate::math;
use crate::opcode::Opcode;

operations! {
    Select3(s; m: m, a: u, b: u) -> u = m.select(a, b);

    Neg(s; a: f) -> f = -a;
    Abs(s; a: f) -> f = a.abs();
    Sign(s; a: f) -> f = math::sign(s, a);
    Floor(s; a: f) -> f = a.floor();
    Ceil(s; a: f) -> f = a.ceil();
    Round(s; a: f) -> f = a.round_ties_even();
    Trunc(s; a: f) -> f = a.trunc();
    Fract(s; a: f) -> f = a - a.floor();
    Sqrt(s; a: f) -> f = a.sqrt();
    InverseSqrt(s; a: f) -> f = S::f32s::splat(s, 1.0) / a.sqrt();
    Exp(s; a: f) -> f = math::exponential::exp(s, a);
    Exp2(s; a: f) -> f = math::exponential::exp2(s, a);
    Log(s; a: f) -> f = math::exponential::log(s, a);
    Log2(s; a: f) -> f = math::exponential::log2(s, a);
    Sin(s; a: f) -> f = math::trigonometric::sin(s, a);
    Cos(s; a: f) -> f = math::trigonometric::cos(s, a);
    Tan(s; a: f) -> f = math::trigonometric::tan(s, a);
    Asin(s; a: f) -> f = math::inverse::asin(s, a);
    Acos(s; a: f) -> f = math::inverse::acos(s, a);
    Atan(s; a: f) -> f = math::inverse::atan(s, a);
    Sinh(s; a: f) -> f = math::hyperbolic::sinh(s, a);
    Cosh(s; a: f) -> f = math::hyperbolic::cosh(s, a);
    Tanh(s; a: f) -> f = math::hyperbolic::tanh(s, a);
    Asinh(s; a: f) -> f = math::hyperbolic::asinh(s, a);
    Acosh(s; a: f) -> f = math::hyperbolic::acosh(s, a);
    Atanh(s; a: f) -> f = math::hyperbolic::atanh(s, a);
    Saturate(s; a: f) -> f = minimum(s, maximum(s, a, S::f32s::splat(s, 0.0)), S::f32s::splat(s, 1.0));
    FrexpFract(s; a: f) -> f = math::frexp_fract(s, a);
    FrexpExp(s; a: f) -> i = math::frexp_exponent(s, a);

    Add(s; a: f, b: f) -> f = a + b;
    Sub(s; a: f, b: f) -> f = a - b;
    Mul(s; a: f, b: f) -> f = a * b;
    Div(s; a: f, b: f) -> f = a / b;
    Rem(s; a: f, b: f) -> f = math::remainder::<S>(a, b);
    Min(s; a: f, b: f) -> f = minimum(s, a, b);
    Max(s; a: f, b: f) -> f = maximum(s, a, b);
    Pow(s; a: f, b: f) -> f = math::exponential::pow(s, a, b);
    Atan2(s; a: f, b: f) -> f = math::inverse::atan2(s, a, b);
    Step(s; a: f, b: f) -> f = a.simd_le(b).select(S::f32s::splat(s, 1.0), S::f32s::splat(s, 0.0));
    Ldexp(s; a: f, b: i) -> f = math::ldexp(s, a, b);
    FractMul(s; a: f, b: f) -> f = { let p = a * b; p - p.floor() };
    Length2(s; a: f, b: f) -> f = (a * a + b * b).sqrt();
    AbsSub(s; a: f, b: f) -> f = a.abs() - b;
    Box2(s; a: f, b: f, c: f) -> f = {
        let zero = S::f32s::splat(s, 0.0);
        let (x, y) = (maximum(s, a, zero), maximum(s, b, zero));
        (x * x + y * y).sqrt() + minimum(s, maximum(s, a, b), zero) - c
    };

    EqF(s; a: f, b: f) -> m = a.simd_eq(b);
    NeF(s; a: f, b: f) -> m = !a.simd_eq(b);
    LtF(s; a: f, b: f) -> m = a.simd_lt(b);
    LeF(s; a: f, b: f) -> m = a.simd_le(b);
    EqI(s; a: u, b: u) -> m = a.simd_eq(b);
    NeI(s; a: u, b: u) -> m = !a.simd_eq(b);
    LtI(s; a: i, b: i) -> m = a.simd_lt(b);
    LeI(s; a: i, b: i) -> m = a.simd_le(b);
    LtU(s; a: u, b: u) -> m = a.simd_lt(b);
    LeU(s; a: u, b: u) -> m = a.simd_le(b);

    MulAdd(s; a: f, b: f, c: f) -> f = a * b + c;
    MulSub(s; a: f, b: f, c: f) -> f = a * b - c;
    NegMulAdd(s; a: f, b: f, c: f) -> f = c - a * b;
    AddMul(s; a: f, b: f, c: f) -> f = (a + b) * c;
    SubMul(s; a: f, b: f, c: f) -> f = (a - b) * c;
    MulMul(s; a: f, b: f, c: f) -> f = a * b * c;
    AddAdd(s; a: f, b: f, c: f) -> f = a + b + c;
    Mix(s; a: f, b: f, c: f) -> f = a * (S::f32s::splat(s, 1.0) - c) + b * c;
    Clamp(s; a: f, b: f, c: f) -> f = minimum(s, maximum(s, a, b), c);
    Smoothstep(s; a: f, b: f, c: f) -> f = math::smoothstep(s, a, b, c);
    Length3(s; a: f, b: f, c: f) -> f = (a * a + b * b + c * c).sqrt();
    Dot2(s; a: f, b: f, c: f, d: f) -> f = a * b + c * d;
    Dot3(s; a: f, b: f, c: f, d: f, e: f, g: f) -> f = a * b + c * d + e * g;
    Bilinear(s; a: f, b: f, c: f, d: f, e: f, g: f) -> f = {
        let one = S::f32s::splat(s, 1.0);
        let rest = one - e;
        (a * rest + b * e) * (one - g) + (c * rest + d * e) * g
    };
    FractAddMul(s; a: f, b: f, c: f) -> f = { let p = (a + b) * c; p - p.floor() };
    DotHash(s; a: f, b: f, c: f, d: f) -> f = dot_hash::<S>(a, b, c, d);
    FractHash(s; a: f, b: f, c: f, d: f) -> f = fract_hash::<S>(a, b, c, d);
    Hash2F(s; a: f, b: f, c: f) -> f = fract_hash::<S>(a, b, a, dot_hash::<S>(a, b, a, c));
    Hash3F(s; a: f, b: f, c: f, d: f) -> f = fract_hash::<S>(a, b, c, dot_hash::<S>(a, b, c, d));
    Hermite(s; a: f, b: f, c: f) -> f = a * a * (c - a * b);
    HermiteFract(s; a: f, b: f, c: f) -> f = { let f = a - a.floor(); f * f * (c - f * b) };
    AddSub(s; a: f, b: f, c: f) -> f = a + b - c;
    SubAbsSub(s; a: f, b: f, c: f) -> f = (a - b).abs() - c;
    Length2Sub(s; a: f, b: f, c: f) -> f = (a * a + b * b).sqrt() - c;
    Length3Sub(s; a: f, b: f, c: f, d: f) -> f = (a * a + b * b + c * c).sqrt() - d;
    Box3(s; a: f, b: f, c: f, d: f) -> f = {
        let zero = S::f32s::splat(s, 0.0);
        let (x, y, z) = (maximum(s, a, zero), maximum(s, b, zero), maximum(s, c, zero));
        let inside = maximum(s, a, maximum(s, b, c));
        (x * x + y * y + z * z).sqrt() + minimum(s, inside, zero) - d
    };
    SquaredDistance(s; a: f, b: f, c: f, d: f, e: f, f: f) -> f = {
        let (x, y) = (a + b - c, d + e - f);
        x * x + y * y
    };
    Min3(s; a: f, b: f, c: f) -> f = minimum(s, minimum(s, a, b), c);
    Min4(s; a: f, b: f, c: f, d: f) -> f = minimum(s, minimum(s, a, b), minimum(s, c, d));
    SelectLt(s; a: f, b: f, c: u, d: u) -> u = a.simd_lt(b).select(c, d);

    ToI(s; a: f) -> i = within(s, a, -2_147_483_648.0, 2_147_483_520.0).to_int::<S::i32s>();
    ToU(s; a: f) -> u = within(s, a, 0.0, 4_294_967_040.0).to_int::<S::u32s>();
    FromI(s; a: i) -> f = S::f32s::float_from(a);
    FromU(s; a: u) -> f = S::f32s::float_from(a);
    Bits(s; a: f) -> u = a.simd_eq(a).select(a.bitcast::<S::u32s>(), S::u32s::splat(s, 0x7fc0_0000));
    QuantizeF16(s; a: u) -> u =
        each1(s, a, |x| math::half::from_bits(math::half::to_bits(f32::from_bits(x))).to_bits());
    ToHalf(s; a: u) -> u = each1(s, a, |x| math::half::to_bits(f32::from_bits(x)));
    FromHalf(s; a: u) -> u = each1(s, a, |x| math::half::from_bits(x).to_bits());
}

#[inline(always)]
fn dot_hash<S: Simd>(a: S::f32s, b: S::f32s, c: S::f32s, d: S::f32s) -> S::f32s {
    a * (b + d) + b * (c + d) + c * (a + d)
}

#[inline(always)]
fn fract_hash<S: Simd>(a: S::f32s, b: S::f32s, c: S::f32s, d: S::f32s) -> S::f32s {
    let p = ((a + d) + (b + d)) * (c + d);
    p - p.floor()
}

/// `a` limited to what converts exactly; NaN becomes `low`.
#[inline(always)]
fn within<S: Simd>(s: S, a: S::f32s, low: f32, high: f32) -> S::f32s {
    let (low, high) = (S::f32s::splat(s, low), S::f32s::splat(s, high));
    let a = a.simd_gt(low).select(a, low);
    a.simd_gt(high).select(high, a)
}

pub(super) fn select<S: Simd>(code: Opcode, form: Form) -> Option<Choice<S>> {
    Some(match code {
        Opcode::Copy => Choice { kernel: copy, takes: 0, word: Some(copy_word) },
        Opcode::Select => hot3::<S, Select3>(form),
        Opcode::Neg => brief::<S, Neg>(),
        Opcode::Abs => brief::<S, Abs>(),
        Opcode::Sign => strips::<S, Sign>(),
        Opcode::Floor => brief::<S, Floor>(),
        Opcode::Ceil => brief::<S, Ceil>(),
        Opcode::Round => brief::<S, Round>(),
        Opcode::Trunc => brief::<S, Trunc>(),
        Opcode::Fract => brief::<S, Fract>(),
        Opcode::Sqrt => brief::<S, Sqrt>(),
        Opcode::InverseSqrt => brief::<S, InverseSqrt>(),
        Opcode::Exp => strips::<S, Exp>(),
        Opcode::Exp2 => strips::<S, Exp2>(),
        Opcode::Log => strips::<S, Log>(),
        Opcode::Log2 => strips::<S, Log2>(),
        Opcode::Sin => strips::<S, Sin>(),
        Opcode::Cos => strips::<S, Cos>(),
        Opcode::Tan => strips::<S, Tan>(),
        Opcode::Asin => strips::<S, Asin>(),
        Opcode::Acos => strips::<S, Acos>(),
        Opcode::Atan => strips::<S, Atan>(),
        Opcode::Sinh => strips::<S, Sinh>(),
        Opcode::Cosh => strips::<S, Cosh>(),
        Opcode::Tanh => strips::<S, Tanh>(),
        Opcode::Asinh => strips::<S, Asinh>(),
        Opcode::Acosh => strips::<S, Acosh>(),
        Opcode::Atanh => strips::<S, Atanh>(),
        Opcode::Saturate => brief::<S, Saturate>(),
        Opcode::QuantizeF16 => strips::<S, QuantizeF16>(),
        Opcode::FrexpFract => strips::<S, FrexpFract>(),
        Opcode::FrexpExp => strips::<S, FrexpExp>(),
        Opcode::Add => right2::<S, Add>(form),
        Opcode::Sub => hot2::<S, Sub>(form),
        Opcode::Mul => right2::<S, Mul>(form),
        Opcode::Div => hot2::<S, Div>(form),
        Opcode::Rem => right2::<S, Rem>(form),
        Opcode::Min => hot2::<S, Min>(form),
        Opcode::Max => hot2::<S, Max>(form),
        Opcode::Pow => strips::<S, Pow>(),
        Opcode::Atan2 => strips::<S, Atan2>(),
        Opcode::Step => hot2::<S, Step>(form),
        Opcode::Ldexp => strips::<S, Ldexp>(),
        Opcode::FractMul => right2::<S, FractMul>(form),
        Opcode::Length2 => brief::<S, Length2>(),
        Opcode::EqF => right2::<S, EqF>(form),
        Opcode::NeF => right2::<S, NeF>(form),
        Opcode::LtF => hot2::<S, LtF>(form),
        Opcode::LeF => hot2::<S, LeF>(form),
        Opcode::EqI => right2::<S, EqI>(form),
        Opcode::NeI => right2::<S, NeI>(form),
        Opcode::LtI => hot2::<S, LtI>(form),
        Opcode::LeI => hot2::<S, LeI>(form),
        Opcode::LtU => hot2::<S, LtU>(form),
        Opcode::LeU => hot2::<S, LeU>(form),
        Opcode::MulAdd => hot3::<S, MulAdd>(form),
        Opcode::MulSub => hot3::<S, MulSub>(form),
        Opcode::NegMulAdd => hot3::<S, NegMulAdd>(form),
        Opcode::AddMul => hot3::<S, AddMul>(form),
        Opcode::SubMul => hot3::<S, SubMul>(form),
        Opcode::MulMul => hot3::<S, MulMul>(form),
        Opcode::AddAdd => hot3::<S, AddAdd>(form),
        Opcode::Mix => hot3::<S, Mix>(form),
        Opcode::Clamp => hot3::<S, Clamp>(form),
        Opcode::Smoothstep => hot3::<S, Smoothstep>(form),
        Opcode::Length3 => brief::<S, Length3>(),
        Opcode::AbsSub => right2::<S, AbsSub>(form),
        Opcode::Box2 => right3::<S, Box2>(form),
        Opcode::Dot2 => pairs4::<S, Dot2>(form),
        Opcode::Dot3 => pairs6::<S, Dot3>(form),
        Opcode::Bilinear => brief::<S, Bilinear>(),
        Opcode::FractAddMul => right3::<S, FractAddMul>(form),
        Opcode::DotHash => last4::<S, DotHash>(form),
        Opcode::Hash2F => right3::<S, Hash2F>(form),
        Opcode::SquaredDistance => moved6::<S, SquaredDistance>(form),
        Opcode::Hash3F => last4::<S, Hash3F>(form),
        Opcode::FractHash => brief::<S, FractHash>(),
        Opcode::Hermite => right3::<S, Hermite>(form),
        Opcode::HermiteFract => right3::<S, HermiteFract>(form),
        Opcode::AddSub => right3::<S, AddSub>(form),
        Opcode::SubAbsSub => right3::<S, SubAbsSub>(form),
        Opcode::Length2Sub => right3::<S, Length2Sub>(form),
        Opcode::Length3Sub => last4::<S, Length3Sub>(form),
        Opcode::Box3 => last4::<S, Box3>(form),
        Opcode::Min3 => right3::<S, Min3>(form),
        Opcode::Min4 => brief::<S, Min4>(),
        Opcode::SelectLt => choice4::<S, SelectLt>(form),
        Opcode::ToI => strips::<S, ToI>(),
        Opcode::ToU => strips::<S, ToU>(),
        Opcode::FromI => brief::<S, FromI>(),
        Opcode::FromU => strips::<S, FromU>(),
        Opcode::Bits => strips::<S, Bits>(),
        Opcode::ToHalf => strips::<S, ToHalf>(),
        Opcode::FromHalf => strips::<S, FromHalf>(),
        _ => return None,
    })
}
