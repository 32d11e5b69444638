//! Variables: where they live, how a pointer reaches into them, loading and storing.
//!
//! WGSL's pointers are never data: each names a variable and a way into it, known when lowering. Indices that
//! are not constants are limited to their range and kept beside the constant part of the way.

use std::rc::Rc;

use iridule_vm::{MAX_LOCALS, Opcode};
use naga::{AddressSpace, Expression, GlobalVariable, Handle};

use super::{Lowering, MAX_VARIABLE_WORDS, Result, Stop, Storage, Val, Variable, Words, key};
use crate::shape::{Part, Shape, is_half};
use crate::ssa::{Id, Rate};

/// The most combinations of indices that are chosen among by comparison instead of by address.
const MAX_CHOICES: u32 = 16;

/// Where a pointer starts.
#[derive(Clone, Copy)]
pub(super) enum Root {
    Variable(Variable),
    /// A uniform buffer.
    Uniform(Handle<GlobalVariable>),
}

/// An index known only at run time, within its range.
#[derive(Clone, Copy)]
pub(super) struct Dynamic {
    index: Id,
    count: u32,
    words: u32,
    bytes: u32,
}

/// Values that indices have, and the word the place then starts at.
type Choice = (Vec<(Id, u32)>, u32);

/// A variable, or a part of one.
#[derive(Clone)]
pub(super) struct Place {
    root: Root,
    shape: Shape,
    words: u32,
    bytes: u32,
    dynamic: Vec<Dynamic>,
}

impl Place {
    pub(super) fn variable(variable: Variable) -> Self {
        let root = Root::Variable(variable);
        Self { root, shape: variable.shape, words: 0, bytes: 0, dynamic: Vec::new() }
    }

    fn step(&self, part: Part) -> Self {
        let (words, bytes) = (self.words + part.words, self.bytes + part.bytes);
        Self { root: self.root, shape: part.shape, words, bytes, dynamic: self.dynamic.clone() }
    }

    /// The places that the run-time indices can mean, each with the condition that they do, if few.
    fn choices(&self) -> Option<Vec<Choice>> {
        let count = self.dynamic.iter().map(|d| d.count).try_fold(1u32, u32::checked_mul)?;
        if count > MAX_CHOICES {
            return None;
        }
        let mut all = vec![(Vec::new(), self.words)];
        for d in &self.dynamic {
            let extend = |(conditions, words): &Choice| {
                let (conditions, words) = (conditions.clone(), *words);
                let with = move |k: u32| {
                    let mut conditions = conditions.clone();
                    conditions.push((d.index, k));
                    (conditions, words + k * d.words)
                };
                (0..d.count).map(with).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(extend).collect();
        }
        Some(all)
    }
}

impl Lowering<'_> {
    /// Makes a variable, in the environment or in local memory, with this value.
    pub(super) fn new_variable(&mut self, shape: Shape, key: u64, init: &[Id]) -> Result<Variable> {
        let words = shape.words(self.module);
        if words > MAX_LOCALS {
            return self.refuse(
                format!("a variable of {words} scalars is too large"),
                format!(
                    "keep variables below {} scalars; put tables into a `const` or a texture",
                    MAX_LOCALS
                ),
            );
        }
        let in_memory = self.facts.memory.contains(&key) || words > MAX_VARIABLE_WORDS;
        let storage = if in_memory {
            let base = self.new_locals(words)?;
            for (at, id) in (base..).zip(init) {
                self.b.memory(Opcode::LocalWrite, &[*id], at, 0);
            }
            Storage::Memory(base)
        } else {
            let first = self.env.len();
            self.env.extend_from_slice(init);
            Storage::Words(first)
        };
        Ok(Variable { storage, shape, key })
    }

