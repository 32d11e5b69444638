//! Makes values where they are wanted: what is only made to be copied into a register value, as at the end of a loop's body,
//! is made at the copy, and in its stead.

use std::collections::HashMap;

use iridule_vm::{Class, Opcode};

use crate::ssa::{Builder, Id, Inst, Origin, Rate};

/// Moves definitions to the copies that are their only readers. Both must stand in the same straight run of code, and what
/// the definition reads must not be written in between.
pub(super) fn settle(b: &mut Builder, results: &[Id]) {
    let mut readers: HashMap<Id, u32> = HashMap::new();
    let read = b.body.iter().flat_map(Inst::operands).chain(results);
    read.for_each(|id| *readers.entry(*id).or_default() += 1);
    // Of the run so far: where values were made, and where register values were written last.
    let (mut made, mut written) = (HashMap::new(), HashMap::<Id, usize>::new());
    let mut settled = vec![false; b.body.len()];
    let mut body = std::mem::take(&mut b.body);
    for at in 0..body.len() {
        let inst = body[at];
        let Some(code) = inst.code().filter(|code| code.class() != Class::Control) else {
            made.clear();
            written.clear();
            continue;
        };
        let Some(dst) = inst.dst else { continue };
        if b.info(dst).origin != Origin::Register {
            made.insert(dst, at);
            continue;
        }
        let [value, ..] = inst.src;
        let varies = |id: Id| b.rate(id) == Rate::Varying;
        if code == Opcode::Copy
            && readers.get(&value) == Some(&1)
            && varies(value) == varies(dst)
            && let Some(first) = made.get(&value)
            && body[*first].operands().iter().all(|id| written.get(id).is_none_or(|write| write < first))
        {
            body[at] = Inst { dst: Some(dst), ..body[*first] };
            settled[*first] = true;
        }
        written.insert(dst, at);
    }
    let mut settled = settled.into_iter();
    body.retain(|_| !settled.next().unwrap_or(false));
    b.body = body;
}
