//! The origin as a service: what it answers, and how it starts and leaves.
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/render` | [`iridule_core::order`] says what is sent and what comes back |
//! | `PUT /v1/blocks/{cid}` | 201: the block is kept |
//! | `GET /healthz` | 200 while it runs |
//! | `GET /readyz` | 200 while it takes orders |
//! | `GET /metrics` | the series of `metrics.rs` |
//!
//! 401: no order that is believed here, or one that came before. 413, 422: not a block, or not to be painted. 503: no
//! room, or leaving. 504: not done by the deadline. Nothing of a request is read before its order is believed.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};
use bytes::Bytes;
use cid::Cid;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use iridule_core::{
    key::RenderKey,
    limits,
    order::{self, Errand, Order, Priority, Render},
    package,
    scene::Scene,
    signed::TrustedKeys,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

use crate::{
    encode,
    library::{Library, Loaded, NoScene},
    metrics::{self, Metrics},
    nonces::{Nonces, Seen},
    painter::{Found, PaintedBy, Painter},
    queue::{Full, Queue, Waiter},
    store::Store,
};

/// How long [`Origin::shutdown`] waits for what is under way.
const LEAVE: Duration = Duration::from_secs(20);

/// What an origin needs to start.
#[derive(Debug)]
pub struct Config {
    /// Where edges are served. Port 0 takes a free port.
    pub listen: SocketAddr,
    /// Where blocks and renders are kept.
    pub store: Store,
    /// The public keys of the edges whose orders are taken.
    pub edges: TrustedKeys,
    /// Threads that paint, at least 1.
    pub workers: usize,
    /// Jobs that wait or run at once.
    pub queue: usize,
    /// Whether devices are looked for at all.
    pub devices: bool,
    /// Whether a software device will do where there is no other.
    pub software: bool,
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
    leave: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    workers: Vec<thread::JoinHandle<()>>,
}

/// A finished picture.
#[derive(Debug, Clone)]
struct Rendered {
    body: Bytes,
    by: PaintedBy,
}

/// What a worker needs to know.
#[derive(Debug)]
struct Job {
    render: Render,
    scene: Scene,
    loaded: Arc<Loaded>,
}

type Done = Result<Rendered, String>;

struct Shared {
    store: Arc<Store>,
    library: Library,
    edges: TrustedKeys,
    nonces: Nonces,
    queue: Arc<Queue<Job, Done>>,
    /// Made by whichever worker comes first.
    painter: OnceLock<Painter>,
    /// Whether to look for devices, and whether software ones will do.
    wanted: (bool, bool),
    metrics: Metrics,
    draining: AtomicBool,
    capacity: usize,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Origin {
    /// Starts an origin on the current tokio runtime. Looking for devices takes some hundred milliseconds; orders that come
    /// before they are known wait in the queue.
    ///
    /// # Errors
    /// [`OriginError`]; nothing is left running then.
    pub async fn start(config: Config) -> Result<Self, OriginError> {
        let listen = |source| OriginError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let store = Arc::new(config.store);
        let workers = config.workers.max(1);
        let shared = Arc::new(Shared {
            library: Library::new(store.clone()),
            store,
            edges: config.edges,
            nonces: Nonces::default(),
            queue: Queue::new(config.queue.max(1), workers),
            painter: OnceLock::new(),
            wanted: (config.devices, config.software),
            metrics: Metrics::new(),
            draining: AtomicBool::new(false),
            capacity: config.queue.max(1),
        });
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
        let (leave, left) = oneshot::channel();
        let serving = axum::serve(listener, router(shared.clone())).with_graceful_shutdown(async {
            let _ = left.await;
        });
        let serving = tokio::spawn(async move {
            if let Err(why) = serving.await {
                tracing::error!(%why, "the origin stopped serving");
            }
        });
        tracing::info!(%address, "an origin takes orders");
        Ok(Self { address, shared, leave: Some(leave), serving, workers })
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
        if let Some(leave) = self.leave.take() {
            let _ = leave.send(());
        }
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

/// One worker: takes jobs until there will be no more.
fn work(shared: &Shared, runtime: &tokio::runtime::Handle) {
    let painter = shared.painter.get_or_init(|| shared.open_painter());
    while let Some((key, job)) = shared.queue.next(now_ms) {
        let done = match shared.store.recent(&key) {
            // Someone asked for it in the moment in which it was finished.
            Some(body) => Ok(Rendered { body, by: PaintedBy::Cpu }),
            None => catch_unwind(AssertUnwindSafe(|| render(shared, painter, runtime, &key, &job)))
                .unwrap_or_else(|_| {
                    tracing::error!(%key, style = %job.render.style, "a painter panicked");
                    Err("the painter failed".into())
                }),
        };
        if let Err(why) = &done {
            shared.metrics.unpaintable.inc();
            tracing::warn!(%key, style = %job.render.style, why, "not painted");
        }
        shared.queue.finish(&key, done);
    }
}

fn render(
    shared: &Shared,
    painter: &Painter,
    runtime: &tokio::runtime::Handle,
    key: &RenderKey,
    job: &Job,
) -> Done {
    let started = Instant::now();
    let variant = &job.render.variant;
    let painted = painter.paint(&job.scene, &job.loaded.sources, variant);
    let (pixmap, by) = painted.map_err(|why| why.to_string())?;
    let opaque = job.scene.canvas.background.is_some();
    let body = Bytes::from(encode::encode(&pixmap, opaque, variant)?);
    shared.metrics.seconds.observe(started.elapsed().as_secs_f64());
    match &by {
        PaintedBy::Fallback(why) => {
            tracing::warn!(%key, why, "painted on the CPU instead");
            shared.metrics.rendered("fallback");
        }
        by => shared.metrics.rendered(by.word()),
    }
    shared.store.hold(key, body.clone());
    let (store, key, format, stored) = (shared.store.clone(), *key, variant.format, body.clone());
    runtime.spawn(async move {
        if let Err(why) = store.put_render(&key, format, &stored).await {
            tracing::warn!(%key, %why, "a render is not kept");
        }
    });
    Ok(Rendered { body, by })
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(order::RENDER_PATH, post(take_order))
        .route(&format!("{}{{cid}}", order::BLOCKS_PATH), put(take_block))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(series))
        .with_state(shared)
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    match shared.draining.load(Ordering::Relaxed) {
        true => (StatusCode::SERVICE_UNAVAILABLE, "leaving\n").into_response(),
        false => "ready\n".into_response(),
    }
}

async fn series(State(shared): State<Arc<Shared>>) -> Response {
    let text = shared.metrics.text(shared.queue.depth(), shared.painter.get().map_or(0, Painter::devices));
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

async fn take_order(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut answer = match shared.believe(&head.headers) {
        Err(refusal) => refusal.into_response(),
        Ok(Order { errand: Errand::Render(render, priority), deadline_ms, .. }) => {
            // There is nothing in it, but some clients send its end late, and one whose body is not taken up loses the
            // connection, and the answer with it.
            let _ = to_bytes(body, 64).await;
            shared.answer(render, priority, deadline_ms).await
        }
        Ok(Order { errand: Errand::Block(_), .. }) => {
            (StatusCode::BAD_REQUEST, "the order is for a block\n").into_response()
        }
    };
    answer.headers_mut().insert(order::LOAD, shared.load().into());
    answer
}

async fn take_block(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    match shared.believe(&head.headers) {
        Err(refusal) => refusal.into_response(),
        Ok(Order { errand: Errand::Block(cid), .. }) if cid.to_string() == name => {
            shared.keep(&cid, body).await
        }
        Ok(_) => (StatusCode::BAD_REQUEST, "the order is for something else\n").into_response(),
    }
}

impl Shared {
    fn open_painter(&self) -> Painter {
        let (devices, software) = self.wanted;
        let (painter, found) =
            if devices { Painter::open(software) } else { (Painter::cpu(), Found::default()) };
        tracing::info!(devices = ?found.used, refused = ?found.refused, "shaders run on");
        painter
    }

    /// The order of a request, if it is one that is believed here and did not come before.
    fn believe(&self, headers: &HeaderMap) -> Result<Order, (StatusCode, String)> {
        let refused = |why: String| {
            self.metrics.refused.inc();
            (StatusCode::UNAUTHORIZED, why + "\n")
        };
        let now = now_ms();
        let order = Order::open(headers, &self.edges, now).map_err(|why| refused(why.to_string()))?;
        match self.nonces.note(order.nonce, order.deadline_ms, now) {
            Seen::New => Ok(order),
            Seen::Again => Err(refused("this order came before".into())),
            Seen::Full => {
                self.metrics.turned_away.inc();
                Err((StatusCode::SERVICE_UNAVAILABLE, "more orders than can be remembered\n".into()))
            }
        }
    }

    async fn answer(&self, render: Render, priority: Priority, deadline_ms: u64) -> Response {
        let key = match render.key() {
            Ok(key) => key,
            Err(why) => return unpaintable(why),
        };
        match self.store.render(&key, render.variant.format).await {
            Ok(Some(body)) => {
                self.metrics.stored.inc();
                return picture(&render, &key, body, None);
            }
            Ok(None) => {}
            Err(why) => tracing::warn!(%key, %why, "not looked up"),
        }
        let waiter = match self.queue.join(&key, priority, deadline_ms) {
            Some(waiter) => {
                self.metrics.joined.inc();
                waiter
            }
            None => match self.enter(&key, &render, priority, deadline_ms).await {
                Ok(waiter) => waiter,
                Err(answer) => return answer,
            },
        };
        self.wait(waiter, &render, &key, deadline_ms).await
    }

    async fn enter(
        &self,
        key: &RenderKey,
        render: &Render,
        priority: Priority,
        deadline_ms: u64,
    ) -> Result<Waiter<Job, Done>, Response> {
        let (scene, loaded) = match self.library.scene(render).await {
            Ok(scene) => scene,
            Err(NoScene::Missing(blocks)) => {
                self.metrics.without_blocks.inc();
                let names = order::want(&blocks).unwrap_or_default();
                return Err((StatusCode::PRECONDITION_REQUIRED, names).into_response());
            }
            Err(NoScene::Unpaintable(why)) => return Err(unpaintable(why)),
            Err(NoScene::Store(why)) => {
                tracing::warn!(%key, %why, "the style cannot be read");
                return Err(self.no_room());
            }
        };
        let job = Job { render: render.clone(), scene, loaded };
        self.queue.enter(key, priority, deadline_ms, job).map_err(|Full| self.no_room())
    }

    async fn wait(
        &self,
        mut waiter: Waiter<Job, Done>,
        render: &Render,
        key: &RenderKey,
        deadline_ms: u64,
    ) -> Response {
        let left = Duration::from_millis(deadline_ms.saturating_sub(now_ms()));
        match timeout(left, waiter.wait()).await {
            Ok(Some(Ok(Rendered { body, by }))) => picture(render, key, body, Some(&by)),
            Ok(Some(Err(why))) => unpaintable(why),
            Ok(None) => self.no_room(),
            Err(_) => {
                self.metrics.turned_away.inc();
                (StatusCode::GATEWAY_TIMEOUT, "not done by the deadline\n").into_response()
            }
        }
    }

    async fn keep(&self, cid: &Cid, body: Body) -> Response {
        let Ok(bytes) = to_bytes(body, limits::BLOCK_BYTES).await else {
            return (StatusCode::PAYLOAD_TOO_LARGE, "cut, or larger than a block\n").into_response();
        };
        if let Err(why) = package::verify(cid, &bytes) {
            return (StatusCode::UNPROCESSABLE_ENTITY, why + "\n").into_response();
        }
        match self.store.put_block(cid, bytes).await {
            Ok(()) => {
                self.metrics.blocks.inc();
                StatusCode::CREATED.into_response()
            }
            Err(why) => {
                tracing::warn!(%cid, %why, "a block is not kept");
                self.no_room()
            }
        }
    }

    fn no_room(&self) -> Response {
        self.metrics.turned_away.inc();
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "no room\n").into_response()
    }

    /// How full the queue is, in per cent.
    fn load(&self) -> u16 {
        if self.draining.load(Ordering::Relaxed) {
            return order::DRAINING.into();
        }
        let (queued, running) = self.queue.depth();
        u16::try_from((queued + running) * 100 / self.capacity).unwrap_or(100).min(100)
    }
}

fn unpaintable(why: String) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, why).into_response()
}

fn picture(render: &Render, key: &RenderKey, body: Bytes, by: Option<&PaintedBy>) -> Response {
    let digest = order::digest(&body);
    let mut answer = Response::new(Body::from(body));
    let headers = answer.headers_mut();
    let media_type = HeaderValue::from_static(render.variant.format.media_type());
    headers.insert(header::CONTENT_TYPE, media_type);
    for (name, text) in [(order::KEY, key.token()), (order::DIGEST, digest)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    if let Some(by) = by {
        headers.insert(order::PAINTED_BY, HeaderValue::from_static(by.word()));
    }
    answer
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
