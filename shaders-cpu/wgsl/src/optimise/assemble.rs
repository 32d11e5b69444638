//! The last step: labels become addresses, values become registers.

use std::collections::HashMap;

use iridule_vm::{Op, Opcode, Program, Reg};

use super::{allocate, dead, fuse, settle};
use crate::diagnostic::Diagnostic;
use crate::lower::Lowered;
use crate::ssa::{Action, Id, Inst};

/// The program of a lowered shader.
pub(crate) fn assemble(lowered: Lowered) -> Result<Program, Diagnostic> {
    let Lowered { mut b, color, discarded, bindings, .. } = lowered;
    let drops = b.constant(discarded) != Some(0);
    let mut results = color.to_vec();
    results.extend(drops.then_some(discarded));

    let (mut setup, mut body) = (std::mem::take(&mut b.setup), std::mem::take(&mut b.body));
    dead::sweep(&mut setup, &mut body, &results);
    (b.setup, b.body) = (setup, body);
    fuse::fuse(&mut b, &results);
    let (mut setup, mut body) = (std::mem::take(&mut b.setup), std::mem::take(&mut b.body));
    dead::sweep(&mut setup, &mut body, &results);
    (b.setup, b.body) = (setup, body);
    settle::settle(&mut b, &results);

    let allocation = allocate::allocate(&b, &results);
    let too_large = |what: &str| {
        Diagnostic::error(format!("this shader needs too many {what}"), naga::Span::UNDEFINED)
            .help("use fewer constants, or fewer values that are alive at the same time")
    };
    let count = |n: usize, what: &str| match u16::try_from(n) {
        Ok(n) if n <= iridule_vm::MAX_REGISTERS => Ok(n),
        _ => Err(too_large(what)),
    };
    let uniforms = count(allocation.uniforms, "uniform registers")?;
    let varyings = count(allocation.varyings, "registers")?;
    let register = |id: Id| allocation.registers.get(&id).copied().unwrap_or_default();
    let op = |inst: &Inst| -> Option<Op> {
        let code = inst.code()?;
        let operands: Vec<Reg> = inst.operands().iter().map(|id| register(*id)).collect();
        let mut op = Op::new(code, inst.dst.map(register).unwrap_or_default(), &operands);
        (op.imm, op.aux) = (inst.imm, inst.aux);
        // A copy between values that came to share a register is nothing.
        (code != Opcode::Copy || op.operands() != [op.dst]).then_some(op)
    };

    let mut addresses = HashMap::new();
    let mut body_ops = Vec::with_capacity(b.body.len());
    for inst in &b.body {
        match inst.action {
            Action::Label => {
                addresses.insert(inst.imm, u32::try_from(body_ops.len()).unwrap_or(u32::MAX));
            }
            Action::Op(_) => body_ops.extend(op(inst)),
        }
    }
    let mut loop_lines = Vec::new();
    for op in &mut body_ops {
        if op.code.class() == iridule_vm::Class::Control {
            op.imm = addresses.get(&op.imm).copied().unwrap_or(u32::MAX);
            if op.code.is_back_edge() {
                loop_lines.push(op.aux);
            }
            op.aux = 0;
        }
    }
    let reads_memory =
        b.body.iter().any(|i| i.code().is_some_and(|c| c.class() == iridule_vm::Class::Memory));
    let reads_table = b.body.iter().chain(&b.setup).any(|i| i.code() == Some(Opcode::TableAt));
    Ok(Program {
        bindings,
        constants: allocation.constants,
        table: if reads_table { b.table } else { Vec::new() },
        uniforms,
        varyings,
        locals: if reads_memory { b.locals_peak } else { 0 },
        setup: b.setup.iter().filter_map(op).collect(),
        body: body_ops,
        color: color.map(register),
        discard: drops.then(|| register(discarded)),
        loop_lines,
    })
}
