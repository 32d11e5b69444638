//! Operations on the strip itself and on what is bound: positions, derivatives, uniforms, tables.
//!
//! A strip is a tile of the picture (see `tile`) that starts on an even row and column: every quad lies in one strip,
//! the pixel to the right is the next lane, and the pixel below is a row of the tile further on.

use fearless_simd::Simd;

use super::{Choice, Frame, Insn, Kernel};
use crate::opcode::Opcode;

#[expect(clippy::cast_precision_loss, reason = "a picture's side is at most 65535 pixels")]
fn centre(pixel: u32) -> u32 {
    (pixel as f32 + 0.5).to_bits()
}

fn position_x<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    let (x, tile) = (f.x, f.tile);
    let mut lane = 0;
    for _ in 0..tile.rows {
        for column in 0..tile.columns {
            f.file.set(i.dst, lane, centre(x.wrapping_add(column)));
            lane += 1;
        }
    }
}

fn position_y<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    let (y, tile) = (f.y, f.tile);
    let mut lane = 0;
    for row in 0..tile.rows {
        let y = centre(y.wrapping_add(row));
        for _ in 0..tile.columns {
            f.file.set(i.dst, lane, y);
            lane += 1;
        }
    }
}

fn difference(f: &Frame<'_>, i: &Insn<impl Simd>, from: usize, to: usize) -> u32 {
    (f32::from_bits(f.file.get(i.src[0], to)) - f32::from_bits(f.file.get(i.src[0], from))).to_bits()
}

fn dpdx<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    for lane in (0..f.lanes).step_by(2) {
        let d = difference(f, i, lane, lane + 1);
        f.file.set(i.dst, lane, d);
        f.file.set(i.dst, lane + 1, d);
    }
}

fn dpdy<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    let row = f.tile.columns as usize;
    for upper in (0..f.lanes).step_by(2 * row) {
        for lane in upper..upper + row {
            let d = difference(f, i, lane, lane + row);
            f.file.set(i.dst, lane, d);
            f.file.set(i.dst, lane + row, d);
        }
    }
}

fn uniform<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    let value = f.inputs.uniform_word(i.aux, i.imm);
    for lane in 0..i.count as usize {
        f.file.set(i.dst, lane, value);
    }
}

fn uniform_at<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    for lane in 0..i.count as usize {
        let at = i.imm.saturating_add(f.file.get(i.src[0], lane));
        f.file.set(i.dst, lane, f.inputs.uniform_word(i.aux, at));
    }
}

fn table_at<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    for lane in 0..i.count as usize {
        let at = i.imm.saturating_add(f.file.get(i.src[0], lane).min(i.aux.saturating_sub(1)));
        f.file.set(i.dst, lane, f.table.get(at as usize).copied().unwrap_or(0));
    }
}

fn texture_width<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    let value = f.inputs.texture(i.aux).map_or(0, |t| t.width);
    (0..i.count as usize).for_each(|lane| f.file.set(i.dst, lane, value));
}

fn texture_height<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    let value = f.inputs.texture(i.aux).map_or(0, |t| t.height);
    (0..i.count as usize).for_each(|lane| f.file.set(i.dst, lane, value));
}

pub(super) fn select<S: Simd>(code: Opcode) -> Option<Choice<S>> {
    let kernel: Kernel<S> = match code {
        Opcode::PositionX => position_x,
        Opcode::PositionY => position_y,
        Opcode::Dpdx => dpdx,
        Opcode::Dpdy => dpdy,
        Opcode::Uniform => uniform,
        Opcode::UniformAt => uniform_at,
        Opcode::TableAt => table_at,
        Opcode::TextureWidth => texture_width,
        Opcode::TextureHeight => texture_height,
        _ => return None,
    };
    Some(Choice { kernel, takes: 0, word: None })
}
