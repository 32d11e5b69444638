//! The loops of kernels: an operation over strips and uniform words.
//!
//! An operation is a type with one function on vectors. A form says which of its operands are words of the uniform bank.
//! Frequent operations have a loop for each form; the rest have one, over strips.

use core::array::from_fn;

use fearless_simd::{Simd, SimdBase};

use super::{Choice, Form, Frame, Insn};
use crate::opcode::MAX_ARITY;
use crate::register_file::{BLOCK, StripCursor, UNIT};

/// Lanes to a turn of the loop of what takes a few instructions. In wasm as many as strips allow: at each turn, the host may
/// look whether it is time to interrupt.
const LONG: usize = if cfg!(target_family = "wasm") { UNIT } else { BLOCK };

/// What a kernel computes.
pub(crate) trait Operation {
    /// Operands in use, the first of all.
    const ARITY: usize;
    fn apply<S: Simd>(s: S, operands: [S::u32s; MAX_ARITY]) -> S::u32s;
}

/// Calls `each` for every vector of `lanes`, which vectors divide. Cursors are moved to the place before, so that what is
/// added here goes into the addresses of loads and stores. Four at a time where they go in: compilers keep loops around
/// longer bodies.
#[inline(always)]
fn over_vectors<S: Simd>(lanes: usize, each: impl Fn(usize)) {
    let length = S::u32s::LEN;
    let mut lane = 0;
    if lanes.is_multiple_of(4 * length) {
        while lane < lanes {
            each(lane);
            each(lane + length);
            each(lane + 2 * length);
            each(lane + 3 * length);
            lane += 4 * length;
        }
    } else {
        while lane < lanes {
            each(lane);
            lane += length;
        }
    }
}

/// Fills the strip `to` with what `each` makes of others at a lane, `TURN` lanes to a turn of the loop.
#[inline(always)]
fn over_strip<S: Simd, const N: usize, const TURN: usize>(
    i: &Insn<S>,
    to: StripCursor<'_>,
    from: [StripCursor<'_>; N],
    each: impl Fn([StripCursor<'_>; N], usize) -> S::u32s,
) {
    let mut lane = 0;
    while lane < i.count as usize {
        let (to, from) = (to.advance(lane), from.map(|strip| strip.advance(lane)));
        over_vectors::<S>(
            TURN,
            #[inline(always)]
            |lane| to.put::<S>(lane, each(from, lane)),
        );
        lane += TURN;
    }
}

/// Runs what takes one strip, the first operand, and has read the others already.
#[inline(always)]
pub(crate) fn over_first<S: Simd>(s: S, f: &Frame<'_>, i: &Insn<S>, each: impl Fn(S::u32s) -> S::u32s) {
    over_strip::<S, 1, LONG>(
        i,
        f.file.cursor(i.dst),
        [f.file.cursor(i.src[0])],
        #[inline(always)]
        |[strip], lane| each(strip.get(s, lane)),
    );
}

#[inline(always)]
const fn is_uniform(form: Form, operand: usize) -> bool {
    form >> operand & 1 == 1
}

/// Runs an operation over a strip, `BLOCK` lanes to a turn of the loop.
fn run<S: Simd, O: Operation, const FORM: Form, const BLOCK: usize>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let to = f.file.cursor(i.dst);
            let words: [S::u32s; MAX_ARITY] = from_fn(
                #[inline(always)]
                |n| S::u32s::splat(s, if is_uniform(FORM, n) { f.file.uniform(i.src[n]) } else { 0 }),
            );
            let strips: [StripCursor<'_>; MAX_ARITY] = from_fn(
                #[inline(always)]
                |n| if n < O::ARITY && !is_uniform(FORM, n) { f.file.cursor(i.src[n]) } else { to },
            );
            over_strip::<S, MAX_ARITY, BLOCK>(
                i,
                to,
                strips,
                #[inline(always)]
                |strips, lane| {
                    let operands = from_fn(
                        #[inline(always)]
                        |n| {
                            if n >= O::ARITY || is_uniform(FORM, n) {
                                words[n]
                            } else {
                                strips[n].get(s, lane)
                            }
                        },
                    );
                    O::apply(s, operands)
                },
            );
        },
    );
}

