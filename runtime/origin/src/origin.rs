//! Starts and stops an origin. Requests are handled in `handler.rs`, jobs in `worker.rs`.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use iridule_origin_api::limits;
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    config::{OriginConfig, OriginError},
    server,
    shared::OriginState,
    worker::run_worker,
};

/// How long [`Origin::shutdown`] waits for requests and for workers.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);

/// A running origin.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<OriginState>,
    serving: JoinHandle<()>,
    workers: Vec<thread::JoinHandle<()>>,
}

impl Origin {
    /// Starts an origin on the current tokio runtime. Finding devices takes some hundred milliseconds; requests that arrive
    /// meanwhile wait in the queue. Connections wait for the first quarter of a second: after it, every request that an
    /// earlier process may have carried out is too old.
    ///
    /// # Errors
    /// [`OriginError`]. Then nothing is left running.
    pub async fn start(config: OriginConfig) -> Result<Self, OriginError> {
        let listen = |source| OriginError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (workers, connections) = (config.workers.max(1), config.connections);
        let shared = Arc::new(OriginState::new(config, workers));
        let runtime = tokio::runtime::Handle::current();
        let worker = |number| {
            let (shared, runtime) = (shared.clone(), runtime.clone());
            thread::Builder::new()
                .name(format!("painter-{number}"))
                .spawn(move || run_worker(&shared, &runtime))
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

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shuts down gracefully: reports that it is shutting down, accepts nothing new, and finishes the queue.
    pub async fn shutdown(mut self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        self.shared.queue.close();
        self.shared.leaving.send_replace(true);
        if timeout(SHUTDOWN_TIMEOUT, &mut self.serving).await.is_err() {
            tracing::warn!("orders under way are cut off");
            self.serving.abort();
        }
        let workers = std::mem::take(&mut self.workers);
        let done =
            tokio::task::spawn_blocking(move || workers.into_iter().for_each(|worker| drop(worker.join())));
        if timeout(SHUTDOWN_TIMEOUT, done).await.is_err() {
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
