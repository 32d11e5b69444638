//! The registers of a running program, and the only `unsafe` code of this crate.
//!
//! Why it is needed: a kernel reads strips and writes another that may be the same one, thousands of times per
//! picture row. Slices cannot say that, and a range check per operand costs as much as a cheap kernel.
//!
//! Why it is sound:
//! * A [`Place`] is made only by [`Layout`], which checks the register, local word or scratch strip it stands
//!   for, and it means "a whole strip (or, for the uniform bank, one word) lies here in a file of this layout".
//! * A [`RegisterFile`] is made only with its `Layout`, and `link` pairs the two in one `Code`, which is private
//!   to [`crate::machine`]: kernels never meet a place of another layout.
//! * Cursors are indexed by kernels with `lane < lanes`, in steps of a vector that divides [`LANE_ALIGN`]; every
//!   layout's strip is a multiple of that. `debug_assert` states it at each access.
//! * All access is through one raw pointer to memory the file owns, so a load never overlaps a live reference.
//! * Every word is initialised and any bits are a valid `u32`.
#![allow(unsafe_code, reason = "argued in the header of this file")]

use alloc::boxed::Box;
use alloc::vec;
use core::marker::PhantomData;

use fearless_simd::{Simd, SimdBase};

use crate::program::Reg;

/// Strips are a multiple of this many lanes: the widest vector of any level.
pub(crate) const LANE_ALIGN: usize = 16;
/// The lanes of a strip of a program with few registers.
pub(crate) const MAX_LANES: usize = 256;
/// Strips beside the registers in which the linker spreads uniform operands.
pub(crate) const SCRATCH: usize = 5;

/// Sixteen words on a cache line of their own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; LANE_ALIGN]);

/// Where a value lies in a register file, in words from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Place(u32);

/// How many of each kind of register a file has, and how long a strip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    uniforms: usize,
    varyings: usize,
    locals: usize,
    lanes: usize,
}

impl Layout {
    /// A layout of that many registers and local words, in strips of `lanes`. `None` if a strip is not a
    /// multiple of [`LANE_ALIGN`], or the file would not fit 32-bit offsets.
    pub(crate) fn new(uniforms: usize, varyings: usize, locals: usize, lanes: usize) -> Option<Self> {
        let layout = Self { uniforms, varyings, locals, lanes };
        let aligned = lanes.is_multiple_of(LANE_ALIGN) && (LANE_ALIGN..=MAX_LANES).contains(&lanes);
        (aligned && layout.checked_words()? <= (u32::MAX / 4) as usize).then_some(layout)
    }

    /// Lanes in a strip.
    pub(crate) fn lanes(self) -> usize {
        self.lanes
    }

    fn strips_start(self) -> usize {
        self.uniforms.next_multiple_of(LANE_ALIGN)
    }

    fn checked_words(self) -> Option<usize> {
        let strips = self.varyings.checked_add(self.locals)?.checked_add(SCRATCH)?;
        strips.checked_mul(self.lanes)?.checked_add(self.uniforms)?.checked_add(LANE_ALIGN)
    }

    fn strip(self, index: usize) -> Option<Place> {
        let word = self.strips_start().checked_add(index.checked_mul(self.lanes)?)?;
        u32::try_from(word).ok().map(Place)
    }

    /// The place of a register, if the layout has it.
    pub(crate) fn register(self, reg: Reg) -> Option<Place> {
        let index = usize::from(reg.index());
        if reg.is_varying() {
            (index < self.varyings).then(|| self.strip(index))?
        } else {
            (index < self.uniforms).then(|| Place(u32::from(reg.index())))
        }
    }

    /// The place of a run of `count` local words, if the layout has them all.
    pub(crate) fn locals(self, word: u32, count: u32) -> Option<Place> {
        let end = word.checked_add(count)?;
        (count > 0 && end as usize <= self.locals).then(|| self.strip(self.varyings + word as usize))?
    }

    /// The place of scratch strip `index`.
    pub(crate) fn scratch(self, index: usize) -> Option<Place> {
        (index < SCRATCH).then(|| self.strip(self.varyings + self.locals + index))?
    }
}

/// The memory behind a layout.
pub(crate) struct RegisterFile {
    base: *mut u32,
    lines: Box<[Line]>,
}

// SAFETY: the pointer is to memory the file owns; nothing in it is tied to a thread.
unsafe impl Send for RegisterFile {}

