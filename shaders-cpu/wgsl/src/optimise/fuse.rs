//! Joins two operations into one where the first has no other reader: half the instructions, half the loads and
//! stores, the same roundings in the same order.
//!
//! Both must stand in the same straight run of code, and what the first read must not have been written since.

use std::collections::HashMap;

use iridule_vm::Opcode;

use crate::ssa::{Builder, Id, Inst, Origin};

/// The positions of definitions and the number of readers, in code without jumps between them.
struct Uses<'b> {
    b: &'b Builder,
    readers: HashMap<Id, u32>,
    /// Position and run of the only definition of each value.
    defined: HashMap<Id, (usize, usize)>,
    /// Position of the last write to each register value so far.
    written: HashMap<Id, usize>,
}

impl Uses<'_> {
    /// The operands of `id` if it was made by `code`, in this run, for one reader, and could as well be made here.
    fn only(&self, code: Opcode, id: Id, like: Id, run: usize) -> Option<[Id; 4]> {
        let operands = self.b.made_by(id, code)?;
        let (at, made_in) = *self.defined.get(&id)?;
        let unchanged = operands[..code.arity()].iter().all(|operand| {
            self.b.info(*operand).origin != Origin::Register
                || self.written.get(operand).is_none_or(|w| *w < at)
        });
        let same = made_in == run && self.b.rate(id) == self.b.rate(like);
        (same && unchanged && self.readers.get(&id) == Some(&1)).then_some(operands)
    }
}

/// Fuses what can be. Fused operations stay in the code unread, for [`super::dead`] to remove.
pub(super) fn fuse(b: &mut Builder, results: &[Id]) {
    let mut body = std::mem::take(&mut b.body);
    let mut readers: HashMap<Id, u32> = HashMap::new();
    for inst in &body {
        inst.operands().iter().for_each(|id| *readers.entry(*id).or_default() += 1);
    }
    results.iter().for_each(|id| *readers.entry(*id).or_default() += 1);
    let mut uses = Uses { b, readers, defined: HashMap::new(), written: HashMap::new() };
    let mut run = 0;
    // What fused instructions now are, so that they can fuse again.
    for (at, inst) in body.iter_mut().enumerate() {
        let Some(code) = inst.code() else {
            run += 1;
            continue;
        };
        if code.class() == iridule_vm::Class::Control {
            run += 1;
        }
        let Some(dst) = inst.dst else { continue };
        if matches!(uses.b.info(dst).origin, Origin::Register) {
            uses.written.insert(dst, at);
            continue;
        }
        if let Some((code, operands)) = fused(&uses, inst, code, dst, run) {
            for id in inst.operands() {
                uses.readers.entry(*id).and_modify(|n| *n -= 1);
            }
            *inst = Inst::op(code, Some(dst), &operands);
            for id in inst.operands() {
                *uses.readers.entry(*id).or_default() += 1;
            }
        } else {
            uses.defined.insert(dst, (at, run));
        }
    }
    b.body = body;
}

fn fused(uses: &Uses<'_>, inst: &Inst, code: Opcode, dst: Id, run: usize) -> Option<(Opcode, Vec<Id>)> {
    let [a, b, ..] = inst.src;
    let only = |code, id| uses.only(code, id, dst, run);
    match code {
        Opcode::Add => {
            let (left, right) = (only(Opcode::Mul, a), only(Opcode::Mul, b));
            if let (Some([p, q, ..]), Some([r, s, ..])) = (left, right)
                && a != b
            {
                return Some((Opcode::Dot2, vec![p, q, r, s]));
            }
            if let Some([p, q, ..]) = left {
                return Some((Opcode::MulAdd, vec![p, q, b]));
            }
            if let Some([p, q, ..]) = right {
                return Some((Opcode::MulAdd, vec![p, q, a]));
            }
            let ([p, q, ..], c) = match only(Opcode::Add, a) {
                Some(sum) => (sum, b),
                None => (only(Opcode::Add, b)?, a),
            };
            Some((Opcode::AddAdd, vec![p, q, c]))
        }
        Opcode::Sub => match (only(Opcode::Mul, a), only(Opcode::Mul, b)) {
            (Some([p, q, ..]), _) => Some((Opcode::MulSub, vec![p, q, b])),
            (_, Some([p, q, ..])) => Some((Opcode::NegMulAdd, vec![p, q, a])),
            _ => None,
        },
        Opcode::Mul => {
            for (inner, outer) in
                [(Opcode::Add, Opcode::AddMul), (Opcode::Sub, Opcode::SubMul), (Opcode::Mul, Opcode::MulMul)]
            {
                for (factor, other) in [(a, b), (b, a)] {
                    if let Some([p, q, ..]) = only(inner, factor)
                        && a != b
                    {
                        return Some((outer, vec![p, q, other]));
                    }
                }
            }
            None
        }
        Opcode::Fract => only(Opcode::Mul, a).map(|[p, q, ..]| (Opcode::FractMul, vec![p, q])),
        Opcode::AddI => {
            let ([p, q, ..], c) = match only(Opcode::MulI, a) {
                Some(product) => (product, b),
                None => (only(Opcode::MulI, b)?, a),
            };
            (a != b).then(|| (Opcode::MulAddI, vec![p, q, c]))
        }
        Opcode::Xor => {
            for (shifted, other) in [(a, b), (b, a)] {
                if let Some([x, by, ..]) = only(Opcode::ShrU, shifted)
                    && x == other
                {
                    return Some((Opcode::XorShr, vec![x, by]));
                }
            }
            None
        }
        _ => None,
    }
}
