//! The corpus and random shaders: one answer on every instruction set, and the answers that are on record.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may show its figures, cut numbers and panic"
)]

use iridule_vm::{Level, Program, Size};
use iridule_wgsl_testkit::{compiled, corpus, difference, generator, painted, resources};

const SIZE: Size = Size { width: 70, height: 37 };

/// The levels a build of the VM for this machine can run give the same bits.
fn same_on_all_levels(name: &str, source: &str) -> Vec<f32> {
    let program = compiled(name, source);
    assert_eq!(Program::decode(&program.encode()).as_ref(), Ok(&program), "{name}: the byte form");
    let resources = resources(source, &program);
    let mut pictures = Level::all().map(|level| (level, painted(&program, &resources, level, SIZE)));
    let (best, first) = pictures.next().expect("a level");
    for (level, other) in pictures {
        match (&first, &other) {
            (Ok(a), Ok(b)) => {
                if let Some(at) = difference(a, b, SIZE) {
                    panic!("{name}: {} and {} differ at {at}\n{source}", best.name(), level.name());
                }
            }
            (a, b) => assert_eq!(a.as_ref().err(), b.as_ref().err(), "{name} on {}", level.name()),
        }
    }
    first.unwrap_or_else(|error| panic!("{name}: {error}\n{source}"))
}

/// A number for a picture: equal bits, equal number.
fn digest(picture: &[f32]) -> u64 {
    let bytes = picture.iter().flat_map(|value| value.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn corpus_is_the_same_bits_on_every_level_and_as_on_record() {
    let record = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/digests.txt");
    let mut lines = String::new();
    for folder in ["conformance", "bench"] {
        for (name, source) in corpus(folder) {
            lines += &format!("{folder}/{name} {:016x}\n", digest(&same_on_all_levels(&name, &source)));
        }
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&record, &lines).expect("the record");
    }
    let known = std::fs::read_to_string(&record).expect("the record");
    assert_eq!(lines, known, "pictures changed; if they should have, run with BLESS=1 and raise the format");
}

#[test]
fn random_shaders_are_the_same_bits_on_every_level() {
    let count = std::env::var("SHADERS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    for seed in 0..count {
        same_on_all_levels(&format!("seed {seed}"), &generator::shader(seed));
    }
}
