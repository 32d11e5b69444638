//! A peer as a process that stays: `benches/peers/peer.mjs`.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

/// A Node process with a peer in it, its code and fonts loaded.
pub struct Peer {
    name: String,
    process: Child,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What a peer made: how long that took it, and where the picture lies until the fourth one after it.
#[derive(Deserialize)]
pub struct Made {
    ms: f64,
    pub out: PathBuf,
}

impl Made {
    pub fn took(&self) -> Duration {
        Duration::from_secs_f64(self.ms / 1e3)
    }
}

impl Peer {
    /// Starts `NAME.mjs` of the folder of peers; its pictures come into `out`.
    ///
    /// # Errors
    /// When its packages are not installed, or it does not start.
    pub fn start(peers: &Path, name: &str, out: &Path) -> anyhow::Result<Self> {
        let modules = peers.join("node_modules");
        ensure!(modules.is_dir(), "{} is missing; `cargo xtask bench` installs it", modules.display());
        let mut process = Command::new("node")
            .args(["peer.mjs", name])
            .arg(out)
            .current_dir(peers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node does not start")?;
        let asks = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().context("node has no stdout")?);
        let mut peer = Self { name: name.into(), process, asks, answers };
        peer.line().with_context(|| format!("{name} does not start"))?;
        Ok(peer)
    }

    /// Has it make a picture.
    ///
    /// # Errors
    /// When it cannot; what it says is on stderr.
    pub fn make(&mut self, ask: &impl Serialize) -> anyhow::Result<Made> {
        let asks = self.asks.as_mut().context("stopped")?;
        writeln!(asks, "{}", serde_json::to_string(ask)?)?;
        let line = self.line()?;
        serde_json::from_str(&line).with_context(|| format!("{} answered {line:?}", self.name))
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "{} ended", self.name);
        Ok(line)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // At the end of its input it stops what it started, and ends.
        self.asks = None;
        let _ = self.process.wait();
    }
}
