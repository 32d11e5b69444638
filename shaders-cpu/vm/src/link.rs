//! From a verified program to code of one instruction set: places for registers, kernels for operations.
//!
//! Two things are spelled out here that a program leaves unsaid. An operand from the uniform bank that a kernel
//! does not take as such is spread into a scratch strip first. An operation on uniform values alone runs one
//! vector of lanes on scratch strips, and the first lane is kept.

use alloc::vec::Vec;

use fearless_simd::Simd;

use crate::kernel::{self, Flow, Form, Frame, Insn};
use crate::opcode::{Class, Opcode};
use crate::program::{Op, Program, Reg};
use crate::register_file::{LANE_ALIGN, Layout, MAX_LANES, Place};

/// The scratch strip for the result of an operation on uniform values.
const RESULT: usize = 4;

/// Linked code and where its values lie.
pub(crate) struct Code<S: Simd> {
    pub layout: Layout,
    pub setup: Vec<Insn<S>>,
    pub body: Vec<Insn<S>>,
    pub color: [Place; 4],
    pub discard: Option<Place>,
}

/// How many lanes a strip of `program` has: as many as keep its registers within 48 KiB (the first-level data cache of
/// current cores is 32 to 48), but not fewer than 64, for then the calls of kernels outweigh a slower cache. A program
/// with loops gets at most 128: in longer strips, more pixels wait for the slowest.
fn lanes(program: &Program) -> usize {
    const CACHE_WORDS: usize = 48 * 1024 / 4;
    let loops = program.body.iter().any(|op| op.code.is_back_edge());
    let most = if loops { MAX_LANES / 2 } else { MAX_LANES };
    let strips = usize::from(program.varyings) + program.locals as usize + 1;
    let fitting = CACHE_WORDS / strips;
    [MAX_LANES, MAX_LANES / 2].into_iter().find(|lanes| *lanes <= fitting.min(most)).unwrap_or(MAX_LANES / 4)
}

fn keep_first<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    f.file.set(i.dst, 0, f.file.get(i.src[0], 0));
}

fn nothing<S: Simd>(_: S, _: &Frame<'_>, _: &Insn<S>) {}

struct Linker<S: Simd> {
    layout: Layout,
    out: Vec<Insn<S>>,
}

impl<S: Simd> Linker<S> {
    fn insn(&self, op: &Op, count: usize) -> Insn<S> {
        let place = Place::default();
        let count = u32::try_from(count).unwrap_or(0);
        let flow = Flow::Step;
        Insn { kernel: nothing::<S>, dst: place, src: [place; 4], imm: op.imm, aux: op.aux, count, flow }
    }

    /// Adds the instructions of one operation; `None` if a place does not exist.
    fn op(&mut self, op: &Op) -> Option<()> {
        if op.code.class() == Class::Control {
            let mut insn = self.insn(op, 0);
            insn.flow = Flow::Control(op.code);
            if let Some(reg) = op.operands().first() {
                insn.src[0] = self.layout.register(*reg)?;
            }
            self.out.push(insn);
            return Some(());
        }
        let uniform_result = op.code.has_result() && !op.dst.is_varying();
        let count = if uniform_result { LANE_ALIGN } else { self.layout.lanes() };
        let mut insn = self.insn(op, count);
        let mut form: Form = 0;
        for (n, reg) in op.operands().iter().enumerate() {
            form |= Form::from(!reg.is_varying()) << n;
        }
        let choice = kernel::select::<S>(op.code, form)?;
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
        if matches!(op.code, Opcode::LocalRead | Opcode::LocalLoad) {
            insn.src[3] = self.layout.locals(op.imm, memory_words(op.code, op.aux))?;
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
        Opcode::LocalLoad | Opcode::LocalStore | Opcode::LocalStoreMasked => aux,
        Opcode::TextureSample | Opcode::TextureGather | Opcode::TextureLoad => 4,
        _ => 1,
    }
}

/// Links a program that [`crate::verify`] has passed. `None` only for one that it has not.
pub(crate) fn link<S: Simd>(program: &Program) -> Option<Code<S>> {
    let layout = Layout::new(
        usize::from(program.uniforms),
        usize::from(program.varyings),
        program.locals as usize,
        lanes(program),
    )?;
    let mut setup = Linker { layout, out: Vec::with_capacity(program.setup.len() * 2) };
    for op in &program.setup {
        setup.op(op)?;
    }
    let mut body = Linker { layout, out: Vec::with_capacity(program.body.len() + program.body.len() / 4) };
    let mut starts = Vec::with_capacity(program.body.len() + 1);
    for op in &program.body {
        starts.push(body.out.len());
        body.op(op)?;
    }
    starts.push(body.out.len());
    for insn in &mut body.out {
        if matches!(insn.flow, Flow::Control(_)) {
            insn.imm = u32::try_from(*starts.get(insn.imm as usize)?).ok()?;
        }
    }
    // A back-edge pays for the operations it repeats.
    let back_edges = program.body.iter().enumerate().filter(|(_, op)| op.code.is_back_edge());
    for (number, (at, op)) in (0..).zip(back_edges) {
        let insn = body.out.get_mut(*starts.get(at)?)?;
        insn.aux = u32::try_from(at + 1 - op.imm as usize).ok()?;
        insn.count = number;
    }
    let place = |reg: Reg| layout.register(reg);
    let [r, g, b, a] = program.color;
    let color = [place(r)?, place(g)?, place(b)?, place(a)?];
    let discard = match program.discard {
        Some(reg) => Some(place(reg)?),
        None => None,
    };
    Some(Code { layout, setup: setup.out, body: body.out, color, discard })
}
