//! The listeners: sockets become connections, connections become requests. HTTP/1.1 and HTTP/2, over TLS or in clear,
//! with bounds on what a client may keep us waiting for.
//!
//! In clear, HTTP/2 is spoken with clients that start with it ("prior knowledge", RFC 9113, section 3.3). What a request
//! is answered with is `front.rs` for visitors and `admin.rs` for publishers.

use std::{
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    accept::Accepting,
    config::Limits,
    date::dated,
    error::PopError,
    informational::Outbox,
    metrics::{Held, Metrics},
    progress::{self, Pieces, Streams},
    socket::Socket,
    tls::{H2, Tls},
    visitors::Visitors,
};

/// Most header lines of a request.
const HEADERS: usize = 100;
/// Most requests that one HTTP/2 connection has under way.
const STREAMS: u32 = 100;
/// How the clear HTTP/2 preface begins, and no HTTP/1.1 request.
const PREFACE: &[u8] = b"PRI";
/// Wait before looking again whether the first bytes of a connection are those of HTTP/2.
const BREATH: Duration = Duration::from_millis(50);

/// A bound listener.
pub(crate) struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    pub(crate) address: SocketAddr,
}

/// What every connection of a server shares.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    /// Stops accepting, and closes connections after the request under way.
    pub(crate) leaving: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) visitors: Arc<Visitors>,
    /// Whether who answers may send informational responses first.
    informational: bool,
}

impl Terms {
    pub(crate) fn new(limits: Limits, metrics: Arc<Metrics>) -> Self {
        let visitors = Visitors::new(limits.connections_per_address, limits.requests_per_second);
        let (leaving, tasks) = (CancellationToken::new(), TaskTracker::new());
        Self { limits, metrics, leaving, tasks, visitors, informational: false }
    }

    /// The same, where who answers may send informational responses first.
    pub(crate) fn informational(self) -> Self {
        Self { informational: true, ..self }
    }

    /// The same for a second listener, whose connections are counted by themselves: visitors that come through a proxy on
    /// this machine must not keep publishers and probes out.
    pub(crate) fn counted_apart(&self) -> Self {
        let limits = &self.limits;
        let visitors = Visitors::new(limits.connections_per_address, limits.requests_per_second);
        Self { visitors, ..self.clone() }
    }

    /// Stops accepting, ends event streams, and waits for requests under way, within [`Limits::shutdown`].
    pub(crate) async fn leave(&self) {
        self.leaving.cancel();
        self.tasks.close();
        if timeout(self.limits.shutdown, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "leaving with connections still open");
        }
    }
}

impl Server {
    pub(crate) async fn bind(address: SocketAddr, tls: Option<&Tls>) -> Result<Self, PopError> {
        let tls = tls.map(Tls::acceptor).transpose()?;
        let failed = |source| PopError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, tls, address })
    }

    /// Serves until told to leave.
    pub(crate) async fn run<F, R, B>(
        self,
        terms: Terms,
        answer: impl Fn(Request<Incoming>, IpAddr) -> F + Clone + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<Response<B>, R>> + Send + 'static,
        R: std::error::Error + Send + Sync + 'static,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let connections = Arc::new(Semaphore::new(terms.limits.max_connections));
        let mut accepting = Accepting::new(terms.metrics.clone());
        loop {
            let accepted = tokio::select! {
                () = terms.leaving.cancelled() => return,
                accepted = async {
                    let permit = connections.clone().acquire_owned().await;
                    (permit, self.listener.accept().await)
                } => accepted,
            };
            match accepted {
                (Ok(permit), Ok((stream, peer))) => {
                    accepting.accepted();
                    // Closed without a word: an answer would be work, and who holds this many has had theirs.
                    let Some(visit) = terms.visitors.enter(peer.ip()) else {
                        terms.metrics.turned_away.inc();
                        continue;
                    };
                    let (task, answer, tls) = (terms.clone(), answer.clone(), self.tls.clone());
                    terms.tasks.spawn(async move {
                        let held = Held::new(&task.metrics.connections);
                        greet(stream, tls, &task, move |request| answer(request, peer.ip())).await;
                        drop((held, visit, permit));
                    });
                }
                (_, Err(why)) => {
                    tokio::select! {
                        () = terms.leaving.cancelled() => return,
                        () = tokio::time::sleep(accepting.failed(&why)) => {}
                    }
                }
                (Err(_), _) => return,
            }
        }
    }
}

