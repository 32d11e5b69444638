//! Programs that run while a bench does.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, ensure};

/// A program that is killed with the bench.
pub(crate) struct Running(Child);

impl Running {
    /// Starts a program, and waits for the line of its output that has each of these words. Gives the URLs in them.
    pub(crate) fn start<const N: usize>(
        mut command: Command,
        words: [&str; N],
    ) -> anyhow::Result<(Self, [String; N])> {
        let log = std::env::var("RUST_LOG").unwrap_or_else(|_| "off".into());
        let child = command.env("RUST_LOG", log).stdout(Stdio::piped()).spawn();
        let mut running = Self(child.context("starting iridule")?);
        let mut lines = BufReader::new(running.0.stdout.take().context("no output")?).lines();
        let mut urls = [const { String::new() }; N];
        for (word, url) in words.into_iter().zip(&mut urls) {
            let line = lines.by_ref().filter_map(Result::ok).find(|line| line.contains(word));
            let line = line.context("it ended at once")?;
            *url = line.split([' ', ';']).find(|word| word.starts_with("http://")).unwrap_or_default().into();
        }
        std::thread::spawn(move || lines.for_each(drop));
        Ok((running, urls))
    }

    pub(crate) fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status()?;
        ensure!(sent.success(), "kill {signal} failed");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is left to do when it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
