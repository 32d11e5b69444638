//! The registers of a running program, and the only `unsafe` code of this crate.
//!
//! Why it is needed: a kernel reads strips and writes another strip, which may be one of those it reads, thousands of
//! times per row of the picture. Slices cannot express that, and a range check per operand costs as much as a cheap kernel.
//!
//! Why it is sound:
//! * A [`RegisterFile`] owns its memory by pointer: it allocates in `new`, frees in `drop`, and holds no `Box` and no
//!   reference to it. Moving the file copies the pointer and invalidates nothing that was derived from it. (A `Box` would
//!   claim unique access each time it moves, which makes an older raw pointer into it invalid.)
//! * A [`FileOffset`] is made only by [`FileLayout`], which checks the register, local word or scratch strip. The offset
//!   means "a whole strip starts here in a file of this layout" or, for the uniform bank, "one word is here"; `link`
//!   gives a kernel the kind that it reads.
//! * A [`RegisterFile`] is made only with its `FileLayout`, and `link` pairs the two in one `Code`, which is private
//!   to [`crate::machine`]: a kernel never uses an offset with a file of another layout.
//! * Kernels index a cursor with `lane < lanes`, in steps of a vector whose length divides [`BLOCK`]; the strip of every
//!   layout is a multiple of that. A `debug_assert` checks the start of each access.
//! * All access goes through the one pointer. A reference to the memory exists only inside `StripCursor::get` and
//!   `StripCursor::put`, for the copy of one vector, so two references never overlap in time.
//! * Every word is initialised, and any 32 bits are a valid `u32`.
//! * A file is neither `Send` nor `Sync`, as the pointer makes it by default: it exists within one call that paints.
//!
//! `cargo xtask miri` runs tests of this crate under Miri, which checks these arguments.
#![allow(unsafe_code, reason = "argued in the header of this file")]

use alloc::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use core::marker::PhantomData;
use core::ptr::NonNull;

use fearless_simd::{Simd, SimdBase};

use crate::program::Reg;

/// The lanes of the widest vector of any level. Kernels run whole blocks of this many lanes.
pub(crate) const BLOCK: usize = 16;
/// The length and the alignment of strips are multiples of this many lanes, so that a 16-bit offset suffices.
pub(crate) const UNIT: usize = 64;
/// The lanes of the longest strip, which a program with few registers gets.
pub(crate) const MAX_LANES: usize = 512;
/// Strips after the registers in which the linker spreads uniform operands.
pub(crate) const SCRATCH: usize = crate::opcode::MAX_ARITY + 1;

/// The unit of allocation: words on cache lines of their own.
#[repr(C, align(64))]
struct Unit([u32; UNIT]);

/// The offset of a value from the start of a register file: a strip's in units, a uniform's in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct FileOffset(u16);

impl FileOffset {
    /// The offset `strips` strips of `lanes` lanes further on, within a run of locals from [`FileLayout::locals`].
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "within a file, which fits 16 bits of units")]
    pub(crate) fn skip_strips(self, strips: u32, lanes: usize) -> Self {
        Self((usize::from(self.0) + strips as usize * (lanes / UNIT)) as u16)
    }
}

/// A register of either bank, read lane by lane.
#[derive(Clone, Copy)]
pub(crate) struct LaneSource {
    /// The first lane's word.
    first: usize,
    /// Words from one lane to the next: 1, or 0 for a uniform.
    step: usize,
}

/// The number of registers of each kind in a file, and the length of a strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileLayout {
    uniforms: usize,
    varyings: usize,
    locals: usize,
    lanes: usize,
}

impl FileLayout {
    /// A layout of that many registers and local words, in strips of `lanes`. `None` if `lanes` is not a power of two from
    /// [`UNIT`] to [`MAX_LANES`], or if the file would have more units than 16 bits can address.
    pub(crate) fn new(uniforms: usize, varyings: usize, locals: usize, lanes: usize) -> Option<Self> {
        let layout = Self { uniforms, varyings, locals, lanes };
        let aligned = lanes.is_power_of_two() && (UNIT..=MAX_LANES).contains(&lanes);
        (aligned && layout.checked_units()? <= usize::from(u16::MAX)).then_some(layout)
    }

