//! Identities that hold for every value, bit for bit but for the sign of a zero, which WGSL §15.7.2 lets an
//! implementation ignore: what makes folded control flow and unrolled loops small.

use iridule_vm::Opcode;

use crate::ssa::{Builder, Id, TRUE};

const ONE: u32 = 0x3f80_0000;

/// Whether these are the bits of a zero of either sign.
fn is_zero(bits: u32) -> bool {
    bits << 1 == 0
}

/// A value equal to the operation, if there is one that costs less.
pub(crate) fn simplify(b: &mut Builder, code: Opcode, v: &[Id]) -> Option<Id> {
    let bits = |b: &Builder, n: usize| b.constant(v[n]);
    match code {
        Opcode::Copy => Some(v[0]),
        Opcode::Select => select(b, v),
        Opcode::And => match (bits(b, 0), bits(b, 1)) {
            (Some(0), _) | (_, Some(0)) => Some(b.bits(0)),
            (Some(TRUE), _) => Some(v[1]),
            (_, Some(TRUE)) => Some(v[0]),
            _ if v[0] == v[1] => Some(v[0]),
            _ => absorb_and(b, v[0], v[1]).or_else(|| and_not(b, v[0], v[1])),
        },
        Opcode::Or => match (bits(b, 0), bits(b, 1)) {
            (Some(TRUE), _) | (_, Some(TRUE)) => Some(b.bits(TRUE)),
            (Some(0), _) => Some(v[1]),
            (_, Some(0)) => Some(v[0]),
            _ if v[0] == v[1] => Some(v[0]),
            _ => None,
        },
        Opcode::Xor => match (bits(b, 0), bits(b, 1)) {
            (Some(0), _) => Some(v[1]),
            (_, Some(0)) => Some(v[0]),
            _ if v[0] == v[1] => Some(b.bits(0)),
            _ => None,
        },
        Opcode::AndNot => match (bits(b, 0), bits(b, 1)) {
            (Some(0), _) | (_, Some(TRUE)) => Some(b.bits(0)),
            (_, Some(0)) => Some(v[0]),
            (Some(TRUE), _) => Some(b.not(v[1])),
            _ if v[0] == v[1] => Some(b.bits(0)),
            _ => None,
        },
        Opcode::Not => not(b, v[0]),
        Opcode::Add | Opcode::Sub if bits(b, 1).is_some_and(is_zero) => Some(v[0]),
        Opcode::Add if bits(b, 0).is_some_and(is_zero) => Some(v[1]),
        Opcode::Mul if bits(b, 1) == Some(ONE) => Some(v[0]),
        Opcode::Mul if bits(b, 0) == Some(ONE) => Some(v[1]),
        Opcode::Div => divide(b, v),
        Opcode::AddI | Opcode::SubI | Opcode::Shl | Opcode::ShrI | Opcode::ShrU if bits(b, 1) == Some(0) => {
            Some(v[0])
        }
        Opcode::AddI if bits(b, 0) == Some(0) => Some(v[1]),
        Opcode::MulI if bits(b, 1) == Some(1) => Some(v[0]),
        Opcode::MulI if bits(b, 0) == Some(1) => Some(v[1]),
        Opcode::MulI if bits(b, 0) == Some(0) || bits(b, 1) == Some(0) => Some(b.bits(0)),
        Opcode::DivU | Opcode::RemU => unsigned_division(b, code, v),
        // What has no sign bit is the same number either way, and signed ones convert in one instruction.
        Opcode::FromU if is_below_sign(b, v[0]) => Some(b.op(Opcode::FromI, &[v[0]])),
        _ => None,
    }
}

/// Whether the highest bit of a value is known to be 0.
fn is_below_sign(b: &Builder, id: Id) -> bool {
    let masked = b.made_by(id, Opcode::And).is_some_and(|[p, q, ..]| {
        [p, q].iter().any(|id| b.constant(*id).is_some_and(|mask| mask >> 31 == 0))
    });
    let shifted = b.made_by(id, Opcode::ShrU).and_then(|[_, by, ..]| b.constant(by));
    masked || shifted.is_some_and(|by| by & 31 > 0)
}

