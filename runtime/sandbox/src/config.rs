//! How a sandbox is set up. What bounds one job is `limits.rs`; what is started is `program.rs`.

use std::ffi::OsString;

use crate::{
    limits::{Confinement, Limits},
    program::Program,
};

/// How a sandbox is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is started as a worker.
    pub program: Program,
    /// Most workers at once.
    pub workers: usize,
    /// Most callers that wait for a worker; further ones get [`Unavailable::Busy`](crate::Unavailable::Busy).
    pub waiting: usize,
    /// The limits of a job for which no others are named.
    pub limits: Limits,
    /// Largest request, bytes.
    pub request_bytes: u64,
    /// What holds for the workers beside time and memory.
    pub confinement: Confinement,
    /// The environment of the workers, which otherwise is empty.
    pub environment: Vec<(OsString, OsString)>,
}

impl Default for Config {
    /// One worker of this executable, with the usual limits.
    fn default() -> Self {
        Self {
            program: Program::this(),
            workers: 1,
            waiting: 1024,
            limits: Limits::default(),
            request_bytes: 128 << 20,
            confinement: Confinement::Compute,
            environment: Vec::new(),
        }
    }
}
