//! `cargo xtask miri`: runs a small set of the strip VM's tests under Miri, which finds undefined behavior.
//!
//! The set covers the only `unsafe` code of the strip VM's library, the register file, with a kernel of each kind. It is kept
//! small, because Miri interprets: the whole step stays under two minutes. Each test runs under both of Miri's models of
//! which pointers may access memory, Stacked Borrows and Tree Borrows.
//!
//! Miri is a component of nightly toolchains: `rustup toolchain install nightly --component miri,rust-src`.

use std::process::Stdio;

use anyhow::{Result, ensure};

use crate::tools::{program, run, say};

/// The flags that select each of Miri's models. Without a flag it is Stacked Borrows.
const MODELS: [(&str, &str); 2] = [("Stacked Borrows", ""), ("Tree Borrows", "-Zmiri-tree-borrows")];

/// The tests of `iridule-vm` that run: those in its modules, and those of one program with a kernel of each kind.
const TESTS: [&str; 3] = ["--lib", "--test", "kernels"];

/// Runs the tests under Miri.
///
/// # Errors
/// When Miri is not installed, or when a test fails or has undefined behavior.
pub(crate) fn miri() -> Result<()> {
    ensure!(
        is_installed(),
        "Miri is not installed; run `rustup toolchain install nightly --component miri,rust-src`"
    );
    for (name, flags) in MODELS {
        say(&format!("Miri, {name}"));
        let mut command = program("cargo");
        command.args(["+nightly", "miri", "test", "--locked", "-p", "iridule-vm"]).args(TESTS);
        run(command.env("MIRIFLAGS", flags).env_remove("RUSTFLAGS"))?;
    }
    Ok(())
}

/// Runs the tests under Miri where it is installed. Otherwise reports that they are skipped.
///
/// # Errors
/// When a test fails or has undefined behavior.
pub(crate) fn miri_if_installed() -> Result<()> {
    if is_installed() {
        return miri();
    }
    say("skipped: Miri, because no nightly toolchain with the components miri and rust-src is installed");
    Ok(())
}

/// Whether a nightly toolchain has Miri and the sources of the standard library that Miri compiles.
fn is_installed() -> bool {
    let output = |command: &str, arguments: &[&str]| {
        program(command)
            .args(arguments)
            // rustup would install the toolchain where it is missing.
            .env("RUSTUP_AUTO_INSTALL", "0")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()
    };
    let has_miri =
        output("cargo", &["+nightly", "miri", "--version"]).is_some_and(|answer| answer.status.success());
    let sysroot = output("rustc", &["+nightly", "--print", "sysroot"])
        .and_then(|answer| String::from_utf8(answer.stdout).ok())
        .unwrap_or_default();
    has_miri && std::path::Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.toml").is_file()
}
