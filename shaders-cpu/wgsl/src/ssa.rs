//! Values and instructions between WGSL and the machine: single assignment, one scalar each.
//!
//! Every value is 32 bits: an `f32`, `i32` or `u32`, or a boolean as all zeros or all ones. It has a [`Rate`],
//! known when it is made, because control flow is already decided then: what depends on constants alone is
//! folded, what depends on uniforms goes to the setup code, what is the same on all lanes runs once a strip.
//! Equal operations on equal operands are one value (within the region that computes them).
//!
//! The exception to single assignment is a *register value*, written where control flow meets: at the end of a
//! branch that may be skipped, and at the end of a loop's body.

use std::collections::HashMap;

use iridule_vm::{Class, MAX_ARITY, Opcode};

/// A value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Id(pub u32);

/// How often a value can change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Rate {
    /// Never.
    Constant,
    /// Once a picture.
    Setup,
    /// Within a strip, but for all lanes together.
    Strip,
    /// From lane to lane.
    Varying,
}

/// Where a value comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// These bits.
    Constant(u32),
    /// An instruction, once.
    Result(Opcode, [Id; MAX_ARITY]),
    /// Several instructions: a register value.
    Register,
    /// Nowhere: what a variable holds after a loop that kept no exact copy of it. Reading it is a reason to
    /// lower again with one. The number is that of the loop's fact.
    Lost(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Info {
    pub rate: Rate,
    pub origin: Origin,
}

/// What an instruction does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// An operation. Jumps have their label in `imm`.
    Op(Opcode),
    /// The target of jumps with this label.
    Label,
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inst {
    pub action: Action,
    pub dst: Option<Id>,
    pub src: [Id; MAX_ARITY],
    pub imm: u32,
    pub aux: u32,
}

impl Inst {
    pub(crate) fn op(code: Opcode, dst: Option<Id>, operands: &[Id]) -> Self {
        let mut src = [Id(0); MAX_ARITY];
        src.iter_mut().zip(operands).for_each(|(to, from)| *to = *from);
        Self { action: Action::Op(code), dst, src, imm: 0, aux: 0 }
    }

    pub(crate) fn label(label: u32) -> Self {
        Self { action: Action::Label, dst: None, src: [Id(0); MAX_ARITY], imm: label, aux: 0 }
    }

    pub(crate) fn operands(&self) -> &[Id] {
        match self.action {
            Action::Op(code) => &self.src[..code.arity()],
            Action::Label => &[],
        }
    }

    pub(crate) fn code(&self) -> Option<Opcode> {
        match self.action {
            Action::Op(code) => Some(code),
            Action::Label => None,
        }
    }
}

type Key = (Opcode, [Id; MAX_ARITY], u32, u32);

/// Where lowering stood, to go back there.
#[derive(Clone, Copy)]
pub(crate) struct Checkpoint {
    body: usize,
    log: usize,
    locals: u32,
}

/// Values and code under construction.
#[derive(Default)]
pub(crate) struct Builder {
    pub infos: Vec<Info>,
    pub setup: Vec<Inst>,
    pub body: Vec<Inst>,
    /// Words for dynamic reads of constant arrays.
    pub table: Vec<u32>,
    /// Local words in use.
    pub locals: u32,
    /// The most that ever were.
    pub locals_peak: u32,
    constants: HashMap<u32, Id>,
    shared: HashMap<Key, Id>,
    log: Vec<Key>,
    labels: u32,
}

/// All ones: true.
pub(crate) const TRUE: u32 = u32::MAX;

impl Builder {
    fn new_value(&mut self, rate: Rate, origin: Origin) -> Id {
        let id = Id(u32::try_from(self.infos.len()).unwrap_or(u32::MAX));
        self.infos.push(Info { rate, origin });
        id
    }

    pub(crate) fn info(&self, id: Id) -> Info {
        self.infos[id.0 as usize]
    }

    pub(crate) fn rate(&self, id: Id) -> Rate {
        self.info(id).rate
    }

    /// The bits of a constant.
    pub(crate) fn constant(&self, id: Id) -> Option<u32> {
        match self.info(id).origin {
            Origin::Constant(bits) => Some(bits),
            _ => None,
        }
    }

    /// The operands of a value made by `code`.
    pub(crate) fn made_by(&self, id: Id, code: Opcode) -> Option<[Id; MAX_ARITY]> {
        match self.info(id).origin {
            Origin::Result(made, operands) if made == code => Some(operands),
            _ => None,
        }
    }

    pub(crate) fn bits(&mut self, bits: u32) -> Id {
        if let Some(id) = self.constants.get(&bits) {
            return *id;
        }
        let id = self.new_value(Rate::Constant, Origin::Constant(bits));
        self.constants.insert(bits, id);
        id
    }

    pub(crate) fn f32(&mut self, value: f32) -> Id {
        self.bits(value.to_bits())
    }

    pub(crate) fn bool(&mut self, value: bool) -> Id {
        self.bits(if value { TRUE } else { 0 })
    }

    /// A register value: written by [`Self::write`].
    pub(crate) fn register(&mut self, rate: Rate) -> Id {
        self.new_value(rate, Origin::Register)
    }

    pub(crate) fn lost(&mut self, fact: u32) -> Id {
        self.new_value(Rate::Varying, Origin::Lost(fact))
    }

    pub(crate) fn new_label(&mut self) -> u32 {
        self.labels += 1;
        self.labels
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { body: self.body.len(), log: self.log.len(), locals: self.locals }
    }

    /// Forgets the code since `to`. Setup code stays: unused, it is dropped at the end.
    pub(crate) fn roll_back(&mut self, to: Checkpoint) {
        self.body.truncate(to.body);
        self.locals = to.locals;
        self.close(to);
    }

    /// Stops sharing values computed since `from`, which may not have been computed on every way here.
    pub(crate) fn close(&mut self, from: Checkpoint) {
        for key in self.log.drain(from.log..) {
            self.shared.remove(&key);
        }
    }

    pub(crate) fn len_since(&self, from: Checkpoint) -> usize {
        self.body.len() - from.body
    }

    pub(crate) fn position(from: Checkpoint) -> usize {
        from.body
    }

    /// `register = value`, or `mask ? value : register`.
    pub(crate) fn write(&mut self, register: Id, value: Id, mask: Option<Id>) {
        let inst = match mask {
            None => Inst::op(Opcode::Copy, Some(register), &[value]),
            Some(mask) => Inst::op(Opcode::Select, Some(register), &[mask, value, register]),
        };
        self.body.push(inst);
    }

    /// A pure operation: folded, simplified, shared, and put where its rate allows.
    pub(crate) fn op(&mut self, code: Opcode, operands: &[Id]) -> Id {
        let operands = &mut operands.to_vec()[..];
        if code.commutes() && operands.len() >= 2 {
            // One order for both; a uniform operand on the right, where kernels take it.
            let rank = |b: &Self, id: Id| (b.rate(id) < Rate::Varying, id);
            if rank(self, operands[0]) > rank(self, operands[1]) {
                operands.swap(0, 1);
            }
        }
        let words: Option<Vec<u32>> = operands.iter().map(|id| self.constant(*id)).collect();
        if let Some(bits) = words.and_then(|words| iridule_vm::scalar::evaluate(code, &words)) {
            return self.bits(bits);
        }
        if let Some(simpler) = crate::simplify::simplify(self, code, operands) {
            return simpler;
        }
        self.emit(code, operands, 0, 0)
    }

    /// An operation that is shared but not folded or simplified.
    pub(crate) fn emit(&mut self, code: Opcode, operands: &[Id], imm: u32, aux: u32) -> Id {
        let mut inst = Inst::op(code, None, operands);
        (inst.imm, inst.aux) = (imm, aux);
        let key = (code, inst.src, imm, aux);
        if let Some(id) = self.shared.get(&key) {
            return *id;
        }
        let from_lanes = matches!(code, Opcode::PositionX | Opcode::PositionY | Opcode::Dpdx | Opcode::Dpdy);
        let rate = operands.iter().map(|id| self.rate(*id)).max().unwrap_or(Rate::Setup).max(Rate::Setup);
        let rate = if from_lanes { Rate::Varying } else { rate };
        let id = self.new_value(rate, Origin::Result(code, inst.src));
        inst.dst = Some(id);
        self.shared.insert(key, id);
        if rate == Rate::Setup {
            self.setup.push(inst);
        } else {
            self.log.push(key);
            self.body.push(inst);
        }
        id
    }

    /// An operation on local memory, in its place. The result, if it has one, is varying.
    pub(crate) fn memory(&mut self, code: Opcode, operands: &[Id], imm: u32, aux: u32) -> Id {
        debug_assert_eq!(code.class(), Class::Memory);
        let mut inst = Inst::op(code, None, operands);
        (inst.imm, inst.aux) = (imm, aux);
        let id = self.new_value(Rate::Varying, Origin::Register);
        inst.dst = code.has_result().then_some(id);
        self.body.push(inst);
        id
    }

    /// A jump to a label, or a back-edge to it with its source line.
    pub(crate) fn jump(&mut self, code: Opcode, condition: &[Id], label: u32, line: u32) {
        let mut inst = Inst::op(code, None, condition);
        (inst.imm, inst.aux) = (label, line);
        self.body.push(inst);
    }

    pub(crate) fn place_label(&mut self, label: u32) {
        self.body.push(Inst::label(label));
    }

    pub(crate) fn not(&mut self, a: Id) -> Id {
        self.op(Opcode::Not, &[a])
    }

    pub(crate) fn and(&mut self, a: Id, b: Id) -> Id {
        self.op(Opcode::And, &[a, b])
    }

    pub(crate) fn or(&mut self, a: Id, b: Id) -> Id {
        self.op(Opcode::Or, &[a, b])
    }

    pub(crate) fn select(&mut self, mask: Id, yes: Id, no: Id) -> Id {
        self.op(Opcode::Select, &[mask, yes, no])
    }
}
