//! What a machine refuses, and that nothing it is fed can hurt it.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may show its figures, cut numbers and panic"
)]

use iridule_vm::{
    Budget, DecodeError, Fault, Inputs, Machine, Op, Opcode, Program, Reg, RunError, Size, VerifyError,
};

fn empty() -> Program {
    Program {
        bindings: vec![],
        constants: vec![0, 0x3f80_0000, u32::MAX],
        table: vec![],
        uniforms: 4,
        varyings: 2,
        locals: 2,
        setup: vec![],
        body: vec![],
        color: [Reg::uniform(1); 4],
        discard: None,
        loop_lines: vec![],
    }
}

fn fault(program: Program) -> Fault {
    let error: VerifyError = Machine::new(program).expect_err("a program that must be refused");
    error.fault
}

fn with(ops: &[Op]) -> Program {
    Program { body: ops.to_vec(), ..empty() }
}

const SIZE: Size = Size { width: 5, height: 3 };

#[test]
fn a_program_without_code_paints_its_constants() {
    let machine = Machine::new(empty()).expect("valid");
    let mut out = vec![0.0; SIZE.values()];
    machine
        .paint_f32(&Inputs::default(), SIZE, &mut Budget::per_pixel(SIZE, 1), &mut out)
        .expect("a picture");
    assert!(out.iter().all(|v| *v == 1.0));
    let short = machine.paint_f32(&Inputs::default(), SIZE, &mut Budget { left: 0 }, &mut out[1..]);
    assert!(matches!(short, Err(RunError::Buffer { .. })));
}

#[test]
fn what_reaches_outside_is_refused() {
    let (u, v) = (Reg::uniform, Reg::varying);
    let copy = |dst, src| with(&[Op::new(Opcode::Copy, dst, &[src])]);
    assert_eq!(fault(copy(v(2), v(0))), Fault::Range);
    assert_eq!(fault(copy(v(0), u(4))), Fault::Range);
    assert_eq!(fault(copy(u(3), v(0))), Fault::Bank);
    assert_eq!(fault(copy(u(1), u(0))), Fault::Bank, "constants are not written");
    let local = |imm, aux| with(&[Op { imm, aux, ..Op::new(Opcode::LocalLoad, v(0), &[v(1)]) }]);
    assert_eq!(fault(local(1, 2)), Fault::Range);
    assert_eq!(fault(local(u32::MAX, 2)), Fault::Range);
    assert_eq!(fault(local(0, 0)), Fault::Range);
    assert_eq!(fault(with(&[Op::new(Opcode::TableAt, v(0), &[v(1)])])), Fault::Range);
    assert_eq!(fault(with(&[Op::new(Opcode::Uniform, u(3), &[])])), Fault::Range);
    assert_eq!(fault(with(&[Op { imm: 2, ..Op::new(Opcode::Jump, v(0), &[]) }])), Fault::Range);
    assert_eq!(fault(with(&[Op { imm: 0, ..Op::new(Opcode::Jump, v(0), &[]) }])), Fault::Direction);
    assert_eq!(fault(with(&[Op { imm: 1, ..Op::new(Opcode::JumpNone, v(0), &[u(0)]) }])), Fault::Bank);
    assert_eq!(fault(with(&[Op::new(Opcode::Loop, v(0), &[])])), Fault::Lines);
    let setup = Program { setup: vec![Op::new(Opcode::LocalRead, v(0), &[])], ..empty() };
    assert_eq!(fault(setup), Fault::Place);
    assert_eq!(fault(Program { color: [v(9); 4], ..empty() }), Fault::Range);
    assert_eq!(fault(Program { locals: u32::MAX, ..empty() }), Fault::TooLarge);
}

#[test]
fn an_endless_loop_runs_out_of_budget_and_says_where() {
    let program = Program { loop_lines: vec![7], ..with(&[Op::new(Opcode::Loop, Reg::default(), &[])]) };
    let machine = Machine::new(program).expect("valid");
    let mut out = vec![0.0; SIZE.values()];
    let result = machine.paint_f32(&Inputs::default(), SIZE, &mut Budget::per_pixel(SIZE, 1000), &mut out);
    assert_eq!(result, Err(RunError::OutOfBudget { line: 7, x: 0, y: 0 }));
}

#[test]
fn bytes_have_one_form() {
    let program = with(&[Op::new(Opcode::Copy, Reg::varying(0), &[Reg::uniform(1)])]);
    let bytes = program.encode();
    assert_eq!(Program::decode(&bytes), Ok(program));
    for cut in 0..bytes.len() {
        assert!(Program::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Program::decode(&longer), Err(DecodeError::Trailing(bytes.len())));
    let mut other = bytes.clone();
    other[4] = 99;
    assert_eq!(Program::decode(&other), Err(DecodeError::Format(99)));
    // A count of bindings written with one byte more than it needs.
    let padded = [&bytes[..5], &[0x80, 0x00], &bytes[6..]].concat();
    assert_eq!(Program::decode(&padded), Err(DecodeError::Malformed(5)));
}

/// Bytes changed at random either fail to decode, fail to verify, or run to an end.
#[test]
fn damaged_bytes_do_no_harm() {
    let (u, v) = (Reg::uniform, Reg::varying);
    let program = Program {
        loop_lines: vec![3],
        ..with(&[
            Op::new(Opcode::PositionX, v(0), &[]),
            Op::new(Opcode::Sin, v(1), &[v(0)]),
            Op { imm: 1, ..Op::new(Opcode::LocalWrite, v(0), &[v(1)]) },
            Op { imm: 0, aux: 2, ..Op::new(Opcode::LocalLoad, v(1), &[v(0)]) },
            Op::new(Opcode::MulAdd, v(0), &[v(0), u(1), v(1)]),
            Op::new(Opcode::LtF, v(1), &[v(0), u(1)]),
            Op { imm: 4, ..Op::new(Opcode::LoopAny, v(0), &[v(1)]) },
        ])
    };
    let bytes = program.encode();
    let mut state = 1u64;
    let mut roll = move |sides: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % sides
    };
    let mut ran = 0;
    let mut out = vec![0.0; SIZE.values()];
    for _ in 0..50_000 {
        let mut damaged = bytes.clone();
        for _ in 0..=roll(3) {
            let at = roll(damaged.len());
            match roll(4) {
                0 => damaged[at] ^= 1 << roll(8),
                1 => damaged[at] = roll(256) as u8,
                2 => damaged.insert(at, roll(256) as u8),
                _ => drop(damaged.remove(at)),
            }
        }
        let Ok(program) = Program::decode(&damaged) else { continue };
        assert_eq!(program.encode(), damaged, "one byte form");
        let Ok(machine) = Machine::new(program) else { continue };
        let _ = machine.paint_f32(&Inputs::default(), SIZE, &mut Budget::per_pixel(SIZE, 500), &mut out);
        ran += 1;
    }
    assert!(ran > 100, "only {ran} of the damaged programs ran");
}
