//! `cargo xtask bench`: what the benches need is installed, then `iridule-bench` runs.

use std::{
    fs,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{
    tools::{self, npm_packages, program, root, run, say, tools_folder},
    worker,
};

/// Where the programs that we are measured against are pinned.
const PEERS: &str = "benches/peers";

/// Benches that need the pinned programs.
const WITH_PEERS: [&str; 2] = ["peers", "conformance"];
/// Benches of the binary.
const OF_THE_BINARY: [&str; 6] = ["conformance", "edge-vs-origin", "peers", "pool", "relay", "soak"];
/// Benches that start the Worker.
const OF_THE_WORKER: [&str; 2] = ["edge-vs-origin", "peers"];

/// Programs of `bench peers` by the Debian package that has them.
const DEBIAN: [(&str, &str); 4] =
    [("chromium", "chromium"), ("nginx", "nginx-light"), ("valgrind", "valgrind"), ("wrk", "wrk")];
/// The wasmtime that is measured: of the version of the one inside our host.
const WASMTIME: &str = "wasmtime-cli@48.0.8";
const WASMTIME_FEATURES: &str =
    "run,serve,component-model,component-model-async,cranelift,parallel-compilation,pooling-allocator";

/// Runs a bench.
///
/// # Errors
/// When something that it cannot do without cannot be installed, or the bench fails.
pub(crate) fn bench(what: &[String]) -> Result<()> {
    let peers = root().join(PEERS);
    let is_one_of = |names: &[&str]| what.iter().any(|word| names.contains(&word.as_str()));
    if is_one_of(&WITH_PEERS) {
        say("installing the programs that are measured beside");
        let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
        run(program("npm").args(install).current_dir(&peers))?;
    }
    if is_one_of(&["peers"]) {
        debian();
        empty_component()?;
    }
    if is_one_of(&OF_THE_WORKER) {
        worker::build()?;
    }
    if is_one_of(&["relay"]) {
        npm_packages()?;
    }
    let mut bench = program("cargo");
    bench.args(["run", "--locked", "--release", "-p", "iridule-bench", "--"]).args(what);
    if is_one_of(&OF_THE_BINARY) {
        run(program("cargo").args(["build", "--locked", "--release", "-p", "iridule"]))?;
        bench.arg("--binary").arg(root().join("target/release/iridule"));
    }
    run(&mut bench)
}

/// Has Debian's packages installed where this machine has them and that may be done. The bench skips what is not there.
fn debian() {
    let is_there = |name: &str| {
        Command::new("which").arg(name).stdout(Stdio::null()).status().is_ok_and(|found| found.success())
    };
    let missing = DEBIAN.iter().filter(|(name, _)| !is_there(name));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() || !is_there("apt-get") {
        return;
    }
    say(&format!("installing {}", packages.join(", ")));
    let install = || -> Result<()> {
        run(program("apt-get").args(["update", "-q"]).stdout(Stdio::null()))?;
        run(program("apt-get").args(["install", "-y", "-q"]).args(&packages).stdout(Stdio::null()))
    };
    if let Err(why) = install() {
        say(&format!("going on without: {why:#}"));
    }
}

/// Has an empty component, our host for any component, and wasmtime in the folder of tools. Without a wasmtime the bench
/// skips it.
fn empty_component() -> Result<()> {
    let tools = tools_folder();
    let component = tools::build_module("iridule-bench-empty", "wasm32-wasip2")?;
    fs::create_dir_all(&tools).with_context(|| tools.display().to_string())?;
    fs::copy(component, tools.join("empty.wasm"))?;
    run(program("cargo").args(["build", "--locked", "--release", "-p", "iridule-pop", "--example", "host"]))?;
    fs::copy(root().join("target/release/examples/host"), tools.join("host"))?;
    if !tools.join("bin/wasmtime").is_file() {
        say("installing wasmtime, which takes some minutes");
        let mut install = program("cargo");
        install.args([
            "install",
            "--locked",
            WASMTIME,
            "--no-default-features",
            "--features",
            WASMTIME_FEATURES,
        ]);
        install.arg("--root").arg(&tools).arg("--target-dir").arg(tools.join("build"));
        if let Err(why) = run(&mut install) {
            say(&format!("going on without: {why:#}"));
        }
    }
    Ok(())
}
