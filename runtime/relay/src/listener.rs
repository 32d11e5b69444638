//! The relay's listener: connections, with bounds on how many there are, on what a client may send, and on how long it
//! may take to send and to read. What is answered is `service.rs`.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{Id, JoinSet},
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;

use crate::{limits, metrics::Metrics};

const HEAD: Duration = Duration::from_secs(limits::HEAD_SECONDS);
const STALL: Duration = Duration::from_secs(limits::STALL_SECONDS);
const CONNECTION: Duration = Duration::from_secs(limits::CONNECTION_SECONDS);
const LEAVE: Duration = Duration::from_millis(limits::LEAVE_SERVICE_MS);
/// Wait after an `accept` that failed, as for want of file descriptors, before the next.
const BACKOFF: Duration = Duration::from_millis(50);

/// Serves until told to stop, then finishes the answers under way for a bounded time.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    metrics: Arc<Metrics>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut open = Open::default();
    let mut accepting = true;
    let stop = stopped.clone();
    loop {
        tokio::select! {
            () = told(&mut stopped) => break,
            ended = open.tasks.join_next_with_id(), if !open.peers.is_empty() => open.ended(ended),
            accepted = listener.accept(), if open.peers.len() < limits::CONNECTIONS => {
                match accepted {
                    Ok((stream, peer)) => {
                        accepting = true;
                        if open.of(peer) < limits::CONNECTIONS_PER_ADDRESS {
                            open.begin(peer, connection(stream, router.clone(), stop.clone()));
                        } else {
                            metrics.turned_away.inc();
                        }
                    }
                    Err(why) => {
                        if std::mem::replace(&mut accepting, false) {
                            tracing::warn!(%why, "connections are not accepted; this is said once");
                        }
                        sleep(BACKOFF).await;
                    }
                }
            }
        }
    }
    drop(listener);
    let finished = timeout(LEAVE, async { while open.tasks.join_next().await.is_some() {} });
    if finished.await.is_err() {
        tracing::warn!(left = open.tasks.len(), "leaving with connections still open");
    }
}

/// Waits until the relay is told to stop. A sender that is gone means the same.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// The connections that are open, and whose they are.
#[derive(Default)]
struct Open {
    tasks: JoinSet<()>,
    peers: HashMap<Id, IpAddr>,
}

impl Open {
    /// How many connections an address has.
    fn of(&self, peer: SocketAddr) -> usize {
        self.peers.values().filter(|other| **other == peer.ip().to_canonical()).count()
    }

    fn begin(&mut self, peer: SocketAddr, connection: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(connection);
        self.peers.insert(task.id(), peer.ip().to_canonical());
    }

    fn ended(&mut self, ended: Option<Result<(Id, ()), tokio::task::JoinError>>) {
        let id = match ended {
            Some(Ok((id, ()))) => id,
            Some(Err(why)) => {
                tracing::error!(%why, "a connection's task failed");
                why.id()
            }
            None => return,
        };
        self.peers.remove(&id);
    }
}

async fn connection(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STALL));
    let stream: Pin<Box<TimeoutStream<TcpStream>>> = Box::pin(stream);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(limits::HEAD_BYTES)
        .max_headers(limits::HEAD_LINES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = timeout(CONNECTION, async {
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = told(&mut stopped) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    });
    match ended.await {
        Ok(Ok(())) => {}
        // The client's doing, mostly: it went away, sent no head in time, read nothing, or sent nonsense.
        Ok(Err(why)) => tracing::debug!(why = cause(&why), "a connection ended badly"),
        Err(_) => tracing::debug!("a connection was cut off at the end of its time"),
    }
}

/// What hyper says, with what the system said below it.
fn cause(why: &hyper::Error) -> String {
    match std::error::Error::source(why).and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(source) => format!("{why}: {source}"),
        None => why.to_string(),
    }
}