/// Runs an operation on words.
fn word<S: Simd, O: Operation>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let operands = from_fn(
                #[inline(always)]
                |n| S::u32s::splat(s, if n < O::ARITY { f.file.uniform(i.src[n]) } else { 0 }),
            );
            f.file.set_uniform(i.dst, O::apply(s, operands)[0]);
        },
    );
}

/// Copies the word `src[0]`.
pub(crate) fn copy_word<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    f.file.set_uniform(i.dst, f.file.uniform(i.src[0]));
}

/// Copies the strip `src[0]`.
pub(crate) fn copy<S: Simd>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let (to, from) = (f.file.cursor(i.dst), f.file.cursor(i.src[0]));
            over_vectors::<S>(
                i.count as usize,
                #[inline(always)]
                |lane| to.put::<S>(lane, from.get(s, lane)),
            );
        },
    );
}

/// Spreads the uniform word `src[0]` over the strip `dst`.
pub(crate) fn splat<S: Simd>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let to = f.file.cursor(i.dst);
            let value = S::u32s::splat(s, f.file.uniform(i.src[0]));
            over_vectors::<S>(
                i.count as usize,
                #[inline(always)]
                |lane| to.put::<S>(lane, value),
            );
        },
    );
}

/// A kernel for each of some forms, and the one over strips for all others.
macro_rules! forms {
    ($form:expr; $($takes:literal for $($of:literal)|+),*) => {
        match $form {
            $($($of)|+ => Choice { kernel: run::<S, O, $takes, LONG>, takes: $takes, word: Some(word::<S, O>) },)*
            _ => brief::<S, O>(),
        }
    };
}

/// Operands always from strips, for what takes many instructions.
pub(crate) fn strips<S: Simd, O: Operation>() -> Choice<S> {
    Choice { kernel: run::<S, O, 0, BLOCK>, takes: 0, word: None }
}

/// Operands always from strips, for what takes a few instructions.
pub(crate) fn brief<S: Simd, O: Operation>() -> Choice<S> {
    Choice { kernel: run::<S, O, 0, LONG>, takes: 0, word: Some(word::<S, O>) }
}

/// Two operands, either of which may be uniform.
pub(crate) fn hot2<S: Simd, O: Operation>(form: Form) -> Choice<S> {
    forms!(form; 0b01 for 0b01, 0b10 for 0b10 | 0b11)
}

/// Two operands; the second may be uniform.
pub(crate) fn right2<S: Simd, O: Operation>(form: Form) -> Choice<S> {
    forms!(form; 0b10 for 0b10 | 0b11)
}

/// Three operands, each of which may be uniform.
pub(crate) fn hot3<S: Simd, O: Operation>(form: Form) -> Choice<S> {
    forms!(form; 0b001 for 0b001, 0b010 for 0b010, 0b100 for 0b100, 0b011 for 0b011, 0b101 for 0b101,
        0b110 for 0b110 | 0b111)
}

/// Three operands; those after the first may be uniform.
pub(crate) fn right3<S: Simd, O: Operation>(form: Form) -> Choice<S> {
    forms!(form; 0b010 for 0b010, 0b100 for 0b100, 0b110 for 0b110 | 0b111)
}

/// Four operands; the last two may be uniform, or the last three.
pub(crate) fn right4<S: Simd, O: Operation>(form: Form) -> Choice<S> {
    forms!(form; 0b1100 for 0b1100, 0b1110 for 0b1110 | 0b1111)
}

/// Four operands; the last may be uniform.
pub(crate) fn last4<S: Simd, O: Operation>(form: Form) -> Choice<S> {
    forms!(form; 0b1000 for 0b1000)
}

