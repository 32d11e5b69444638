//! The state that the request handlers and the workers of an origin share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};

use ed25519_dalek::SigningKey;
use iridule_origin_api::order::Render;
use iridule_records::signed::{TrustedKeys, key_id};
use iridule_sandbox::Sandbox;
use tokio::sync::{Semaphore, watch};

use crate::{
    clocks::{EdgeClocks, now_ms},
    config::OriginConfig,
    log_throttle::LogThrottle,
    metrics::OriginMetrics,
    nonces::Nonces,
    outcome::RenderResult,
    painter_process,
    queue::{Queue, QueueLimits},
    recent_failures::RecentFailures,
    server::Connections,
    store::OriginStore,
    style_cache::{KnownStyle, StyleCache},
};

/// Maximum number of blocks that are uploaded at once. Further uploads wait.
const MAX_UPLOADS: usize = 32;

/// What a worker needs for one render. The scene is built when the job runs.
#[derive(Debug)]
pub(crate) struct PaintTask {
    pub(crate) render: Render,
    pub(crate) style: Arc<KnownStyle>,
}

pub(crate) struct OriginState {
    pub(crate) store: Arc<OriginStore>,
    pub(crate) styles: StyleCache,
    pub(crate) edges: TrustedKeys,
    pub(crate) key: SigningKey,
    /// The id of the public half of `key`. Signed requests must name it.
    pub(crate) id: String,
    pub(crate) nonces: Nonces,
    pub(crate) clocks: EdgeClocks,
    pub(crate) refusals: LogThrottle,
    pub(crate) queue: Arc<Queue<PaintTask, RenderResult>>,
    pub(crate) recent_failures: RecentFailures,
    /// Memory for responses that are being sent, kibibytes.
    pub(crate) answers: Arc<Semaphore>,
    pub(crate) max_answer_kibibytes: u32,
    pub(crate) uploads: Semaphore,
    pub(crate) body_time: Duration,
    /// The child processes that paint, one for each worker.
    pub(crate) sandbox: Sandbox,
    /// Whether to look for devices, and whether to accept software devices.
    pub(crate) device_policy: (bool, bool),
    /// How many devices a child has found.
    pub(crate) devices: AtomicUsize,
    pub(crate) metrics: OriginMetrics,
    pub(crate) connections: Arc<Connections>,
    pub(crate) draining: AtomicBool,
    pub(crate) leaving: watch::Sender<bool>,
    pub(crate) capacity: usize,
}

impl std::fmt::Debug for OriginState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OriginState").field("store", &self.store).finish_non_exhaustive()
    }
}

impl OriginState {
    pub(crate) fn new(config: OriginConfig, workers: usize) -> Self {
        let store = Arc::new(config.store);
        let capacity = config.queue.max(1);
        let bounds = QueueLimits {
            jobs: capacity,
            // One edge may use three quarters of the connections; the rest is for the other edges.
            per_edge: (config.connections.connections * 3 / 4).max(1),
            bytes: config.memory,
            workers,
        };
        let max_answer_kibibytes = u32::try_from(config.memory / 1024).unwrap_or(u32::MAX).clamp(1, 1 << 28);
        Self {
            styles: StyleCache::new(store.clone()),
            store,
            edges: config.edges,
            id: key_id(&config.key.verifying_key()),
            key: config.key,
            nonces: Nonces::since(now_ms()),
            clocks: EdgeClocks::default(),
            refusals: LogThrottle::default(),
            queue: Queue::new(bounds),
            recent_failures: RecentFailures::default(),
            answers: Arc::new(Semaphore::new(max_answer_kibibytes as usize)),
            max_answer_kibibytes,
            uploads: Semaphore::new(MAX_UPLOADS),
            body_time: config.connections.body,
            sandbox: painter_process::sandbox(&config.painting, workers, config.devices),
            device_policy: (config.devices, config.software),
            devices: AtomicUsize::new(0),
            metrics: OriginMetrics::new(),
            connections: Connections::new(config.connections.connections),
            draining: AtomicBool::new(false),
            leaving: watch::Sender::new(false),
            capacity,
        }
    }
}