    /// Hands out local memory.
    pub(super) fn new_locals(&mut self, words: u32) -> Result<u32> {
        let base = self.b.locals;
        self.b.locals = base.saturating_add(words);
        self.b.locals_peak = self.b.locals_peak.max(self.b.locals);
        if self.b.locals > MAX_LOCALS {
            return self.refuse(
                "the arrays of this shader are too large together",
                format!("at most {} scalars may be indexed at run time", MAX_LOCALS),
            );
        }
        Ok(base)
    }

    /// The place of a module-scope variable.
    pub(super) fn global_place(&mut self, global: Handle<GlobalVariable>) -> Result<Val> {
        let variable = &self.module.global_variables[global];
        match variable.space {
            AddressSpace::Handle => Ok(Val::Handle(global)),
            AddressSpace::Uniform => {
                let Some(shape) = Shape::of_type(self.module, variable.ty) else {
                    return self.unexpected("a uniform of this type");
                };
                let root = Root::Uniform(global);
                Ok(Val::Place(Place { root, shape, words: 0, bytes: 0, dynamic: Vec::new() }))
            }
            AddressSpace::Private => {
                if let Some(variable) = self.globals.get(&global) {
                    return Ok(Val::Place(Place::variable(*variable)));
                }
                self.unexpected("this private variable")
            }
            _ => self.unexpected("a variable in this address space"),
        }
    }

    /// Makes the module's private variables. In order of declaration, so that their words are the same each time.
    pub(super) fn make_private_variables(&mut self) -> Result<()> {
        for (handle, variable) in self.module.global_variables.iter() {
            if variable.space != AddressSpace::Private {
                continue;
            }
            let Some(shape) = Shape::of_type(self.module, variable.ty) else { continue };
            let init = match variable.init {
                Some(init) => self.constant_expression(init)?,
                None => self.zeros(shape),
            };
            let made = self.new_variable(shape, key(1, handle.index() as u64), &init)?;
            self.globals.insert(handle, made);
        }
        Ok(())
    }

    pub(super) fn zeros(&mut self, shape: Shape) -> Words {
        let zero = self.b.bits(0);
        vec![zero; shape.words(self.module) as usize].into()
    }

    /// A part at a constant index.
    pub(super) fn place_part(&mut self, place: &Place, index: u32) -> Result<Val> {
        match place.shape.part(self.module, index) {
            Some(part) => Ok(Val::Place(place.step(part))),
            None => self.unexpected("this index"),
        }
    }

    /// A part at an index known at run time, limited to the range.
    pub(super) fn place_at(&mut self, place: &Place, index: Id) -> Result<Val> {
        let Some(stride) = place.shape.stride(self.module) else { return self.unexpected("indexing this") };
        let last = self.b.bits(stride.count.saturating_sub(1));
        let index = self.b.op(Opcode::MinU, &[index, last]);
        if let Some(index) = self.b.constant(index) {
            return self.place_part(place, index);
        }
        let Part { shape, words, bytes } = stride.part;
        let mut place = place.clone();
        place.shape = shape;
        place.dynamic.push(Dynamic { index, count: stride.count, words, bytes });
        Ok(Val::Place(place))
    }

    /// Asks for the variable to be indexed at run time.
    fn move_to_memory<T>(&mut self, variable: Variable) -> Result<T> {
        self.facts.memory.insert(variable.key);
        Err(Stop::Again)
    }

    /// The sum of the run-time part of the way, in words or bytes.
    fn dynamic_offset(&mut self, place: &Place, unit: impl Fn(&Dynamic) -> u32) -> Id {
        let mut sum = self.b.bits(0);
        for d in &place.dynamic {
            let stride = self.b.bits(unit(d));
            let step = self.b.op(Opcode::MulI, &[d.index, stride]);
            sum = self.b.op(Opcode::AddI, &[sum, step]);
        }
        sum
    }

    fn chosen(&mut self, conditions: &[(Id, u32)]) -> Id {
        let mut all = self.b.bool(true);
        for (index, k) in conditions {
            let k = self.b.bits(*k);
            let equal = self.b.op(Opcode::EqI, &[*index, k]);
            all = self.b.and(all, equal);
        }
        all
    }

