//! `cargo xtask bench peers`: the same work by us and by what people use today, in one run.
//!
//! Each section is a file. A peer that cannot run on this machine is skipped, and the report says why.

mod card;
mod empty;
mod instructions;
mod painting;
mod shader;
mod start;
mod static_file;
mod variants;
mod wrk;

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::ValueEnum as _;
use tempfile::TempDir;

use crate::{
    machine::Machine,
    report::{Part, Section},
};

/// What a section needs to know.
pub struct Bench {
    /// The `iridule` that is measured.
    pub binary: PathBuf,
    /// The folder of the peers, with their packages installed.
    pub peers: PathBuf,
    /// Other programs that were installed for this, by name: `bin/wasmtime`, `bin/host`, `empty.wasm`.
    pub tools: PathBuf,
    pub rounds: u32,
    /// For what does not stay.
    pub scratch: TempDir,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Work {
    /// A vector card of 512 px: takumi, satori with resvg.
    Card,
    /// A fragment shader at 512 px: Chromium, a Vulkan device.
    Shader,
    /// Smaller variants of one master: sharp.
    Variants,
    /// A cached picture: nginx.
    Static,
    /// The same, in instructions: callgrind.
    Instructions,
    /// An empty component: wasmtime serve.
    Empty,
    /// From the start to the first answer.
    Start,
}

/// Measures, prints, and leaves the part in the report's folder.
pub fn run(bench: &Bench, what: &[Work], report: &Path) -> anyhow::Result<()> {
    let mut sections = Vec::new();
    for work in if what.is_empty() { Work::value_variants() } else { what } {
        let made = match work {
            Work::Card => vec![card::section(bench)?],
            Work::Shader => vec![shader::section(bench)?],
            Work::Variants => vec![variants::section(bench)?],
            Work::Static => static_file::sections(bench)?,
            Work::Instructions => vec![instructions::section(bench)?],
            Work::Empty => vec![empty::section(bench)?],
            Work::Start => vec![start::section(bench)?],
        };
        made.iter().for_each(Section::print);
        sections.extend(made);
    }
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let command = "cargo xtask bench peers".into();
    let machine = Machine::here();
    Part { name: "peers".into(), command, seconds, machine, rounds: bench.rounds, sections }.save(report)
}
