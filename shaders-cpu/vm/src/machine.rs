//! The machine: a verified program, linked for an instruction set, painting strips.
//!
//! A picture is cut into strips of two rows by 128 columns (fewer for programs with many registers), from the top
//! left. `setup` runs once, then `body` once per strip, whose lanes beyond the picture's edge are computed and
//! dropped: they are the helper pixels that derivatives at the edge need. Lanes that a branch leaves out are
//! computed too, where that is cheaper than not, and their results are never chosen.
//!
//! Work is counted, not timed. A strip costs its lanes times the operations of the body, and a back-edge costs
//! its lanes times the operations it repeats, so what a picture costs is the same on every machine.

use alloc::boxed::Box;

use fearless_simd::{Simd, SimdBase, SimdMask};

use crate::inputs::Inputs;
use crate::kernel::{Flow, Frame, Insn};
use crate::level::{Level, with_level};
use crate::link::{Code, link};
use crate::opcode::Opcode;
use crate::picture::{Canvas, Pixels, Size};
use crate::program::{Program, Reg};
use crate::register_file::{Access, MAX_LANES, Place, RegisterFile, Strip};
use crate::verify::{VerifyError, verify};

/// How much work a run may do, in operations on one pixel. What is left after a run can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Operations left.
    pub left: u64,
}

impl Budget {
    /// Enough for `ops` operations on each pixel of a picture, helper pixels at its edges included.
    #[must_use]
    pub fn per_pixel(size: Size, ops: u32) -> Self {
        let width = u64::from(size.width).next_multiple_of(MAX_LANES as u64 / 2);
        let height = u64::from(size.height).next_multiple_of(2);
        Self { left: width.saturating_mul(height).saturating_mul(u64::from(ops)) }
    }
}

/// Why a run ended without a picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The budget ran out at the end of a loop, or at the start of a strip (line 0).
    #[error("out of budget in the loop that ends at line {line}")]
    OutOfBudget {
        /// Source line of the loop, counted from 1; 0 if it was not a loop.
        line: u32,
        /// Pixels from the left of the strip that ran out.
        x: u32,
        /// Pixels from the top of that strip.
        y: u32,
    },
    /// The buffer does not hold four values for every pixel, or a side is over 65535.
    #[error("a picture of {width}x{height} needs {need} values, the buffer holds {have}")]
    Buffer {
        /// Columns asked for.
        width: u32,
        /// Rows asked for.
        height: u32,
        /// Values needed.
        need: usize,
        /// Values there.
        have: usize,
    },
    /// The inputs were bound for a program with other bindings.
    #[error("the inputs belong to another program")]
    Inputs,
}

/// A program ready to paint.
pub struct Machine {
    program: Program,
    level: Level,
    engine: Box<dyn Engine + Send + Sync>,
}

impl core::fmt::Debug for Machine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Machine").field("level", &self.level.name()).finish_non_exhaustive()
    }
}

impl Machine {
    /// Verifies `program` and links it for the best instruction set here.
    ///
    /// # Errors
    /// [`VerifyError`] if the program breaks a rule of `verify`.
    pub fn new(program: Program) -> Result<Self, VerifyError> {
        Self::with_level(program, Level::best())
    }

    /// The same, for a given instruction set. The pixels do not depend on it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_level(program: Program, level: Level) -> Result<Self, VerifyError> {
        verify(&program)?;
        let engine = with_level!(level, simd => engine(simd, &program));
        let fault = crate::verify::Fault::Range;
        let engine = engine.ok_or(VerifyError { section: "program", at: 0, fault })?;
        Ok(Self { program, level, engine })
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The instruction set in use.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Lanes of a strip: 256, 128 or 64.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.engine.lanes()
    }

    /// What a picture costs before any loop turns, in operations on one pixel.
    #[must_use]
    pub fn straight_cost(&self, size: Size) -> u64 {
        let columns = u64::from(size.width).div_ceil(self.lanes() as u64 / 2);
        let strips = columns * u64::from(size.height).div_ceil(2);
        strips * self.lanes() as u64 * self.program.body.len() as u64
    }

    /// Paints a picture as linear RGBA floats, four a pixel, row by row from the top. Not clamped; NaNs have one
    /// bit pattern.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn paint_f32(
        &self,
        inputs: &Inputs<'_>,
        size: Size,
        budget: &mut Budget,
        out: &mut [f32],
    ) -> Result<(), RunError> {
        self.paint(inputs, Canvas::new(size, Pixels::F32(out))?, budget)
    }

    /// Paints a picture as RGBA bytes: each channel limited to 0…1, times 255, to the nearest integer.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn paint_rgba8(
        &self,
        inputs: &Inputs<'_>,
        size: Size,
        budget: &mut Budget,
        out: &mut [u8],
    ) -> Result<(), RunError> {
        self.paint(inputs, Canvas::new(size, Pixels::Rgba8(out))?, budget)
    }

    fn paint(&self, inputs: &Inputs<'_>, canvas: Canvas<'_>, budget: &mut Budget) -> Result<(), RunError> {
        if inputs.len() != self.program.bindings.len() {
            return Err(RunError::Inputs);
        }
        self.engine.paint(&self.program, inputs, canvas, budget)
    }
}

