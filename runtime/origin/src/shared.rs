//! What requests and workers of one origin share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};

use ed25519_dalek::SigningKey;
use iridule_core::{
    order::Render,
    signed::{TrustedKeys, key_id},
};
use iridule_sandbox::Sandbox;
use tokio::sync::{Semaphore, watch};

use crate::{
    clocks::{Clocks, now_ms},
    config::Config,
    faulty::Faulty,
    library::{KnownStyle, Library},
    metrics::Metrics,
    nonces::Nonces,
    outcome::Done,
    painting,
    queue::{Bounds, Queue},
    server::Connections,
    store::Store,
    throttle::Throttle,
};

/// Blocks that arrive at once. More wait for their turn.
const UPLOADS: usize = 32;

/// What a worker needs to know. The scene is built when the job runs.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) render: Render,
    pub(crate) style: Arc<KnownStyle>,
}

pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) library: Library,
    pub(crate) edges: TrustedKeys,
    pub(crate) key: SigningKey,
    /// The id of its public half: what orders must name.
    pub(crate) id: String,
    pub(crate) nonces: Nonces,
    pub(crate) clocks: Clocks,
    pub(crate) refusals: Throttle,
    pub(crate) queue: Arc<Queue<Job, Done>>,
    pub(crate) faulty: Faulty,
    /// Memory that answers on their way may take, kibibytes.
    pub(crate) answers: Arc<Semaphore>,
    pub(crate) answers_most: u32,
    pub(crate) uploads: Semaphore,
    pub(crate) body_time: Duration,
    /// The painter's child processes, one for each worker.
    pub(crate) sandbox: Sandbox,
    /// Whether to look for devices, and whether software ones will do.
    pub(crate) devices_wanted: (bool, bool),
    /// Devices that a child has found.
    pub(crate) devices: AtomicUsize,
    pub(crate) metrics: Metrics,
    pub(crate) connections: Arc<Connections>,
    pub(crate) draining: AtomicBool,
    pub(crate) leaving: watch::Sender<bool>,
    pub(crate) capacity: usize,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(config: Config, workers: usize) -> Self {
        let store = Arc::new(config.store);
        let capacity = config.queue.max(1);
        let bounds = Bounds {
            jobs: capacity,
            // An edge alone may use three quarters of what there is; the rest is for the others.
            per_edge: (config.connections.connections * 3 / 4).max(1),
            bytes: config.memory,
            workers,
        };
        let answers_most = u32::try_from(config.memory / 1024).unwrap_or(u32::MAX).clamp(1, 1 << 28);
        Self {
            library: Library::new(store.clone()),
            store,
            edges: config.edges,
            id: key_id(&config.key.verifying_key()),
            key: config.key,
            nonces: Nonces::since(now_ms()),
            clocks: Clocks::default(),
            refusals: Throttle::default(),
            queue: Queue::new(bounds),
            faulty: Faulty::default(),
            answers: Arc::new(Semaphore::new(answers_most as usize)),
            answers_most,
            uploads: Semaphore::new(UPLOADS),
            body_time: config.connections.body,
            sandbox: painting::sandbox(&config.painting, workers, config.devices),
            devices_wanted: (config.devices, config.software),
            devices: AtomicUsize::new(0),
            metrics: Metrics::new(),
            connections: Connections::new(config.connections.connections),
            draining: AtomicBool::new(false),
            leaving: watch::Sender::new(false),
            capacity,
        }
    }
}
