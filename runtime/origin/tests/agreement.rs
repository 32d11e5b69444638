//! The strip VM and a GPU paint the same pictures: integers exactly, floats within the tolerances below.
//!
//! Runs on whatever device is there, a software one included, and says so if there is none. `SHADERS=n` sets how
//! many random shaders are compared, `TABLE=1` prints the worst difference of each shader of the corpus.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may show its figures, cut numbers and panic"
)]

use iridule_origin::{BoundResource, Gpu};
use iridule_vm::{Level, Size};
use iridule_wgsl_testkit::{compiled, corpus, generator, painted, resources};

const SIZE: Size = Size { width: 70, height: 37 };

/// Shaders whose pictures need more than the usual tolerance, with the share of pixels that may be further off,
/// and the cause.
const LOOSE: &[(&str, f64, &str)] = &[
    ("sdf", 0.01, "a ray that grazes a surface stops a step earlier or later"),
    ("fbm", 0.01, "floor and fract of a product that is rounded differently"),
    ("packing", 0.05, "a value on the border between two packed numbers"),
    ("textures", 0.5, "filter weights have 8 bits on most devices"),
    ("numbers-trigonometry", 0.05, "asin and acos may be off by 6.77e-5 on a device"),
    ("integer-edges", 0.05, "an index beyond a uniform array gives zero on some devices; here it is limited"),
    ("variables-pointers-arrays", 0.1, "the same"),
];

/// How far apart two values may be: 2⁻¹² of the larger, or of 1.
fn close(a: f32, b: f32) -> bool {
    a == b || a.is_nan() || b.is_nan() || (a - b).abs() <= a.abs().max(b.abs()).max(1.0) / 4096.0
}

fn gpu() -> Option<Gpu> {
    match Gpu::new() {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

fn both(gpu: &Gpu, name: &str, source: &str) -> (Vec<f32>, Vec<f32>) {
    let program = compiled(name, source);
    let resources = resources(source, &program);
    let bound: Vec<BoundResource<'_>> = resources
        .iter()
        .map(|(group, binding, owned)| BoundResource {
            group: *group,
            binding: *binding,
            resource: owned.resource(),
        })
        .collect();
    let theirs =
        gpu.paint(source, "main", &bound, SIZE).unwrap_or_else(|error| panic!("{name}: {error}\n{source}"));
    let ours = painted(&program, &resources, Level::best(), SIZE).unwrap_or_else(|e| panic!("{name}: {e}"));
    (ours, theirs)
}

#[test]
fn corpus_agrees_with_the_gpu() {
    let Some(gpu) = gpu() else { return };
    let mut failures = String::new();
    for folder in ["conformance", "bench"] {
        for (name, source) in corpus(folder) {
            let (ours, theirs) = both(&gpu, &name, &source);
            let off = ours.iter().zip(&theirs).filter(|(a, b)| !close(**a, **b)).count();
            let share = off as f64 / ours.len() as f64;
            let allowed = LOOSE.iter().find(|(loose, ..)| *loose == name).map_or(0.0, |(_, share, _)| *share);
            let worst = ours
                .iter()
                .zip(&theirs)
                .enumerate()
                .max_by(|(_, (a, b)), (_, (c, d))| relative(**a, **b).total_cmp(&relative(**c, **d)));
            let (at, (a, b)) = worst.expect("a pixel");
            let (x, y) = (at / 4 % SIZE.width as usize, at / 4 / SIZE.width as usize);
            let line = format!(
                "{name}: {:.2}% off; worst {a} here, {b} there at ({x}, {y}) channel {}",
                share * 100.0,
                at % 4
            );
            if std::env::var_os("TABLE").is_some() {
                eprintln!("{line} on {}", gpu.name());
            }
            if share > allowed {
                failures += &line;
                failures.push('\n');
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn relative(a: f32, b: f32) -> f32 {
    let d = (a - b).abs() / a.abs().max(b.abs()).max(1.0);
    if d.is_nan() { 0.0 } else { d }
}

#[test]
fn random_shaders_agree_exactly() {
    let Some(gpu) = gpu() else { return };
    let count = std::env::var("SHADERS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    for seed in 0..count {
        let source = generator::shader(seed);
        let (ours, theirs) = both(&gpu, &format!("seed {seed}"), &source);
        if let Some(at) = ours.iter().zip(&theirs).position(|(a, b)| a != b) {
            let (x, y) = (at / 4 % SIZE.width as usize, at / 4 / SIZE.width as usize);
            panic!(
                "seed {seed} at ({x}, {y}) channel {}: {} here, {} there\n{source}",
                at % 4,
                ours[at],
                theirs[at]
            );
        }
    }
}
