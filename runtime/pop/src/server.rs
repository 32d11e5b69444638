//! The listeners: sockets become connections, connections become requests. HTTP/1.1 with bounds on what a client may
//! keep us waiting for.
//!
//! What a request is answered with is `front.rs` for visitors and `admin.rs` for publishers.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Limits,
    error::PopError,
    metrics::{Held, Metrics},
    socket::Socket,
};

/// Most header lines of a request.
const HEADERS: usize = 100;
/// Wait after an `accept` that failed, as for want of file descriptors, before the next.
const BREATH: Duration = Duration::from_millis(50);

/// A bound listener.
pub(crate) struct Server {
    listener: TcpListener,
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
}

impl Terms {
    /// Stops accepting, ends event streams, and waits for requests under way, within [`Limits::shutdown`].
    pub(crate) async fn leave(&self) {
        self.leaving.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.limits.shutdown, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "leaving with connections still open");
        }
    }
}

impl Server {
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, PopError> {
        let failed = |source| PopError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Serves until told to leave.
    pub(crate) async fn run<F, R, B>(
        self,
        terms: Terms,
        answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<Response<B>, R>> + Send + 'static,
        R: std::error::Error + Send + Sync + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let connections = Arc::new(Semaphore::new(terms.limits.max_connections));
        loop {
            let accepted = tokio::select! {
                () = terms.leaving.cancelled() => return,
                accepted = async {
                    let permit = connections.clone().acquire_owned().await;
                    (permit, self.listener.accept().await)
                } => accepted,
            };
            match accepted {
                (Ok(permit), Ok((stream, _))) => {
                    let (task, answer) = (terms.clone(), answer.clone());
                    terms.tasks.spawn(async move {
                        let held = Held::new(&task.metrics.connections);
                        serve(stream, &task, answer).await;
                        drop((held, permit));
                    });
                }
                (_, Err(why)) => {
                    tracing::warn!(%why, "a connection was not accepted");
                    tokio::time::sleep(BREATH).await;
                }
                (Err(_), _) => return,
            }
        }
    }
}

async fn serve<F, R, B>(stream: TcpStream, terms: &Terms, answer: impl Fn(Request<Incoming>) -> F)
where
    F: Future<Output = Result<Response<B>, R>>,
    R: std::error::Error + Send + Sync + 'static,
    B: Body + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    // Events are small and must not wait for more to come.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(terms.limits.header_timeout)
        .max_buf_size(terms.limits.header_bytes)
        .max_header_size(terms.limits.header_bytes)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(Socket::new(stream, terms.limits.stall_timeout)), service_fn(answer));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = terms.leaving.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(why) = ended {
        // The client's doing, mostly: it went away, sent no head in time, or sent nonsense.
        tracing::debug!(%why, "a connection ended badly");
    }
}
