//! The child processes that paint: their configuration and limits. `worker.rs` sends them jobs.

use std::{env, ffi::OsString, time::Duration};

use iridule_origin_api::limits;
use iridule_sandbox::{Confinement, JobLimits, Sandbox, SandboxConfig, WorkerProgram};

/// Prefixes of the environment variables that graphics drivers read.
const DRIVER_VARIABLES: [&str; 12] = [
    "VK_",
    "MESA_",
    "LP_",
    "LIBGL_",
    "DRI_",
    "NVIDIA_",
    "CUDA_",
    "AMD_",
    "RADV_",
    "XDG_",
    "LD_LIBRARY_PATH",
    "HOME",
];
/// Limits of painting one picture.
#[derive(Debug, Clone)]
pub struct PaintingLimits {
    /// Wall time.
    pub time: Duration,
    /// Memory of the painting process, bytes.
    pub memory: u64,
    /// The program that is started as a child: this executable, except in tests.
    pub program: WorkerProgram,
}

impl Default for PaintingLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(30), memory: 2 << 30, program: WorkerProgram::this_executable() }
    }
}

/// Makes the sandbox with one child for each worker.
pub(crate) fn sandbox(limits: &PaintingLimits, workers: usize, devices: bool) -> Sandbox {
    let driver =
        |name: &OsString| DRIVER_VARIABLES.iter().any(|start| name.to_string_lossy().starts_with(start));
    let cores =
        std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    Sandbox::new(SandboxConfig {
        program: limits.program.clone(),
        workers,
        limits: JobLimits {
            // Encoders use all cores.
            cpu_time: limits.time * cores,
            wall_time: limits.time,
            memory: limits.memory,
            reply_bytes: limits::ORIGIN_BYTES as u64 + 4096,
        },
        confinement: if devices { Confinement::Device } else { Confinement::Compute },
        environment: env::vars_os().filter(|(name, _)| driver(name)).collect(),
        ..SandboxConfig::default()
    })
}
