//! From a verified program to code of one instruction set: places for registers, kernels for operations.
//!
//! Two things are spelled out here that a program leaves unsaid. An operand from the uniform bank that a kernel
//! does not take as such is spread into a scratch strip first. An operation on uniform values alone runs on words where its
//! kernel can; where it cannot, it runs one vector of lanes on scratch strips, and the first lane is kept.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use fearless_simd::Simd;

use crate::kernel::{self, Form, Frame, Insn};
use crate::level::{Level, with_level};
use crate::opcode::{Class, MAX_ARITY, Opcode};
use crate::program::{Op, Program, Reg};
use crate::register_file::{BLOCK, FileLayout, FileOffset, LaneSource, MAX_LANES, UNIT};

/// The scratch strip for the result of an operation on uniform values.
const RESULT: usize = MAX_ARITY;

/// Linked code and where its values lie.
pub(crate) struct Code<S: Simd> {
    pub layout: FileLayout,
    pub setup: Vec<Insn<S>>,
    pub body: Vec<Insn<S>>,
    /// The body's blocks, in order.
    pub blocks: Vec<Block>,
    pub color: [LaneSource; 4],
    pub discard: Option<LaneSource>,
}

/// Instructions of the body without a jump into or out of them, and how they end.
pub(crate) struct Block {
    pub insns: Range<usize>,
    /// To another block than the next.
    pub exit: Option<Jump>,
}

/// A jump.
pub(crate) struct Jump {
    pub when: When,
    /// The block to go on with.
    pub to: usize,
    /// A back-edge.
    pub repeat: Option<Repeat>,
}

/// What a back-edge pays.
pub(crate) struct Repeat {
    /// The operations that it repeats.
    pub ops: u64,
    /// Its number among the program's back-edges.
    pub number: usize,
}

/// When a jump is taken.
#[derive(Clone, Copy)]
pub(crate) enum When {
    Always,
    /// The uniform word is true.
    True(FileOffset),
    /// The uniform word is false.
    False(FileOffset),
    /// A lane of the mask is set.
    Any(FileOffset),
    /// No lane of the mask is set.
    None(FileOffset),
}

/// How many lanes a strip of `program` has: as many as keep its registers within 48 KiB (the first-level data cache of
/// current cores is 32 to 48), but not fewer than 64, for then the calls of kernels outweigh a slower cache. A program
/// with loops gets at most 128: in longer strips, more pixels wait for the slowest.
fn lanes(program: &Program) -> usize {
    const CACHE_WORDS: usize = 48 * 1024 / 4;
    let loops = program.body.iter().any(|op| op.code.is_back_edge());
    let most = if loops { 128 } else { MAX_LANES };
    let strips = usize::from(program.varyings) + program.locals as usize + 1;
    let fitting = (CACHE_WORDS / strips).clamp(UNIT, most);
    1 << fitting.ilog2()
}

/// Whether kernels of an operation read these operands (bit n for operand n) from the uniform bank as they are; otherwise
/// the linker spreads them into strips, which costs as much as a short operation each.
#[must_use]
pub fn takes_uniform(code: Opcode, operands: u8) -> bool {
    fn takes<S: Simd>(_: S, code: Opcode, form: Form) -> bool {
        kernel::select::<S>(code, form).is_some_and(|choice| choice.takes == form)
    }
    with_level!(Level::best(), simd => takes(simd, code, operands))
}

fn keep_first<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    f.file.set_uniform(i.dst, f.file.get(i.src[0], 0));
}

