//! wrk, which asks as fast as it is answered: one thread on one core, the server on another.

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    process::{Child, Command},
};

use anyhow::{Context as _, ensure};

/// Seconds of one measurement.
pub const SECONDS: u32 = 3;

/// Requests per second, and the time that all but the slowest hundredth took at most, milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub rate: f64,
    pub p99: f64,
}

/// A program, pinned to the first core. It is told to stop with the bench.
pub struct Server(Child);

impl Server {
    /// Starts it, and waits until a request is answered.
    pub fn ready(words: &[String], url: &str) -> anyhow::Result<Self> {
        let started = pinned(0, words).spawn().with_context(|| format!("starting {}", words.join(" ")));
        let server = Self(started?);
        let client = crate::hosts::Client::new()?;
        for _ in 0..500 {
            if client.get(url, &[]).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        anyhow::bail!("{} does not answer", words.join(" "))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is left to do when it is gone already. nginx stops its worker on a signal, not on a kill.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// A command on this core.
fn pinned(core: u32, words: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).args(words).env("RUST_LOG", "off");
    command
}

/// Whether a program is there, and what to do if not.
pub fn needs(program: &str) -> anyhow::Result<()> {
    let found = Command::new("which").arg(program).output().is_ok_and(|found| found.status.success());
    ensure!(found, "{program} is not installed");
    Ok(())
}

/// Asks for a URL over so many kept connections. A header may be asked with.
pub fn wrk(
    scratch: &Path,
    url: &str,
    connections: u32,
    header: Option<(&str, &str)>,
) -> anyhow::Result<Seen> {
    let script = scratch.join("ask.lua");
    let line = header.map(|(name, value)| format!("wrk.headers['{name}'] = '{value}'\n"));
    fs::write(&script, line.unwrap_or_default())?;
    let script = script.to_str().context("the path is not UTF-8")?;
    let (connections, seconds) = (format!("-c{connections}"), format!("-d{SECONDS}s"));
    let words = ["wrk", "-t1", "--latency", &connections, &seconds, "-s", script, url];
    let said = pinned(1, &words).output().context("running wrk")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let after =
        |word: &str| said.lines().find_map(|line| Some(line.trim().strip_prefix(word)?.trim().to_owned()));
    let rate = after("Requests/sec:").and_then(|rate| rate.parse().ok());
    let p99 = after("99%").and_then(|time| milliseconds(&time));
    ensure!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "wrk met errors:\n{said}");
    let (rate, p99) = rate.zip(p99).with_context(|| format!("wrk said\n{said}"))?;
    Ok(Seen { rate, p99 })
}

fn milliseconds(time: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3)] {
        if let Some(number) = time.strip_suffix(unit) {
            return Some(number.parse::<f64>().ok()? * factor);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_each_unit() {
        let read = ["250.00us", "1.50ms", "2.00s", "-"].map(milliseconds);
        assert_eq!(read, [Some(0.25), Some(1.5), Some(2000.0), None]);
    }
}
