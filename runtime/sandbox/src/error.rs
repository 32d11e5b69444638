//! Why a job gave no reply.

use std::{fmt, io};

/// Why a job gave no reply.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError<E> {
    /// The job itself says so.
    #[error("{0}")]
    Job(E),
    /// The job was ended, because of what it was given: the same request would end in the same way.
    #[error(transparent)]
    Killed(#[from] JobKilled),
    /// The job did not run, or not to its end, for a reason that has nothing to do with what it was given.
    #[error(transparent)]
    Unavailable(#[from] SandboxUnavailable),
}

impl<E> SandboxError<E> {
    /// The same with another error of the job.
    pub fn map<F>(self, map: impl FnOnce(E) -> F) -> SandboxError<F> {
        match self {
            Self::Job(error) => SandboxError::Job(map(error)),
            Self::Killed(killed) => SandboxError::Killed(killed),
            Self::Unavailable(why) => SandboxError::Unavailable(why),
        }
    }
}

/// A job that was ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{activity}{}{limit}{}{detail}", colon(activity), colon(detail))]
pub struct JobKilled {
    /// What it exceeded.
    pub limit: ExceededLimit,
    /// What it said last that it worked on ([`crate::report_activity`]); may be empty.
    pub activity: String,
    /// What else is known, for the log; may be empty. At most a few hundred bytes.
    pub detail: String,
}

fn colon(text: &str) -> &'static str {
    if text.is_empty() { "" } else { ": " }
}

/// What a job exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExceededLimit {
    /// Its time.
    Time,
    /// Its memory.
    Memory,
    /// It panicked, overflowed its stack, or aborted.
    Crashed,
    /// The most bytes of a request or a reply.
    Size,
}

impl ExceededLimit {
    /// One word for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Crashed => "crashed",
            Self::Size => "size",
        }
    }
}

impl fmt::Display for ExceededLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "it took too much time and was ended",
            Self::Memory => "it took too much memory and was ended",
            Self::Crashed => "it crashed the process that worked on it",
            Self::Size => "it is too large to be worked on",
        })
    }
}

/// Why the sandbox cannot run a job now.
#[derive(Debug, thiserror::Error)]
pub enum SandboxUnavailable {
    /// All workers are busy, and as many callers wait as may.
    #[error("all sandbox workers are busy, and the queue for them is full")]
    Busy,
    /// A worker cannot be started, or does not answer as one.
    #[error("a sandbox worker cannot be started: {0}")]
    Start(#[source] io::Error),
    /// The executable does not call [`crate::serve_if_asked`], or not with this job.
    #[error("this executable does not serve the sandbox job {0:?}")]
    NotServed(&'static str),
    /// Somebody else killed the worker: an operator, or the system because it ran out of memory.
    #[error("a sandbox worker was killed by signal {0}")]
    Killed(i32),
    /// Request or reply cannot be encoded or decoded, or the connection to the worker failed.
    #[error("a sandbox worker cannot be talked to: {0}")]
    Connection(#[source] io::Error),
}