fn nothing<S: Simd>(_: S, _: &Frame<'_>, _: &Insn<S>) {}

struct Linker<S: Simd> {
    layout: FileLayout,
    out: Vec<Insn<S>>,
}

impl<S: Simd> Linker<S> {
    fn insn(&self, op: &Op, count: usize) -> Insn<S> {
        let place = FileOffset::default();
        let count = u16::try_from(count).unwrap_or(0);
        Insn { kernel: nothing::<S>, dst: place, src: [place; MAX_ARITY], count, imm: op.imm, aux: op.aux }
    }

    /// When a control operation jumps; `None` if it is not one, or if a place does not exist.
    fn when(&self, op: &Op) -> Option<When> {
        let condition = || self.layout.register(*op.operands().first()?);
        Some(match op.code {
            Opcode::Jump | Opcode::Loop => When::Always,
            Opcode::JumpUnless => When::False(condition()?),
            Opcode::JumpNone => When::None(condition()?),
            Opcode::LoopIf => When::True(condition()?),
            Opcode::LoopAny => When::Any(condition()?),
            _ => return None,
        })
    }

    /// Adds the instructions of an operation that is not control; `None` if a place does not exist.
    fn op(&mut self, op: &Op) -> Option<()> {
        let uniform_result = op.code.has_result() && !op.dst.is_varying();
        let count = if uniform_result { BLOCK } else { self.layout.lanes() };
        let mut insn = self.insn(op, count);
        let mut form: Form = 0;
        for (n, reg) in op.operands().iter().enumerate() {
            form |= Form::from(!reg.is_varying()) << n;
        }
        let choice = kernel::select::<S>(op.code, form)?;
        if let Some(word) = choice.word.filter(|_| uniform_result) {
            insn.kernel = word;
            insn.dst = self.layout.register(op.dst)?;
            for (place, reg) in insn.src.iter_mut().zip(op.operands()) {
                *place = self.layout.register(*reg)?;
            }
            self.out.push(insn);
            return Some(());
        }
        insn.kernel = choice.kernel;
        for (n, reg) in op.operands().iter().enumerate() {
            insn.src[n] = self.layout.register(*reg)?;
            if !reg.is_varying() && choice.takes >> n & 1 == 0 {
                let mut spread = self.insn(op, count);
                spread.kernel = kernel::splat::<S>;
                spread.src[0] = insn.src[n];
                spread.dst = self.layout.scratch(n)?;
                insn.src[n] = spread.dst;
                self.out.push(spread);
            }
        }
        insn.dst = match op.code {
            _ if uniform_result => self.layout.scratch(RESULT)?,
            _ if op.code.has_result() => self.layout.register(op.dst)?,
            code => self.layout.locals(op.imm, memory_words(code, op.aux))?,
        };
        match op.code {
            Opcode::LocalRead => insn.src[0] = self.layout.locals(op.imm, 1)?,
            Opcode::LocalLoad => insn.src[3] = self.layout.locals(op.imm, op.aux)?,
            _ => {}
        }
        let result = insn.dst;
        self.out.push(insn);
        if uniform_result {
            let mut keep = self.insn(op, 0);
            keep.kernel = keep_first::<S>;
            keep.src[0] = result;
            keep.dst = self.layout.register(op.dst)?;
            self.out.push(keep);
        }
        Some(())
    }
}

/// How many local words the run at `imm` must have.
fn memory_words(code: Opcode, aux: u32) -> u32 {
    match code {
        Opcode::LocalStore | Opcode::LocalStoreMasked => aux,
        Opcode::TextureSample | Opcode::TextureGather | Opcode::TextureLoad => 4,
        _ => 1,
    }
}

/// Whether a block starts at each operation, and after the last.
fn block_starts(body: &[Op]) -> Option<Vec<bool>> {
    let mut starts = vec![false; body.len() + 1];
    *starts.first_mut()? = true;
    *starts.last_mut()? = true;
    for (at, op) in body.iter().enumerate().filter(|(_, op)| op.code.class() == Class::Control) {
        *starts.get_mut(at + 1)? = true;
        *starts.get_mut(op.imm as usize)? = true;
    }
    Some(starts)
}

fn link_body<S: Simd>(program: &Program, layout: FileLayout) -> Option<(Vec<Insn<S>>, Vec<Block>)> {
    let starts = block_starts(&program.body)?;
    // The number of the block that starts at an operation.
    let counted = |count: &mut usize, start: &bool| {
        let number = *count;
        *count += usize::from(*start);
        Some(number)
    };
    let numbers: Vec<usize> = starts.iter().scan(0, counted).collect();
    let mut linker = Linker { layout, out: Vec::with_capacity(program.body.len()) };
    let mut blocks = Vec::new();
    let mut start = 0;
    let mut repeats = 0;
    for (at, op) in program.body.iter().enumerate() {
        let mut exit = None;
        if let Some(when) = linker.when(op) {
            let repeat = op.code.is_back_edge().then(|| {
                repeats += 1;
                Repeat { ops: (at + 1 - op.imm as usize) as u64, number: repeats - 1 }
            });
            exit = Some(Jump { when, to: *numbers.get(op.imm as usize)?, repeat });
        } else {
            linker.op(op)?;
        }
        if *starts.get(at + 1)? {
            blocks.push(Block { insns: start..linker.out.len(), exit });
            start = linker.out.len();
        }
    }
    Some((linker.out, blocks))
}

/// Links a program that [`crate::verify`] has passed. `None` only for one that it has not.
pub(crate) fn link<S: Simd>(program: &Program) -> Option<Code<S>> {
    let layout = FileLayout::new(
        usize::from(program.uniforms),
        usize::from(program.varyings),
        program.locals as usize,
        lanes(program),
    )?;
    let mut setup = Linker { layout, out: Vec::with_capacity(program.setup.len() * 2) };
    for op in &program.setup {
        setup.op(op)?;
    }
    let (body, blocks) = link_body(program, layout)?;
    let source = |reg: Reg| layout.source(reg);
    let [r, g, b, a] = program.color;
    let color = [source(r)?, source(g)?, source(b)?, source(a)?];
    let discard = match program.discard {
        Some(reg) => Some(source(reg)?),
        None => None,
    };
    Some(Code { layout, setup: setup.out, body, blocks, color, discard })
}
