//! `cargo xtask miri`: the tests that reach the strip VM's `unsafe` code, under Miri.
//!
//! Miri is a component of the nightly toolchain. It is not installed here, because a nightly changes every day: a machine
//! without it skips the step and says so.

use std::process::Stdio;

use anyhow::Result;

use crate::tools::{program, run, say};

/// The two models of which accesses through a pointer are allowed. Code is sound only if it is under both.
const MODELS: [(&str, &str); 2] = [("Stacked Borrows", ""), ("Tree Borrows", "-Zmiri-tree-borrows")];

/// Runs the tests under both models, or reports that Miri is not installed.
///
/// # Errors
/// When Miri finds undefined behavior, or a test fails.
pub(crate) fn miri() -> Result<()> {
    if !is_installed() {
        say(
            "skipped: Miri is not installed; `rustup toolchain install nightly --component miri` installs it",
        );
        return Ok(());
    }
    for (name, flag) in MODELS {
        say(&format!("Miri: {name}"));
        run(program("cargo")
            .args(["miri", "test", "--locked", "-p", "iridule-vm", "--lib", "--test", "kernels"])
            .env("RUSTUP_TOOLCHAIN", "nightly")
            .env("MIRIFLAGS", format!("-Zmiri-strict-provenance {flag}")))?;
    }
    Ok(())
}

fn is_installed() -> bool {
    program("cargo")
        .args(["miri", "--version"])
        .env("RUSTUP_TOOLCHAIN", "nightly")
        // Without the toolchain, rustup would install it.
        .env("RUSTUP_AUTO_INSTALL", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
