//! What steps share: where things are, running programs, and saying what happens.
//!
//! A program that fails ends the step with the line that was run; its own words are on the terminal already.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

/// The workspace root.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// Where programs lie that are installed for a step.
pub(crate) fn tools_folder() -> PathBuf {
    root().join("target/tools")
}

/// Says what is being done. On stderr: stdout belongs to what a step is asked for.
pub(crate) fn say(message: &str) {
    // There is nobody left to tell when the terminal is gone.
    let _ = writeln!(std::io::stderr(), "xtask: {message}");
}

/// A program, to run in the workspace root.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    // What an earlier build left for the next is of little use to one of everything, and rustc 1.95 can stumble over it
    // ("unstable fingerprints").
    command.current_dir(root()).env("CARGO_INCREMENTAL", "0");
    command
}

/// Runs a program to its end.
///
/// # Errors
/// When it does not start or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{} did not start", line(command)))?;
    ensure!(status.success(), "{} failed: {status}", line(command));
    Ok(())
}

/// Builds a crate for the edge and says where its module is.
///
/// # Errors
/// When cargo fails, or makes no module.
pub(crate) fn build_module(package: &str, target: &str) -> Result<PathBuf> {
    toolchain()?;
    say(&format!("building {package} for {target}"));
    let mut command = program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--package", package, "--target", target, "--profile", "edge"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("{} did not start", line(&command)))?;
    ensure!(output.status.success(), "{} failed: {}", line(&command), output.status);
    let name = package.replace('-', "_");
    for message in output.stdout.split(|b| *b == b'\n').filter(|message| !message.is_empty()) {
        let message: Value = serde_json::from_slice(message).context("cargo's messages are JSON lines")?;
        if message["reason"] == "compiler-artifact" && message["target"]["name"] == *name {
            let files = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
            if let Some(module) =
                files.map(PathBuf::from).find(|file| file.extension() == Some("wasm".as_ref()))
            {
                return Ok(module);
            }
        }
    }
    bail!("cargo built {package} but no module of it; is its crate-type still cdylib?")
}

/// What rust-toolchain.toml names besides the compiler.
const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];
const COMPONENTS: [&str; 2] = ["clippy", "rustfmt"];

/// Has rustup install what the toolchain lacks of the above: rustup does so by itself only where it may. A toolchain
/// that has it all is left alone, so that steps may run side by side.
///
/// # Errors
/// When something is missing and rustup cannot bring it.
pub(crate) fn toolchain() -> Result<()> {
    let rustc = |arguments: &[&str]| program("rustc").args(arguments).stderr(Stdio::null()).output();
    for target in TARGETS {
        let asked =
            rustc(&["--print", "target-libdir", "--target", target]).context("rustc did not start")?;
        if !Path::new(String::from_utf8(asked.stdout)?.trim()).is_dir() {
            run(program("rustup").args(["target", "add", target]))?;
        }
    }
    for component in COMPONENTS {
        let asked =
            program(format!("cargo-{}", component.trim_start_matches("rust"))).arg("--version").output();
        if !asked.is_ok_and(|answer| answer.status.success()) {
            run(program("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}

/// Installs the npm packages that package-lock.json pins, unless they are there.
///
/// Their install scripts only re-check what npm has just checked, so none is run.
///
/// # Errors
/// When npm is missing or fails.
pub(crate) fn npm_packages() -> Result<()> {
    let lock = root().join("package-lock.json");
    if is_newer(&root().join("node_modules/.package-lock.json"), &lock) {
        return Ok(());
    }
    say("installing the npm packages of package-lock.json");
    run(program("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
        .context("npm comes with Node 20 or later")
}

/// Whether a file is there and not older than another.
pub(crate) fn is_newer(file: &Path, than: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|known| known.modified());
    matches!((modified(file), modified(than)), (Ok(file), Ok(than)) if file >= than)
}

/// Says how large a module is, as it is and as a network carries it.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn say_size(module: &Path) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("reading {}", module.display()))?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&bytes)?;
    let (plain, packed) = (bytes.len(), gzip.finish()?.len());
    say(&format!("{} has {plain} bytes, {packed} with gzip", module.display()));
    Ok(())
}

/// A command as one would type it.
fn line(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
