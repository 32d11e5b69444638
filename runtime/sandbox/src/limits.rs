//! How much one job may take.

use std::time::Duration;

/// The usual time for one document.
pub const DEFAULT_TIME: Duration = Duration::from_secs(2);
/// The usual memory for one document, bytes.
pub const DEFAULT_MEMORY: u64 = 256 << 20;

/// How many times its processor time a job may take by the clock. On a machine that is overloaded an innocent job waits
/// for its turn, and that is not the job's fault.
const WALL_TIME_FACTOR: u32 = 4;

/// How much one job may take. All of it is looked at every few milliseconds, so a job is ended within 20 ms of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLimits {
    /// Processor time, over all threads of the job. Where the system does not tell it, this is time by the clock.
    pub cpu_time: Duration,
    /// Time by the clock.
    pub wall_time: Duration,
    /// Memory that the worker allocates, bytes. The worker itself and the request are part of it: 64 MiB is the least
    /// that is useful.
    pub memory: u64,
    /// Largest reply, bytes.
    pub reply_bytes: u64,
}

impl JobLimits {
    /// So much processor time, four times as much by the clock, and so much memory, bytes.
    #[must_use]
    pub const fn new(time: Duration, memory: u64) -> Self {
        Self { cpu_time: time, wall_time: time.saturating_mul(WALL_TIME_FACTOR), memory, reply_bytes: memory }
    }
}

impl Default for JobLimits {
    fn default() -> Self {
        Self::new(DEFAULT_TIME, DEFAULT_MEMORY)
    }
}

/// What else holds for a worker, beside time and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Confinement {
    /// The worker computes, and nothing else: it opens hardly any file and writes none, and the system refuses memory
    /// above the limit.
    #[default]
    Compute,
    /// The worker uses a device, whose driver maps far more address space than it uses, opens files and writes caches:
    /// memory is bounded by what is resident, and files by nothing.
    Device,
}

impl Confinement {
    /// The word that the child is told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Device => "device",
        }
    }
}
