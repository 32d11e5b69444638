//! From naga's module to straight values: functions inlined, types split, control flow turned into data flow.
//!
//! Every variable is a run of *words*: for each word, [`Lowering::env`] holds the value it has here. Statements
//! change the environment; where ways meet, the values of both are merged lane by lane. What leaves a loop or
//! function early is a word too (`broke`, `continued`, `returned`), so nothing in here jumps, except over code
//! that no lane wants (`statement`) and back to the start of a loop (`control`).
//!
//! Some decisions need knowledge of what comes later: which words a loop changes, whether an array is indexed at
//! run time. They are made for the best case and noted in [`Facts`] when that proves wrong; the loop, or the
//! whole shader, is then lowered again. Facts only grow, so this ends.

mod control;
mod convert;
mod entry;
mod expression;
mod math;
mod matrix;
mod pack;
mod place;
mod statement;
mod texture;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use iridule_vm::{Binding, BindingKind};
use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{Expression, Function, GlobalVariable, Handle, LocalVariable, Module, Span};

use crate::diagnostic::Diagnostic;
use crate::shape::Shape;
use crate::ssa::{Builder, Id};

pub(crate) use entry::{Lowered, lower};

/// Most instructions a shader may become before it is refused.
const MAX_CODE: usize = 60_000;
/// Most words of one variable that are kept apart; larger arrays live in local memory.
const MAX_VARIABLE_WORDS: u32 = 1024;

/// Lowering ends early: the shader is refused, or must be lowered again because a fact was learnt.
pub(crate) enum Stop {
    Refused(Diagnostic),
    Again,
}

pub(crate) type Result<T> = std::result::Result<T, Stop>;

/// The scalars of a value.
pub(crate) type Words = Rc<[Id]>;

/// What an expression stands for.
#[derive(Clone)]
enum Val {
    Words(Words),
    Place(place::Place),
    /// A texture or sampler.
    Handle(Handle<GlobalVariable>),
}

/// How a loop keeps a word from one turn to the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Carry {
    /// One value for all lanes. After a loop that lanes leave one by one, it is lost.
    Uniform,
    /// A value per lane.
    Varying,
}

/// What is known about a loop.
#[derive(Clone, Default)]
struct LoopFacts {
    /// The words it changes.
    carried: BTreeMap<usize, Carry>,
    /// Lanes leave it one by one.
    divergent: bool,
    /// It cannot be unrolled.
    rolled: bool,
}

/// What lowering has learnt, kept when it starts again.
#[derive(Default)]
struct Facts {
    loops: HashMap<u64, LoopFacts>,
    /// Variables (of which inlined call) that are indexed at run time.
    memory: BTreeSet<u64>,
    /// For each `Origin::Lost`: the loop and word that must be kept per lane if it is read.
    lost: Vec<(u64, usize)>,
}

/// Where a variable lives.
#[derive(Clone, Copy)]
enum Storage {
    /// Words of the environment from here on.
    Words(usize),
    /// Local memory from this word on; the key asks for it.
    Memory(u32),
}

#[derive(Clone, Copy)]
struct Variable {
    storage: Storage,
    shape: Shape,
    key: u64,
}

/// A function being inlined.
struct Instance<'m> {
    function: &'m Function,
    info: &'m FunctionInfo,
    expressions: Vec<Option<Val>>,
    arguments: Vec<Val>,
    locals: HashMap<Handle<LocalVariable>, Variable>,
    /// Identifies the chain of calls that led here.
    path: u64,
    /// First word of the returned value, and of `returned`.
    result: usize,
    returned: usize,
    /// Loops and switches of this function start here in `Lowering::frames`.
    frames: usize,
}

/// An enclosing loop or switch.
struct Frame {
    /// The word that is true where a lane has left it.
    broke: usize,
    /// For a loop: the word that is true where a lane has left this turn.
    continued: Option<usize>,
    /// For a loop with code at its head: how to leave it at once.
    exit: Option<control::Exit>,
    /// How deep in branches its body is.
    depth: usize,
}