    pub(super) fn load(&mut self, place: &Place) -> Result<Words> {
        let count = place.shape.words(self.module);
        let variable = match place.root {
            Root::Uniform(global) => return self.load_uniform(place, global),
            Root::Variable(variable) => variable,
        };
        match variable.storage {
            Storage::Words(first) if place.dynamic.is_empty() => {
                let at = first + place.words as usize;
                (at..at + count as usize).map(|word| self.read_word(word)).collect()
            }
            Storage::Words(first) => {
                let Some(choices) = place.choices() else { return self.move_to_memory(variable) };
                let mut value: Vec<Id> = Vec::new();
                for (conditions, words) in choices {
                    let chosen = self.chosen(&conditions);
                    for k in 0..count as usize {
                        let word = self.read_word(first + words as usize + k)?;
                        match value.get(k) {
                            Some(old) => value[k] = self.b.select(chosen, word, *old),
                            None => value.push(word),
                        }
                    }
                }
                Ok(value.into())
            }
            Storage::Memory(base) => {
                let total = variable.shape.words(self.module);
                if place.dynamic.is_empty() {
                    let at = base + place.words;
                    return Ok((at..at + count)
                        .map(|w| self.b.memory(Opcode::LocalRead, &[], w, 0))
                        .collect());
                }
                let offset = self.dynamic_offset(place, |d| d.words);
                let read = |k: u32| {
                    let first = place.words + k;
                    self.b.memory(Opcode::LocalLoad, &[offset], base + first, total - first)
                };
                Ok((0..count).map(read).collect())
            }
        }
    }

    fn load_uniform(&mut self, place: &Place, global: Handle<GlobalVariable>) -> Result<Words> {
        let slot = self.slot(global)?;
        let mut scalars = Vec::new();
        place.shape.scalars(self.module, place.bytes, &mut scalars);
        let offset = self.dynamic_offset(place, |d| d.bytes);
        let mut words = Vec::with_capacity(scalars.len());
        for (scalar, byte) in scalars {
            let half = is_half(scalar);
            let word = if half && self.b.constant(offset).is_none() {
                let byte = self.b.bits(byte);
                let at = self.b.op(Opcode::AddI, &[offset, byte]);
                let aligned = self.b.bits(!3);
                let aligned = self.b.and(at, aligned);
                let word = self.b.emit(Opcode::UniformAt, &[aligned], 0, slot);
                let (three, two) = (self.b.bits(3), self.b.bits(2));
                // Bytes into the word, times 8: 0 or 16 bits.
                let shift = self.b.and(at, two);
                let shift = self.b.op(Opcode::Shl, &[shift, three]);
                self.b.op(Opcode::ShrU, &[word, shift])
            } else if self.b.constant(offset).is_some() {
                let word = self.b.emit(Opcode::Uniform, &[], byte & if half { !3 } else { !0 }, slot);
                let shift = self.b.bits(if half { (byte & 2) * 8 } else { 0 });
                self.b.op(Opcode::ShrU, &[word, shift])
            } else {
                self.b.emit(Opcode::UniformAt, &[offset], byte, slot)
            };
            words.push(if half { self.b.op(Opcode::FromHalf, &[word]) } else { word });
        }
        Ok(words.into())
    }

