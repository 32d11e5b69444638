//! The doors that take untrusted bytes, fed with damaged shaders and programs: no panic, no hang, no surprise.
//!
//! A mutator over the corpus, without coverage feedback. `DOORS_SECONDS=600` runs each door for ten minutes; by
//! default each gets a second, so that the harness itself is tested everywhere.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may show its figures, cut numbers and panic"
)]

use std::time::{Duration, Instant};

use iridule_vm::{Budget, Inputs, Machine, Program, Size};
use iridule_wgsl_testkit::{
    compiled, corpus,
    generator::{self, Dice},
    resources,
};

const SIZE: Size = Size { width: 9, height: 4 };

fn seconds() -> Duration {
    Duration::from_secs(std::env::var("DOORS_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1))
}

fn seeds() -> Vec<(String, String)> {
    let mut all: Vec<_> = ["conformance", "bench"].into_iter().flat_map(corpus).collect();
    all.extend((0..8).map(|seed| (format!("seed {seed}"), generator::shader(seed))));
    all
}

fn damage(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=dice.roll(4) {
        let length = u32::try_from(bytes.len()).expect("short").max(1);
        let at = dice.roll(length) as usize;
        match dice.roll(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            1 if at < bytes.len() => bytes[at] = dice.roll(256) as u8,
            2 => bytes.insert(at.min(bytes.len()), dice.roll(256) as u8),
            3 if at < bytes.len() => {
                let end = (at + 1 + dice.roll(20) as usize).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                // A piece of another seed.
                let from = dice.roll(u32::try_from(other.len()).expect("short").max(1)) as usize;
                let piece = &other[from..(from + dice.roll(40) as usize).min(other.len())];
                bytes.splice(at.min(bytes.len())..at.min(bytes.len()), piece.iter().copied());
            }
            _ if at < bytes.len() => {
                let end = (at + 1 + dice.roll(30) as usize).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {}
        }
    }
}

/// Runs a program within a budget on zeros for inputs; any end will do.
fn run(program: &Program, source: &str) {
    let machine = match Machine::new(program.clone()) {
        Ok(machine) => machine,
        Err(_) => return,
    };
    let resources = resources(source, program);
    let find = |g, b| resources.iter().find(|r| (r.0, r.1) == (g, b)).map(|r| r.2.resource());
    let Ok(inputs) = Inputs::bind(program, find) else { return };
    let mut out = vec![0.0; SIZE.values()];
    let _ = machine.paint_f32(&inputs, SIZE, &mut Budget::per_pixel(SIZE, 2_000), &mut out);
}

#[test]
fn damaged_shaders_are_refused_or_run() {
    let seeds = seeds();
    let mut dice = Dice::new(11);
    let start = Instant::now();
    let (mut tried, mut accepted) = (0, 0);
    while start.elapsed() < seconds() {
        let pick = |dice: &mut Dice| dice.roll(u32::try_from(seeds.len()).expect("few")) as usize;
        let (one, other) = (pick(&mut dice), pick(&mut dice));
        let mut bytes = seeds[one].1.clone().into_bytes();
        damage(&mut dice, &mut bytes, seeds[other].1.as_bytes());
        let source = String::from_utf8_lossy(&bytes);
        tried += 1;
        let last = std::env::temp_dir().join("iridule-doors-last.wgsl");
        std::fs::write(&last, source.as_bytes()).expect("a note of the last shader");
        match iridule_wgsl::compile(&source, &iridule_wgsl::Options::default()) {
            Ok(compiled) => {
                assert!(Machine::new(compiled.program.clone()).is_ok(), "a program that verifies\n{source}");
                run(&compiled.program, "");
                accepted += 1;
            }
            Err(refused) => {
                assert!(!refused.is_empty());
                refused.iter().for_each(|d| drop(d.render("damaged.wgsl", &source)));
            }
        }
    }
    println!("{tried} shaders, {accepted} of them valid");
}

#[test]
fn damaged_programs_are_refused_or_run() {
    let seeds: Vec<Vec<u8>> = seeds().iter().map(|(name, source)| compiled(name, source).encode()).collect();
    let mut dice = Dice::new(12);
    let start = Instant::now();
    let (mut tried, mut decoded) = (0, 0);
    while start.elapsed() < seconds() {
        let pick = |dice: &mut Dice| dice.roll(u32::try_from(seeds.len()).expect("few")) as usize;
        let (one, other) = (pick(&mut dice), pick(&mut dice));
        let mut bytes = seeds[one].clone();
        damage(&mut dice, &mut bytes, &seeds[other]);
        tried += 1;
        let Ok(program) = Program::decode(&bytes) else { continue };
        assert_eq!(program.encode(), bytes, "one byte form");
        decoded += 1;
        run(&program, "");
    }
    println!("{tried} programs, {decoded} of them decoded");
}
