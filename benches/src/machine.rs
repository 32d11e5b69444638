//! The machine that is measured on.

use std::{fmt, fs, thread};

use serde::{Deserialize, Serialize};

/// What a reader must know of a machine to believe a figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    /// Gibibytes of memory.
    pub memory: u64,
    pub system: String,
}

impl Machine {
    /// This machine. What cannot be found out is left empty.
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let of = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
            line.map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let kilobytes = of(&read("/proc/meminfo"), "MemTotal");
        let kilobytes: u64 = kilobytes.split(' ').next().and_then(|kb| kb.parse().ok()).unwrap_or(0);
        Self {
            processor: of(&read("/proc/cpuinfo"), "model name"),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory: (kilobytes + (1 << 19)) >> 20,
            system: format!("{} {}", std::env::consts::OS, read("/proc/sys/kernel/osrelease").trim()),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} cores, {} GiB, {}", self.processor, self.cores, self.memory, self.system)
    }
}