struct Lowering<'m> {
    module: &'m Module,
    info: &'m ModuleInfo,
    source: &'m str,
    facts: Facts,
    b: Builder,
    env: Vec<Id>,
    globals: HashMap<Handle<GlobalVariable>, Variable>,
    bindings: Vec<(Handle<GlobalVariable>, Binding)>,
    instances: Vec<Instance<'m>>,
    frames: Vec<Frame>,
    /// Which lanes run; `None` for all.
    mask: Option<Id>,
    /// How many branches deep.
    depth: usize,
    /// The word that is true where the pixel was discarded.
    discarded: usize,
    /// Four local words for the result of a texture read.
    texel: Option<u32>,
    span: Span,
    warnings: Vec<Diagnostic>,
}

impl<'m> Lowering<'m> {
    fn here(&self) -> &Instance<'m> {
        &self.instances[self.instances.len() - 1]
    }

    fn here_mut(&mut self) -> &mut Instance<'m> {
        let last = self.instances.len() - 1;
        &mut self.instances[last]
    }

    fn refuse<T>(&self, message: impl Into<String>, help: impl Into<String>) -> Result<T> {
        Err(Stop::Refused(Diagnostic::error(message, self.span).help(help)))
    }

    /// Where naga's rules for valid modules should have kept us from.
    fn unexpected<T>(&self, what: &str) -> Result<T> {
        self.refuse(
            format!("{what} is not supported here"),
            "the strip VM runs fragment shaders over uniforms, textures and samplers",
        )
    }

    fn warn(&mut self, message: &str, help: &str) {
        let warning = Diagnostic::warning(message, self.span).help(help);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The shape of an expression's value, or of what it points to.
    fn shape(&self, expression: Handle<Expression>) -> Result<Shape> {
        let resolution = &self.here().info[expression].ty;
        let inner = resolution.inner_with(&self.module.types);
        match Shape::of(self.module, inner, resolution.handle()) {
            Some(shape) => Ok(shape),
            None => self.unexpected("a value of this type"),
        }
    }

    /// Adds words to the environment, all of them `value`.
    fn new_words(&mut self, count: u32, value: Id) -> usize {
        let first = self.env.len();
        self.env.resize(first + count as usize, value);
        first
    }

    /// The value of a word, which must be known exactly.
    fn read_word(&mut self, word: usize) -> Result<Id> {
        let id = self.env[word];
        let crate::ssa::Origin::Lost(fact) = self.b.info(id).origin else { return Ok(id) };
        let (key, word) = self.facts.lost[fact as usize];
        self.facts.loops.entry(key).or_default().carried.insert(word, Carry::Varying);
        Err(Stop::Again)
    }

    /// The slot of a resource among the program's bindings.
    fn slot(&mut self, global: Handle<GlobalVariable>) -> Result<u32> {
        let found = self.bindings.iter().position(|(g, _)| *g == global);
        let at = match found {
            Some(at) => at,
            None => {
                let variable = &self.module.global_variables[global];
                let kind = match self.module.types[variable.ty].inner {
                    naga::TypeInner::Image { .. } => BindingKind::Texture,
                    naga::TypeInner::Sampler { .. } => BindingKind::Sampler,
                    ref inner => {
                        let size = inner.size(self.module.to_ctx());
                        BindingKind::Uniform { size }
                    }
                };
                let Some(place) = variable.binding else {
                    return self.unexpected("a variable without binding");
                };
                let name = variable.name.clone().unwrap_or_default();
                let binding = Binding { group: place.group, binding: place.binding, name, kind };
                self.bindings.push((global, binding));
                self.bindings.len() - 1
            }
        };
        Ok(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// The source line of the statement being lowered, from 1.
    fn line(&self) -> u32 {
        self.span.location(self.source).line_number
    }
}

/// A key for something within an instance: the chain of calls, and which of its parts.
fn key(path: u64, part: u64) -> u64 {
    // Any mixing will do, as long as it is the same each time: FNV-1a over both numbers.
    let bytes = path.to_le_bytes().into_iter().chain(part.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
