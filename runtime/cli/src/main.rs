//! The `iridule` command. Each subcommand is a module; this file only says which there are.

mod compiling;
mod console;
mod feeds;
mod oracle;
mod origin;
mod render;
mod sandboxed;
mod secrets;
mod serve;
mod shade;
mod sheet;
mod shipped;
mod style;
mod tokens;

use std::process::ExitCode;

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
    Serve(Box<serve::Args>),
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

fn main() -> ExitCode {
    quiet_device_layer();
    // Started as a worker of a sandbox, it is nothing else.
    iridule_sandbox::serve_if_asked(sandboxed::jobs());
    let cli = Cli::parse();
    console::end(run(cli.command.unwrap_or(Command::Serve(Box::new(cli.serve)))))
}

/// Leaves Mesa's device-select layer out where there is no desktop session. The layer puts the desktop's device first,
/// which origins do not ask for, and without a session its library complains about `XDG_RUNTIME_DIR` on our standard
/// error, twice, each time that devices are looked for.
#[cfg(target_os = "linux")]
fn quiet_device_layer() {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if set("XDG_RUNTIME_DIR") || set("MESA_VK_DEVICE_SELECT") {
        return;
    }
    #[expect(unsafe_code, reason = "the environment may be changed while this is the only thread, and it is")]
    // SAFETY: `main` calls this first, before it starts a thread or reads the environment.
    unsafe {
        std::env::set_var("NODEVICE_SELECT", "1");
    }
}

#[cfg(not(target_os = "linux"))]
fn quiet_device_layer() {}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve::run(*args),
        Command::Style(command) => style::run(&command),
        Command::Render(args) => render::run(&args),
        Command::Shade(args) => shade::run(&args),
        Command::Origin(args) => origin::run(&args),
        Command::Oracle(command) => oracle::run(command),
    }
}