/// A linked program of some instruction set.
trait Engine {
    fn lanes(&self) -> usize;
    fn paint(
        &self,
        program: &Program,
        inputs: &Inputs<'_>,
        canvas: Canvas<'_>,
        budget: &mut Budget,
    ) -> Result<(), RunError>;
}

struct Linked<S: Simd> {
    simd: S,
    code: Code<S>,
}

fn engine<S: Simd>(simd: S, program: &Program) -> Option<Box<dyn Engine + Send + Sync>> {
    Some(Box::new(Linked { simd, code: link::<S>(program)? }))
}

/// Whether any lane of the mask is set.
fn any<S: Simd>(s: S, f: &Frame<'_>, mask: Place) -> bool {
    s.vectorize(
        #[inline(always)]
        move || {
            let mask = Strip::open(s, &f.file, mask);
            let mut all = S::u32s::splat(s, 0);
            let mut lane = 0;
            while lane < f.lanes {
                all |= Strip::get(s, mask, lane);
                lane += S::u32s::LEN;
            }
            !all.simd_eq(S::u32s::splat(s, 0)).all_true()
        },
    )
}

/// Runs `body` once. `Err` holds the number of the back-edge at which the budget ran out.
fn run<S: Simd>(s: S, f: &Frame<'_>, body: &[Insn<S>], budget: &mut Budget) -> Result<(), u32> {
    let mut at = 0;
    while let Some(insn) = body.get(at) {
        at += 1;
        let Flow::Control(code) = insn.flow else {
            (insn.kernel)(s, f, insn);
            continue;
        };
        let taken = match code {
            Opcode::JumpUnless => f.file.get(insn.src[0], 0) == 0,
            Opcode::LoopIf => f.file.get(insn.src[0], 0) != 0,
            Opcode::JumpNone => !any(s, f, insn.src[0]),
            Opcode::LoopAny => any(s, f, insn.src[0]),
            _ => true,
        };
        if taken {
            if code.is_back_edge() {
                let cost = u64::from(insn.aux) * f.lanes as u64;
                budget.left = budget.left.checked_sub(cost).ok_or(insn.count)?;
            }
            at = insn.imm as usize;
        }
    }
    Ok(())
}

impl<S: Simd> Engine for Linked<S> {
    fn lanes(&self) -> usize {
        self.code.layout.lanes()
    }

    fn paint(
        &self,
        program: &Program,
        inputs: &Inputs<'_>,
        mut canvas: Canvas<'_>,
        budget: &mut Budget,
    ) -> Result<(), RunError> {
        let Code { layout, setup, body, color, discard } = &self.code;
        let lanes = layout.lanes();
        let file = RegisterFile::new(*layout);
        let mut frame = Frame { file, inputs, table: &program.table, lanes, x: 0, y: 0 };
        for (index, value) in (0..).zip(&program.constants) {
            if let Some(place) = layout.register(Reg::uniform(index)) {
                frame.file.set(place, 0, *value);
            }
        }
        for insn in setup {
            (insn.kernel)(self.simd, &frame, insn);
        }
        // A register of the uniform bank holds one word for all lanes.
        let read = |f: &Frame<'_>, place: Place, reg: Reg, lane: usize| {
            f.file.get(place, if reg.is_varying() { lane } else { 0 })
        };
        let strip_cost = program.body.len() as u64 * lanes as u64;
        let size = canvas.size();
        for y in (0..size.height).step_by(2) {
            for x in (0..size.width).step_by(lanes / 2) {
                (frame.x, frame.y) = (x, y);
                let line = |edge: u32| program.loop_lines.get(edge as usize).copied().unwrap_or(0);
                let short = |line: u32| RunError::OutOfBudget { line, x, y };
                budget.left = budget.left.checked_sub(strip_cost).ok_or_else(|| short(0))?;
                run(self.simd, &frame, body, budget).map_err(|edge| short(line(edge)))?;
                canvas.strip(x, y, lanes, |lane| {
                    let gone =
                        discard.zip(program.discard).is_some_and(|(p, r)| read(&frame, p, r, lane) != 0);
                    if gone {
                        return [0.0; 4];
                    }
                    let channel = |n: usize| f32::from_bits(read(&frame, color[n], program.color[n], lane));
                    [channel(0), channel(1), channel(2), channel(3)]
                });
            }
        }
        Ok(())
    }
}
