//! Expressions: literals, composition and access, operators. Builtin functions are in `math` and its neighbours.

use std::rc::Rc;

use iridule_vm::Opcode;
use naga::{BinaryOperator, Expression, Handle, Literal, Scalar, ScalarKind, UnaryOperator};

use super::place::{Place, words};
use super::{Lowering, Result, Val, Words};
use crate::shape::{Shape, is_half};
use crate::ssa::Id;

impl Lowering<'_> {
    /// What an expression stands for; computed now if it was not before.
    pub(super) fn expression(&mut self, handle: Handle<Expression>) -> Result<Val> {
        if let Some(known) = &self.here().expressions[handle.index()] {
            return Ok(known.clone());
        }
        let val = self.evaluate(handle)?;
        self.here_mut().expressions[handle.index()] = Some(val.clone());
        Ok(val)
    }

    /// The scalars of an expression's value.
    pub(super) fn value(&mut self, handle: Handle<Expression>) -> Result<Words> {
        match self.expression(handle)? {
            Val::Words(words) => Ok(words),
            Val::Place(place) => self.load(&place),
            Val::Handle(_) => self.unexpected("a texture or sampler as a value"),
        }
    }

    /// The single scalar of an expression's value.
    pub(super) fn scalar(&mut self, handle: Handle<Expression>) -> Result<Id> {
        Ok(self.value(handle)?[0])
    }

    /// The scalar type an expression's value is made of.
    pub(super) fn kind(&self, handle: Handle<Expression>) -> Result<Scalar> {
        match self.shape(handle)?.scalar() {
            Some(scalar) => Ok(scalar),
            None => self.unexpected("an array or struct here"),
        }
    }

    /// An expression of module scope.
    pub(super) fn constant_expression(&mut self, handle: Handle<Expression>) -> Result<Words> {
        let expressions = &self.module.global_expressions;
        self.span = expressions.get_span(handle);
        match &expressions[handle] {
            Expression::Literal(literal) => Ok(Rc::new([self.literal(*literal)])),
            Expression::Constant(constant) => self.constant_expression(self.module.constants[*constant].init),
            Expression::ZeroValue(ty) => match Shape::of_type(self.module, *ty) {
                Some(shape) => Ok(self.zeros(shape)),
                None => self.unexpected("a zero of this type"),
            },
            Expression::Compose { components, .. } => {
                let mut all = Vec::new();
                for component in components {
                    all.extend_from_slice(&self.constant_expression(*component)?);
                }
                Ok(all.into())
            }
            Expression::Splat { size, value } => {
                let value = self.constant_expression(*value)?[0];
                Ok(words(*size as usize, |_| value))
            }
            _ => self.unexpected("this constant expression"),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "abstract numbers that reach us take the 32-bit type"
    )]
    fn literal(&mut self, literal: Literal) -> Id {
        match literal {
            Literal::F32(value) => self.b.f32(value),
            Literal::F16(value) => self.b.f32(value.to_f32()),
            Literal::F64(value) | Literal::AbstractFloat(value) => self.b.f32(value as f32),
            Literal::U32(value) => self.b.bits(value),
            Literal::I32(value) => self.b.bits(value.cast_unsigned()),
            Literal::U16(value) => self.b.bits(value.into()),
            Literal::I16(value) => self.b.bits(i32::from(value).cast_unsigned()),
            Literal::U64(value) => self.b.bits(value as u32),
            Literal::I64(value) | Literal::AbstractInt(value) => self.b.bits((value as i32).cast_unsigned()),
            Literal::Bool(value) => self.b.bool(value),
        }
    }

    fn evaluate(&mut self, handle: Handle<Expression>) -> Result<Val> {
        let function = self.here().function;
        self.span = function.expressions.get_span(handle);
        let value: Words = match function.expressions[handle] {
            Expression::Literal(literal) => Rc::new([self.literal(literal)]),
            Expression::Constant(constant) => {
                self.constant_expression(self.module.constants[constant].init)?
            }
            Expression::ZeroValue(_) => {
                let shape = self.shape(handle)?;
                self.zeros(shape)
            }
            Expression::Compose { ref components, .. } => {
                let mut all = Vec::new();
                for component in components {
                    all.extend_from_slice(&self.value(*component)?);
                }
                all.into()
            }
            Expression::Access { base, index } => {
                let index = self.scalar(index)?;
                match self.expression(base)? {
                    Val::Place(place) if self.is_pointer(base) => return self.place_at(&place, index),
                    _ => {
                        let (value, shape) = (self.value(base)?, self.shape(base)?);
                        self.element(&value, shape, index)?
                    }
                }
            }
            Expression::AccessIndex { base, index } => match self.expression(base)? {
                Val::Place(place) if self.is_pointer(base) => return self.place_part(&place, index),
                _ => {
                    let (value, shape) = (self.value(base)?, self.shape(base)?);
                    let Some(part) = shape.part(self.module, index) else {
                        return self.unexpected("this index");
                    };
                    let (at, count) = (part.words as usize, part.shape.words(self.module) as usize);
                    value[at..at + count].into()
                }
            },
            Expression::Splat { size, value } => {
                let value = self.scalar(value)?;
                words(size as usize, |_| value)
            }
            Expression::Swizzle { size, vector, pattern } => {
                let vector = self.value(vector)?;
                words(size as usize, |n| vector[pattern[n] as usize])
            }
            Expression::FunctionArgument(index) => return Ok(self.here().arguments[index as usize].clone()),
            Expression::GlobalVariable(global) => return self.global_place(global),
            Expression::LocalVariable(local) => {
                return Ok(Val::Place(Place::variable(self.here().locals[&local])));
            }
            Expression::Load { pointer } => {
                let place = self.pointer(pointer)?;
                self.load(&place)?
            }
            Expression::ImageSample { .. } | Expression::ImageLoad { .. } | Expression::ImageQuery { .. } => {
                self.texture(handle)?
            }
            Expression::Unary { op, expr } => self.unary(op, expr)?,
            Expression::Binary { op, left, right } => self.binary(op, left, right)?,
            Expression::Select { condition, accept, reject } => {
                let (c, yes, no) = (self.value(condition)?, self.value(accept)?, self.value(reject)?);
                words(yes.len(), |n| self.b.select(c[n % c.len()], yes[n], no[n]))
            }
            Expression::Derivative { axis, expr, .. } => self.derivative(axis, expr)?,
            Expression::Relational { fun, argument } => self.relational(fun, argument)?,
            Expression::Math { fun, arg, arg1, arg2, arg3 } => {
                let rest: Vec<_> = [arg1, arg2, arg3].into_iter().flatten().collect();
                self.math(handle, fun, arg, &rest)?
            }
            Expression::As { expr, kind, convert } => self.conversion(handle, expr, kind, convert)?,
            // Calls leave their result where it is looked for first.
            _ => return self.unexpected("this expression"),
        };
        Ok(Val::Words(value))
    }

    /// Whether an expression is a pointer rather than the value behind one.
    fn is_pointer(&self, handle: Handle<Expression>) -> bool {
        let inner = self.here().info[handle].ty.inner_with(&self.module.types);
        matches!(inner, naga::TypeInner::Pointer { .. } | naga::TypeInner::ValuePointer { .. })
    }

    fn unary(&mut self, op: UnaryOperator, operand: Handle<Expression>) -> Result<Words> {
        let float = self.kind(operand)?.kind == ScalarKind::Float;
        let value = self.value(operand)?;
        let zero = self.b.bits(0);
        Ok(words(value.len(), |n| match op {
            UnaryOperator::Negate if float => self.b.op(Opcode::Neg, &[value[n]]),
            UnaryOperator::Negate => self.b.op(Opcode::SubI, &[zero, value[n]]),
            UnaryOperator::LogicalNot | UnaryOperator::BitwiseNot => self.b.not(value[n]),
        }))
    }

    fn binary(
        &mut self,
        op: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Result<Words> {
        let (shape_left, shape_right) = (self.shape(left)?, self.shape(right)?);
        let kind = self.kind(left)?;
        let (a, b) = (self.value(left)?, self.value(right)?);
        if op == BinaryOperator::Multiply
            && let Some(product) = self.matrix_product(shape_left, shape_right, &a, &b)
        {
            return Ok(product);
        }
        let count = a.len().max(b.len());
        Ok(words(count, |n| self.binary_scalar(op, kind, a[n % a.len()], b[n % b.len()])))
    }

    /// An operator on two scalars of a kind (for shifts, that of the left one).
    fn binary_scalar(&mut self, op: BinaryOperator, scalar: Scalar, a: Id, b: Id) -> Id {
        use BinaryOperator as B;
        let float = scalar.kind == ScalarKind::Float;
        let signed = scalar.kind == ScalarKind::Sint;
        let pick = |of_float, of_signed, of_unsigned| match (float, signed) {
            (true, _) => of_float,
            (_, true) => of_signed,
            _ => of_unsigned,
        };
        let code = match op {
            B::Add => pick(Opcode::Add, Opcode::AddI, Opcode::AddI),
            B::Subtract => pick(Opcode::Sub, Opcode::SubI, Opcode::SubI),
            B::Multiply => pick(Opcode::Mul, Opcode::MulI, Opcode::MulI),
            B::Divide => pick(Opcode::Div, Opcode::DivI, Opcode::DivU),
            B::Modulo => pick(Opcode::Rem, Opcode::RemI, Opcode::RemU),
            B::Equal => pick(Opcode::EqF, Opcode::EqI, Opcode::EqI),
            B::NotEqual => pick(Opcode::NeF, Opcode::NeI, Opcode::NeI),
            B::Less => return self.b.op(pick(Opcode::LtF, Opcode::LtI, Opcode::LtU), &[a, b]),
            B::LessEqual => return self.b.op(pick(Opcode::LeF, Opcode::LeI, Opcode::LeU), &[a, b]),
            B::Greater => return self.b.op(pick(Opcode::LtF, Opcode::LtI, Opcode::LtU), &[b, a]),
            B::GreaterEqual => return self.b.op(pick(Opcode::LeF, Opcode::LeI, Opcode::LeU), &[b, a]),
            B::And | B::LogicalAnd => Opcode::And,
            B::ExclusiveOr => Opcode::Xor,
            B::InclusiveOr | B::LogicalOr => Opcode::Or,
            B::ShiftLeft => Opcode::Shl,
            B::ShiftRight => pick(Opcode::ShrU, Opcode::ShrI, Opcode::ShrU),
        };
        let result = self.b.op(code, &[a, b]);
        let arithmetic = matches!(op, B::Add | B::Subtract | B::Multiply | B::Divide | B::Modulo);
        if arithmetic { self.rounded(scalar, result) } else { result }
    }

    /// A computed scalar, rounded if its type has fewer bits than it was computed in.
    pub(super) fn rounded(&mut self, scalar: Scalar, value: Id) -> Id {
        if is_half(scalar) { self.b.op(Opcode::QuantizeF16, &[value]) } else { value }
    }
}
