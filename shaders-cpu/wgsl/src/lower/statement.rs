//! Statements in order, and branches: both sides are computed, or skipped where no lane wants them, and merged.
//!
//! What follows a branch that ends (by `return`, `break` or `continue`) on one side belongs to the other side.
//! After one in which some lanes may have ended, the rest runs for those that have not, as if it stood in
//! `if (alive)`. Either way the merge keeps, for lanes that ended, the values they ended with.

use iridule_vm::{Class, Opcode};
use naga::{Block, Expression, Handle, Span, Statement};

use super::place::words;
use super::{Instance, Lowering, MAX_CODE, Result, Stop, Val, key};
use crate::diagnostic::Diagnostic;
use crate::shape::Shape;
use crate::ssa::{Action, Builder, Id, Inst, Origin, Rate};

/// Statements with their places in the source.
pub(super) type List<'m> = Vec<(&'m Statement, Span)>;

/// A side of a branch.
pub(super) type Side<'c, 'm> = &'c dyn Fn(&mut Lowering<'m>) -> Result<()>;

/// From this cost on, a side is worth a test whether any lane wants it. A test costs about two operations.
const SKIP_VARYING: u32 = 8;
/// From this cost on, two sides with a uniform condition are worth a jump.
const SKIP_UNIFORM: u32 = 4;
/// How deep branches may nest.
const MAX_DEPTH: usize = 200;

pub(super) fn list(block: &Block) -> List<'_> {
    block.span_iter().map(|(statement, span)| (statement, *span)).collect()
}

/// Whether no lane gets past these statements.
fn always_ends(block: &Block) -> bool {
    block.iter().any(|statement| match statement {
        Statement::Break | Statement::Continue | Statement::Return { .. } => true,
        Statement::Block(inner) => always_ends(inner),
        Statement::If { accept, reject, .. } => always_ends(accept) && always_ends(reject),
        _ => false,
    })
}

/// About how long the code takes, in cheap operations.
fn cost(code: &[Inst]) -> u32 {
    let one = |inst: &Inst| match inst.action {
        Action::Label => 0,
        Action::Op(code) if code.is_back_edge() => 1000,
        Action::Op(code) => match code {
            Opcode::Sin | Opcode::Cos | Opcode::Exp | Opcode::Exp2 | Opcode::Log | Opcode::Log2 => 6,
            Opcode::Tan | Opcode::Pow | Opcode::Atan2 | Opcode::Sinh | Opcode::Tanh => 12,
            Opcode::LocalLoad | Opcode::LocalStore | Opcode::LocalStoreMasked | Opcode::UniformAt => 10,
            Opcode::TextureSample | Opcode::TextureGather | Opcode::TextureLoad => 100,
            _ => 1,
        },
    };
    code.iter().map(one).fold(0, u32::saturating_add)
}

