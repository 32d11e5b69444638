//! Painting in a child process: what the parent's side of it does.
//!
//! Each worker has a child of its own, which keeps the styles that it has painted. What ends a child is a fault of this
//! machine as far as edges are concerned: another origin may have more time or memory, and two that fail are believed.

use std::{env, ffi::OsString, time::Duration};

use bytes::Bytes;
use cid::Cid;
use iridule_origin_api::limits;
use iridule_sandbox::{Config, Confinement, Limits, Program, Sandbox, SandboxError, Session};

use crate::{
    child::{Paint, Reply, Request},
    painter::{Found, PaintedBy},
    service::{Failure, Job, Shared},
};

/// Beginnings of the names of environment variables that graphics drivers read.
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
/// How often a child may ask for blocks for one picture: the manifest, what every token needs, the token's own files.
const ROUNDS: usize = 4;

/// What bounds the painting of one picture.
#[derive(Debug, Clone)]
pub struct PaintingLimits {
    /// Time by the clock.
    pub time: Duration,
    /// Memory of the process that paints it, bytes.
    pub memory: u64,
    /// What is started as a child: this executable, but for tests.
    pub program: Program,
}

impl Default for PaintingLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(30), memory: 2 << 30, program: Program::this() }
    }
}

/// The children of all workers.
pub(crate) fn sandbox(limits: &PaintingLimits, workers: usize, devices: bool) -> Sandbox {
    let driver =
        |name: &OsString| DRIVER_VARIABLES.iter().any(|start| name.to_string_lossy().starts_with(start));
    let cores =
        std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    Sandbox::new(Config {
        program: limits.program.clone(),
        workers,
        limits: Limits {
            // Encoders use every core.
            time: limits.time * cores,
            clock: limits.time,
            memory: limits.memory,
            reply_bytes: limits::ORIGIN_BYTES as u64 + 4096,
        },
        confinement: if devices { Confinement::Device } else { Confinement::Compute },
        environment: env::vars_os().filter(|(name, _)| driver(name)).collect(),
        ..Config::default()
    })
}

/// A picture from a worker's child, and what it found out about the devices.
pub(crate) async fn paint(
    shared: &Shared,
    session: &mut Session,
    job: &Job,
) -> Result<(Bytes, PaintedBy, Option<Found>), Failure> {
    let mut request = Request::new(&job.render, shared.devices_wanted);
    let limits = shared.sandbox.limits();
    for _ in 0..ROUNDS {
        let wanted = match session.run::<Paint>(&request, limits).await {
            Ok(Reply::Picture { file, by, found }) => return Ok((file.into_vec().into(), by, found)),
            Ok(Reply::Wants(wanted)) => wanted,
            Err(SandboxError::Job(why)) => return Err(Failure::Unpaintable(why)),
            Err(why) => return Err(Failure::Machine(why.to_string())),
        };
        let wanted: Result<Vec<Cid>, _> = wanted.iter().map(|name| Cid::read_bytes(&name[..])).collect();
        let wanted = wanted.map_err(|why| Failure::Machine(why.to_string()))?;
        request = request.with(blocks(shared, job, &wanted).await?);
    }
    Err(Failure::Machine("the painter wants blocks again and again".into()))
}

/// Blocks of the job's style, all of them or the names of those that are missing.
async fn blocks(shared: &Shared, job: &Job, wanted: &[Cid]) -> Result<Vec<(Cid, Bytes)>, Failure> {
    let (mut blocks, mut missing) = (Vec::new(), Vec::new());
    for cid in wanted {
        if !job.style.has(cid) {
            return Err(Failure::Machine(format!("the painter wants {cid}, which is none of the style's")));
        }
        match shared.store.block(cid).await.map_err(|why| Failure::Store(why.to_string()))? {
            Some(block) if missing.is_empty() => blocks.push((*cid, block)),
            Some(_) => {}
            None => missing.push(*cid),
        }
    }
    if missing.is_empty() { Ok(blocks) } else { Err(Failure::Missing(missing)) }
}