impl RegisterFile {
    /// A file of zeros.
    pub(crate) fn new(layout: Layout) -> Self {
        let words = layout.strips_start() + (layout.varyings + layout.locals + SCRATCH) * layout.lanes;
        let mut lines = vec![Line([0; LANE_ALIGN]); words.div_ceil(LANE_ALIGN)].into_boxed_slice();
        let base = lines.as_mut_ptr().cast::<u32>();
        Self { base, lines }
    }

    #[inline(always)]
    fn word(&self, place: Place, lane: usize) -> *mut u32 {
        debug_assert!(place.0 as usize + lane < self.lines.len() * LANE_ALIGN, "{place:?} lane {lane}");
        // SAFETY: see the header; place and lane lie in this file.
        unsafe { self.base.add(place.0 as usize + lane) }
    }

    /// One word.
    #[inline(always)]
    pub(crate) fn get(&self, place: Place, lane: usize) -> u32 {
        // SAFETY: in range by `word`.
        unsafe { self.word(place, lane).read() }
    }

    /// Sets one word.
    #[inline(always)]
    pub(crate) fn set(&self, place: Place, lane: usize, value: u32) {
        // SAFETY: in range by `word`.
        unsafe { self.word(place, lane).write(value) }
    }

    /// A cursor over the strip at `place`, for writing.
    #[inline(always)]
    pub(crate) fn target(&self, place: Place) -> Target<'_> {
        Target { at: self.word(place, 0), file: PhantomData }
    }

    /// `word` strips further on than `place`, within a run of locals made by [`Layout::locals`].
    #[inline(always)]
    pub(crate) fn local(&self, place: Place, word: u32, lanes: usize) -> Place {
        let at = place.0 as usize + word as usize * lanes;
        debug_assert!(at + lanes <= self.lines.len() * LANE_ALIGN, "local word {word}");
        #[expect(clippy::cast_possible_truncation, reason = "within the file, which fits 32 bits")]
        Place(at as u32)
    }
}

/// A strip that a kernel writes.
#[derive(Clone, Copy)]
pub(crate) struct Target<'f> {
    at: *mut u32,
    file: PhantomData<&'f RegisterFile>,
}

impl Target<'_> {
    /// Writes a vector from `lane` on.
    #[inline(always)]
    pub(crate) fn put<S: Simd>(self, lane: usize, value: S::u32s) {
        // SAFETY: `lane` and the vector lie within the strip (see the header); alignment is the array's, 4.
        unsafe { value.store_array(&mut *self.at.add(lane).cast::<<S::u32s as core::ops::Deref>::Target>()) }
    }
}

/// How an operand is read: one value a lane, or one value for all.
pub(crate) trait Access {
    /// What is kept while a kernel runs over its strip.
    type Cursor<'f, S: Simd>: Copy;
    /// Starts reading at `place`.
    fn open<S: Simd>(simd: S, file: &RegisterFile, place: Place) -> Self::Cursor<'_, S>;
    /// The vector from `lane` on.
    fn get<S: Simd>(simd: S, cursor: Self::Cursor<'_, S>, lane: usize) -> S::u32s;
}

/// A strip: one value a lane.
pub(crate) struct Strip;
/// A word of the uniform bank: one value for all lanes.
pub(crate) struct Splat;

impl Access for Strip {
    type Cursor<'f, S: Simd> = Target<'f>;

    #[inline(always)]
    fn open<S: Simd>(_: S, file: &RegisterFile, place: Place) -> Target<'_> {
        file.target(place)
    }

    #[inline(always)]
    fn get<S: Simd>(simd: S, cursor: Target<'_>, lane: usize) -> S::u32s {
        // SAFETY: as in `Target::put`; the copy ends before anything is written.
        let array = unsafe { &*cursor.at.add(lane).cast::<<S::u32s as core::ops::Deref>::Target>() };
        S::u32s::load_array_ref(simd, array)
    }
}

impl Access for Splat {
    type Cursor<'f, S: Simd> = S::u32s;

    #[inline(always)]
    fn open<S: Simd>(simd: S, file: &RegisterFile, place: Place) -> S::u32s {
        S::u32s::splat(simd, file.get(place, 0))
    }

    #[inline(always)]
    fn get<S: Simd>(_: S, cursor: S::u32s, _: usize) -> S::u32s {
        cursor
    }
}
