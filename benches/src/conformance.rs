//! The public cache test suite against `iridule serve --proxy`, beside what it said of others.
//!
//! The suite and the script that drives it are among the peers; this only runs it.

use std::{path::Path, process::Command};

use anyhow::{Context as _, ensure};

/// Prints the suite's table.
pub fn run(binary: &Path, peers: &Path) -> anyhow::Result<()> {
    let mut suite = Command::new("node");
    suite.arg(peers.join("conformance.mjs")).arg(binary);
    ensure!(suite.status().context("running node")?.success(), "the suite did not end well");
    Ok(())
}
