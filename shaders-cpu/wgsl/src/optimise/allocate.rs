//! Registers by liveness: a linear scan over setup and body in order.
//!
//! A value lives from its first definition to its last reader; if it came from before a loop and is read in it, to
//! the loop's end. What the setup code leaves for the body lives for ever: the body runs once per strip.

use std::collections::{BTreeSet, HashMap};

use iridule_vm::Reg;

use crate::ssa::{Action, Builder, Id, Inst, Rate};

struct Interval {
    id: Id,
    start: usize,
    end: usize,
}

/// The registers of all values, and how many each bank needs.
pub(super) struct Allocation {
    pub registers: HashMap<Id, Reg>,
    pub constants: Vec<u32>,
    pub uniforms: usize,
    pub varyings: usize,
}

/// Free register numbers of one bank.
#[derive(Default)]
struct Bank {
    free: BTreeSet<u16>,
    size: u16,
    /// End and number of the registers in use.
    busy: BTreeSet<(usize, u16)>,
}

impl Bank {
    fn take(&mut self, start: usize, end: usize) -> u16 {
        // What is last read by the instruction that defines this value may share its register.
        while let Some(&(until, number)) = self.busy.first()
            && until <= start
        {
            self.busy.pop_first();
            self.free.insert(number);
        }
        let number = self.free.pop_first().unwrap_or_else(|| {
            self.size = self.size.saturating_add(1);
            self.size - 1
        });
        self.busy.insert((end, number));
        number
    }
}

/// The first and last positions of each label's loop, inner ones first.
fn loops(code: &[&Inst]) -> Vec<(usize, usize)> {
    let mut labels = HashMap::new();
    let mut found = Vec::new();
    for (at, inst) in code.iter().enumerate() {
        match inst.action {
            Action::Label => {
                labels.insert(inst.imm, at);
            }
            Action::Op(op) if op.is_back_edge() => {
                found.extend(labels.get(&inst.imm).map(|start| (*start, at)));
            }
            Action::Op(_) => {}
        }
    }
    found
}

fn intervals(b: &Builder, results: &[Id]) -> Vec<Interval> {
    let code: Vec<&Inst> = b.setup.iter().chain(&b.body).collect();
    let end = code.len();
    let mut spans: HashMap<Id, (usize, usize)> = HashMap::new();
    let mut touch = |id: Id, at: usize| {
        let span = spans.entry(id).or_insert((at, at));
        span.1 = span.1.max(at);
    };
    for (at, inst) in code.iter().enumerate() {
        inst.operands().iter().chain(&inst.dst).for_each(|id| touch(*id, at));
        if at >= b.setup.len() {
            for id in inst.operands().iter().filter(|id| b.rate(**id) == Rate::Setup) {
                touch(*id, end + 1);
            }
        }
    }
    for id in results {
        touch(*id, end + 1);
    }
    // Loops come inner first, and an extended value may then reach into an outer one.
    for (first, last) in loops(&code) {
        let mut inside: Vec<Id> = Vec::new();
        for inst in &code[first..=last] {
            inside.extend(inst.operands().iter().chain(&inst.dst));
        }
        for id in inside {
            if let Some(span) = spans.get_mut(&id)
                && span.0 < first
            {
                span.1 = span.1.max(last);
            }
        }
    }
    let mut all: Vec<Interval> =
        spans.into_iter().map(|(id, (start, end))| Interval { id, start, end }).collect();
    all.sort_by_key(|i| (i.start, i.id));
    all
}

/// Gives each value of setup and body a register.
pub(super) fn allocate(b: &Builder, results: &[Id]) -> Allocation {
    let mut registers = HashMap::new();
    let mut constants = Vec::new();
    let used = b.setup.iter().chain(&b.body).flat_map(|inst| inst.operands()).chain(results);
    for id in used {
        if let Some(bits) = b.constant(*id) {
            registers.entry(*id).or_insert_with(|| {
                constants.push(bits);
                Reg::uniform(u16::try_from(constants.len() - 1).unwrap_or(u16::MAX))
            });
        }
    }
    let first = u16::try_from(constants.len()).unwrap_or(u16::MAX);
    let mut uniform = Bank { size: first, ..Bank::default() };
    let mut varying = Bank::default();
    for Interval { id, start, end } in intervals(b, results) {
        match b.rate(id) {
            Rate::Constant => {}
            Rate::Setup | Rate::Strip => {
                let number = uniform.take(start, end);
                registers.insert(id, Reg::uniform(number));
            }
            Rate::Varying => {
                let number = varying.take(start, end);
                registers.insert(id, Reg::varying(number));
            }
        }
    }
    let (uniforms, varyings) = (usize::from(uniform.size), usize::from(varying.size));
    Allocation { registers, constants, uniforms, varyings }
}
