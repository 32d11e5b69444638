//! The limits of one job.

use std::time::Duration;

/// The default processor time of a job.
pub const DEFAULT_TIME: Duration = Duration::from_secs(2);
/// The default memory of a job, bytes.
pub const DEFAULT_MEMORY: u64 = 256 << 20;

/// How many times the processor time a job may take in wall time. On an overloaded machine a job has to wait for the
/// processor, which is not the job's fault.
const WALL_TIME_FACTOR: u32 = 4;

/// The limits of one job. They are checked every 5 ms, so a job is killed within 20 ms of exceeding one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLimits {
    /// Processor time, summed over all threads of the job. Where the system does not report it, wall time counts instead.
    pub cpu_time: Duration,
    /// Wall time.
    pub wall_time: Duration,
    /// Memory that the worker allocates, bytes. This includes the worker itself and the request; less than 64 MiB is not
    /// useful.
    pub memory: u64,
    /// Maximum size of the reply, bytes.
    pub reply_bytes: u64,
}

impl JobLimits {
    /// Limits of this processor time, four times as much wall time, and this much memory in bytes.
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

/// What a worker is allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Confinement {
    /// The worker only computes. It may open a few files and write none, and the system itself enforces the memory limit.
    #[default]
    Compute,
    /// The worker uses a graphics device. Its driver reserves much more address space than it uses, opens files and writes
    /// caches. So only resident memory is limited, and files are not.
    Device,
}

impl Confinement {
    /// The name by which the child is told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Device => "device",
        }
    }
}
