//! The `iridule` command. Each subcommand is a module; this file only says which there are.

mod feeds;
mod oracle;
mod origin;
mod render;
mod serve;
mod shade;
mod sheet;
mod shipped;
mod style;
mod tokens;

use clap::{Parser, Subcommand};

/// A hit on the cache is some dozen small allocations: this one is a tenth faster there than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Live pictures of tokens, painted at the edge.
///
/// Without a subcommand this is `iridule serve`: a PoP on http://127.0.0.1:3000 with the demo collections.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Args,
}

#[derive(Subcommand)]
enum Command {
    /// Serve collections: the Spin component in a wasmtime host, with stores and a write API.
    Serve(serve::Args),
    /// Make, check, look at, publish and roll back styles.
    #[command(subcommand)]
    Style(style::Command),
    /// Paint tokens of a style into files, and a contact sheet.
    Render(render::Args),
    /// Paint one WGSL fragment shader, by the strip VM or on a GPU.
    Shade(shade::Args),
    /// Render for edges what is too dear for them.
    ///
    /// Edges send signed orders and the blocks of styles; shaders run on a GPU where there is one.
    Origin(origin::Args),
    /// Feed gauges: what a relay does.
    #[command(subcommand)]
    Oracle(oracle::Command),
}

fn main() -> anyhow::Result<()> {
    // Started as a worker of a sandbox, it is nothing else.
    iridule_sandbox::serve_if_asked(iridule_origin::child::SANDBOX_JOBS.iter().copied());
    let cli = Cli::parse();
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::run(args),
        Command::Style(command) => style::run(&command),
        Command::Render(args) => render::run(&args),
        Command::Shade(args) => shade::run(&args),
        Command::Origin(args) => origin::run(&args),
        Command::Oracle(command) => oracle::run(command),
    }
}
