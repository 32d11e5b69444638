//! The registers of a running program, and the only `unsafe` code of this crate.
//!
//! Why it is needed: a kernel reads strips and writes another that may be the same one, thousands of times per
//! picture row. Slices cannot say that, and a range check per operand costs as much as a cheap kernel.
//!
//! Why it is sound:
//! * A [`Place`] is made only by [`Layout`], which checks the register, local word or scratch strip it stands for. It
//!   means "a whole strip lies here in a file of this layout" or, for the uniform bank, "one word lies here"; `link`
//!   gives a kernel the kind that it reads.
//! * A [`RegisterFile`] is made only with its `Layout`, and `link` pairs the two in one `Code`, which is private
//!   to [`crate::machine`]: kernels never meet a place of another layout.
//! * Cursors are indexed by kernels with `lane < lanes`, in steps of a vector that divides [`BLOCK`]; every
//!   layout's strip is a multiple of that. `debug_assert` states it at each access.
//! * All access is through one raw pointer to memory the file owns, so a load never overlaps a live reference.
//! * Every word is initialised and any bits are a valid `u32`.
#![allow(unsafe_code, reason = "argued in the header of this file")]

use alloc::boxed::Box;
use alloc::vec;
use core::marker::PhantomData;

use fearless_simd::{Simd, SimdBase};

use crate::program::Reg;

/// What kernels do at a time, in lanes: the widest vector of any level.
pub(crate) const BLOCK: usize = 16;
/// Strips are a multiple of this many lanes, and lie at multiples of it, so that 16 bits say where.
pub(crate) const UNIT: usize = 64;
/// The lanes of a strip of a program with few registers.
pub(crate) const MAX_LANES: usize = 512;
/// Strips beside the registers in which the linker spreads uniform operands.
pub(crate) const SCRATCH: usize = crate::opcode::MAX_ARITY + 1;

/// Words on cache lines of their own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Unit([u32; UNIT]);

/// Where a value lies in a register file, from its start: a strip in units, a uniform in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Place(u16);

impl Place {
    /// `strips` of so many lanes further on, within a run of locals made by [`Layout::locals`].
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "within a file, which fits 16 bits of units")]
    pub(crate) fn ahead(self, strips: u32, lanes: usize) -> Self {
        Self((usize::from(self.0) + strips as usize * (lanes / UNIT)) as u16)
    }
}

/// A register of either bank, to be read lane by lane.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    /// The first lane's word.
    first: usize,
    /// Words from one lane to the next.
    step: usize,
}

/// How many of each kind of register a file has, and how long a strip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    uniforms: usize,
    varyings: usize,
    locals: usize,
    lanes: usize,
}

impl Layout {
    /// A layout of that many registers and local words, in strips of `lanes`. `None` if those are not a power of two from
    /// [`UNIT`] to [`MAX_LANES`], or the file would have more units than a place can say.
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

    fn strip(self, index: usize) -> Option<Place> {
        let unit = self.uniforms.div_ceil(UNIT).checked_add(index.checked_mul(self.lanes / UNIT)?)?;
        u16::try_from(unit).ok().map(Place)
    }

    /// The place of a register, if the layout has it.
    pub(crate) fn register(self, reg: Reg) -> Option<Place> {
        let index = usize::from(reg.index());
        if reg.is_varying() {
            (index < self.varyings).then(|| self.strip(index))?
        } else {
            (index < self.uniforms).then(|| Place(reg.index()))
        }
    }

    /// Where to read a register's lanes, if the layout has it.
    pub(crate) fn source(self, reg: Reg) -> Option<Source> {
        let Place(place) = self.register(reg)?;
        let (unit, step) = if reg.is_varying() { (UNIT, 1) } else { (1, 0) };
        Some(Source { first: usize::from(place) * unit, step })
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
    units: Box<[Unit]>,
}

// SAFETY: the pointer is to memory the file owns; nothing in it is tied to a thread.
unsafe impl Send for RegisterFile {}

impl RegisterFile {
    /// A file of zeros.
    pub(crate) fn new(layout: Layout) -> Self {
        let units = layout.checked_units().unwrap_or(0);
        let mut units = vec![Unit([0; UNIT]); units].into_boxed_slice();
        let base = units.as_mut_ptr().cast::<u32>();
        Self { base, units }
    }