    /// Lanes in a strip.
    pub(crate) fn lanes(self) -> usize {
        self.lanes
    }

    fn checked_units(self) -> Option<usize> {
        let strips = self.varyings.checked_add(self.locals)?.checked_add(SCRATCH)?;
        strips.checked_mul(self.lanes / UNIT)?.checked_add(self.uniforms.div_ceil(UNIT))
    }

    fn strip(self, index: usize) -> Option<FileOffset> {
        let unit = self.uniforms.div_ceil(UNIT).checked_add(index.checked_mul(self.lanes / UNIT)?)?;
        u16::try_from(unit).ok().map(FileOffset)
    }

    /// The offset of a register, if the layout has it.
    pub(crate) fn register(self, reg: Reg) -> Option<FileOffset> {
        let index = usize::from(reg.index());
        if reg.is_varying() {
            (index < self.varyings).then(|| self.strip(index))?
        } else {
            (index < self.uniforms).then(|| FileOffset(reg.index()))
        }
    }

    /// Where to read a register's lanes, if the layout has it.
    pub(crate) fn source(self, reg: Reg) -> Option<LaneSource> {
        let FileOffset(offset) = self.register(reg)?;
        let (unit, step) = if reg.is_varying() { (UNIT, 1) } else { (1, 0) };
        Some(LaneSource { first: usize::from(offset) * unit, step })
    }

    /// The offset of a run of `count` local words, if the layout has them all.
    pub(crate) fn locals(self, word: u32, count: u32) -> Option<FileOffset> {
        let end = word.checked_add(count)?;
        (count > 0 && end as usize <= self.locals).then(|| self.strip(self.varyings + word as usize))?
    }

    /// The offset of scratch strip `index`.
    pub(crate) fn scratch(self, index: usize) -> Option<FileOffset> {
        (index < SCRATCH).then(|| self.strip(self.varyings + self.locals + index))?
    }
}

/// The memory of a running program, as a [`FileLayout`] divides it.
pub(crate) struct RegisterFile {
    base: NonNull<u32>,
    /// The size and the alignment of the allocation at `base`.
    memory: Layout,
}

impl RegisterFile {
    /// A file of zeros.
    pub(crate) fn new(layout: FileLayout) -> Self {
        let units = layout.checked_units().unwrap_or(0).max(1);
        // A layout has at most 65,535 units, 16 MiB, so this fails on no target.
        let Ok(memory) = Layout::array::<Unit>(units) else { handle_alloc_error(Layout::new::<Unit>()) };
        // SAFETY: the size is not 0, as there is at least one unit.
        let base = unsafe { alloc_zeroed(memory) };
        let Some(base) = NonNull::new(base) else { handle_alloc_error(memory) };
        Self { base: base.cast(), memory }
    }

    #[inline(always)]
    fn at(&self, word: usize) -> *mut u32 {
        debug_assert!(word < self.memory.size() / size_of::<u32>(), "word {word}");
        // SAFETY: see the header; offsets and lanes are within this file.
        unsafe { self.base.as_ptr().add(word) }
    }

    #[inline(always)]
    fn lane(&self, offset: FileOffset, lane: usize) -> *mut u32 {
        self.at(usize::from(offset.0) * UNIT + lane)
    }

    /// One lane of a strip.
    #[inline(always)]
    pub(crate) fn get(&self, offset: FileOffset, lane: usize) -> u32 {
        // SAFETY: in range by `at`.
        unsafe { self.lane(offset, lane).read() }
    }

    /// Sets one lane of a strip.
    #[inline(always)]
    pub(crate) fn set(&self, offset: FileOffset, lane: usize, value: u32) {
        // SAFETY: in range by `at`.
        unsafe { self.lane(offset, lane).write(value) }
    }

    /// A word of the uniform bank.
    #[inline(always)]
    pub(crate) fn uniform(&self, offset: FileOffset) -> u32 {
        // SAFETY: in range by `at`.
        unsafe { self.at(usize::from(offset.0)).read() }
    }

