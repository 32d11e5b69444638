//! Programs that run while a bench does.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};

/// A program that is killed with the bench.
pub(crate) struct Running {
    child: Child,
    /// Whether it leads a process group of its own, which ends with it.
    group: bool,
}

impl Running {
    /// Starts a program, and waits for the line of its output that has each of these words. Gives the URLs in them.
    pub(crate) fn start<const N: usize>(
        mut command: Command,
        words: [&str; N],
    ) -> anyhow::Result<(Self, [String; N])> {
        let log = std::env::var("RUST_LOG").unwrap_or_else(|_| "off".into());
        let child = command.env("RUST_LOG", log).stdout(Stdio::piped()).spawn();
        let mut running = Self { child: child.context("starting iridule")?, group: false };
        let mut lines = BufReader::new(running.child.stdout.take().context("no output")?).lines();
        let mut urls = [const { String::new() }; N];
        for (word, url) in words.into_iter().zip(&mut urls) {
            let line = lines.by_ref().filter_map(Result::ok).find(|line| line.contains(word));
            let line = line.context("it ended at once")?;
            *url = line.split([' ', ';']).find(|word| word.starts_with("http://")).unwrap_or_default().into();
        }
        std::thread::spawn(move || lines.for_each(drop));
        Ok((running, urls))
    }

    /// Starts a program that starts others, which end with it.
    pub(crate) fn group(mut command: Command) -> anyhow::Result<Self> {
        Ok(Self { child: command.process_group(0).spawn()?, group: true })
    }

    pub(crate) fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        ensure!(sent.success(), "kill {signal} failed");
        Ok(())
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The memory of the process that is resident now, bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS line")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes << 10)
    }

    /// The processor time that it, and those of its group, have used so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let mut ticks = 0;
        for entry in fs::read_dir("/proc")? {
            // A process that ends meanwhile is none of ours.
            let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else { continue };
            // The name, in brackets, may contain anything: proc_pid_stat(5).
            let Some((id, rest)) = stat.split_once(" (").zip(stat.rsplit_once(") ")).map(|(a, b)| (a.0, b.1))
            else {
                continue;
            };
            let fields: Vec<&str> = rest.split(' ').collect();
            let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
            let ours = if self.group {
                number(2) == u64::from(self.child.id())
            } else {
                id == self.child.id().to_string()
            };
            if ours {
                // utime and stime, which Linux counts in hundredths of a second.
                ticks += number(11) + number(12);
            }
        }
        Ok(Duration::from_millis(10) * u32::try_from(ticks)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.group {
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.child.id())]).status();
        }
        // Nothing is left to do when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
