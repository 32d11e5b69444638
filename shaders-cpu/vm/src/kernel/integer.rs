//! Operations on `i32` and `u32` lanes and on bits.

use fearless_simd::{Bytes, Select, Simd, SimdBase, SimdCvtFloat, SimdInt};

use super::forms::{brief, each1, each2, each3, hot2, hot3, operations, over_first, right2, right4, strips};
use super::lanes::{shift_left, shift_right};
use super::{Choice, Form, Frame, Insn, Kernel};
use crate::math::bits;
use crate::opcode::Opcode;

operations! {
    Add(s; a: u, b: u) -> u = a + b;
    Sub(s; a: u, b: u) -> u = a - b;
    Mul(s; a: u, b: u) -> u = a * b;
    MulAdd(s; a: u, b: u, c: u) -> u = a * b + c;
    AddMulAdd(s; a: u, b: u, c: u, d: u) -> u = (a + b) * c + d;
    DivI(s; a: u, b: u) -> u =
        each2(s, a, b, |a, b| bits::div_i(a.cast_signed(), b.cast_signed()).cast_unsigned());
    RemI(s; a: u, b: u) -> u =
        each2(s, a, b, |a, b| bits::rem_i(a.cast_signed(), b.cast_signed()).cast_unsigned());
    DivU(s; a: u, b: u) -> u = each2(s, a, b, bits::div_u);
    RemU(s; a: u, b: u) -> u = each2(s, a, b, bits::rem_u);
    MinI(s; a: i, b: i) -> i = a.min(b);
    MaxI(s; a: i, b: i) -> i = a.max(b);
    MinU(s; a: u, b: u) -> u = a.min(b);
    MaxU(s; a: u, b: u) -> u = a.max(b);
    And(s; a: u, b: u) -> u = a & b;
    Or(s; a: u, b: u) -> u = a | b;
    Xor(s; a: u, b: u) -> u = a ^ b;
    AndNot(s; a: u, b: u) -> u = a & !b;
    Shl(s; a: u, b: u) -> u = shift_left(s, a, b & 31);
    ShrI(s; a: u, b: u) -> u = {
        // What is not negative shifts as an unsigned number; the rest are complements of such.
        let sign = (a.bitcast::<S::i32s>() >> 31u32).bitcast::<S::u32s>();
        shift_right(s, a ^ sign, b & 31) ^ sign
    };
    ShrU(s; a: u, b: u) -> u = shift_right(s, a, b & 31);
    XorShr(s; a: u, b: u) -> u = a ^ shift_right(s, a, b & 31);
    XorShrMul(s; a: u, b: u, c: u) -> u = (a ^ shift_right(s, a, b & 31)) * c;
    Pcg(s; a: u, b: u, c: u, d: u, e: u) -> u = {
        let word = pcg_word(s, a, shift_right(s, a, b & 31) + c, d);
        word ^ shift_right(s, word, e & 31)
    };
    FieldDiv(s; a: u, b: u, c: u, d: f) -> f =
        S::f32s::float_from((shift_right(s, a, b & 31) & c).bitcast::<S::i32s>()) / d;
    FieldMul(s; a: u, b: u, c: u, d: f) -> f =
        S::f32s::float_from((shift_right(s, a, b & 31) & c).bitcast::<S::i32s>()) * d;
    AbsI(s; a: i) -> i = a.max(S::i32s::splat(s, 0) - a);
    SignI(s; a: i) -> i = {
        let negative = a >> 31u32;
        a.simd_gt(S::i32s::splat(s, 0)).select(S::i32s::splat(s, 1), negative)
    };
    Not(s; a: u) -> u = !a;
    CountOnes(s; a: u) -> u = a.count_ones();
    ReverseBits(s; a: u) -> u = each1(s, a, u32::reverse_bits);
    LeadingZeros(s; a: u) -> u = each1(s, a, u32::leading_zeros);
    TrailingZeros(s; a: u) -> u = each1(s, a, u32::trailing_zeros);
    FirstLeadingI(s; a: u) -> u = each1(s, a, bits::first_leading_i);
    FirstLeadingU(s; a: u) -> u = each1(s, a, bits::first_leading_u);
    FirstTrailing(s; a: u) -> u = each1(s, a, bits::first_trailing);
    ExtractI(s; a: u, b: u, c: u) -> u = each3(s, a, b, c, bits::extract_i);
    ExtractU(s; a: u, b: u, c: u) -> u = each3(s, a, b, c, bits::extract_u);
    InsertBits(s; a: u, b: u, c: u, d: u) -> u =
        S::u32s::from_fn(s, #[inline(always)] |l| bits::insert(a[l], b[l], c[l], d[l]));
    Dot4I8(s; a: u, b: u) -> u = each2(s, a, b, bits::dot4_i8);
    Dot4U8(s; a: u, b: u) -> u = each2(s, a, b, bits::dot4_u8);
}

/// `(a ^ (a >> by)) * factor`.
#[inline(always)]
fn pcg_word<S: Simd>(s: S, a: S::u32s, by: S::u32s, factor: S::u32s) -> S::u32s {
    (a ^ shift_right(s, a, by & 31)) * factor
}

/// A shift of a strip by one uniform amount: most levels have no shift by lane.
trait Shift {
    fn shift<S: Simd>(a: S::u32s, by: u32) -> S::u32s;
}

impl Shift for Shl {
    #[inline(always)]
    fn shift<S: Simd>(a: S::u32s, by: u32) -> S::u32s {
        a << by
    }
}

impl Shift for ShrU {
    #[inline(always)]
    fn shift<S: Simd>(a: S::u32s, by: u32) -> S::u32s {
        a >> by
    }
}

impl Shift for ShrI {
    #[inline(always)]
    fn shift<S: Simd>(a: S::u32s, by: u32) -> S::u32s {
        (a.bitcast::<S::i32s>() >> by).bitcast()
    }
}

impl Shift for XorShr {
    #[inline(always)]
    fn shift<S: Simd>(a: S::u32s, by: u32) -> S::u32s {
        a ^ (a >> by)
    }
}

fn run_shift<S: Simd, O: Shift>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let by = f.file.uniform(i.src[1]) & 31;
            over_first(
                s,
                f,
                i,
                #[inline(always)]
                |a| O::shift::<S>(a, by),
            );
        },
    );
}

