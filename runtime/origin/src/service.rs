//! The origin as a service: how it starts, works and leaves. What it answers is in `answers.rs`.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use cid::Cid;
use ed25519_dalek::SigningKey;
use iridule_origin_api::{limits, order::Render};
use iridule_records::{
    render_key::RenderKey,
    signed::{TrustedKeys, key_id},
};
use iridule_sandbox::{Sandbox, Session};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    clocks::Clocks,
    faulty::Faulty,
    library::{KnownStyle, Library},
    metrics::Metrics,
    nonces::Nonces,
    painter::PaintedBy,
    painting::{self, PaintingLimits},
    queue::{Bounds, Queue},
    server::{self, ConnectionLimits, Connections},
    store::Store,
    throttle::Throttle,
};

/// How long [`Origin::shutdown`] waits for what is under way.
const LEAVE: Duration = Duration::from_secs(20);
/// Blocks that arrive at once. More wait for their turn.
const UPLOADS: usize = 32;

/// What an origin needs to start.
#[derive(Debug)]
pub struct Config {
    /// Where edges are served. Port 0 takes a free port.
    pub listen: SocketAddr,
    /// Where blocks and renders are kept.
    pub store: Store,
    /// The public keys of the edges whose orders are taken.
    pub edges: TrustedKeys,
    /// Signs the answers. Edges know its public half.
    pub key: SigningKey,
    /// Pictures that are painted at once, each in a process of its own, at least 1.
    pub workers: usize,
    /// Jobs that wait or run at once.
    pub queue: usize,
    /// Bytes that the pictures being painted may take, and as many again for answers on their way.
    pub memory: u64,
    /// Whether devices are looked for at all.
    pub devices: bool,
    /// Whether a software device will do where there is no other.
    pub software: bool,
    /// What bounds connections.
    pub connections: ConnectionLimits,
    /// What bounds the painting of one picture.
    pub painting: PaintingLimits,
}

/// Why an origin does not start.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// The address is taken, or none.
    #[error("{address}: {source}")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// No thread could be started.
    #[error("no thread to paint: {0}")]
    Thread(std::io::Error),
}

/// A running origin.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
    workers: Vec<thread::JoinHandle<()>>,
}

/// A finished picture.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    pub(crate) body: Bytes,
    pub(crate) by: PaintedBy,
}

/// Why a picture was not made.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// These blocks of the style are not here.
    Missing(Vec<Cid>),
    /// The style cannot be painted so, here or elsewhere.
    Unpaintable(String),
    /// The painter failed. That is this machine's fault until another one fails on it too.
    Machine(String),
    /// The store did not answer.
    Store(String),
}

/// What a worker needs to know. The scene is built when the job runs.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) render: Render,
    pub(crate) style: Arc<KnownStyle>,
}

