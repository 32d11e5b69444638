//! What things cost, as tables on the terminal and as a report: `cargo xtask bench`.
//!
//! Every figure is the median of rounds in which all cases take turns, with the lowest and the highest beside it: the
//! machine may be slow, but it is slow for all.
#![expect(clippy::print_stdout, reason = "tables are what this makes")]

mod conformance;
mod distance;
mod edge_vs_origin;
mod eviction;
mod hosts;
mod likeness;
mod load;
mod machine;
mod painters;
mod peer;
mod peers;
mod pool;
mod relay;
mod renders;
mod report;
mod rounds;
mod running;
mod shipped;
mod soak;
mod styles;
mod trace;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tempfile::TempDir;

use crate::machine::Machine;

/// That of `iridule`, whose work some of this does by itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What things cost.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
    /// Rounds in which every case has its turn.
    #[arg(long, global = true, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

#[derive(Subcommand)]
enum Bench {
    /// Painting and deriving, for each shipped style at 256, 512 and 1,024 pixels.
    Styles,
    /// What a full cache drops: eviction policies on a trace of requests.
    Eviction {
        /// The trace: item numbers, big-endian 32-bit, in order; `.xz` is unpacked.
        #[arg(long)]
        trace: PathBuf,
        /// Where to draw it, as SVG.
        #[arg(long)]
        plot: Option<PathBuf>,
    },
    /// The CPU painter beside an origin's, for each shipped style: how long, and how far apart.
    Painters {
        /// Where to write pictures: the CPU's, the device's, and 32 times their difference, side by side.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Renders per request on a trace of requests and a price history: by request, by age, by epoch counter, by our key.
    Renders {
        /// The trace: item numbers, big-endian 32-bit, in order; `.xz` is unpacked.
        #[arg(long)]
        trace: PathBuf,
        /// The price: CSV with a header and the columns round, answer (8 decimals), seconds since 1970.
        #[arg(long)]
        prices: PathBuf,
        /// Where to draw it, as SVG.
        #[arg(long)]
        plot: Option<PathBuf>,
    },
    /// A PoP and three origins: one killed and one made slow under load; ten thousand visitors at an epoch change.
    Pool {
        /// The `iridule` to measure.
        #[arg(long)]
        binary: PathBuf,
        /// Where to draw the outage, as SVG.
        #[arg(long)]
        plot: Option<PathBuf>,
    },
    /// From a round on a chain to the picture at the edge.
    Relay {
        /// The `iridule` to measure.
        #[arg(long)]
        binary: PathBuf,
    },
    /// The same work by us and by what people use today: takumi, satori, Chromium, sharp, nginx, wasmtime.
    Peers {
        /// What is measured; everything when not given.
        #[arg(value_enum)]
        what: Vec<peers::Work>,
        /// The `iridule` to measure.
        #[arg(long)]
        binary: PathBuf,
        #[command(flatten)]
        folders: Folders,
    },
    /// What a visitor waits for and an operator pays, by the path of a request, on the PoP and on workerd.
    EdgeVsOrigin {
        /// The `iridule` to measure.
        #[arg(long)]
        binary: PathBuf,
        /// Unit prices.
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/prices.toml"))]
        prices: PathBuf,
        #[command(flatten)]
        distances: edge_vs_origin::Distances,
        #[command(flatten)]
        folders: Folders,
    },
    /// A PoP under load for a long time: first alone, then beside a hostile client. Fails when a bar is missed.
    Soak {
        /// The `iridule` to measure.
        #[arg(long)]
        binary: PathBuf,
        #[command(flatten)]
        plan: soak::Plan,
    },
    /// The public cache test suite, beside what it says of others.
    Conformance {
        /// The `iridule` to test.
        #[arg(long)]
        binary: PathBuf,
        /// The folder of the peers, with their modules installed.
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))]
        peers: PathBuf,
    },
}

/// Where things are and come.
#[derive(Args)]
struct Folders {
    /// The folder of the peers, with their modules installed.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))]
    peers: PathBuf,
    /// Further programs that are measured.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools"))]
    tools: PathBuf,
    /// Where the report comes.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/report"))]
    report: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Cli { bench, rounds } = Cli::parse();
    println!("{}; {rounds} rounds, milliseconds: median (lowest to highest)\n", Machine::here());
    match bench {
        Bench::Styles => styles::run(rounds),
        Bench::Eviction { trace, plot } => eviction::run(&trace, plot.as_deref()),
        Bench::Painters { out } => painters::run(rounds, out.as_deref()),
        Bench::Renders { trace, prices, plot } => renders::run(&trace, &prices, plot.as_deref()),
        Bench::Pool { binary, plot } => pool::run(&binary, plot.as_deref()),
        Bench::Relay { binary } => relay::run(&binary),
        Bench::Peers { what, binary, folders: Folders { peers, tools, report } } => {
            let bench = peers::Bench { binary, peers, tools, rounds, scratch: TempDir::new()? };
            peers::run(&bench, &what, &report)
        }
        Bench::EdgeVsOrigin { binary, prices, distances, folders } => {
            edge_vs_origin::run(&binary, &prices, distances, rounds, &folders.report)
        }
        Bench::Soak { binary, plan } => soak::run(&binary, &plan),
        Bench::Conformance { binary, peers } => conformance::run(&binary, &peers),
    }
}