/// Finds out what a client speaks, and serves it.
async fn greet<F, R, B>(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    terms: &Terms,
    answer: impl Fn(Request<Incoming>) -> F + Clone,
) where
    F: Future<Output = Result<Response<B>, R>> + Send + 'static,
    R: std::error::Error + Send + Sync + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    // Events are small and must not wait for more to come.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let patience = terms.limits.header_timeout;
    match tls {
        None => match timeout(patience, begins_http2(&stream)).await {
            Ok(Ok(is_http2)) => serve(stream, is_http2, terms, answer).await,
            Ok(Err(why)) => tracing::debug!(%why, "a connection ended before its first request"),
            Err(_) => tracing::debug!("a connection said nothing"),
        },
        Some(tls) => match timeout(patience, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
                serve(stream, is_http2, terms, answer).await;
            }
            Ok(Err(why)) => tracing::debug!(%why, "no TLS came about"),
            Err(_) => tracing::debug!("a client took too long over TLS"),
        },
    }
}

/// Whether the first bytes are those of HTTP/2. They stay where they are.
async fn begins_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut first).await?;
        let seen = &first[..length];
        if length == 0 || length == PREFACE.len() || !PREFACE.starts_with(seen) {
            return Ok(seen == PREFACE);
        }
        // A byte or two of what may be it: nothing tells when the next is there.
        tokio::time::sleep(BREATH).await;
    }
}

async fn serve<S, F, R, B>(
    stream: S,
    is_http2: bool,
    terms: &Terms,
    answer: impl Fn(Request<Incoming>) -> F + Clone,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Future<Output = Result<Response<B>, R>> + Send + 'static,
    R: std::error::Error + Send + Sync + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let limits = &terms.limits;
    let socket = Socket::new(stream, limits.stall_timeout);
    if is_http2 {
        let stall = limits.stall_timeout;
        let service = service_fn(move |request| {
            let answer = answer(request);
            async move {
                let answer = answer.await.map(|answer| dated(answer).map(|body| Pieces::new(body, stall)));
                progress::answered();
                answer
            }
        });
        let connection = http2::Builder::new(Streams::new(stall))
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(limits.header_timeout)
            .keep_alive_timeout(limits.header_timeout)
            .auto_date_header(false)
            .serve_connection(TokioIo::new(socket), service);
        see_out(connection, &terms.leaving).await;
    } else {
        let outbox = terms.informational.then(|| Arc::new(Outbox::default()));
        let socket = match &outbox {
            Some(outbox) => socket.with(outbox.clone()),
            None => socket,
        };
        let service = service_fn(|mut request: Request<Incoming>| {
            let outbox = outbox.clone();
            // A client of HTTP/1.0 does not know them (RFC 9110, section 15.2).
            if let Some(outbox) = outbox.as_ref().filter(|_| request.version() == Version::HTTP_11) {
                request.extensions_mut().insert(outbox.begin());
            }
            let answer = answer(request);
            async move {
                let answer = answer.await.map(dated);
                if let Some(outbox) = outbox {
                    poll_fn(|cx| outbox.poll_end(cx)).await;
                }
                answer
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(limits.header_bytes)
            .max_header_size(limits.header_bytes)
            .max_headers(HEADERS)
            .auto_date_header(false)
            .serve_connection(TokioIo::new(socket), service);
        see_out(connection, &terms.leaving).await;
    }
}

/// Serves a connection to its end, which comes after the requests under way when the host leaves.
async fn see_out(connection: impl GracefulConnection<Error = hyper::Error>, leaving: &CancellationToken) {
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = leaving.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(why) = ended {
        // The client's doing, mostly: it went away, sent no head in time, or sent nonsense.
        tracing::debug!(%why, "a connection ended badly");
    }
}
