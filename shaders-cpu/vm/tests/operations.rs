//! Every pure operation, in every operand form, over edge values and random bits: the same bits on every level,
//! and the same as folding gives.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may show its figures, cut numbers and panic"
)]

use iridule_vm::{
    Binding, BindingKind, Budget, Class, Inputs, Level, MAX_ARITY, Machine, Op, Opcode, Program, Reg,
    Resource, Size, scalar,
};

const SIZE: Size = Size { width: 64, height: 64 };
const COUNT: usize = 64 * 64;

/// Bits that matter: zeros, ones, ends of ranges, halves, NaNs, infinities, subnormals.
const EDGES: [u32; 44] = [
    0,
    1,
    2,
    3,
    31,
    32,
    33,
    255,
    256,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_ffff,
    0xffff_fffe,
    0x3f00_0000,
    0xbf00_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x3fc0_0000,
    0x4020_0000,
    0xc020_0000,
    0x4049_0fdb,
    0xc049_0fdb,
    0x3fc9_0fdb,
    0x4b00_0000,
    0x4b80_0000,
    0xcb00_0001,
    0x4f00_0000,
    0x4eff_ffff,
    0x4f80_0000,
    0xcf00_0000,
    0x7f7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0x0000_0001 << 22,
    0x0080_0000,
    0x8080_0000,
    0x4780_0000,
    0x3880_0000,
];

fn operand(seed: u32, index: usize) -> u32 {
    let mixed = (index as u32).wrapping_add(seed.wrapping_mul(7919)).wrapping_mul(2_654_435_761);
    let mixed = (mixed ^ mixed >> 15).wrapping_mul(2_246_822_519);
    let mixed = mixed ^ mixed >> 13;
    match index % 4 {
        0 => EDGES[mixed as usize % EDGES.len()],
        // Floats of everyday size.
        1 => ((mixed >> 8) as f32 / 65536.0 - 128.0).to_bits(),
        2 => mixed & 0x3f,
        _ => mixed,
    }
}

/// A program that writes `code` of operands read from buffers as bits in 16-bit halves, so that NaNs show.
fn program(code: Opcode, uniform: u32) -> Program {
    let v = Reg::varying;
    let u = Reg::uniform;
    let constants = vec![64f32.to_bits(), 4, 16, 0xffff, 0.5f32.to_bits(), 8];
    let mut body = vec![
        Op::new(Opcode::PositionX, v(0), &[]),
        Op::new(Opcode::PositionY, v(1), &[]),
        Op::new(Opcode::Sub, v(0), &[v(0), u(4)]),
        Op::new(Opcode::Sub, v(1), &[v(1), u(4)]),
        Op::new(Opcode::MulAdd, v(0), &[v(1), u(0), v(0)]),
        Op::new(Opcode::ToU, v(0), &[v(0)]),
        Op::new(Opcode::MulI, v(0), &[v(0), u(1)]),
    ];
    let mut setup = Vec::new();
    let mut operands = Vec::new();
    for n in 0..code.arity() as u16 {
        let binding = u32::from(n);
        if uniform >> n & 1 == 1 {
            setup.push(Op { aux: binding, imm: 4 * 8, ..Op::new(Opcode::Uniform, u(6 + n), &[]) });
            operands.push(u(6 + n));
        } else {
            body.push(Op { aux: binding, ..Op::new(Opcode::UniformAt, v(2 + n), &[v(0)]) });
            operands.push(v(2 + n));
        }
    }
    let (low, high) = (v(2 + MAX_ARITY as u16), v(3 + MAX_ARITY as u16));
    body.push(Op::new(code, high, &operands));
    body.push(Op::new(Opcode::And, low, &[high, u(3)]));
    body.push(Op::new(Opcode::ShrU, high, &[high, u(2)]));
    body.push(Op::new(Opcode::FromU, low, &[low]));
    body.push(Op::new(Opcode::FromU, high, &[high]));
    let kind = BindingKind::Uniform { size: COUNT as u32 * 4 };
    Program {
        bindings: (0..MAX_ARITY as u32)
            .map(|binding| Binding { group: 0, binding, name: "b".into(), kind })
            .collect(),
        constants,
        table: vec![],
        uniforms: 6 + MAX_ARITY as u16,
        varyings: 4 + MAX_ARITY as u16,
        locals: 0,
        setup,
        body,
        color: [low, high, u(4), u(4)],
        discard: None,
        loop_lines: vec![],
    }
}

