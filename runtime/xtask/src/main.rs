//! Build, test and CI steps as code: `cargo xtask`.
//!
//! A step is a file: `component.rs` and `worker.rs` build what runs at the edge, `test.rs` checks everything, `miri.rs`
//! looks for undefined behavior, and `bench.rs` measures. `tools.rs` runs programs and prints progress for all of them.
//! No step needs more than rustup, Node and a C compiler.

mod bench;
mod component;
mod miri;
mod test;
mod tools;
mod worker;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

/// Build, test and CI steps.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Formats, lints, builds and runs every test; installs what that needs.
    Test,
    /// Builds what runs at the edge.
    Build {
        /// What to build; without it, everything.
        what: Vec<Edge>,
    },
    /// Runs a few tests of the strip VM under Miri, which finds undefined behavior; needs a nightly toolchain.
    Miri,
    /// Measures; installs what that needs.
    Bench {
        /// What to measure: `peers`, `edge-vs-origin`, `styles`, `painters`, `renders`, `pool`, `relay`, `soak`, `eviction` or
        /// `conformance`; `--help` after it says more.
        #[arg(required = true, num_args = 1.., allow_hyphen_values = true)]
        what: Vec<String>,
    },
}

/// What runs at the edge.
#[derive(Clone, Copy, ValueEnum)]
enum Edge {
    /// The component of Spin and of our own host.
    Component,
    /// The Cloudflare Worker.
    Worker,
}

fn main() -> Result<()> {
    match Arguments::parse().step {
        Step::Test => test::test(),
        Step::Miri => miri::miri(),
        Step::Bench { what } => bench::bench(&what),
        Step::Build { what } => {
            let all = [Edge::Component, Edge::Worker];
            for edge in if what.is_empty() { &all[..] } else { &what } {
                match edge {
                    Edge::Component => component::build()?,
                    Edge::Worker => worker::build()?,
                };
            }
            Ok(())
        }
    }
}