fn run_xorshrmul<S: Simd>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let by = f.file.uniform(i.src[1]) & 31;
            let factor = S::u32s::splat(s, f.file.uniform(i.src[2]));
            over_first(
                s,
                f,
                i,
                #[inline(always)]
                |a| (a ^ (a >> by)) * factor,
            );
        },
    );
}

fn run_pcg<S: Simd>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let [by, last] = [1, 4].map(|n| f.file.uniform(i.src[n]) & 31);
            let [more, factor] = [2, 3].map(|n| S::u32s::splat(s, f.file.uniform(i.src[n])));
            over_first(
                s,
                f,
                i,
                #[inline(always)]
                |a| {
                    let word = pcg_word(s, a, (a >> by) + more, factor);
                    word ^ (word >> last)
                },
            );
        },
    );
}

/// A field of bits as a number, of which `each` makes what is wanted.
#[inline(always)]
fn over_field<S: Simd>(s: S, f: &Frame<'_>, i: &Insn<S>, each: impl Fn(S::f32s) -> S::f32s) {
    let by = f.file.uniform(i.src[1]) & 31;
    let mask = S::u32s::splat(s, f.file.uniform(i.src[2]));
    over_first(
        s,
        f,
        i,
        #[inline(always)]
        |a| each(S::f32s::float_from(((a >> by) & mask).bitcast::<S::i32s>())).bitcast(),
    );
}

