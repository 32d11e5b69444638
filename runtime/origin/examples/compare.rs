//! The bench shaders on every level of the strip VM and on the device, in turns: one table, one run.
//!
//! `LP_NUM_THREADS=1 taskset -c 0 cargo run --release -p iridule-origin --example compare`. Each figure is the best of
//! several turns; turns of different rows alternate, so that a busy machine is busy for all.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may show its figures, cut numbers and panic"
)]

use std::io::Write as _;
use std::time::Instant;

use iridule_origin::{BoundResource, Gpu};
use iridule_vm::{Budget, Inputs, Level, Machine, Size};
use iridule_wgsl_testkit::{compiled, corpus, resources};

const SIZE: Size = Size { width: 512, height: 512 };
const TURNS: usize = 12;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gpu = Gpu::new()?;
    let mut out = std::io::stdout().lock();
    let names: Vec<&str> = Level::all().map(Level::name).collect();
    writeln!(out, "milliseconds for 512x512; device: {}", gpu.name())?;
    writeln!(
        out,
        "{:10} {:>10} {}",
        "",
        "device",
        names.iter().map(|n| format!("{n:>10}")).collect::<String>()
    )?;
    for (name, source) in corpus("bench") {
        let program = compiled(&name, &source);
        let resources = resources(&source, &program);
        let bound: Vec<BoundResource<'_>> = resources
            .iter()
            .map(|(group, binding, owned)| BoundResource {
                group: *group,
                binding: *binding,
                resource: owned.resource(),
            })
            .collect();
        let prepared = gpu.prepare(&source, "main", &bound, SIZE, iridule_origin::TargetFormat::Floats)?;
        let find = |g, b| bound.iter().find(|r| (r.group, r.binding) == (g, b)).map(|r| r.resource);
        let inputs = Inputs::bind(&program, find)?;
        let machines: Vec<Machine> = Level::all()
            .map(|level| Machine::with_level(program.clone(), level))
            .collect::<Result<_, _>>()?;
        let mut best = vec![f64::MAX; machines.len() + 1];
        let mut pixels = vec![0.0; SIZE.values()];
        for _ in 0..TURNS {
            let start = Instant::now();
            prepared.run()?;
            best[0] = best[0].min(start.elapsed().as_secs_f64());
            for (machine, best) in machines.iter().zip(&mut best[1..]) {
                let start = Instant::now();
                machine.paint_f32(&inputs, SIZE, &mut Budget { left: u64::MAX }, &mut pixels)?;
                *best = best.min(start.elapsed().as_secs_f64());
            }
        }
        let row: String = best.iter().map(|seconds| format!(" {:>9.2}", seconds * 1e3)).collect();
        writeln!(out, "{name:10}{row}")?;
    }
    Ok(())
}
