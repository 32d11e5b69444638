//! Removes code whose results nobody reads, and jumps over nothing.

use std::collections::HashMap;

use iridule_vm::{Class, Opcode};

use crate::ssa::{Action, Id, Inst};

/// Whether an instruction does something beside giving a value.
fn has_effect(inst: &Inst) -> bool {
    match inst.action {
        Action::Label => true,
        Action::Op(code) => {
            code.class() == Class::Control || code.class() == Class::Memory && !code.has_result()
        }
    }
}

/// Keeps of setup and body what the results depend on.
pub(super) fn sweep(setup: &mut Vec<Inst>, body: &mut Vec<Inst>, results: &[Id]) {
    drop_unread_memory(body);
    let mut writers: HashMap<Id, Vec<Inst>> = HashMap::new();
    let mut wanted: Vec<Id> = results.to_vec();
    for inst in setup.iter().chain(body.iter()) {
        if let Some(dst) = inst.dst {
            writers.entry(dst).or_default().push(*inst);
        }
        if has_effect(inst) {
            wanted.extend(inst.operands());
        }
    }
    let mut live = std::collections::HashSet::new();
    while let Some(id) = wanted.pop() {
        if live.insert(id) {
            let insts = writers.get(&id).map(Vec::as_slice).unwrap_or_default();
            wanted.extend(insts.iter().flat_map(|inst| inst.operands().iter().copied()));
        }
    }
    let keep = |inst: &Inst| has_effect(inst) || inst.dst.is_some_and(|dst| live.contains(&dst));
    setup.retain(keep);
    body.retain(keep);
    while drop_empty_jumps(body) {}
}

/// Without a read of local memory, writes to it are for nothing.
fn drop_unread_memory(body: &mut Vec<Inst>) {
    let reads = |inst: &Inst| matches!(inst.code(), Some(Opcode::LocalRead | Opcode::LocalLoad));
    if !body.iter().any(reads) {
        body.retain(|inst| inst.code().is_none_or(|code| code.class() != Class::Memory));
    }
}

/// Removes forward jumps to the next instruction.
fn drop_empty_jumps(body: &mut Vec<Inst>) -> bool {
    let before = body.len();
    let mut keep = vec![true; body.len()];
    for (at, inst) in body.iter().enumerate() {
        if matches!(inst.code(), Some(Opcode::Jump | Opcode::JumpUnless | Opcode::JumpNone)) {
            let labels = body[at + 1..].iter().take_while(|next| next.action == Action::Label);
            keep[at] = !labels.into_iter().any(|label| label.imm == inst.imm);
        }
    }
    let mut kept = keep.into_iter();
    body.retain(|_| kept.next().unwrap_or(true));
    body.len() != before
}
