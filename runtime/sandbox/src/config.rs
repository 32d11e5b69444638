//! How a sandbox is set up. What bounds one job is `limits.rs`; what is started is `program.rs`.

use std::ffi::OsString;

use crate::{
    limits::{Confinement, JobLimits},
    program::WorkerProgram,
};

/// How a sandbox is set up.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// What is started as a worker.
    pub program: WorkerProgram,
    /// Most workers at once.
    pub workers: usize,
    /// Most callers that wait for a worker; further ones get [`SandboxUnavailable::Busy`](crate::SandboxUnavailable::Busy).
    pub max_waiting: usize,
    /// The limits of a job for which no others are named.
    pub limits: JobLimits,
    /// Largest request, bytes.
    pub max_request_bytes: u64,
    /// What holds for the workers beside time and memory.
    pub confinement: Confinement,
    /// The environment of the workers, which otherwise is empty.
    pub environment: Vec<(OsString, OsString)>,
}

impl Default for SandboxConfig {
    /// One worker of this executable, with the usual limits.
    fn default() -> Self {
        Self {
            program: WorkerProgram::this_executable(),
            workers: 1,
            max_waiting: 1024,
            limits: JobLimits::default(),
            max_request_bytes: 128 << 20,
            confinement: Confinement::Compute,
            environment: Vec::new(),
        }
    }
}
