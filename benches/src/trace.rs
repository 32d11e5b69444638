//! Traces of requests: files of item numbers, big-endian `u32`, in the order of the requests.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, ensure};

/// Reads a trace; `.xz` is unpacked.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read(trace: &Path) -> anyhow::Result<Vec<u32>> {
    let bytes = if trace.extension().is_some_and(|extension| extension == "xz") {
        let unpacked = Command::new("xz").args(["-dc"]).arg(trace).output().context("running xz")?;
        ensure!(unpacked.status.success(), "{}: xz cannot unpack it", trace.display());
        unpacked.stdout
    } else {
        fs::read(trace).with_context(|| trace.display().to_string())?
    };
    let (numbers, rest) = bytes.as_chunks::<4>();
    ensure!(rest.is_empty() && !numbers.is_empty(), "{}: no list of 32-bit numbers", trace.display());
    Ok(numbers.iter().map(|number| u32::from_be_bytes(*number)).collect())
}
