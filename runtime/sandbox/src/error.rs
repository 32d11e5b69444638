//! Errors of the sandbox: why a job returned no reply.

use std::{fmt, io};

/// Why a job returned no reply.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError<E> {
    /// The job ran and returned its own error.
    #[error("{0}")]
    Job(E),
    /// The job was killed because of its request. The same request would be killed again.
    #[error(transparent)]
    Killed(#[from] JobKilled),
    /// The job did not run to its end, for a reason that has nothing to do with its request.
    #[error(transparent)]
    Unavailable(#[from] SandboxUnavailable),
}

impl<E> SandboxError<E> {
    /// Replaces the job's own error.
    pub fn map<F>(self, map: impl FnOnce(E) -> F) -> SandboxError<F> {
        match self {
            Self::Job(error) => SandboxError::Job(map(error)),
            Self::Killed(killed) => SandboxError::Killed(killed),
            Self::Unavailable(why) => SandboxError::Unavailable(why),
        }
    }
}

/// A job that was killed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{activity}{}{limit}{}{detail}", colon(activity), colon(detail))]
pub struct JobKilled {
    /// The limit that the job exceeded.
    pub limit: ExceededLimit,
    /// The last activity that the job reported ([`crate::report_activity`]). May be empty.
    pub activity: String,
    /// More details for the log, at most a few hundred bytes. May be empty.
    pub detail: String,
}

fn colon(text: &str) -> &'static str {
    if text.is_empty() { "" } else { ": " }
}

/// The limit that a job exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExceededLimit {
    /// Processor time or wall time.
    Time,
    /// Memory.
    Memory,
    /// No limit: the job panicked, overflowed its stack, or aborted.
    Crashed,
    /// The maximum size of a request or of a reply.
    Size,
}

impl ExceededLimit {
    /// The limit's name for metrics.
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
    /// All workers are busy, and the queue of callers is full.
    #[error("all sandbox workers are busy, and the queue for them is full")]
    Busy,
    /// A worker cannot be started, or does not behave as a worker.
    #[error("a sandbox worker cannot be started: {0}")]
    Start(#[source] io::Error),
    /// The executable does not call [`crate::serve_if_asked`], or does not pass this job to it.
    #[error("this executable does not serve the sandbox job {0:?}")]
    NotServed(&'static str),
    /// The worker was killed from outside: by an operator, or by the system when memory ran out.
    #[error("a sandbox worker was killed by signal {0}")]
    Killed(i32),
    /// The request or the reply cannot be encoded or decoded, or the connection to the worker failed.
    #[error("a sandbox worker cannot be talked to: {0}")]
    Connection(#[source] io::Error),
}
