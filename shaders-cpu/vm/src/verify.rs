//! What a program must satisfy before it may run. After this, nothing it says can reach outside its registers.
//!
//! The rules, each with its error: sizes within limits; registers, local words, table words and bindings exist
//! and are of the right kind; no varying value flows into a uniform register; setup is straight-line and
//! uniform; jumps go forward and loops go back, both within the body.

use crate::opcode::{Class, Opcode};
use crate::program::{BindingKind, Op, Program, Reg};

/// Most instructions in each of setup and body.
pub const MAX_OPS: usize = 1 << 17;
/// Most local words a lane.
pub const MAX_LOCALS: u32 = 1 << 14;
/// Most words in the table.
pub const MAX_TABLE: usize = 1 << 18;
/// Most registers in each bank.
pub const MAX_REGISTERS: u16 = 1 << 13;
/// Most bindings.
pub const MAX_BINDINGS: usize = 64;

/// Why a program may not run. `at` is an instruction's index; setup and body are counted apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{section} {at}: {fault}")]
pub struct VerifyError {
    /// "setup", "body" or "program".
    pub section: &'static str,
    /// The instruction.
    pub at: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A section, bank, table or memory is larger than a limit.
    #[error("too large")]
    TooLarge,
    /// A register, word, slot or target that does not exist.
    #[error("out of range")]
    Range,
    /// A varying value where a uniform one must be, or the other way round.
    #[error("wrong bank")]
    Bank,
    /// A binding of another kind.
    #[error("wrong kind of binding")]
    Kind,
    /// An operation that may not stand in this section.
    #[error("operation not allowed here")]
    Place,
    /// A forward jump that goes back, or a loop that goes forward.
    #[error("wrong direction")]
    Direction,
    /// As many loops as source lines for them must be there.
    #[error("loop lines do not match loops")]
    Lines,
}

struct Checker<'p> {
    program: &'p Program,
}

impl Checker<'_> {
    fn register(&self, reg: Reg) -> Result<(), Fault> {
        let count = if reg.is_varying() { self.program.varyings } else { self.program.uniforms };
        if reg.index() < count { Ok(()) } else { Err(Fault::Range) }
    }

    fn binding(&self, slot: u32) -> Result<BindingKind, Fault> {
        self.program.bindings.get(slot as usize).map(|b| b.kind).ok_or(Fault::Range)
    }

    fn locals(&self, word: u32, count: u32) -> Result<(), Fault> {
        let end = word.checked_add(count).ok_or(Fault::Range)?;
        if count > 0 && end <= self.program.locals { Ok(()) } else { Err(Fault::Range) }
    }

    /// Registers, banks and immediates, wherever the instruction stands.
    fn op(&self, op: &Op) -> Result<(), Fault> {
        let mut varying = matches!(
            op.code,
            Opcode::PositionX
                | Opcode::PositionY
                | Opcode::LocalRead
                | Opcode::LocalLoad
                | Opcode::Dpdx
                | Opcode::Dpdy
        );
        for reg in op.operands() {
            self.register(*reg)?;
            varying |= reg.is_varying();
        }
        if op.code.has_result() {
            self.register(op.dst)?;
            // Constants are never written; a varying value never becomes uniform.
            let constant = !op.dst.is_varying() && usize::from(op.dst.index()) < self.program.constants.len();
            if constant || varying && !op.dst.is_varying() {
                return Err(Fault::Bank);
            }
        }
        match op.code {
            Opcode::Uniform | Opcode::UniformAt => match self.binding(op.aux)? {
                BindingKind::Uniform { .. } => Ok(()),
                _ => Err(Fault::Kind),
            },
            Opcode::TextureWidth | Opcode::TextureHeight => self.texture(op.aux),
            Opcode::TableAt => {
                let end = op.imm.checked_add(op.aux).ok_or(Fault::Range)?;
                let inside = op.aux > 0 && end as usize <= self.program.table.len();
                if inside { Ok(()) } else { Err(Fault::Range) }
            }
            Opcode::LocalRead | Opcode::LocalWrite | Opcode::LocalWriteMasked => self.locals(op.imm, 1),
            Opcode::LocalLoad | Opcode::LocalStore | Opcode::LocalStoreMasked => self.locals(op.imm, op.aux),
            Opcode::TextureLoad => self.texture(op.aux).and_then(|()| self.locals(op.imm, 4)),
            Opcode::TextureSample => self.sampled(op, op.aux >> 16),
            Opcode::TextureGather => self.sampled(op, op.aux >> 16 & 0x3fff),
            _ => Ok(()),
        }
    }

    fn texture(&self, slot: u32) -> Result<(), Fault> {
        if self.binding(slot)? == BindingKind::Texture { Ok(()) } else { Err(Fault::Kind) }
    }

    fn sampled(&self, op: &Op, sampler: u32) -> Result<(), Fault> {
        self.texture(op.aux & 0xffff)?;
        if self.binding(sampler)? != BindingKind::Sampler {
            return Err(Fault::Kind);
        }
        self.locals(op.imm, 4)
    }

    fn setup_op(&self, op: &Op) -> Result<(), Fault> {
        self.op(op)?;
        if !matches!(op.code.class(), Class::Pure | Class::Context) {
            return Err(Fault::Place);
        }
        if op.dst.is_varying() { Err(Fault::Bank) } else { Ok(()) }
    }

    fn body_op(&self, at: usize, op: &Op) -> Result<(), Fault> {
        self.op(op)?;
        if op.code.class() != Class::Control {
            return Ok(());
        }
        let bank = op.operands().first().map(|r| r.is_varying());
        let expected = match op.code {
            Opcode::JumpUnless | Opcode::LoopIf => Some(false),
            Opcode::JumpNone | Opcode::LoopAny => Some(true),
            _ => None,
        };
        if bank != expected {
            return Err(Fault::Bank);
        }
        let target = op.imm as usize;
        if target > self.program.body.len() {
            return Err(Fault::Range);
        }
        if (target <= at) == op.code.is_back_edge() { Ok(()) } else { Err(Fault::Direction) }
    }

    fn sizes(&self) -> Result<(), Fault> {
        let p = self.program;
        let fits = p.setup.len() <= MAX_OPS
            && p.body.len() <= MAX_OPS
            && p.table.len() <= MAX_TABLE
            && p.locals <= MAX_LOCALS
            && p.uniforms <= MAX_REGISTERS
            && p.varyings <= MAX_REGISTERS
            && p.bindings.len() <= MAX_BINDINGS
            && p.constants.len() <= usize::from(p.uniforms);
        if fits { Ok(()) } else { Err(Fault::TooLarge) }
    }
}

/// Checks every rule of this module.
pub(crate) fn verify(program: &Program) -> Result<(), VerifyError> {
    let checker = Checker { program };
    let error = |section, at| move |fault| VerifyError { section, at, fault };
    checker.sizes().map_err(error("program", 0))?;
    for (at, op) in program.setup.iter().enumerate() {
        checker.setup_op(op).map_err(error("setup", at))?;
    }
    for (at, op) in program.body.iter().enumerate() {
        checker.body_op(at, op).map_err(error("body", at))?;
    }
    for reg in program.color.iter().chain(&program.discard) {
        checker.register(*reg).map_err(error("program", 0))?;
    }
    let loops = program.body.iter().filter(|op| op.code.is_back_edge()).count();
    if loops != program.loop_lines.len() {
        return Err(error("program", 0)(Fault::Lines));
    }
    Ok(())
}
