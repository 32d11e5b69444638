//! Kernels: one function per operation, operand form and instruction set, each running over a whole strip.
//!
//! `forms` has the loops, `float` and `integer` the pure operations, `context` what depends on the strip,
//! `memory` the local words and textures. [`select`] is the one table from operation to kernel.

mod context;
mod float;
mod forms;
mod integer;
mod lanes;
mod memory;

use fearless_simd::Simd;

use crate::inputs::Inputs;
use crate::opcode::{MAX_ARITY, Opcode};
use crate::register_file::{FileOffset, RegisterFile};
use crate::tile::Tile;

pub(crate) use forms::splat;
pub(crate) use lanes::{maximum, minimum};

/// What a kernel sees beside its instruction.
pub(crate) struct Frame<'a> {
    /// The registers.
    pub file: RegisterFile,
    /// The bound resources, in the program's order.
    pub inputs: &'a Inputs<'a>,
    /// The words of `TableAt`.
    pub table: &'a [u32],
    /// Lanes of a strip.
    pub lanes: usize,
    /// The pixels of those lanes.
    pub tile: Tile,
    /// The tile's left column, in pixels.
    pub x: u32,
    /// The tile's upper row, in pixels.
    pub y: u32,
}

/// A linked instruction: operands are places, and the kernel has been chosen. Programs are read from start to end for
/// every strip, so it counts that two of these share a cache line.
pub(crate) struct Insn<S: Simd> {
    pub kernel: Kernel<S>,
    pub dst: FileOffset,
    pub src: [FileOffset; MAX_ARITY],
    /// Lanes to run: a strip, or one block, of which a kernel may do as much more as its turns are long: strips have room.
    pub count: u16,
    pub imm: u32,
    pub aux: u32,
}

/// A kernel.
pub(crate) type Kernel<S> = fn(S, &Frame<'_>, &Insn<S>);

/// Which operands are uniform: bit n for operand n.
pub(crate) type Form = u8;

/// A kernel, and the operands it takes from the uniform bank itself; others must be spread into strips first.
pub(crate) struct Choice<S: Simd> {
    pub kernel: Kernel<S>,
    pub takes: Form,
    /// What makes one word of words, for operations on uniform values alone.
    pub word: Option<Kernel<S>>,
}

/// The kernel for an operation whose uniform operands are those of `form`. `None` for control operations.
pub(crate) fn select<S: Simd>(code: Opcode, form: Form) -> Option<Choice<S>> {
    float::select(code, form)
        .or_else(|| integer::select(code, form))
        .or_else(|| context::select(code))
        .or_else(|| memory::select(code))
}
