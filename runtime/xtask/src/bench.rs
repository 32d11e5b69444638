//! `cargo xtask bench`: what the benches need is installed, then `iridule-bench` runs.

use anyhow::Result;

use crate::tools::{program, root, run, say};

/// Where the programs that we are measured against are pinned.
const PEERS: &str = "benches/peers";

/// Runs a bench.
///
/// # Errors
/// When something cannot be installed, or the bench fails.
pub(crate) fn bench(what: &[String]) -> Result<()> {
    let peers = root().join(PEERS);
    if what.iter().any(|word| word == "variants") && !peers.join("node_modules/sharp").is_dir() {
        say("installing sharp");
        run(program("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&peers))?;
    }
    run(program("cargo").args(["run", "--locked", "--release", "-p", "iridule-bench", "--"]).args(what))
}
