//! Operations on local memory: arrays that are indexed at run time, and the results of texture reads.
//!
//! A local word is a strip like a register. Its place and the run of words an index may reach were checked when
//! the program was linked; an index is limited to the run here, on each lane.

use fearless_simd::{Select, Simd, SimdBase};

use super::forms::{copy, lanes_in};
use super::{Choice, Frame, Insn, Kernel};
use crate::opcode::Opcode;
use crate::texture;

/// `to = mask ? from : to`
fn blend<S: Simd>(s: S, f: &Frame<'_>, i: &Insn<S>, from: usize, mask: usize) {
    s.vectorize(
        #[inline(always)]
        move || {
            let to = f.file.cursor(i.dst);
            let from = f.file.cursor(i.src[from]);
            let mask = f.file.cursor(i.src[mask]);
            let mut lane = 0;
            while lane < f.lanes {
                let m = mask.get(s, lane);
                let m = lanes_in!(m m);
                to.put::<S>(lane, m.select(from.get(s, lane), to.get(s, lane)));
                lane += S::u32s::LEN;
            }
        },
    );
}

/// `dst` holds the place of the run's first word in every operation that writes memory addressed by `imm`; loads have it
/// at `src[3]`.
fn local_write_masked<S: Simd>(s: S, f: &Frame<'_>, i: &Insn<S>) {
    blend(s, f, i, 0, 1);
}

fn local_load<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    for lane in 0..f.lanes {
        let word = f.file.get(i.src[0], lane).min(i.aux - 1);
        f.file.set(i.dst, lane, f.file.get(i.src[3].skip_strips(word, f.lanes), lane));
    }
}

fn local_store<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    for lane in 0..f.lanes {
        let word = f.file.get(i.src[0], lane).min(i.aux - 1);
        f.file.set(i.dst.skip_strips(word, f.lanes), lane, f.file.get(i.src[1], lane));
    }
}

fn local_store_masked<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    for lane in 0..f.lanes {
        if f.file.get(i.src[2], lane) != 0 {
            let word = f.file.get(i.src[0], lane).min(i.aux - 1);
            f.file.set(i.dst.skip_strips(word, f.lanes), lane, f.file.get(i.src[1], lane));
        }
    }
}

fn put_texel<S: Simd>(f: &Frame<'_>, i: &Insn<S>, lane: usize, texel: [f32; 4]) {
    let mut place = i.dst;
    for value in texel {
        f.file.set(place, lane, value.to_bits());
        place = place.skip_strips(1, f.lanes);
    }
}

fn texture_sample<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    let at = |operand: usize, lane: usize| f.file.get(i.src[operand], lane);
    let Some(image) = f.inputs.texture(i.aux & 0xffff) else { return };
    let sampler = f.inputs.sampler(i.aux >> 16);
    for lane in 0..f.lanes {
        let uv = [f32::from_bits(at(0, lane)), f32::from_bits(at(1, lane))];
        let offset = [at(2, lane).cast_signed(), at(3, lane).cast_signed()];
        put_texel(f, i, lane, texture::sample(image, sampler, uv, offset));
    }
}

fn texture_gather<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    let at = |operand: usize, lane: usize| f.file.get(i.src[operand], lane);
    let Some(image) = f.inputs.texture(i.aux & 0xffff) else { return };
    let sampler = f.inputs.sampler(i.aux >> 16 & 0x3fff);
    for lane in 0..f.lanes {
        let uv = [f32::from_bits(at(0, lane)), f32::from_bits(at(1, lane))];
        let offset = [at(2, lane).cast_signed(), at(3, lane).cast_signed()];
        put_texel(f, i, lane, texture::gather(image, sampler, uv, offset, i.aux >> 30));
    }
}

fn texture_load<S: Simd>(_: S, f: &Frame<'_>, i: &Insn<S>) {
    let Some(image) = f.inputs.texture(i.aux) else { return };
    for lane in 0..f.lanes {
        let (x, y) = (f.file.get(i.src[0], lane), f.file.get(i.src[1], lane));
        put_texel(f, i, lane, texture::load(image, x, y));
    }
}

pub(super) fn select<S: Simd>(code: Opcode) -> Option<Choice<S>> {
    let kernel: Kernel<S> = match code {
        Opcode::LocalRead | Opcode::LocalWrite => copy,
        Opcode::LocalWriteMasked => local_write_masked,
        Opcode::LocalLoad => local_load,
        Opcode::LocalStore => local_store,
        Opcode::LocalStoreMasked => local_store_masked,
        Opcode::TextureSample => texture_sample,
        Opcode::TextureGather => texture_gather,
        Opcode::TextureLoad => texture_load,
        _ => return None,
    };
    Some(Choice { kernel, takes: 0, word: None })
}