impl<'m> Lowering<'m> {
    pub(super) fn statements(&mut self, list: &[(&'m Statement, Span)]) -> Result<()> {
        for (at, (statement, span)) in list.iter().enumerate() {
            self.span = *span;
            let rest = &list[at + 1..];
            let statement: &'m Statement = statement;
            match *statement {
                Statement::Emit(ref range) => {
                    for handle in range.clone() {
                        self.here_mut().expressions[handle.index()] = None;
                        self.expression(handle)?;
                    }
                }
                Statement::Store { pointer, value } => {
                    let (place, value) = (self.pointer(pointer)?, self.value(value)?);
                    self.store(&place, &value)?;
                }
                Statement::Call { function, ref arguments, result } => {
                    let identity = std::ptr::from_ref::<Statement>(statement) as u64;
                    self.call(function, arguments, result, identity)?;
                }
                Statement::Block(ref inner) => {
                    let mut all = self::list(inner);
                    all.extend_from_slice(rest);
                    return self.statements(&all);
                }
                Statement::If { condition, ref accept, ref reject } => {
                    return self.if_else(condition, accept, reject, rest);
                }
                Statement::Switch { selector, ref cases } => {
                    self.switch(selector, cases)?;
                    return self.rest(rest);
                }
                Statement::Loop { ref body, ref continuing, break_if } => {
                    self.loop_(body, continuing, break_if)?;
                    return self.rest(rest);
                }
                Statement::Break => {
                    let Some(frame) = self.frames.last() else { return self.unexpected("this break") };
                    let word = frame.broke;
                    self.env[word] = self.b.bool(true);
                    return Ok(());
                }
                Statement::Continue => {
                    let Some(word) = self.frames.iter().rev().find_map(|f| f.continued) else {
                        return self.unexpected("this continue");
                    };
                    self.env[word] = self.b.bool(true);
                    return Ok(());
                }
                Statement::Return { value } => {
                    if let Some(value) = value {
                        let value = self.value(value)?;
                        let at = self.here().result;
                        self.env[at..at + value.len()].copy_from_slice(&value);
                    }
                    let word = self.here().returned;
                    self.env[word] = self.b.bool(true);
                    return Ok(());
                }
                // The pixel goes on as a helper for its quad (WGSL §9.4.9), and is dropped at the end.
                Statement::Kill => {
                    let word = self.discarded;
                    self.env[word] = self.b.bool(true);
                }
                _ => return self.unexpected("this statement"),
            }
            if self.b.body.len() > MAX_CODE || self.b.setup.len() > MAX_CODE {
                return self.refuse(
                    "this shader is too large once its functions are inlined and its loops unrolled",
                    format!("it must stay below {MAX_CODE} operations; share code between branches"),
                );
            }
        }
        Ok(())
    }

    /// Statements after one that some lanes may have ended in.
    pub(super) fn rest(&mut self, list: &[(&'m Statement, Span)]) -> Result<()> {
        if list.is_empty() {
            return Ok(());
        }
        self.while_alive(&|l| l.statements(list))
    }

    /// Words that say where a lane has ended.
    pub(super) fn flags(&self) -> Vec<usize> {
        let frames = &self.frames[self.here().frames..];
        let of_frames = frames.iter().flat_map(|f| std::iter::once(f.broke).chain(f.continued));
        of_frames.chain(std::iter::once(self.here().returned)).collect()
    }

    fn ended(&mut self) -> Id {
        let mut ended = self.b.bool(false);
        for word in self.flags() {
            ended = self.b.or(ended, self.env[word]);
        }
        ended
    }

    /// Code for the lanes that have not ended.
    pub(super) fn while_alive(&mut self, code: Side<'_, 'm>) -> Result<()> {
        let ended = self.ended();
        match self.b.constant(ended) {
            Some(0) => code(self),
            Some(_) => Ok(()),
            None => {
                let alive = self.b.not(ended);
                let cleared = |l: &mut Self| {
                    for word in l.flags() {
                        l.env[word] = l.b.bool(false);
                    }
                    code(l)
                };
                self.branch(alive, &cleared, &|_| Ok(()))
            }
        }
    }

    fn if_else(
        &mut self,
        condition: Handle<Expression>,
        accept: &'m Block,
        reject: &'m Block,
        rest: &[(&'m Statement, Span)],
    ) -> Result<()> {
        let condition = self.scalar(condition)?;
        let (mut yes, mut no) = (list(accept), list(reject));
        if let Some(bits) = self.b.constant(condition) {
            let mut all = if bits != 0 { yes } else { no };
            all.extend_from_slice(rest);
            return self.statements(&all);
        }
        if self.exit_at_once(condition, &yes, &no)? {
            let mut other = if matches!(yes[..], [(Statement::Break, _)]) { no } else { yes };
            other.extend_from_slice(rest);
            return self.statements(&other);
        }
        match (always_ends(accept), always_ends(reject)) {
            (true, true) => self.branch(condition, &|l| l.statements(&yes), &|l| l.statements(&no)),
            (true, false) => {
                no.extend_from_slice(rest);
                self.branch(condition, &|l| l.statements(&yes), &|l| l.statements(&no))
            }
            (false, true) => {
                yes.extend_from_slice(rest);
                self.branch(condition, &|l| l.statements(&yes), &|l| l.statements(&no))
            }
            (false, false) => {
                self.branch(condition, &|l| l.statements(&yes), &|l| l.statements(&no))?;
                self.rest(rest)
            }
        }
    }

    /// Both sides of a branch, and the merge of what they changed.
    pub(super) fn branch(&mut self, condition: Id, yes: Side<'_, 'm>, no: Side<'_, 'm>) -> Result<()> {
        match self.b.constant(condition) {
            Some(0) => return no(self),
            Some(_) => return yes(self),
            None => {}
        }
        if self.depth >= MAX_DEPTH {
            return Err(Stop::Refused(
                Diagnostic::error("branches are nested too deeply", self.span)
                    .help("use fewer early returns in a row, or a switch"),
            ));
        }
        self.depth += 1;
        let result = if self.is_uniform(condition) {
            self.uniform_branch(condition, yes, no)
        } else {
            self.varying_branch(condition, yes, no)
        };
        self.depth -= 1;
        result
    }

    fn uniform_branch(&mut self, condition: Id, yes: Side<'_, 'm>, no: Side<'_, 'm>) -> Result<()> {
        let before = self.env.clone();
        let start = self.b.checkpoint();
        yes(self)?;
        self.b.close(start);
        let env_yes = std::mem::replace(&mut self.env, before.clone());
        let middle = self.b.checkpoint();
        no(self)?;
        self.b.close(middle);
        let env_no = std::mem::take(&mut self.env);
        let (start, middle) = (Builder::position(start), Builder::position(middle));
        // What is stored to memory is not chosen afterwards, so it must not be stored at all.
        let stores = |inst: &Inst| inst.code().is_some_and(|c| c.class() == Class::Memory && !c.has_result());
        let jumps = cost(&self.b.body[start..]) >= SKIP_UNIFORM || self.b.body[start..].iter().any(stores);
        let mut copies = (Vec::new(), Vec::new());
        self.env = before;
        for word in 0..self.env.len() {
            let (a, b) = (env_yes[word], env_no[word]);
            self.env[word] = if a == b {
                a
            } else if let Some(lost) = self.lost_of(a, b) {
                lost
            } else if jumps {
                let register = self.b.register(self.b.rate(a).max(self.b.rate(b)).max(Rate::Strip));
                copies.0.push(Inst::op(Opcode::Copy, Some(register), &[a]));
                copies.1.push(Inst::op(Opcode::Copy, Some(register), &[b]));
                register
            } else {
                self.b.select(condition, a, b)
            };
        }
        if jumps {
            let (other, end) = (self.b.new_label(), self.b.new_label());
            let mut enter = Inst::op(Opcode::JumpUnless, None, &[condition]);
            enter.imm = other;
            let mut leave = Inst::op(Opcode::Jump, None, &[]);
            leave.imm = end;
            self.b.body.extend(copies.1);
            self.b.place_label(end);
            copies.0.extend([leave, Inst::label(other)]);
            self.b.body.splice(middle..middle, copies.0);
            self.b.body.splice(start..start, [enter]);
        }
        Ok(())
    }

    fn varying_branch(&mut self, condition: Id, yes: Side<'_, 'm>, no: Side<'_, 'm>) -> Result<()> {
        let outer = self.mask;
        let (mask_yes, mask_no) = match outer {
            Some(mask) => (self.b.and(mask, condition), self.b.op(Opcode::AndNot, &[mask, condition])),
            None => (condition, self.b.not(condition)),
        };
        // Under a mask that already says what the condition does, one side is for nobody.
        match (self.b.constant(mask_yes), self.b.constant(mask_no)) {
            (Some(0), _) => return no(self),
            (_, Some(0)) => return yes(self),
            _ => {}
        }
        let before = self.env.clone();

        let start = self.b.checkpoint();
        self.mask = Some(mask_yes);
        yes(self)?;
        let mut merged = std::mem::replace(&mut self.env, before.clone());
        let mut registers = vec![None; before.len()];
        if cost(&self.b.body[Builder::position(start)..]) >= SKIP_VARYING {
            self.b.close(start);
            let mut entry = Vec::new();
            for word in 0..before.len() {
                let (old, new) = (before[word], merged[word]);
                if old == new || self.lost_of(old, new).is_some() {
                    continue;
                }
                let register = self.b.register(Rate::Varying);
                entry.push(Inst::op(Opcode::Copy, Some(register), &[old]));
                self.b.write(register, new, Some(condition));
                registers[word] = Some(register);
                merged[word] = register;
            }
            self.skip(Builder::position(start), mask_yes, entry);
        }

        let start = self.b.checkpoint();
        self.mask = Some(mask_no);
        no(self)?;
        self.mask = outer;
        let other = std::mem::replace(&mut self.env, before.clone());
        let skipped = cost(&self.b.body[Builder::position(start)..]) >= SKIP_VARYING;
        if skipped {
            self.b.close(start);
            let mut entry = Vec::new();
            for word in 0..before.len() {
                let (old, a, b) = (before[word], merged[word], other[word]);
                if b == old || a == b || self.lost_of(a, b).is_some() {
                    continue;
                }
                let register = *registers[word].get_or_insert_with(|| {
                    // The first side was not skipped: its value stands in until the second has one.
                    let register = self.b.register(Rate::Varying);
                    entry.push(Inst::op(Opcode::Copy, Some(register), &[a]));
                    register
                });
                self.b.body.push(Inst::op(Opcode::Select, Some(register), &[condition, register, b]));
                merged[word] = register;
            }
            self.skip(Builder::position(start), mask_no, entry);
        }
        for word in 0..before.len() {
            let (old, a, b) = (before[word], merged[word], other[word]);
            self.env[word] = if a == b {
                a
            } else if let Some(lost) = self.lost_of(a, b) {
                lost
            } else if registers[word].is_some() && (skipped || b == old) {
                // The register holds what each lane's side left.
                a
            } else {
                self.b.select(condition, a, b)
            };
        }
        Ok(())
    }

    /// Makes the code since `start` jumped over where `mask` is empty; `entry` runs in any case.
    fn skip(&mut self, start: usize, mask: Id, mut entry: Vec<Inst>) {
        let end = self.b.new_label();
        let mut jump = Inst::op(Opcode::JumpNone, None, &[mask]);
        jump.imm = end;
        entry.push(jump);
        self.b.place_label(end);
        self.b.body.splice(start..start, entry);
    }

    /// If either value is lost, so is what they merge into.
    pub(super) fn lost_of(&self, a: Id, b: Id) -> Option<Id> {
        [a, b].into_iter().find(|id| matches!(self.b.info(*id).origin, Origin::Lost(_)))
    }

    fn call(
        &mut self,
        function: Handle<naga::Function>,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
        identity: u64,
    ) -> Result<()> {
        let callee = &self.module.functions[function];
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.expression(*argument)?);
        }
        let path = key(self.here().path, identity);
        let value = self.inlined(callee, &self.info[function], values, path)?;
        if let Some(result) = result {
            self.here_mut().expressions[result.index()] = Some(Val::Words(value));
        }
        Ok(())
    }

    /// The value a function returns for these arguments, its body lowered here.
    pub(super) fn inlined(
        &mut self,
        function: &'m naga::Function,
        info: &'m naga::valid::FunctionInfo,
        arguments: Vec<Val>,
        path: u64,
    ) -> Result<super::Words> {
        let (env, locals) = (self.env.len(), self.b.locals);
        let false_ = self.b.bool(false);
        let zero = self.b.bits(0);
        let shape = function.result.as_ref().and_then(|r| Shape::of_type(self.module, r.ty));
        let count = shape.map_or(0, |shape| shape.words(self.module));
        let returned = self.new_words(1, false_);
        let result = self.new_words(count, zero);
        let expressions = vec![None; function.expressions.len()];
        let frames = self.frames.len();
        let locals_of = std::collections::HashMap::new();
        self.instances.push(Instance {
            function,
            info,
            expressions,
            arguments,
            locals: locals_of,
            path,
            result,
            returned,
            frames,
        });
        for (handle, local) in function.local_variables.iter() {
            self.span = function.local_variables.get_span(handle);
            let Some(shape) = Shape::of_type(self.module, local.ty) else {
                return self.unexpected("a variable of this type");
            };
            let init = match local.init {
                Some(init) => self.value(init)?,
                None => self.zeros(shape),
            };
            let variable = self.new_variable(shape, key(path, handle.index() as u64), &init)?;
            self.here_mut().locals.insert(handle, variable);
        }
        self.statements(&list(&function.body))?;
        let value =
            (result..result + count as usize).map(|word| self.read_word(word)).collect::<Result<Vec<_>>>()?;
        self.instances.pop();
        self.env.truncate(env);
        self.b.locals = locals;
        Ok(words(value.len(), |n| value[n]))
    }
}