fn run_field_mul<S: Simd>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let factor = S::f32s::splat(s, f32::from_bits(f.file.uniform(i.src[3])));
            over_field(
                s,
                f,
                i,
                #[inline(always)]
                |number| number * factor,
            );
        },
    );
}

fn run_field_div<S: Simd>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let divisor = S::f32s::splat(s, f32::from_bits(f.file.uniform(i.src[3])));
            over_field(
                s,
                f,
                i,
                #[inline(always)]
                |number| number / divisor,
            );
        },
    );
}

/// What shifts by uniform amounts, with all operands after the first from the uniform bank, or with none.
fn shift<S: Simd, O: super::forms::Operation>(uniform: Kernel<S>, form: Form) -> Choice<S> {
    let takes = (1 << O::ARITY) - 2;
    if form & takes == takes { Choice { kernel: uniform, takes, word: None } } else { strips::<S, O>() }
}

pub(super) fn select<S: Simd>(code: Opcode, form: Form) -> Option<Choice<S>> {
    Some(match code {
        Opcode::AddI => right2::<S, Add>(form),
        Opcode::SubI => hot2::<S, Sub>(form),
        Opcode::MulI => right2::<S, Mul>(form),
        Opcode::MulAddI => hot3::<S, MulAdd>(form),
        Opcode::AddMulAddI => right4::<S, AddMulAdd>(form),
        Opcode::DivI => strips::<S, DivI>(),
        Opcode::DivU => strips::<S, DivU>(),
        Opcode::RemI => strips::<S, RemI>(),
        Opcode::RemU => strips::<S, RemU>(),
        Opcode::MinI => right2::<S, MinI>(form),
        Opcode::MaxI => right2::<S, MaxI>(form),
        Opcode::MinU => right2::<S, MinU>(form),
        Opcode::MaxU => right2::<S, MaxU>(form),
        Opcode::And => right2::<S, And>(form),
        Opcode::Or => right2::<S, Or>(form),
        Opcode::Xor => right2::<S, Xor>(form),
        Opcode::AndNot => hot2::<S, AndNot>(form),
        Opcode::Shl => shift::<S, Shl>(run_shift::<S, Shl>, form),
        Opcode::ShrI => shift::<S, ShrI>(run_shift::<S, ShrI>, form),
        Opcode::ShrU => shift::<S, ShrU>(run_shift::<S, ShrU>, form),
        Opcode::XorShr => shift::<S, XorShr>(run_shift::<S, XorShr>, form),
        Opcode::XorShrMul => shift::<S, XorShrMul>(run_xorshrmul::<S>, form),
        Opcode::Pcg => shift::<S, Pcg>(run_pcg::<S>, form),
        Opcode::FieldDiv => shift::<S, FieldDiv>(run_field_div::<S>, form),
        Opcode::FieldMul => shift::<S, FieldMul>(run_field_mul::<S>, form),
        Opcode::AbsI => brief::<S, AbsI>(),
        Opcode::SignI => strips::<S, SignI>(),
        Opcode::Not => brief::<S, Not>(),
        Opcode::CountOnes => strips::<S, CountOnes>(),
        Opcode::ReverseBits => strips::<S, ReverseBits>(),
        Opcode::LeadingZeros => strips::<S, LeadingZeros>(),
        Opcode::TrailingZeros => strips::<S, TrailingZeros>(),
        Opcode::FirstLeadingI => strips::<S, FirstLeadingI>(),
        Opcode::FirstLeadingU => strips::<S, FirstLeadingU>(),
        Opcode::FirstTrailing => strips::<S, FirstTrailing>(),
        Opcode::ExtractI => strips::<S, ExtractI>(),
        Opcode::ExtractU => strips::<S, ExtractU>(),
        Opcode::InsertBits => strips::<S, InsertBits>(),
        Opcode::Dot4I8 => strips::<S, Dot4I8>(),
        Opcode::Dot4U8 => strips::<S, Dot4U8>(),
        _ => return None,
    })
}
