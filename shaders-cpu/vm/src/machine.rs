//! The machine: a verified program, linked for an instruction set, painting strips.
//!
//! A picture is cut into tiles, from the top left, and a strip holds the pixels of one. `setup` runs once, then `body`
//! once per strip, whose lanes beyond the picture's edge are computed and dropped: they are the helper pixels that
//! derivatives at the edge need. Lanes that a branch leaves out are computed too, where that is cheaper than not, and
//! their results are never chosen.
//!
//! Work is counted, not timed. A strip costs its lanes times the operations of the body, and a back-edge costs
//! its lanes times the operations it repeats, so what a picture costs is the same on every machine.

use alloc::boxed::Box;

use fearless_simd::{Simd, SimdBase, SimdMask};

use crate::inputs::Inputs;
use crate::kernel::Frame;
use crate::level::{Level, with_level};
use crate::link::{Code, When, link};
use crate::picture::{Canvas, Painted, Pixels, Size};
use crate::program::{Program, Reg};
use crate::register_file::{FileOffset, MAX_LANES, RegisterFile};
use crate::tile::Tile;
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
        let tile = Tile::of(MAX_LANES);
        let width = u64::from(size.width).next_multiple_of(tile.columns.into());
        let height = u64::from(size.height).next_multiple_of(tile.rows.into());
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

    /// Lanes of a strip: 512, 256, 128 or 64.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.engine.lanes()
    }

    /// What a picture costs before any loop turns, in operations on one pixel.
    #[must_use]
    pub fn straight_cost(&self, size: Size) -> u64 {
        let tile = Tile::of(self.lanes());
        let strips =
            u64::from(size.width.div_ceil(tile.columns)) * u64::from(size.height.div_ceil(tile.rows));
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
fn any<S: Simd>(s: S, f: &Frame<'_>, mask: FileOffset) -> bool {
    s.vectorize(
        #[inline(always)]
        move || {
            let mask = f.file.cursor(mask);
            let mut lane = 0;
            while lane < f.lanes {
                let from = mask.advance(lane);
                let four: [S::u32s; 4] = core::array::from_fn(
                    #[inline(always)]
                    |n| from.get(s, n * S::u32s::LEN),
                );
                let either = (four[0] | four[1]) | (four[2] | four[3]);
                if !either.simd_eq(S::u32s::splat(s, 0)).all_true() {
                    return true;
                }
                lane += 4 * S::u32s::LEN;
            }
            false
        },
    )
}

/// Whether a jump is taken.
fn taken<S: Simd>(s: S, f: &Frame<'_>, when: When) -> bool {
    match when {
        When::Always => true,
        When::True(word) => f.file.uniform(word) != 0,
        When::False(word) => f.file.uniform(word) == 0,
        When::Any(mask) => any(s, f, mask),
        When::None(mask) => !any(s, f, mask),
    }
}

/// Runs the body once. `Err` holds the number of the back-edge at which the budget ran out.
fn run<S: Simd>(s: S, f: &Frame<'_>, code: &Code<S>, budget: &mut Budget) -> Result<(), usize> {
    let mut at = 0;
    while let Some(block) = code.blocks.get(at) {
        for insn in code.body.get(block.insns.clone()).unwrap_or_default() {
            (insn.kernel)(s, f, insn);
        }
        at += 1;
        if let Some(jump) = &block.exit
            && taken(s, f, jump.when)
        {
            if let Some(repeat) = &jump.repeat {
                let cost = repeat.ops * f.lanes as u64;
                budget.left = budget.left.checked_sub(cost).ok_or(repeat.number)?;
            }
            at = jump.to;
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
        let Code { layout, setup, color, discard, .. } = &self.code;
        let lanes = layout.lanes();
        let file = RegisterFile::new(*layout);
        let tile = Tile::of(lanes);
        let mut frame = Frame { file, inputs, table: &program.table, lanes, tile, x: 0, y: 0 };
        for (index, value) in (0..).zip(&program.constants) {
            if let Some(place) = layout.register(Reg::uniform(index)) {
                frame.file.set_uniform(place, *value);
            }
        }
        for insn in setup {
            (insn.kernel)(self.simd, &frame, insn);
        }
        let strip_cost = program.body.len() as u64 * lanes as u64;
        let size = canvas.size();
        for y in (0..size.height).step_by(tile.rows as usize) {
            for x in (0..size.width).step_by(tile.columns as usize) {
                (frame.x, frame.y) = (x, y);
                let line = |edge: usize| program.loop_lines.get(edge).copied().unwrap_or(0);
                let short = |line: u32| RunError::OutOfBudget { line, x, y };
                budget.left = budget.left.checked_sub(strip_cost).ok_or_else(|| short(0))?;
                run(self.simd, &frame, &self.code, budget).map_err(|edge| short(line(edge)))?;
                canvas.tile(
                    self.simd,
                    x,
                    y,
                    tile,
                    &Painted { file: &frame.file, color: *color, gone: *discard },
                );
            }
        }
        Ok(())
    }
}
