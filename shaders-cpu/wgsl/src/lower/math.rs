//! The numeric builtins of WGSL §17.5 and the derivatives of §17.6.

use std::rc::Rc;

use iridule_vm::Opcode;
use naga::{DerivativeAxis, Expression, Handle, MathFunction as F, Scalar, ScalarKind};

use super::place::words;
use super::{Lowering, Result, Words};
use crate::shape::Shape;
use crate::ssa::{Id, Rate};

impl Lowering<'_> {
    pub(super) fn math(
        &mut self,
        handle: Handle<Expression>,
        function: F,
        first: Handle<Expression>,
        rest: &[Handle<Expression>],
    ) -> Result<Words> {
        let scalar = self.kind(first)?;
        let shape = self.shape(first)?;
        let a = self.value(first)?;
        let rest: Vec<Words> = rest.iter().map(|handle| self.value(*handle)).collect::<Result<_>>()?;
        let result = match (function, &rest[..]) {
            (F::Dot4I8Packed, [b]) => Rc::new([self.b.op(Opcode::Dot4I8, &[a[0], b[0]])]),
            (F::Dot4U8Packed, [b]) => Rc::new([self.b.op(Opcode::Dot4U8, &[a[0], b[0]])]),
            (F::Modf, []) => self.modf(&a),
            (F::Frexp, []) => {
                let part = |l: &mut Self, code| a.iter().map(|id| l.b.op(code, &[*id])).collect::<Vec<_>>();
                [part(self, Opcode::FrexpFract), part(self, Opcode::FrexpExp)].concat().into()
            }
            (F::Dot, [b]) if scalar.kind == ScalarKind::Float => Rc::new([self.dot(&a, b)]),
            (F::Dot, [b]) => Rc::new([self.dot_integer(&a, b)]),
            (
                F::Cross | F::Distance | F::Length | F::Normalize | F::FaceForward | F::Reflect | F::Refract,
                _,
            ) => self.geometry(function, &a, &rest)?,
            (F::Outer, [b]) => {
                words(a.len() * b.len(), |n| self.b.op(Opcode::Mul, &[a[n % a.len()], b[n / a.len()]]))
            }
            (F::Transpose | F::Determinant | F::Inverse, []) => {
                let Shape::Matrix(columns, rows, _) = shape else {
                    return self.unexpected("this matrix function");
                };
                match function {
                    F::Transpose => Self::transpose(columns, rows, &a),
                    F::Determinant => Rc::new([self.determinant(columns as usize, &a)]),
                    _ => self.inverse(columns as usize, &a),
                }
            }
            (
                F::Pack4x8snorm
                | F::Pack4x8unorm
                | F::Pack2x16snorm
                | F::Pack2x16unorm
                | F::Pack2x16float
                | F::Pack4xI8
                | F::Pack4xU8
                | F::Pack4xI8Clamp
                | F::Pack4xU8Clamp,
                [],
            ) => self.pack(function, &a)?,
            (
                F::Unpack4x8snorm
                | F::Unpack4x8unorm
                | F::Unpack2x16snorm
                | F::Unpack2x16unorm
                | F::Unpack2x16float
                | F::Unpack4xI8
                | F::Unpack4xU8,
                [],
            ) => self.unpack(function, a[0])?,
            _ => {
                let mut lanes = Vec::with_capacity(a.len());
                for n in 0..a.len() {
                    let operands: Vec<Id> =
                        std::iter::once(a[n]).chain(rest.iter().map(|w| w[n % w.len()])).collect();
                    lanes.push(self.componentwise(function, scalar, &operands)?);
                }
                lanes.into()
            }
        };
        match self.shape(handle)?.scalar() {
            Some(scalar) if scalar.kind == ScalarKind::Float => {
                Ok(words(result.len(), |n| self.rounded(scalar, result[n])))
            }
            _ => Ok(result),
        }
    }

    /// The fractions, then the whole parts: the members of `modf`'s result.
    fn modf(&mut self, a: &Words) -> Words {
        let whole: Vec<Id> = a.iter().map(|id| self.b.op(Opcode::Trunc, &[*id])).collect();
        let fraction: Vec<Id> =
            a.iter().zip(&whole).map(|(id, whole)| self.b.op(Opcode::Sub, &[*id, *whole])).collect();
        [fraction, whole].concat().into()
    }

    fn dot_integer(&mut self, a: &[Id], b: &[Id]) -> Id {
        let mut sum = self.b.op(Opcode::MulI, &[a[0], b[0]]);
        for (a, b) in a.iter().zip(b).skip(1) {
            let product = self.b.op(Opcode::MulI, &[*a, *b]);
            sum = self.b.op(Opcode::AddI, &[sum, product]);
        }
        sum
    }

    /// A function that is applied to each component.
    fn componentwise(&mut self, function: F, scalar: Scalar, v: &[Id]) -> Result<Id> {
        let float = scalar.kind == ScalarKind::Float;
        let signed = scalar.kind == ScalarKind::Sint;
        let pick = |of_float, of_signed, of_unsigned| match (float, signed) {
            (true, _) => of_float,
            (_, true) => of_signed,
            _ => of_unsigned,
        };
        let code = match function {
            F::Abs if !float && !signed => return Ok(v[0]),
            F::Abs => pick(Opcode::Abs, Opcode::AbsI, Opcode::Copy),
            F::Min => pick(Opcode::Min, Opcode::MinI, Opcode::MinU),
            F::Max => pick(Opcode::Max, Opcode::MaxI, Opcode::MaxU),
            F::Clamp if float => Opcode::Clamp,
            F::Clamp => {
                let (low, high) =
                    if signed { (Opcode::MaxI, Opcode::MinI) } else { (Opcode::MaxU, Opcode::MinU) };
                let limited = self.b.op(low, &[v[0], v[1]]);
                return Ok(self.b.op(high, &[limited, v[2]]));
            }
            F::Sign => pick(Opcode::Sign, Opcode::SignI, Opcode::SignI),
            F::Saturate => Opcode::Saturate,
            F::Cos => Opcode::Cos,
            F::Cosh => Opcode::Cosh,
            F::Sin => Opcode::Sin,
            F::Sinh => Opcode::Sinh,
            F::Tan => Opcode::Tan,
            F::Tanh => Opcode::Tanh,
            F::Acos => Opcode::Acos,
            F::Asin => Opcode::Asin,
            F::Atan => Opcode::Atan,
            F::Atan2 => Opcode::Atan2,
            F::Asinh => Opcode::Asinh,
            F::Acosh => Opcode::Acosh,
            F::Atanh => Opcode::Atanh,
            F::Radians | F::Degrees => {
                let factor = if function == F::Radians { 1f32.to_radians() } else { 1f32.to_degrees() };
                let factor = self.b.f32(factor);
                return Ok(self.b.op(Opcode::Mul, &[v[0], factor]));
            }
            F::Ceil => Opcode::Ceil,
            F::Floor => Opcode::Floor,
            F::Round => Opcode::Round,
            F::Fract => Opcode::Fract,
            F::Trunc => Opcode::Trunc,
            F::Ldexp => Opcode::Ldexp,
            F::Exp => Opcode::Exp,
            F::Exp2 => Opcode::Exp2,
            F::Log => Opcode::Log,
            F::Log2 => Opcode::Log2,
            F::Pow => Opcode::Pow,
            F::Fma => {
                let product = self.b.op(Opcode::Mul, &[v[0], v[1]]);
                return Ok(self.b.op(Opcode::Add, &[product, v[2]]));
            }
            F::Mix => Opcode::Mix,
            F::Step => Opcode::Step,
            F::SmoothStep => Opcode::Smoothstep,
            F::Sqrt => Opcode::Sqrt,
            F::InverseSqrt => Opcode::InverseSqrt,
            F::QuantizeToF16 => Opcode::QuantizeF16,
            F::CountTrailingZeros => Opcode::TrailingZeros,
            F::CountLeadingZeros => Opcode::LeadingZeros,
            F::CountOneBits => Opcode::CountOnes,
            F::ReverseBits => Opcode::ReverseBits,
            F::ExtractBits => {
                if signed {
                    Opcode::ExtractI
                } else {
                    Opcode::ExtractU
                }
            }
            F::InsertBits => Opcode::InsertBits,
            F::FirstTrailingBit => Opcode::FirstTrailing,
            F::FirstLeadingBit => {
                if signed {
                    Opcode::FirstLeadingI
                } else {
                    Opcode::FirstLeadingU
                }
            }
            _ => return self.unexpected("this function"),
        };
        Ok(self.b.op(code, v))
    }

    fn length(&mut self, v: &[Id]) -> Id {
        match v {
            [x] => self.b.op(Opcode::Abs, &[*x]),
            [x, y] => self.b.op(Opcode::Length2, &[*x, *y]),
            [x, y, z] => self.b.op(Opcode::Length3, &[*x, *y, *z]),
            _ => {
                let square = self.dot(v, v);
                self.b.op(Opcode::Sqrt, &[square])
            }
        }
    }

    /// The functions on vectors as a whole. A scalar is a vector of one.
    fn geometry(&mut self, function: F, a: &Words, rest: &[Words]) -> Result<Words> {
        let sub = |l: &mut Self, a: &[Id], b: &[Id]| {
            a.iter().zip(b).map(|(a, b)| l.b.op(Opcode::Sub, &[*a, *b])).collect::<Vec<Id>>()
        };
        Ok(match (function, rest) {
            (F::Cross, [b]) => words(3, |n| {
                let (i, j) = ((n + 1) % 3, (n + 2) % 3);
                let (left, right) =
                    (self.b.op(Opcode::Mul, &[a[i], b[j]]), self.b.op(Opcode::Mul, &[a[j], b[i]]));
                self.b.op(Opcode::Sub, &[left, right])
            }),
            (F::Length, []) => Rc::new([self.length(a)]),
            (F::Distance, [b]) => {
                let difference = sub(self, a, b);
                Rc::new([self.length(&difference)])
            }
            (F::Normalize, []) => {
                let length = self.length(a);
                let one = self.b.f32(1.0);
                let inverse = self.b.op(Opcode::Div, &[one, length]);
                words(a.len(), |n| self.b.op(Opcode::Mul, &[a[n], inverse]))
            }
            (F::FaceForward, [b, c]) => {
                let (dot, zero) = (self.dot(b, c), self.b.bits(0));
                let towards = self.b.op(Opcode::LtF, &[dot, zero]);
                words(a.len(), |n| {
                    let away = self.b.op(Opcode::Neg, &[a[n]]);
                    self.b.select(towards, a[n], away)
                })
            }
            (F::Reflect, [normal]) => {
                let (dot, two) = (self.dot(normal, a), self.b.f32(2.0));
                let twice = self.b.op(Opcode::Mul, &[dot, two]);
                words(a.len(), |n| {
                    let along = self.b.op(Opcode::Mul, &[twice, normal[n]]);
                    self.b.op(Opcode::Sub, &[a[n], along])
                })
            }
            (F::Refract, [normal, ratio]) => self.refract(a, normal, ratio[0]),
            _ => return self.unexpected("this function"),
        })
    }

    /// WGSL §17.5.52: zeros where the light is reflected whole.
    fn refract(&mut self, incident: &Words, normal: &Words, ratio: Id) -> Words {
        let (one, zero) = (self.b.f32(1.0), self.b.bits(0));
        let cosine = self.dot(normal, incident);
        let square = self.b.op(Opcode::Mul, &[cosine, cosine]);
        let sine = self.b.op(Opcode::Sub, &[one, square]);
        let ratio_square = self.b.op(Opcode::Mul, &[ratio, ratio]);
        let bent = self.b.op(Opcode::Mul, &[ratio_square, sine]);
        let k = self.b.op(Opcode::Sub, &[one, bent]);
        let whole = self.b.op(Opcode::LtF, &[k, zero]);
        let root = self.b.op(Opcode::Sqrt, &[k]);
        let along = self.b.op(Opcode::Mul, &[ratio, cosine]);
        let along = self.b.op(Opcode::Add, &[along, root]);
        words(incident.len(), |n| {
            let straight = self.b.op(Opcode::Mul, &[ratio, incident[n]]);
            let turned = self.b.op(Opcode::Mul, &[along, normal[n]]);
            let refracted = self.b.op(Opcode::Sub, &[straight, turned]);
            self.b.select(whole, zero, refracted)
        })
    }

    pub(super) fn derivative(&mut self, axis: DerivativeAxis, operand: Handle<Expression>) -> Result<Words> {
        self.in_uniform_flow("a derivative");
        let value = self.value(operand)?;
        Ok(words(value.len(), |n| {
            if self.b.rate(value[n]) < Rate::Varying {
                return self.b.bits(0);
            }
            let mut along = |code| self.b.emit(code, &[value[n]], 0, 0);
            match axis {
                DerivativeAxis::X => along(Opcode::Dpdx),
                DerivativeAxis::Y => along(Opcode::Dpdy),
                DerivativeAxis::Width => {
                    let (x, y) = (along(Opcode::Dpdx), along(Opcode::Dpdy));
                    let (x, y) = (self.b.op(Opcode::Abs, &[x]), self.b.op(Opcode::Abs, &[y]));
                    self.b.op(Opcode::Add, &[x, y])
                }
            }
        }))
    }

    /// Warns if lanes may run apart here: browsers refuse what needs its neighbours then (WGSL §15.2).
    pub(super) fn in_uniform_flow(&mut self, what: &str) {
        if self.mask.is_some() {
            self.warn(
                &format!("{what} where only some pixels of a quad may run"),
                "move it before the branch, or use textureSampleLevel; browsers refuse this file otherwise",
            );
        }
    }
}