    #[inline(always)]
    fn at(&self, word: usize) -> *mut u32 {
        debug_assert!(word < self.units.len() * UNIT, "word {word}");
        // SAFETY: see the header; places and lanes lie in this file.
        unsafe { self.base.add(word) }
    }

    #[inline(always)]
    fn lane(&self, place: Place, lane: usize) -> *mut u32 {
        self.at(usize::from(place.0) * UNIT + lane)
    }

    /// One lane of a strip.
    #[inline(always)]
    pub(crate) fn get(&self, place: Place, lane: usize) -> u32 {
        // SAFETY: in range by `at`.
        unsafe { self.lane(place, lane).read() }
    }

    /// Sets one lane of a strip.
    #[inline(always)]
    pub(crate) fn set(&self, place: Place, lane: usize, value: u32) {
        // SAFETY: in range by `at`.
        unsafe { self.lane(place, lane).write(value) }
    }

    /// A word of the uniform bank.
    #[inline(always)]
    pub(crate) fn uniform(&self, place: Place) -> u32 {
        // SAFETY: in range by `at`.
        unsafe { self.at(usize::from(place.0)).read() }
    }

    /// Sets a word of the uniform bank.
    #[inline(always)]
    pub(crate) fn set_uniform(&self, place: Place, value: u32) {
        // SAFETY: in range by `at`.
        unsafe { self.at(usize::from(place.0)).write(value) }
    }

    /// A value at a lane, whichever bank it is in.
    #[inline(always)]
    pub(crate) fn read(&self, source: Source, lane: usize) -> u32 {
        // SAFETY: in range by `at`.
        unsafe { self.at(source.first + lane * source.step).read() }
    }

    /// The vector of a value from `lane` on, whichever bank it is in.
    #[inline(always)]
    pub(crate) fn vector<S: Simd>(&self, simd: S, source: Source, lane: usize) -> S::u32s {
        if source.step == 0 {
            S::u32s::splat(simd, self.read(source, 0))
        } else {
            Target { at: self.at(source.first), file: PhantomData }.get(simd, lane)
        }
    }

    /// A cursor over the strip at `place`.
    #[inline(always)]
    pub(crate) fn target(&self, place: Place) -> Target<'_> {
        Target { at: self.lane(place, 0), file: PhantomData }
    }
}

/// A strip that a kernel reads or writes.
#[derive(Clone, Copy)]
pub(crate) struct Target<'f> {
    at: *mut u32,
    file: PhantomData<&'f RegisterFile>,
}

impl Target<'_> {
    /// The same, `lanes` further on.
    #[inline(always)]
    pub(crate) fn ahead(self, lanes: usize) -> Self {
        // SAFETY: as in `put`.
        Self { at: unsafe { self.at.add(lanes) }, file: PhantomData }
    }

    /// The vector from `lane` on.
    #[inline(always)]
    pub(crate) fn get<S: Simd>(self, simd: S, lane: usize) -> S::u32s {
        // SAFETY: as in `put`; the copy ends before anything is written.
        let array = unsafe { &*self.at.add(lane).cast::<<S::u32s as core::ops::Deref>::Target>() };
        S::u32s::load_array_ref(simd, array)
    }

    /// Writes a vector from `lane` on.
    #[inline(always)]
    pub(crate) fn put<S: Simd>(self, lane: usize, value: S::u32s) {
        // SAFETY: `lane` and the vector lie within the strip (see the header); alignment is the array's, 4.
        unsafe { value.store_array(&mut *self.at.add(lane).cast::<<S::u32s as core::ops::Deref>::Target>()) }
    }
}
