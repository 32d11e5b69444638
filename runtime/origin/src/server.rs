//! Connections: their number, and how long requests and responses may take.
//!
//! A request's head must be complete within [`ConnectionLimits::head`], and its size and number of fields are limited. A
//! connection is closed when the client reads nothing of a response for [`ConnectionLimits::write`]. When the maximum
//! number of connections is open, the oldest one without a running request is closed for a new one. At shutdown,
//! connections without a running request are closed at once, even if part of a request has arrived.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, OwnedSemaphorePermit, watch},
    task::JoinSet,
    time::sleep,
};
use tokio_io_timeout::TimeoutStream;

use crate::lock::lock;

/// Maximum size of a request's head, bytes.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Maximum number of header fields of a request.
const MAX_HEAD_FIELDS: usize = 64;
/// How much of a response is passed to the connection at once, bytes.
const CHUNK_BYTES: usize = 64 << 10;
/// How long a connection without a running request may take to send its last bytes at shutdown.
const DRAIN_TIME: Duration = Duration::from_millis(500);
/// Delay after a connection could not be accepted.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Maximum number of connections.
    pub connections: usize,
    /// Maximum time for a request's head, from the start of the connection or from the last response.
    pub head: Duration,
    /// Maximum time for a request's body.
    pub body: Duration,
    /// Maximum time in which the client reads nothing of a response.
    pub write: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connections: 1024, head: seconds(10), body: seconds(10), write: seconds(10) }
    }
}

/// The body of a response, with the permits that it holds until it was sent.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    bytes: Bytes,
    /// The memory that is reserved for the response.
    #[expect(dead_code, reason = "held until the body is dropped")]
    memory: Option<OwnedSemaphorePermit>,
    busy: Option<RequestGuard>,
}

impl ResponseBody {
    pub(crate) fn new(bytes: Bytes, memory: Option<OwnedSemaphorePermit>) -> Self {
        Self { bytes, memory, busy: None }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.bytes.len() {
            0 => return Poll::Ready(None),
            // The last part is copied, so that it does not keep the whole picture in memory while it waits.
            left if left <= CHUNK_BYTES => Bytes::copy_from_slice(&std::mem::take(&mut self.bytes)),
            _ => self.bytes.split_to(CHUNK_BYTES),
        };
        Poll::Ready(Some(Ok(Frame::data(next))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

/// All open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    max: usize,
    held: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    connections: BTreeMap<u64, Arc<Connection>>,
}

#[derive(Debug, Default)]
struct Connection {
    /// The number of running requests: from the head of the request to the last byte of the response.
    busy: AtomicUsize,
    evict: Notify,
}

/// A connection's slot among the open connections.
struct ConnectionSlot {
    connections: Arc<Connections>,
    number: u64,
    connection: Arc<Connection>,
}

impl Connections {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max: max.max(1), held: Mutex::default() })
    }

    /// The number of open connections.
    pub(crate) fn count(&self) -> usize {
        lock(&self.held).connections.len()
    }

    /// Reserves a slot for a new connection. Closes the oldest idle connection if all slots are taken. `None` if no
    /// connection is idle.
    fn admit(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let mut held = lock(&self.held);
        if held.connections.len() >= self.max {
            let idle =
                |(_, connection): &(&u64, &Arc<Connection>)| connection.busy.load(Ordering::Relaxed) == 0;
            let oldest = held.connections.iter().find(idle).map(|(number, _)| *number)?;
            held.connections.remove(&oldest)?.evict.notify_one();
        }
        let number = held.next;
        held.next += 1;
        let connection = Arc::new(Connection::default());
        held.connections.insert(number, connection.clone());
        Some(ConnectionSlot { connections: self.clone(), number, connection })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut held = lock(&self.connections.held);
        held.connections.remove(&self.number);
    }
}

/// Marks a request as running until it is dropped.
#[derive(Debug)]
struct RequestGuard(Arc<Connection>);

impl RequestGuard {
    fn on(connection: &Arc<Connection>) -> Self {
        connection.busy.fetch_add(1, Ordering::Relaxed);
        Self(connection.clone())
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves connections until `leaving` is true and all running requests have their response. Dropping the future closes
/// everything at once.
pub(crate) async fn serve<H, F>(
    listener: TcpListener,
    limits: ConnectionLimits,
    connections: Arc<Connections>,
    mut leaving: watch::Receiver<bool>,
    handle: H,
) where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = leaving.wait_for(|leaving| *leaving) => break,
            Some(_) = tasks.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                failing = false;
                if let Some(slot) = connections.admit() {
                    tasks.spawn(connection(stream, limits, slot, leaving.clone(), handle.clone()));
                }
            }
            Err(why) => {
                if !failing {
                    tracing::warn!(%why, "connections cannot be accepted");
                }
                failing = true;
                sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

async fn connection<H, F>(
    stream: TcpStream,
    limits: ConnectionLimits,
    slot: ConnectionSlot,
    mut leaving: watch::Receiver<bool>,
    handle: H,
) where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write));
    let here = slot.connection.clone();
    let service = service_fn(|request| {
        let busy = RequestGuard::on(&here);
        let answer = handle(request);
        async move {
            let mut answer = answer.await;
            answer.body_mut().busy = Some(busy);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head);
    builder.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEAD_FIELDS);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
    tokio::select! {
        _ = serving.as_mut() => return,
        () = here.evict.notified() => return,
        _ = leaving.wait_for(|leaving| *leaving) => {}
    }
    serving.as_mut().graceful_shutdown();
    loop {
        tokio::select! {
            _ = serving.as_mut() => return,
            () = sleep(DRAIN_TIME) => if here.busy.load(Ordering::Relaxed) == 0 { return },
        }
    }
}
