//! The human form of a program, one instruction a line: `u` registers are uniform, `v` registers varying.

use core::fmt::{Display, Formatter, Result};

use crate::program::{BindingKind, Op, Program, Reg};

impl Display for Reg {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}{}", if self.is_varying() { 'v' } else { 'u' }, self.index())
    }
}

struct Operand<'p>(&'p Program, Reg);

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let constant = self.0.constants.get(usize::from(self.1.index()));
        match constant {
            Some(word) if !self.1.is_varying() => {
                let float = f32::from_bits(*word);
                if *word != 0 && float.is_finite() && (1e-9..1e12).contains(&float.abs()) {
                    write!(f, "{float:?}")
                } else {
                    write!(f, "{:#x}", *word)
                }
            }
            _ => self.1.fmt(f),
        }
    }
}

fn op(f: &mut Formatter<'_>, program: &Program, at: usize, op: &Op) -> Result {
    write!(f, "{at:6}  ")?;
    if op.code.has_result() {
        write!(f, "{:<6} = ", alloc::format!("{}", op.dst))?;
    } else {
        write!(f, "         ")?;
    }
    write!(f, "{:<14}", op.code.text())?;
    for reg in op.operands() {
        write!(f, " {}", Operand(program, *reg))?;
    }
    if Op::has_immediates(op.code) {
        write!(f, " @{}", op.imm)?;
        if op.aux != 0 {
            write!(f, " [{}]", op.aux)?;
        }
    }
    writeln!(f)
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for b in &self.bindings {
            let kind = match b.kind {
                BindingKind::Uniform { size } => alloc::format!("uniform, {size} bytes"),
                BindingKind::Texture => "texture".into(),
                BindingKind::Sampler => "sampler".into(),
            };
            writeln!(f, "@group({}) @binding({}) {}: {kind}", b.group, b.binding, b.name)?;
        }
        let (constants, table) = (self.constants.len(), self.table.len());
        writeln!(
            f,
            "{} uniform registers ({constants} constants), {} varying",
            self.uniforms, self.varyings
        )?;
        writeln!(f, "{} local words a lane, {table} table words", self.locals)?;
        writeln!(f, "setup:")?;
        for (at, item) in self.setup.iter().enumerate() {
            op(f, self, at, item)?;
        }
        writeln!(f, "body:")?;
        for (at, item) in self.body.iter().enumerate() {
            op(f, self, at, item)?;
        }
        let [r, g, b, a] = self.color.map(|reg| Operand(self, reg));
        writeln!(f, "color {r} {g} {b} {a}")?;
        match self.discard {
            Some(reg) => writeln!(f, "discard {}", Operand(self, reg)),
            None => Ok(()),
        }
    }
}