pub(crate) type Done = Result<Rendered, Failure>;

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
    fn new(config: Config, workers: usize) -> Self {
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

impl Origin {
    /// Starts an origin on the current tokio runtime. Looking for devices takes some hundred milliseconds; orders that come
    /// before they are known wait in the queue. Connections wait for a quarter of a second: orders that an earlier process
    /// may have carried out are too old then.
    ///
    /// # Errors
    /// [`OriginError`]; nothing is left running then.
    pub async fn start(config: Config) -> Result<Self, OriginError> {
        let listen = |source| OriginError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (workers, connections) = (config.workers.max(1), config.connections);
        let shared = Arc::new(Shared::new(config, workers));
        let runtime = tokio::runtime::Handle::current();
        let worker = |number| {
            let (shared, runtime) = (shared.clone(), runtime.clone());
            thread::Builder::new().name(format!("painter-{number}")).spawn(move || work(&shared, &runtime))
        };
        let workers: Result<Vec<_>, _> = (0..workers).map(worker).collect();
        let workers = workers.map_err(|why| {
            shared.queue.close();
            OriginError::Thread(why)
        })?;
        let serving = tokio::spawn({
            let shared = shared.clone();
            async move {
                sleep(Duration::from_millis(limits::ORDER_AHEAD_MS + 1)).await;
                let (held, leaving) = (shared.connections.clone(), shared.leaving.subscribe());
                let handle = move |request| {
                    let shared = shared.clone();
                    async move { shared.handle(request).await }
                };
                server::serve(listener, connections, held, leaving, handle).await;
            }
        });
        tracing::info!(%address, "an origin takes orders");
        Ok(Self { address, shared, serving, workers })
    }

    /// Where edges are served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leaves in order: says that it is leaving, takes nothing new, finishes what is queued.
    pub async fn shutdown(mut self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.shared.queue.close();
        self.shared.leaving.send_replace(true);
        if timeout(LEAVE, &mut self.serving).await.is_err() {
            tracing::warn!("orders under way are cut off");
            self.serving.abort();
        }
        let workers = std::mem::take(&mut self.workers);
        let done =
            tokio::task::spawn_blocking(move || workers.into_iter().for_each(|worker| drop(worker.join())));
        if timeout(LEAVE, done).await.is_err() {
            tracing::warn!("a worker does not come back");
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.serving.abort();
    }
}

/// One worker: takes jobs until there will be no more, and has a child process of its own to paint in.
fn work(shared: &Shared, runtime: &tokio::runtime::Handle) {
    let mut session = None;
    while let Some((key, job)) = shared.queue.next(now_ms) {
        let started = Instant::now();
        let (done, took) = match shared.store.recent(&key) {
            // Someone asked for it in the moment in which it was finished.
            Some(body) => (Ok(Rendered { body, by: PaintedBy::Cpu }), None),
            None => {
                let done = runtime.block_on(render(shared, &mut session, &key, &job));
                let took = done.is_ok().then(|| started.elapsed().as_secs_f64() * 1e3);
                (done, took)
            }
        };
        match &done {
            Ok(_) | Err(Failure::Missing(_)) => {}
            Err(Failure::Unpaintable(why)) => {
                shared.metrics.unpaintable.inc();
                tracing::warn!(%key, style = %job.render.style, ?why, "it cannot be painted");
            }
            Err(Failure::Machine(why)) => {
                shared.metrics.faults.inc();
                shared.faulty.note(&key, why);
                tracing::error!(%key, style = %job.render.style, ?why, "the painter failed");
            }
            Err(Failure::Store(why)) => tracing::warn!(%key, ?why, "the style cannot be read"),
        }
        shared.queue.finish(&key, &done, took);
    }
}

async fn render(shared: &Shared, session: &mut Option<Session>, key: &RenderKey, job: &Job) -> Done {
    let started = Instant::now();
    let session = match session {
        Some(session) => session,
        None => {
            let new = shared.sandbox.session().await.map_err(|why| Failure::Machine(why.to_string()))?;
            session.insert(new)
        }
    };
    let (body, by, found) = painting::paint(shared, session, job).await?;
    if let Some(found) = found {
        shared.devices.store(found.used.len(), Ordering::Relaxed);
        tracing::info!(devices = ?found.used, refused = ?found.refused, "shaders run on");
    }
    shared.metrics.seconds.observe(started.elapsed().as_secs_f64());
    match &by {
        PaintedBy::Fallback(why) => {
            tracing::warn!(%key, why, "painted on the CPU instead");
            shared.metrics.rendered("fallback");
        }
        by => shared.metrics.rendered(by.word()),
    }
    shared.store.hold(key, body.clone());
    let (store, key, format, stored) = (shared.store.clone(), *key, job.render.variant.format, body.clone());
    tokio::spawn(async move {
        if let Err(why) = store.put_render(&key, format, &stored).await {
            tracing::warn!(%key, %why, "a render is not kept");
        }
    });
    Ok(Rendered { body, by })
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