/// `a < b ? c : d`: what is compared with, and what is chosen, may be uniform.
pub(crate) fn choice4<S: Simd, O: Operation>(form: Form) -> Choice<S> {
    forms!(form; 0b0010 for 0b0010, 0b0100 for 0b0100, 0b1000 for 0b1000, 0b1100 for 0b1100, 0b1110 for 0b1110)
}

/// `a * b + c * d + e * f` and the like: the factors on the right may all be uniform.
pub(crate) fn pairs6<S: Simd, O: Operation>(form: Form) -> Choice<S> {
    forms!(form; 0b10_1010 for 0b10_1010)
}

/// Two of `(a + b) - c`: what is added may be uniform, and what is taken as well.
pub(crate) fn moved6<S: Simd, O: Operation>(form: Form) -> Choice<S> {
    forms!(form; 0b01_0010 for 0b01_0010, 0b11_0110 for 0b11_0110)
}

/// `a * b + c * d` and the like: the factors on the right may both be uniform.
pub(crate) fn pairs4<S: Simd, O: Operation>(form: Form) -> Choice<S> {
    forms!(form; 0b1010 for 0b1010)
}

/// The type of lanes for a letter: `f` floats, `i` and `u` integers, `m` a mask.
macro_rules! lanes_in {
    (f $v:ident) => {
        fearless_simd::Bytes::bitcast::<S::f32s>($v)
    };
    (i $v:ident) => {
        fearless_simd::Bytes::bitcast::<S::i32s>($v)
    };
    (u $v:ident) => {
        $v
    };
    (m $v:ident) => {
        <S::mask32s as fearless_simd::SimdMask<S>>::from_vector(fearless_simd::Bytes::bitcast::<S::i32s>($v))
    };
}
pub(crate) use lanes_in;

/// The words of lanes of a letter.
macro_rules! lanes_out {
    (u $e:expr) => {
        $e
    };
    (m $e:expr) => {
        fearless_simd::Bytes::bitcast::<S::u32s>(fearless_simd::SimdMask::<S>::to_vector($e))
    };
    ($t:ident $e:expr) => {
        fearless_simd::Bytes::bitcast::<S::u32s>($e)
    };
}
pub(crate) use lanes_out;

/// Declares operations as types: `Name(simd; a: f, b: f) -> m = expression;`
macro_rules! operations {
    ($($name:ident($s:ident; $($v:ident: $t:ident),+) -> $r:ident = $body:expr;)*) => {$(
        pub(crate) struct $name;

        impl $crate::kernel::forms::Operation for $name {
            const ARITY: usize = [$(stringify!($v)),+].len();

            #[inline(always)]
            fn apply<S: Simd>($s: S, operands: [S::u32s; $crate::opcode::MAX_ARITY]) -> S::u32s {
                let _ = $s;
                let [$($v,)+ ..] = operands;
                $(let $v = $crate::kernel::forms::lanes_in!($t $v);)+
                $crate::kernel::forms::lanes_out!($r $body)
            }
        }
    )*};
}
pub(crate) use operations;

/// A vector made lane by lane.
#[inline(always)]
pub(crate) fn each1<S: Simd>(s: S, a: S::u32s, f: impl Fn(u32) -> u32) -> S::u32s {
    S::u32s::from_fn(
        s,
        #[inline(always)]
        |lane| f(a[lane]),
    )
}

/// A vector made lane by lane of two.
#[inline(always)]
pub(crate) fn each2<S: Simd>(s: S, a: S::u32s, b: S::u32s, f: impl Fn(u32, u32) -> u32) -> S::u32s {
    S::u32s::from_fn(
        s,
        #[inline(always)]
        |lane| f(a[lane], b[lane]),
    )
}

/// A vector made lane by lane of three.
#[inline(always)]
pub(crate) fn each3<S: Simd>(
    s: S,
    a: S::u32s,
    b: S::u32s,
    c: S::u32s,
    f: impl Fn(u32, u32, u32) -> u32,
) -> S::u32s {
    S::u32s::from_fn(
        s,
        #[inline(always)]
        |lane| f(a[lane], b[lane], c[lane]),
    )
}
