//! The loops of kernels: over one to four operands, each a strip or a uniform word.
//!
//! An operation is a type with one function on vectors; a form is that operation with an [`Access`] chosen for
//! each operand. Frequent operations have a loop for each form; the rest have one, over strips.

use fearless_simd::{Simd, SimdBase};

use super::{Choice, Form, Frame, Insn};
use crate::register_file::{Access, Cursor, BLOCK, Splat, Strip};

/// An operation of one operand.
pub(crate) trait Op1 {
    fn apply<S: Simd>(s: S, a: S::u32s) -> S::u32s;
}

/// An operation of two operands.
pub(crate) trait Op2 {
    fn apply<S: Simd>(s: S, a: S::u32s, b: S::u32s) -> S::u32s;
}

/// An operation of three operands.
pub(crate) trait Op3 {
    fn apply<S: Simd>(s: S, a: S::u32s, b: S::u32s, c: S::u32s) -> S::u32s;
}

/// An operation of four operands.
pub(crate) trait Op4 {
    fn apply<S: Simd>(s: S, a: S::u32s, b: S::u32s, c: S::u32s, d: S::u32s) -> S::u32s;
}

/// Calls `block` for the first lane of every block of the strip.
#[inline(always)]
fn over_lanes<S: Simd>(i: &Insn<S>, block: impl Fn(usize)) {
    let mut lane = 0;
    while lane < i.count as usize {
        block(lane);
        lane += BLOCK;
    }
}

/// Calls `each` for every vector of a block: a kernel of few instructions is mostly its loop otherwise. Cursors are moved
/// to the block before, so that what is added here goes into the addresses of loads and stores.
#[inline(always)]
fn over_block<S: Simd>(each: impl Fn(usize)) {
    let mut part = 0;
    while part < BLOCK {
        each(part);
        part += S::u32s::LEN;
    }
}

fn run1<S: Simd, O: Op1>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let to = f.file.target(i.dst);
            let a = Strip::open(s, &f.file, i.src[0]);
            over_lanes::<S>(
                i,
                #[inline(always)]
                |lane| {
                    let (to, a) = (to.ahead(lane), a.ahead(lane));
                    over_block::<S>(
                        #[inline(always)]
                        |lane| to.put::<S>(lane, O::apply(s, a.get(s, lane))),
                    );
                },
            );
        },
    );
}

fn run2<S: Simd, O: Op2, A: Access, B: Access>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let to = f.file.target(i.dst);
            let a = A::open(s, &f.file, i.src[0]);
            let b = B::open(s, &f.file, i.src[1]);
            over_lanes::<S>(
                i,
                #[inline(always)]
                |lane| {
                    let (to, a, b) = (to.ahead(lane), a.ahead(lane), b.ahead(lane));
                    over_block::<S>(
                        #[inline(always)]
                        |lane| to.put::<S>(lane, O::apply(s, a.get(s, lane), b.get(s, lane))),
                    );
                },
            );
        },
    );
}

fn run3<S: Simd, O: Op3, A: Access, B: Access, C: Access>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let to = f.file.target(i.dst);
            let a = A::open(s, &f.file, i.src[0]);
            let b = B::open(s, &f.file, i.src[1]);
            let c = C::open(s, &f.file, i.src[2]);
            over_lanes::<S>(
                i,
                #[inline(always)]
                |lane| {
                    let (to, a) = (to.ahead(lane), a.ahead(lane));
                    let (b, c) = (b.ahead(lane), c.ahead(lane));
                    over_block::<S>(
                        #[inline(always)]
                        |lane| {
                            let (a, b, c) = (a.get(s, lane), b.get(s, lane), c.get(s, lane));
                            to.put::<S>(lane, O::apply(s, a, b, c));
                        },
                    );
                },
            );
        },
    );
}

fn run4<S: Simd, O: Op4, A: Access, B: Access, C: Access, D: Access>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let to = f.file.target(i.dst);
            let a = A::open(s, &f.file, i.src[0]);
            let b = B::open(s, &f.file, i.src[1]);
            let c = C::open(s, &f.file, i.src[2]);
            let d = D::open(s, &f.file, i.src[3]);
            over_lanes::<S>(
                i,
                #[inline(always)]
                |lane| {
                    let (to, a, b) = (to.ahead(lane), a.ahead(lane), b.ahead(lane));
                    let (c, d) = (c.ahead(lane), d.ahead(lane));
                    over_block::<S>(
                        #[inline(always)]
                        |lane| {
                            let (a, b) = (a.get(s, lane), b.get(s, lane));
                            let (c, d) = (c.get(s, lane), d.get(s, lane));
                            to.put::<S>(lane, O::apply(s, a, b, c, d));
                        },
                    );
                },
            );
        },
    );
}

/// Spreads the uniform word `src[0]` over the strip `dst`.
pub(crate) fn splat<S: Simd>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    s.vectorize(
        #[inline(always)]
        move || {
            let to = f.file.target(i.dst);
            let value = Splat::open(s, &f.file, i.src[0]);
            let mut lane = 0;
            while lane < i.count as usize {
                to.put::<S>(lane, value.get(s, lane));
                lane += S::u32s::LEN;
            }
        },
    );
}

/// One operand, always a strip.
pub(crate) fn unary<S: Simd, O: Op1>() -> Choice<S> {
    Choice { kernel: run1::<S, O>, takes: 0 }
}

