//! One small program that runs a kernel of each kind. `cargo xtask miri` runs it under Miri, so it must stay quick.
#![allow(missing_docs, reason = "a test")]

use iridule_vm::{
    Binding, BindingKind, Budget, Inputs, Level, Machine, Op, Opcode, Program, Reg, Resource, Sampler, Size,
    Texels, Texture,
};

/// More columns than a tile has, and a last tile that is cut on both sides.
const SIZE: Size = Size { width: 35, height: 3 };

fn program() -> Program {
    let (u, v) = (Reg::uniform, Reg::varying);
    let op = Op::new;
    let at = |imm, aux, op| Op { imm, aux, ..op };
    let binding = |binding, kind| Binding { group: 0, binding, name: "b".into(), kind };
    Program {
        bindings: vec![
            binding(0, BindingKind::Uniform { size: 4 }),
            binding(1, BindingKind::Texture),
            binding(2, BindingKind::Sampler),
        ],
        constants: vec![1f32.to_bits(), 2f32.to_bits(), 3],
        table: vec![5, 6],
        uniforms: 6,
        varyings: 8,
        locals: 5,
        setup: vec![
            at(0, 0, op(Opcode::Uniform, u(3), &[])),
            // One that computes words, and one that computes a vector of which the first lane is kept.
            op(Opcode::Add, u(4), &[u(0), u(3)]),
            op(Opcode::Sin, u(5), &[u(4)]),
        ],
        body: vec![
            op(Opcode::PositionX, v(0), &[]),
            op(Opcode::PositionY, v(1), &[]),
            op(Opcode::Dpdx, v(2), &[v(0)]),
            op(Opcode::Dpdy, v(3), &[v(1)]),
            // The result replaces an operand; the other operands are uniform, in a strip or from the bank.
            op(Opcode::MulAdd, v(2), &[v(2), u(0), u(5)]),
            op(Opcode::Pow, v(3), &[v(3), u(1)]),
            op(Opcode::ToU, v(4), &[v(0)]),
            op(Opcode::Shl, v(4), &[v(4), u(2)]),
            at(0, 2, op(Opcode::TableAt, v(5), &[v(4)])),
            op(Opcode::LtF, v(6), &[v(0), u(1)]),
            at(0, 0, op(Opcode::LocalWrite, v(0), &[v(0)])),
            at(0, 0, op(Opcode::LocalWriteMasked, v(0), &[v(1), v(6)])),
            at(0, 5, op(Opcode::LocalStore, v(0), &[v(4), v(2)])),
            at(0, 5, op(Opcode::LocalStoreMasked, v(0), &[v(4), v(3), v(6)])),
            at(1, 1 | 2 << 16, op(Opcode::TextureSample, v(0), &[v(0), v(1), u(2), u(2)])),
            at(1, 1, op(Opcode::TextureLoad, v(0), &[v(4), v(5)])),
            at(0, 5, op(Opcode::LocalLoad, v(7), &[v(5)])),
            // Adds 1 in each turn while a lane is below 3.
            op(Opcode::Add, v(7), &[v(7), u(0)]),
            op(Opcode::LtF, v(6), &[v(7), u(1)]),
            at(17, 0, op(Opcode::LoopAny, v(0), &[v(6)])),
            op(Opcode::EqF, v(6), &[v(0), u(4)]),
        ],
        color: [v(7), v(2), v(3), u(0)],
        discard: Some(v(6)),
        loop_lines: vec![1],
    }
}

#[test]
fn every_kind_of_kernel_runs_alike_on_every_level() {
    let program = program();
    let half = 0.5f32.to_le_bytes();
    let texels = [0.25; 2 * 2 * 4];
    let inputs = Inputs::bind(&program, |_, binding| {
        Some(match binding {
            0 => Resource::Uniform(&half),
            1 => Resource::Texture(Texture { width: 2, height: 2, texels: Texels::Rgba32F(&texels) }),
            _ => Resource::Sampler(Sampler::default()),
        })
    })
    .expect("inputs that fit");
    let mut pictures = Level::all().map(|level| {
        let machine = Machine::with_level(program.clone(), level).expect("a valid program");
        let (mut floats, mut bytes) = (vec![0.0; SIZE.values()], vec![0; SIZE.values()]);
        let budget = || Budget::per_pixel(SIZE, 1000);
        machine.paint_f32(&inputs, SIZE, &mut budget(), &mut floats).expect("a picture");
        machine.paint_rgba8(&inputs, SIZE, &mut budget(), &mut bytes).expect("a picture");
        (floats, bytes)
    });
    let first = pictures.next().expect("there is at least one level");
    assert!(first.0.iter().any(|value| *value != 0.0) && first.1.iter().any(|value| *value != 0));
    assert!(first.0.chunks_exact(4).any(|pixel| pixel == [0.0; 4]), "some pixels are discarded");
    assert!(pictures.all(|picture| picture == first));
}
