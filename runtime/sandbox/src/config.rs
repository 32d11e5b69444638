//! The configuration of a sandbox. The limits of one job are in `limits.rs`, the program that is started in `program.rs`.

use std::ffi::OsString;

use crate::{
    limits::{Confinement, JobLimits},
    program::WorkerProgram,
};

/// The configuration of a sandbox.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// The program that is started as a worker.
    pub program: WorkerProgram,
    /// Maximum number of workers.
    pub workers: usize,
    /// Maximum number of callers that wait for a worker. Further callers get
    /// [`SandboxUnavailable::Busy`](crate::SandboxUnavailable::Busy).
    pub max_waiting: usize,
    /// Limits of a job that is run without limits of its own.
    pub limits: JobLimits,
    /// Maximum size of a request, bytes.
    pub max_request_bytes: u64,
    /// What the workers are allowed to do.
    pub confinement: Confinement,
    /// The environment variables of the workers. They get no others.
    pub environment: Vec<(OsString, OsString)>,
}

impl Default for SandboxConfig {
    /// One worker of this executable, with the default limits.
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
