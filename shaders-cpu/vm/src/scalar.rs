//! One operation on one lane: what a compiler folds constants with, so that folded and computed are the same
//! bits.

use crate::inputs::Inputs;
use crate::kernel::{Frame, Insn, select};
use crate::level::{Level, with_level};
use crate::opcode::{Class, Opcode};
use crate::program::Reg;
use crate::register_file::{LANE_ALIGN, Layout, RegisterFile};

/// The result of a pure operation on these operands; `None` if it is not pure. Missing operands count as 0.
#[must_use]
pub fn evaluate(code: Opcode, operands: &[u32]) -> Option<u32> {
    if code.class() != Class::Pure {
        return None;
    }
    let layout = Layout::new(0, 5, 0, LANE_ALIGN)?;
    let inputs = Inputs::default();
    let file = RegisterFile::new(layout);
    let frame = Frame { file, inputs: &inputs, table: &[], lanes: LANE_ALIGN, x: 0, y: 0 };
    let place = |index| layout.register(Reg::varying(index));
    let src = [place(0)?, place(1)?, place(2)?, place(3)?];
    for (place, value) in src.iter().zip(operands) {
        frame.file.set(*place, 0, *value);
    }
    with_level!(Level::best(), simd => {
        let kernel = select(code, 0)?.kernel;
        let flow = crate::kernel::Flow::Step;
        let count = u32::try_from(LANE_ALIGN).ok()?;
        kernel(simd, &frame, &Insn { kernel, dst: place(4)?, src, imm: 0, aux: 0, count, flow });
        Some(frame.file.get(place(4)?, 0))
    })
}
