//! Conversions between scalar types, and reinterpretation of bits.

use std::rc::Rc;

use iridule_vm::Opcode;
use naga::{Expression, Handle, RelationalFunction, Scalar, ScalarKind};

use super::place::words;
use super::{Lowering, Result, Words};
use crate::shape::is_half;
use crate::ssa::Id;

impl Lowering<'_> {
    pub(super) fn conversion(
        &mut self,
        handle: Handle<Expression>,
        operand: Handle<Expression>,
        kind: ScalarKind,
        convert: Option<naga::Bytes>,
    ) -> Result<Words> {
        let from = self.kind(operand)?;
        let value = self.value(operand)?;
        match convert {
            Some(width) => {
                let to = Scalar { kind, width };
                Ok(words(value.len(), |n| self.converted(from, to, value[n])))
            }
            None => {
                let to = self.kind(handle)?;
                self.reinterpreted(from, to, &value)
            }
        }
    }

    /// A scalar of one type as one of another, by value (WGSL §17.1.2).
    fn converted(&mut self, from: Scalar, to: Scalar, value: Id) -> Id {
        use ScalarKind as K;
        let constant = |l: &mut Self, bits: u32| l.b.bits(bits);
        match (from.kind, to.kind) {
            (K::Bool, K::Float) => {
                let one = self.b.f32(1.0);
                self.b.and(value, one)
            }
            (K::Bool, K::Sint | K::Uint) => {
                let one = constant(self, 1);
                self.b.and(value, one)
            }
            (K::Float, K::Bool) => {
                let zero = constant(self, 0);
                self.b.op(Opcode::NeF, &[value, zero])
            }
            (K::Sint | K::Uint, K::Bool) => {
                let zero = constant(self, 0);
                self.b.op(Opcode::NeI, &[value, zero])
            }
            (K::Float, K::Sint) => self.b.op(Opcode::ToI, &[value]),
            (K::Float, K::Uint) => self.b.op(Opcode::ToU, &[value]),
            (K::Sint, K::Float) => {
                let value = self.b.op(Opcode::FromI, &[value]);
                self.rounded(to, value)
            }
            (K::Uint, K::Float) => {
                let value = self.b.op(Opcode::FromU, &[value]);
                self.rounded(to, value)
            }
            (K::Float, K::Float) if is_half(to) && !is_half(from) => self.rounded(to, value),
            _ => value,
        }
    }

    /// `bitcast`: the same bits, in as many scalars as the other type has for them (WGSL §17.2.1).
    fn reinterpreted(&mut self, from: Scalar, to: Scalar, value: &Words) -> Result<Words> {
        let float = |s: Scalar| s.kind == ScalarKind::Float;
        Ok(match (is_half(from), is_half(to)) {
            (false, false) if float(from) && !float(to) => {
                words(value.len(), |n| self.b.op(Opcode::Bits, &[value[n]]))
            }
            (false, false) | (true, true) => Rc::clone(value),
            (true, false) => {
                let sixteen = self.b.bits(16);
                words(value.len() / 2, |n| {
                    let low = self.b.op(Opcode::ToHalf, &[value[2 * n]]);
                    let high = self.b.op(Opcode::ToHalf, &[value[2 * n + 1]]);
                    let high = self.b.op(Opcode::Shl, &[high, sixteen]);
                    self.b.or(low, high)
                })
            }
            (false, true) => {
                let sixteen = self.b.bits(16);
                let mask = self.b.bits(0xffff);
                words(value.len() * 2, |n| {
                    let mut word = value[n / 2];
                    if float(from) {
                        word = self.b.op(Opcode::Bits, &[word]);
                    }
                    let half = if n % 2 == 0 {
                        self.b.and(word, mask)
                    } else {
                        self.b.op(Opcode::ShrU, &[word, sixteen])
                    };
                    self.b.op(Opcode::FromHalf, &[half])
                })
            }
        })
    }

    pub(super) fn relational(
        &mut self,
        function: RelationalFunction,
        argument: Handle<Expression>,
    ) -> Result<Words> {
        let value = self.value(argument)?;
        let mut result = value[0];
        for id in value.iter().skip(1) {
            result = match function {
                RelationalFunction::All => self.b.and(result, *id),
                RelationalFunction::Any => self.b.or(result, *id),
                _ => return self.unexpected("this function"),
            };
        }
        Ok(Rc::new([result]))
    }
}
