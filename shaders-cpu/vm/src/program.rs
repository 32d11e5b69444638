//! What a program is made of: bindings, constants, the code that runs once and the code that runs per strip.
//!
//! Plain data without invariants: anything can be written here, [`crate::Machine::new`] decides whether it
//! may run. The byte form is in [`crate::encoding`], the human form in the `Display` of [`Program`].

use alloc::string::String;
use alloc::vec::Vec;

use crate::opcode::{MAX_ARITY, Opcode};

/// The version of format and meaning. A program of another version is refused: it must be published again.
pub const FORMAT: u8 = 1;

/// A register: one of the uniform bank (one value for the whole strip) or of the varying bank (one a lane).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Reg(u16);

impl Reg {
    const VARYING: u16 = 0x8000;
    /// Registers of one bank are numbered from 0 to this, inclusive.
    pub const MAX_INDEX: u16 = 0x7fff;

    /// Register `index` of the uniform bank. Indices above [`Self::MAX_INDEX`] wrap.
    #[must_use]
    pub const fn uniform(index: u16) -> Self {
        Self(index & Self::MAX_INDEX)
    }

    /// Register `index` of the varying bank. Indices above [`Self::MAX_INDEX`] wrap.
    #[must_use]
    pub const fn varying(index: u16) -> Self {
        Self(index & Self::MAX_INDEX | Self::VARYING)
    }

    /// Whether it holds a value per lane.
    #[must_use]
    pub const fn is_varying(self) -> bool {
        self.0 & Self::VARYING != 0
    }

    /// Its number within its bank.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.0 & Self::MAX_INDEX
    }

    /// The word it is written as in the byte form: bank in bit 15, number below.
    #[must_use]
    pub const fn word(self) -> u16 {
        self.0
    }

    /// The inverse of [`Self::word`].
    #[must_use]
    pub const fn from_word(word: u16) -> Self {
        Self(word)
    }
}

/// One instruction. Fields that its operation does not use are zero, so that equal programs are equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// What to do.
    pub code: Opcode,
    /// Where the result goes, if there is one.
    pub dst: Reg,
    /// The operands `a b c d e f`; only the first [`Opcode::arity`] count.
    pub src: [Reg; MAX_ARITY],
    /// Address, offset or jump target, by operation.
    pub imm: u32,
    /// Second immediate, by operation.
    pub aux: u32,
}

impl Op {
    /// An instruction without immediates.
    #[must_use]
    pub fn new(code: Opcode, dst: Reg, operands: &[Reg]) -> Self {
        let mut src = [Reg::default(); MAX_ARITY];
        for (to, from) in src.iter_mut().zip(operands) {
            *to = *from;
        }
        Self { code, dst, src, imm: 0, aux: 0 }
    }

    /// The operands that count.
    #[must_use]
    pub fn operands(&self) -> &[Reg] {
        self.src.get(..self.code.arity()).unwrap_or(&self.src)
    }

    /// Whether it needs, and its bytes hold, the two immediates.
    #[must_use]
    pub const fn has_immediates(code: Opcode) -> bool {
        use crate::opcode::Class;
        match code.class() {
            Class::Pure => false,
            Class::Context => {
                !matches!(code, Opcode::PositionX | Opcode::PositionY | Opcode::Dpdx | Opcode::Dpdy)
            }
            Class::Memory | Class::Control => true,
        }
    }
}

/// What must be bound before the program can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// `@group(…)`
    pub group: u32,
    /// `@binding(…)`
    pub binding: u32,
    /// The variable's name in the source, for messages.
    pub name: String,
    /// What is expected there.
    pub kind: BindingKind,
}

/// The kinds of resource a program can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingKind {
    /// A uniform buffer of at least this many bytes.
    Uniform {
        /// Size in bytes of the WGSL type.
        size: u32,
    },
    /// A two-dimensional texture of floats.
    Texture,
    /// A sampler.
    Sampler,
}

/// A shader, lowered: see the crate's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Resources, addressed by their position here.
    pub bindings: Vec<Binding>,
    /// The first uniform registers, set before anything runs.
    pub constants: Vec<u32>,
    /// Words that `TableAt` reads.
    pub table: Vec<u32>,
    /// Size of the uniform bank, constants included.
    pub uniforms: u16,
    /// Size of the varying bank.
    pub varyings: u16,
    /// Words of local memory per lane.
    pub locals: u32,
    /// Straight-line code over the uniform bank: runs once per picture.
    pub setup: Vec<Op>,
    /// Runs once per strip.
    pub body: Vec<Op>,
    /// Red, green, blue and alpha of the pixel after `body`.
    pub color: [Reg; 4],
    /// Where set, the pixel is transparent black.
    pub discard: Option<Reg>,
    /// For each back-edge in `body`, in order: its source line, counted from 1 (0 if unknown).
    pub loop_lines: Vec<u32>,
}