/// Two operands, either of which may be uniform.
pub(crate) fn hot2<S: Simd, O: Op2>(form: Form) -> Choice<S> {
    match form {
        0b01 => Choice { kernel: run2::<S, O, Splat, Strip>, takes: 0b01 },
        0b10 | 0b11 => Choice { kernel: run2::<S, O, Strip, Splat>, takes: 0b10 },
        _ => Choice { kernel: run2::<S, O, Strip, Strip>, takes: 0 },
    }
}

/// Two operands; the second may be uniform.
pub(crate) fn right2<S: Simd, O: Op2>(form: Form) -> Choice<S> {
    match form & 0b10 {
        0b10 => Choice { kernel: run2::<S, O, Strip, Splat>, takes: 0b10 },
        _ => Choice { kernel: run2::<S, O, Strip, Strip>, takes: 0 },
    }
}

/// Two operands, both strips.
pub(crate) fn cold2<S: Simd, O: Op2>() -> Choice<S> {
    Choice { kernel: run2::<S, O, Strip, Strip>, takes: 0 }
}

/// Three operands, each of which may be uniform.
pub(crate) fn hot3<S: Simd, O: Op3>(form: Form) -> Choice<S> {
    match form {
        0b001 => Choice { kernel: run3::<S, O, Splat, Strip, Strip>, takes: 0b001 },
        0b010 => Choice { kernel: run3::<S, O, Strip, Splat, Strip>, takes: 0b010 },
        0b100 => Choice { kernel: run3::<S, O, Strip, Strip, Splat>, takes: 0b100 },
        0b011 => Choice { kernel: run3::<S, O, Splat, Splat, Strip>, takes: 0b011 },
        0b101 => Choice { kernel: run3::<S, O, Splat, Strip, Splat>, takes: 0b101 },
        0b110 | 0b111 => Choice { kernel: run3::<S, O, Strip, Splat, Splat>, takes: 0b110 },
        _ => Choice { kernel: run3::<S, O, Strip, Strip, Strip>, takes: 0 },
    }
}

/// Three operands, all strips.
pub(crate) fn cold3<S: Simd, O: Op3>() -> Choice<S> {
    Choice { kernel: run3::<S, O, Strip, Strip, Strip>, takes: 0 }
}

/// `a * b + c * d` and the like: the factors on the right may both be uniform.
pub(crate) fn pairs4<S: Simd, O: Op4>(form: Form) -> Choice<S> {
    match form {
        0b1010 => Choice { kernel: run4::<S, O, Strip, Splat, Strip, Splat>, takes: 0b1010 },
        _ => Choice { kernel: run4::<S, O, Strip, Strip, Strip, Strip>, takes: 0 },
    }
}

/// Four operands, all strips.
pub(crate) fn cold4<S: Simd, O: Op4>() -> Choice<S> {
    Choice { kernel: run4::<S, O, Strip, Strip, Strip, Strip>, takes: 0 }
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
    ($($name:ident($s:ident; $($v:ident: $t:ident),+) -> $r:ident = $body:expr;)*) => {
        $(pub(crate) struct $name;
        $crate::kernel::forms::operations!(@imp $name $s ($($v $t)+) $r $body);)*
    };
    (@imp $name:ident $s:ident ($a:ident $ta:ident) $r:ident $body:expr) => {
        impl $crate::kernel::forms::Op1 for $name {
            #[inline(always)]
            fn apply<S: Simd>($s: S, $a: S::u32s) -> S::u32s {
                let _ = $s;
                let $a = $crate::kernel::forms::lanes_in!($ta $a);
                $crate::kernel::forms::lanes_out!($r $body)
            }
        }
    };
    (@imp $name:ident $s:ident ($a:ident $ta:ident $b:ident $tb:ident) $r:ident $body:expr) => {
        impl $crate::kernel::forms::Op2 for $name {
            #[inline(always)]
            fn apply<S: Simd>($s: S, $a: S::u32s, $b: S::u32s) -> S::u32s {
                let _ = $s;
                let ($a, $b) =
                    ($crate::kernel::forms::lanes_in!($ta $a), $crate::kernel::forms::lanes_in!($tb $b));
                $crate::kernel::forms::lanes_out!($r $body)
            }
        }
    };
    (@imp $name:ident $s:ident ($a:ident $ta:ident $b:ident $tb:ident $c:ident $tc:ident) $r:ident $body:expr) => {
        impl $crate::kernel::forms::Op3 for $name {
            #[inline(always)]
            fn apply<S: Simd>($s: S, $a: S::u32s, $b: S::u32s, $c: S::u32s) -> S::u32s {
                let _ = $s;
                let ($a, $b, $c) = (
                    $crate::kernel::forms::lanes_in!($ta $a),
                    $crate::kernel::forms::lanes_in!($tb $b),
                    $crate::kernel::forms::lanes_in!($tc $c),
                );
                $crate::kernel::forms::lanes_out!($r $body)
            }
        }
    };
    (@imp $name:ident $s:ident
        ($a:ident $ta:ident $b:ident $tb:ident $c:ident $tc:ident $d:ident $td:ident) $r:ident $body:expr) => {
        impl $crate::kernel::forms::Op4 for $name {
            #[inline(always)]
            fn apply<S: Simd>($s: S, $a: S::u32s, $b: S::u32s, $c: S::u32s, $d: S::u32s) -> S::u32s {
                let _ = $s;
                let ($a, $b, $c, $d) = (
                    $crate::kernel::forms::lanes_in!($ta $a),
                    $crate::kernel::forms::lanes_in!($tb $b),
                    $crate::kernel::forms::lanes_in!($tc $c),
                    $crate::kernel::forms::lanes_in!($td $d),
                );
                $crate::kernel::forms::lanes_out!($r $body)
            }
        }
    };
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
