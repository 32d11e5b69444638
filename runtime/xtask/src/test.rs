//! `cargo xtask test`: everything that must hold, in one command that installs what it needs.
//!
//! Format, lints, docs and licences come first because they fail fast; then the Worker is built, and the tests run, all in
//! one build of the profile `checked`.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result};

use crate::{
    miri::miri_if_installed,
    tools::{program, run, say, toolchain, tools_folder},
    worker,
};

/// The version of cargo-deny that is installed where there is none.
const CARGO_DENY: &str = "cargo-deny@0.20.2";

/// The edge modules and what they are compiled for. Natively they are empty.
const EDGE: [(&str, &str); 2] =
    [("iridule-spin", "wasm32-wasip2"), ("iridule-worker", "wasm32-unknown-unknown")];

/// Crates without native tests: they are modules for hosts, or parts of benches and tests.
const NOT_NATIVE: [&str; 4] = ["iridule-bench-empty", "iridule-pop-guest", "iridule-spin", "iridule-worker"];

/// A step by the name that is printed with its time.
type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 8] = [
    ("format", format),
    ("lints", lints),
    ("lints of the edge modules", edge_lints),
    ("docs", docs),
    ("licences, sources, advisories", deny),
    ("the Worker", || worker::build().map(|_| ())),
    ("tests", tests),
    ("unsafe code under Miri", miri_if_installed),
];

/// Runs every step; the first that fails ends it.
///
/// # Errors
/// What the step says.
pub(crate) fn test() -> Result<()> {
    let all = Instant::now();
    toolchain()?;
    for (name, step) in STEPS {
        say(name);
        let started = Instant::now();
        step().with_context(|| format!("step \"{name}\""))?;
        say(&format!("{name}: {} s", started.elapsed().as_secs()));
    }
    say(&format!("all passed in {} s", all.elapsed().as_secs()));
    Ok(())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = program("cargo");
    command.args(arguments);
    command
}

fn format() -> Result<()> {
    run(&mut cargo(&["fmt", "--all", "--check"]))
}

fn lints() -> Result<()> {
    run(&mut cargo(&[
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))
}

fn edge_lints() -> Result<()> {
    for (package, target) in EDGE {
        run(&mut cargo(&["clippy", "--locked", "-p", package, "--target", target, "--", "-D", "warnings"]))?;
    }
    Ok(())
}

fn docs() -> Result<()> {
    let strict = |command: &mut Command| run(command.env("RUSTDOCFLAGS", "-D warnings"));
    let mut native = cargo(&["doc", "--locked", "--workspace", "--no-deps", "--all-features"]);
    for (package, _) in EDGE {
        native.args(["--exclude", package]);
    }
    strict(&mut native)?;
    for (package, target) in EDGE {
        strict(&mut cargo(&["doc", "--locked", "--no-deps", "-p", package, "--target", target]))?;
    }
    Ok(())
}

/// Checks what came into the tree. The advisories need a database that not every machine can reach; the rest is local.
fn deny() -> Result<()> {
    let installed = tools_folder().join("bin/cargo-deny");
    if !installed.is_file() {
        say("installing cargo-deny");
        // It reads a lock file: built without optimisation it is there minutes earlier.
        let mut install = cargo(&["install", "--debug", "--locked", CARGO_DENY, "--root"]);
        run(install.arg(tools_folder()).arg("--target-dir").arg(tools_folder().join("build")))?;
    }
    let reachable = program(&installed)
        .args(["fetch", "db"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let mut check = program(&installed);
    check.args(["--all-features", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    if reachable {
        check.arg("advisories");
    } else {
        say("skipped: advisories, because their database cannot be reached");
    }
    run(&mut check)
}

/// Runs every test that runs natively, in one build.
fn tests() -> Result<()> {
    let mut command = cargo(&["test", "--locked", "--profile", "checked", "--workspace", "--no-fail-fast"]);
    for package in NOT_NATIVE {
        command.args(["--exclude", package]);
    }
    command.args(["--features", "iridule-edge/author"]);
    // On a machine that runs everything, a host that cannot be had is a failure and not something to skip.
    run(command.env("IRIDULE_REQUIRE", "worker,chain"))
}