    /// Sets a word of the uniform bank.
    #[inline(always)]
    pub(crate) fn set_uniform(&self, offset: FileOffset, value: u32) {
        // SAFETY: in range by `at`.
        unsafe { self.at(usize::from(offset.0)).write(value) }
    }

    /// One lane of a register of either bank.
    #[inline(always)]
    pub(crate) fn read(&self, source: LaneSource, lane: usize) -> u32 {
        // SAFETY: in range by `at`.
        unsafe { self.at(source.first + lane * source.step).read() }
    }

    /// The vector of lanes from `lane` on, of a register of either bank.
    #[inline(always)]
    pub(crate) fn vector<S: Simd>(&self, simd: S, source: LaneSource, lane: usize) -> S::u32s {
        if source.step == 0 {
            S::u32s::splat(simd, self.read(source, 0))
        } else {
            StripCursor { at: self.at(source.first), file: PhantomData }.get(simd, lane)
        }
    }

    /// A cursor at the start of the strip at `offset`.
    #[inline(always)]
    pub(crate) fn cursor(&self, offset: FileOffset) -> StripCursor<'_> {
        StripCursor { at: self.lane(offset, 0), file: PhantomData }
    }
}

impl Drop for RegisterFile {
    fn drop(&mut self) {
        // SAFETY: `new` allocated this memory with the same layout, and every cursor borrows the file.
        unsafe { dealloc(self.base.as_ptr().cast(), self.memory) }
    }
}

/// A position in a strip, from which a kernel reads and writes vectors.
#[derive(Clone, Copy)]
pub(crate) struct StripCursor<'f> {
    at: *mut u32,
    file: PhantomData<&'f RegisterFile>,
}

impl StripCursor<'_> {
    /// The cursor `lanes` lanes further on.
    #[inline(always)]
    pub(crate) fn advance(self, lanes: usize) -> Self {
        // SAFETY: as in `put`.
        Self { at: unsafe { self.at.add(lanes) }, file: PhantomData }
    }

    /// The vector from `lane` on.
    #[inline(always)]
    pub(crate) fn get<S: Simd>(self, simd: S, lane: usize) -> S::u32s {
        // SAFETY: as in `put`; the reference ends with the copy, before anything is written.
        let array = unsafe { &*self.at.add(lane).cast::<<S::u32s as core::ops::Deref>::Target>() };
        S::u32s::load_array_ref(simd, array)
    }

    /// Writes a vector from `lane` on.
    #[inline(always)]
    pub(crate) fn put<S: Simd>(self, lane: usize, value: S::u32s) {
        // SAFETY: `lane` and the vector are within the strip (see the header); the array needs the alignment of a word only.
        unsafe { value.store_array(&mut *self.at.add(lane).cast::<<S::u32s as core::ops::Deref>::Target>()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{FileLayout, RegisterFile, UNIT};
    use crate::program::Reg;

    #[test]
    fn a_moved_file_keeps_its_values() {
        let layout = FileLayout::new(3, 2, 1, UNIT).unwrap();
        let uniform = layout.register(Reg::uniform(2)).unwrap();
        let (varying, local) = (layout.register(Reg::varying(1)).unwrap(), layout.locals(0, 1).unwrap());
        let file = RegisterFile::new(layout);
        file.set_uniform(uniform, 7);
        file.set(varying, UNIT - 1, 8);
        let moved = std::boxed::Box::new(file);
        moved.set(local, 0, 9);
        assert_eq!((moved.uniform(uniform), moved.get(varying, UNIT - 1), moved.get(local, 0)), (7, 8, 9));
        assert_eq!(moved.get(varying, 0), 0, "the rest is zeros");
    }

    #[test]
    fn a_register_outside_the_layout_has_no_offset() {
        let layout = FileLayout::new(1, 1, 2, UNIT).unwrap();
        assert!(layout.register(Reg::uniform(1)).is_none());
        assert!(layout.register(Reg::varying(1)).is_none());
        assert!(layout.locals(1, 2).is_none());
        assert!(FileLayout::new(1, 1, 2, UNIT / 2).is_none());
    }
}
