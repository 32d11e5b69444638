//! One operation on one lane: what a compiler folds constants with, so that folded and computed are the same
//! bits.

use crate::inputs::Inputs;
use crate::kernel::{Frame, Insn, select};
use crate::level::{Level, with_level};
use crate::opcode::{Class, MAX_ARITY, Opcode};
use crate::program::Reg;
use crate::register_file::{BLOCK, FileLayout, RegisterFile, UNIT};
use crate::tile::Tile;

/// The result of a pure operation on these operands; `None` if it is not pure. Missing operands count as 0.
#[must_use]
pub fn evaluate(code: Opcode, operands: &[u32]) -> Option<u32> {
    if code.class() != Class::Pure {
        return None;
    }
    const RESULT: u16 = 6;
    let layout = FileLayout::new(0, usize::from(RESULT) + 1, 0, UNIT)?;
    let inputs = Inputs::default();
    let file = RegisterFile::new(layout);
    let frame = Frame { file, inputs: &inputs, table: &[], lanes: UNIT, tile: Tile::of(UNIT), x: 0, y: 0 };
    let place = |index| layout.register(Reg::varying(index));
    let (dst, mut src) = (place(RESULT)?, [place(0)?; MAX_ARITY]);
    for (index, src) in (0..RESULT).zip(&mut src) {
        *src = place(index)?;
    }
    for (place, value) in src.iter().zip(operands) {
        frame.file.set(*place, 0, *value);
    }
    with_level!(Level::best(), simd => {
        let kernel = select(code, 0)?.kernel;
        let count = u16::try_from(BLOCK).ok()?;
        kernel(simd, &frame, &Insn { kernel, dst, src, imm: 0, aux: 0, count });
        Some(frame.file.get(dst, 0))
    })
}