/// A mask is all zeros or all ones, so choosing between constants is bit logic.
fn select(b: &mut Builder, v: &[Id]) -> Option<Id> {
    let (mask, yes, no) = (v[0], v[1], v[2]);
    match b.constant(mask) {
        Some(0) => return Some(no),
        Some(_) => return Some(yes),
        None => {}
    }
    if yes == no {
        return Some(yes);
    }
    if let Some([inverse, ..]) = b.made_by(mask, Opcode::Not) {
        return Some(b.select(inverse, no, yes));
    }
    if let Some([p, q, ..]) = b.made_by(mask, Opcode::LtF) {
        // What the builtins are defined as.
        if (yes, no) == (p, q) {
            return Some(b.op(Opcode::Min, &[q, p]));
        }
        if (yes, no) == (q, p) {
            return Some(b.op(Opcode::Max, &[p, q]));
        }
    }
    match (b.constant(yes), b.constant(no)) {
        (Some(TRUE), _) => Some(b.or(mask, no)),
        (Some(0), _) => Some(b.op(Opcode::AndNot, &[no, mask])),
        (_, Some(0)) => Some(b.and(mask, yes)),
        (_, Some(TRUE)) => {
            let inverse = b.not(mask);
            Some(b.or(inverse, yes))
        }
        _ => None,
    }
}

/// x & (x & y) is x & y.
fn absorb_and(b: &Builder, x: Id, y: Id) -> Option<Id> {
    for (outer, inner) in [(x, y), (y, x)] {
        if let Some([p, q, ..]) = b.made_by(inner, Opcode::And)
            && (p == outer || q == outer)
        {
            return Some(inner);
        }
    }
    None
}

/// x & !y is one operation.
fn and_not(b: &mut Builder, x: Id, y: Id) -> Option<Id> {
    [(x, y), (y, x)].into_iter().find_map(|(x, y)| {
        let [inverse, ..] = b.made_by(y, Opcode::Not)?;
        Some(b.op(Opcode::AndNot, &[x, inverse]))
    })
}

fn not(b: &mut Builder, a: Id) -> Option<Id> {
    if let Some([inner, ..]) = b.made_by(a, Opcode::Not) {
        return Some(inner);
    }
    // The inverse of an order of integers is the other order; that of floats is not, because of NaN.
    for (code, inverse, swap) in [
        (Opcode::LtI, Opcode::LeI, true),
        (Opcode::LeI, Opcode::LtI, true),
        (Opcode::LtU, Opcode::LeU, true),
        (Opcode::LeU, Opcode::LtU, true),
        (Opcode::EqI, Opcode::NeI, false),
        (Opcode::NeI, Opcode::EqI, false),
        (Opcode::EqF, Opcode::NeF, false),
        (Opcode::NeF, Opcode::EqF, false),
    ] {
        if let Some([x, y, ..]) = b.made_by(a, code) {
            return Some(if swap { b.op(inverse, &[y, x]) } else { b.op(inverse, &[x, y]) });
        }
    }
    None
}

/// Division by a power of two is multiplication by its exact inverse.
fn divide(b: &mut Builder, v: &[Id]) -> Option<Id> {
    let divisor = f32::from_bits(b.constant(v[1])?);
    let inverse = 1.0 / divisor;
    let power_of_two = divisor.is_normal() && divisor.to_bits() & 0x7f_ffff == 0 && inverse.is_normal();
    power_of_two.then(|| {
        let inverse = b.f32(inverse);
        b.op(Opcode::Mul, &[v[0], inverse])
    })
}

/// Unsigned division by a power of two is a shift, the remainder a mask.
fn unsigned_division(b: &mut Builder, code: Opcode, v: &[Id]) -> Option<Id> {
    let divisor = b.constant(v[1])?;
    if !divisor.is_power_of_two() {
        return None;
    }
    let (code, right) = match code {
        Opcode::DivU => (Opcode::ShrU, divisor.trailing_zeros()),
        _ => (Opcode::And, divisor - 1),
    };
    let right = b.bits(right);
    Some(b.op(code, &[v[0], right]))
}