/// All NaNs count as one: which of them comes out is not defined, and `Bits` makes them one where it shows.
fn canonical(bits: u32) -> u32 {
    if f32::from_bits(bits).is_nan() { 0x7fc0_0000 } else { bits }
}

#[test]
fn every_operation_gives_the_same_bits_on_every_level() {
    let data: Vec<Vec<u8>> = (0..MAX_ARITY as u32)
        .map(|n| (0..COUNT).flat_map(|i| operand(n, i).to_le_bytes()).collect())
        .collect();
    for code in Opcode::ALL.iter().copied().filter(|code| code.class() == Class::Pure) {
        for uniform in 0..1u32 << code.arity() {
            let program = program(code, uniform);
            for level in Level::all() {
                let machine = Machine::with_level(program.clone(), level).expect("a valid program");
                let inputs = Inputs::bind(&program, |_, n| Some(Resource::Uniform(&data[n as usize])));
                let inputs = inputs.expect("inputs that fit");
                let mut out = vec![0.0; SIZE.values()];
                let mut budget = Budget { left: u64::MAX };
                machine.paint_f32(&inputs, SIZE, &mut budget, &mut out).expect("a picture");
                for (index, pixel) in out.chunks_exact(4).enumerate() {
                    let got = pixel[0] as u32 | (pixel[1] as u32) << 16;
                    let operands: Vec<u32> = (0..code.arity())
                        .map(|n| {
                            // A mask is all zeros or all ones; other bits mean nothing in it.
                            let index = if uniform >> n & 1 == 1 { 8 } else { index };
                            operand(n as u32, index)
                        })
                        .collect();
                    if code == Opcode::Select && operands[0] != 0 && operands[0] != u32::MAX {
                        continue;
                    }
                    let want = scalar::evaluate(code, &operands).expect("a pure operation");
                    assert_eq!(
                        canonical(got),
                        canonical(want),
                        "{code:?} of {operands:x?} (uniform {uniform:06b}) on {}: {got:#x}, folded {want:#x}",
                        level.name(),
                    );
                }
            }
        }
    }
}

/// What [`Machine::paint_rgba8`] says of a channel.
fn byte(value: f32) -> u8 {
    if value > 0.0 { (f64::from(value.min(1.0)) * 255.0).round_ties_even() as u8 } else { 0 }
}

#[test]
fn bytes_are_the_floats_to_the_nearest_on_every_level() {
    let data: Vec<Vec<u8>> = (0..MAX_ARITY as u32)
        .map(|n| (0..COUNT).flat_map(|i| (operand(n, i) % 0x4000_0000).to_le_bytes()).collect())
        .collect();
    // Red and green as they come, blue from the uniform bank; where the fourth is an odd number, nothing.
    let mut program = program(Opcode::InsertBits, 0b100);
    let (odd, one) = (Reg::varying(5), Reg::uniform(0));
    program.constants[0] = 1;
    program.body.retain(|op| op.code != Opcode::MulAdd);
    program.body.push(Op::new(Opcode::And, odd, &[odd, one]));
    program.body.push(Op::new(Opcode::EqI, odd, &[odd, one]));
    program.color = [Reg::varying(2), Reg::varying(3), Reg::uniform(8), Reg::uniform(4)];
    program.discard = Some(odd);
    for size in [SIZE, Size { width: 61, height: 35 }] {
        for level in Level::all() {
            let machine = Machine::with_level(program.clone(), level).expect("a valid program");
            let inputs = Inputs::bind(&program, |_, n| Some(Resource::Uniform(&data[n as usize])));
            let inputs = inputs.expect("inputs that fit");
            let (mut floats, mut bytes) = (vec![0.0; size.values()], vec![0; size.values()]);
            let budget = || Budget { left: u64::MAX };
            machine.paint_f32(&inputs, size, &mut budget(), &mut floats).expect("a picture");
            machine.paint_rgba8(&inputs, size, &mut budget(), &mut bytes).expect("a picture");
            let expected: Vec<u8> = floats.iter().copied().map(byte).collect();
            assert!(bytes == expected, "{} at {size:?}", level.name());
            assert!(bytes.chunks_exact(4).any(|pixel| pixel == [0; 4]), "some are gone");
        }
    }
}
