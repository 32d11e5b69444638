//! `cargo xtask bench`: what the benches need is installed, then `iridule-bench` runs.

use anyhow::Result;

use crate::tools::{npm_packages, program, root, run, say};

/// Where the programs that we are measured against are pinned.
const PEERS: &str = "benches/peers";

/// Benches that need the pinned programs.
const WITH_PEERS: [&str; 2] = ["variants", "conformance"];
/// Benches of the binary.
const OF_THE_BINARY: [&str; 4] = ["conformance", "hits", "pool", "relay"];

/// Runs a bench.
///
/// # Errors
/// When something cannot be installed, or the bench fails.
pub(crate) fn bench(what: &[String]) -> Result<()> {
    let peers = root().join(PEERS);
    let is_one_of = |names: &[&str]| what.iter().any(|word| names.contains(&word.as_str()));
    if is_one_of(&WITH_PEERS) {
        say("installing the programs that are measured beside");
        let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
        run(program("npm").args(install).current_dir(&peers))?;
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