    pub(super) fn store(&mut self, place: &Place, value: &Words) -> Result<()> {
        let Root::Variable(variable) = place.root else { return self.unexpected("storing to a uniform") };
        match variable.storage {
            Storage::Words(first) if place.dynamic.is_empty() => {
                let at = first + place.words as usize;
                self.env[at..at + value.len()].copy_from_slice(value);
                Ok(())
            }
            Storage::Words(first) => {
                let Some(choices) = place.choices() else { return self.move_to_memory(variable) };
                for (conditions, words) in choices {
                    let chosen = self.chosen(&conditions);
                    for (k, new) in value.iter().enumerate() {
                        let word = first + words as usize + k;
                        let old = self.read_word(word)?;
                        self.env[word] = self.b.select(chosen, *new, old);
                    }
                }
                Ok(())
            }
            Storage::Memory(base) => {
                let total = variable.shape.words(self.module);
                let offset = self.dynamic_offset(place, |d| d.words);
                for (k, value) in (0..).zip(value.iter()) {
                    let first = place.words + k;
                    let (at, count) = (base + first, total - first);
                    match (place.dynamic.is_empty(), self.mask) {
                        (true, None) => self.b.memory(Opcode::LocalWrite, &[*value], at, 0),
                        (true, Some(mask)) => self.b.memory(Opcode::LocalWriteMasked, &[*value, mask], at, 0),
                        (false, None) => self.b.memory(Opcode::LocalStore, &[offset, *value], at, count),
                        (false, Some(mask)) => {
                            self.b.memory(Opcode::LocalStoreMasked, &[offset, *value, mask], at, count)
                        }
                    };
                }
                Ok(())
            }
        }
    }

    /// An element of a value, at an index known at run time.
    pub(super) fn element(&mut self, value: &Words, shape: Shape, index: Id) -> Result<Words> {
        let Some(stride) = shape.stride(self.module) else { return self.unexpected("indexing this") };
        let last = self.b.bits(stride.count.saturating_sub(1));
        let index = self.b.op(Opcode::MinU, &[index, last]);
        let size = stride.part.words as usize;
        if let Some(index) = self.b.constant(index) {
            let at = index as usize * size;
            return Ok(value[at..at + size].into());
        }
        if stride.count <= MAX_CHOICES / 2 {
            let mut chosen: Vec<Id> = value[..size].to_vec();
            for k in 1..stride.count {
                let number = self.b.bits(k);
                let here = self.b.op(Opcode::EqI, &[index, number]);
                for (to, from) in chosen.iter_mut().zip(&value[k as usize * size..]) {
                    *to = self.b.select(here, *from, *to);
                }
            }
            return Ok(chosen.into());
        }
        let step = self.b.bits(stride.part.words);
        let offset = self.b.op(Opcode::MulI, &[index, step]);
        let total = u32::try_from(value.len()).unwrap_or(0);
        let constants: Option<Vec<u32>> = value.iter().map(|id| self.b.constant(*id)).collect();
        if let Some(constants) = constants {
            let base = self.table(&constants);
            let read = |k: u32| self.b.emit(Opcode::TableAt, &[offset], base + k, total - k);
            return Ok((0..stride.part.words).map(read).collect());
        }
        let base = self.new_locals(total)?;
        for (at, id) in (base..).zip(value.iter()) {
            self.b.memory(Opcode::LocalWrite, &[*id], at, 0);
        }
        let read = |k: u32| self.b.memory(Opcode::LocalLoad, &[offset], base + k, total - k);
        Ok((0..stride.part.words).map(read).collect())
    }

    /// Where these words stand in the table; they are added if they do not.
    fn table(&mut self, words: &[u32]) -> u32 {
        let found = self.b.table.windows(words.len().max(1)).position(|w| w == words);
        let at = found.unwrap_or_else(|| {
            self.b.table.extend_from_slice(words);
            self.b.table.len() - words.len()
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// The place an expression points to.
    pub(super) fn pointer(&mut self, expression: Handle<Expression>) -> Result<Place> {
        match self.expression(expression)? {
            Val::Place(place) => Ok(place),
            _ => self.unexpected("this pointer"),
        }
    }

    /// Whether all lanes read the same.
    pub(super) fn is_uniform(&self, id: Id) -> bool {
        self.b.rate(id) < Rate::Varying
    }
}

/// The words of a value made by a function of the index.
pub(super) fn words(count: usize, value: impl FnMut(usize) -> Id) -> Words {
    (0..count).map(value).collect::<Rc<[Id]>>()
}
