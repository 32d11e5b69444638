//! The packing builtins of WGSL §17.9 and §17.10.

use std::rc::Rc;

use iridule_vm::Opcode;
use naga::MathFunction as F;

use super::place::words;
use super::{Lowering, Result, Words};
use crate::ssa::Id;

/// How the fields of a packed word are made and read.
struct Format {
    /// Bits of a field.
    bits: u32,
    signed: bool,
    /// For fields that stand for numbers in 0…1 or −1…1: the largest field.
    scale: Option<f32>,
    /// Whether a field is limited to its range rather than cut to its bits.
    clamp: bool,
}

impl Format {
    fn of(function: F) -> Option<Self> {
        let format = |bits, signed, scale, clamp| Some(Self { bits, signed, scale, clamp });
        match function {
            F::Pack4x8snorm | F::Unpack4x8snorm => format(8, true, Some(127.0), true),
            F::Pack4x8unorm | F::Unpack4x8unorm => format(8, false, Some(255.0), true),
            F::Pack2x16snorm | F::Unpack2x16snorm => format(16, true, Some(32767.0), true),
            F::Pack2x16unorm | F::Unpack2x16unorm => format(16, false, Some(65535.0), true),
            F::Pack4xI8 | F::Unpack4xI8 => format(8, true, None, false),
            F::Pack4xU8 | F::Unpack4xU8 => format(8, false, None, false),
            F::Pack4xI8Clamp => format(8, true, None, true),
            F::Pack4xU8Clamp => format(8, false, None, true),
            _ => None,
        }
    }
}

impl Lowering<'_> {
    pub(super) fn pack(&mut self, function: F, value: &Words) -> Result<Words> {
        if function == F::Pack2x16float {
            let fields: Vec<Id> = value.iter().map(|id| self.b.op(Opcode::ToHalf, &[*id])).collect();
            return Ok(self.joined(&fields, 16));
        }
        let Some(format) = Format::of(function) else { return self.unexpected("this packing") };
        let mask = self.b.bits((1 << format.bits) - 1);
        let fields: Vec<Id> = value
            .iter()
            .map(|id| {
                let field = self.field(&format, *id);
                self.b.and(field, mask)
            })
            .collect();
        Ok(self.joined(&fields, format.bits))
    }

    fn field(&mut self, format: &Format, id: Id) -> Id {
        if let Some(scale) = format.scale {
            let low = self.b.f32(if format.signed { -1.0 } else { 0.0 });
            let (one, half, scale) = (self.b.f32(1.0), self.b.f32(0.5), self.b.f32(scale));
            let limited = self.b.op(Opcode::Clamp, &[id, low, one]);
            // floor(0.5 + scale · x), as the specification writes it.
            let scaled = self.b.op(Opcode::Mul, &[limited, scale]);
            let shifted = self.b.op(Opcode::Add, &[scaled, half]);
            let whole = self.b.op(Opcode::Floor, &[shifted]);
            return self.b.op(Opcode::ToI, &[whole]);
        }
        if !format.clamp {
            return id;
        }
        let (low, high) = if format.signed { (-128i32, 127u32) } else { (0, 255) };
        let (low, high) = (self.b.bits(low.cast_unsigned()), self.b.bits(high));
        if format.signed {
            let limited = self.b.op(Opcode::MaxI, &[id, low]);
            self.b.op(Opcode::MinI, &[limited, high])
        } else {
            self.b.op(Opcode::MinU, &[id, high])
        }
    }

    /// Fields side by side, the first lowest.
    fn joined(&mut self, fields: &[Id], bits: u32) -> Words {
        let mut word = fields[0];
        for (n, field) in (1..).zip(&fields[1..]) {
            let by = self.b.bits(n * bits);
            let moved = self.b.op(Opcode::Shl, &[*field, by]);
            word = self.b.or(word, moved);
        }
        Rc::new([word])
    }

    pub(super) fn unpack(&mut self, function: F, value: Id) -> Result<Words> {
        if function == F::Unpack2x16float {
            let (sixteen, mask) = (self.b.bits(16), self.b.bits(0xffff));
            let (low, high) = (self.b.and(value, mask), self.b.op(Opcode::ShrU, &[value, sixteen]));
            return Ok(words(2, |n| self.b.op(Opcode::FromHalf, &[if n == 0 { low } else { high }])));
        }
        let Some(format) = Format::of(function) else { return self.unexpected("this unpacking") };
        let count = (32 / format.bits) as usize;
        let width = self.b.bits(format.bits);
        let extract = if format.signed { Opcode::ExtractI } else { Opcode::ExtractU };
        let fields = (0..).step_by(format.bits as usize).take(count).map(|offset| {
            let offset = self.b.bits(offset);
            self.b.op(extract, &[value, offset, width])
        });
        let fields: Vec<Id> = fields.collect();
        let Some(scale) = format.scale else { return Ok(fields.into()) };
        let (scale, low) = (self.b.f32(scale), self.b.f32(-1.0));
        Ok(words(count, |n| {
            let number = self.b.op(if format.signed { Opcode::FromI } else { Opcode::FromU }, &[fields[n]]);
            let fraction = self.b.op(Opcode::Div, &[number, scale]);
            if format.signed { self.b.op(Opcode::Max, &[fraction, low]) } else { fraction }
        }))
    }
}
