//! A host from start to end: opens the stores, readies the component, listens, and leaves in order.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};

use crate::{
    admin::Admin,
    ahead::{Ahead, Published},
    budget::Budget,
    code::{CodeCache, Compiling},
    config::Config,
    crashes::Crashes,
    engine::{self, Ticker},
    error::PopError,
    front::Front,
    gate::Gate,
    guest_memory::GuestMemory,
    guest_threads::GuestThreads,
    host::{self, Shared},
    instance::Nursery,
    metrics::Metrics,
    outbound::Outbound,
    readiness::Readiness,
    server::{Server, Terms},
    site::{FUNCTIONS, Site},
    store::{Records, Stores},
};
use iridule_http_cache::Cache;
use iridule_machine::Memory;

/// Assumed where the system does not say how much memory it has, bytes.
const ASSUMED_MEMORY: u64 = 4 << 30;

/// A running host.
///
/// Dropping it stops serving at once; [`Pop::shutdown`] lets requests under way finish.
pub struct Pop {
    address: SocketAddr,
    admin: SocketAddr,
    stores: Arc<Stores>,
    cache: Option<Arc<Cache>>,
    terms: Terms,
    _ticker: Ticker,
    /// Held until the host is dropped, which ends the guests that are left.
    _guests: GuestThreads,
}

impl Pop {
    /// Starts a host on the current tokio runtime, a multi-threaded one with IO and time.
    ///
    /// Connections are served on its threads. Guests run on as many threads of their own, with a lower priority.
    ///
    /// Compiling the component takes seconds the first time; later starts load the code from the data folder.
    ///
    /// # Errors
    /// [`PopError`]; nothing is left running then.
    pub async fn start(config: Config) -> Result<Self, PopError> {
        Self::start_with(config, async |_| Ok::<_, PopError>(())).await
    }

    /// Starts a host, and runs `seed` on its records before the first request can come in.
    ///
    /// # Errors
    /// [`PopError`], or what `seed` says; nothing is left running then.
    pub async fn start_with<E: From<PopError>>(
        mut config: Config,
        seed: impl AsyncFnOnce(&Records) -> Result<(), E>,
    ) -> Result<Self, E> {
        config.limits.check().map_err(PopError::Config)?;
        config.limits.fit_open_files(iridule_machine::raise_open_files());
        let budget = Budget::settle(&mut config, Memory::read(ASSUMED_MEMORY))?;
        let limits = &config.limits;
        if config.admin_token.as_ref().is_some_and(|token| token.len() < 16) {
            return Err(PopError::Config("admin_token has at least 16 bytes".into()).into());
        }
        if !config.admin.ip().is_loopback() {
            tracing::warn!(
                address = %config.admin,
                "the write API listens beyond this machine, and its token travels in clear: keep it on the loopback, \
                 or behind something that adds TLS"
            );
        }
        let (metrics, readiness) = (Metrics::new(), Readiness::default());
        let stores = Arc::new(Stores::open(&config.data, limits, &metrics, &readiness).await?);
        seed(&stores.records).await?;

        let component = |why: wasmtime::Error| PopError::Component(format!("{why:#}"));
        let engine = engine::engine(limits).map_err(component)?;
        let linked = {
            let (engine, data, bytes) = (engine.clone(), config.data.clone(), config.component.clone());
            let compiling = config.compiling;
            let work = move || ready(&engine, &data, &bytes, compiling);
            let done = tokio::task::spawn_blocking(work).await;
            done.map_err(|_| PopError::Component("the runtime is going down".into()))??
        };
        let ticker = Ticker::start(engine.clone())
            .map_err(|why| PopError::Component(format!("no thread for the epoch: {why}")))?;

        let server = Server::bind(config.listen, config.tls.as_ref()).await?;
        let admin_server = Server::bind(config.admin, None).await?;
        let (address, admin_address) = (server.address, admin_server.address);
        let terms = Terms::new(limits.clone(), metrics.clone());
        let leaving = terms.leaving.clone();
        let shared = Arc::new(Shared {
            stores: stores.clone(),
            variables: Arc::new(config.variables),
            outbound: Outbound::new(&config.allowed_hosts, metrics.clone()),
            metrics: metrics.clone(),
            limits: limits.clone(),
            memory: GuestMemory::new(&budget),
            crashes: Arc::new(Crashes::new(metrics.clone())),
            ticks: ticker.ticks(),
            leaving: leaving.clone(),
            _alive: terms.tasks.token(),
        });
        let guests = GuestThreads::start(tokio::runtime::Handle::current().metrics().num_workers())
            .map_err(|why| PopError::Component(format!("no threads for guests: {why}")))?;
        let nursery = |kind| Nursery {
            kind,
            engine: engine.clone(),
            component: linked.clone(),
            shared: shared.clone(),
            next: AtomicU64::new(0),
        };
        let gate = Arc::new(Gate::new(nursery, guests.handle(), limits, leaving.clone()));
        let cache = match &config.cache {
            Some(cache) => Some(cache.open(FUNCTIONS, metrics.clone()).await?),
            None => None,
        };
        let ahead = config.ahead.then(|| {
            let published = Published {
                records: stores.records.clone(),
                relays: config.trusted.clone(),
                publishers: config.publishers.clone(),
            };
            Arc::new(Ahead::new(metrics.clone(), published))
        });
        if let Some(ahead) = &ahead {
            terms.tasks.spawn(ahead.clone().run(gate.clone(), leaving.clone()));
        }
        terms.tasks.spawn(stores.records.clone().watch(leaving));
        let site = Site::new(FUNCTIONS, config.tls.is_some(), limits);
        let front = Arc::new(Front::new(cache.clone(), gate, site, &terms).counting(ahead.clone()));
        let admin = Arc::new(Admin {
            records: stores.records.clone(),
            trusted: config.trusted,
            publishers: config.publishers,
            token: config.admin_token,
            metrics,
            readiness,
            leaving: terms.leaving.clone(),
            cache: cache.clone(),
            ahead,
        });
        terms
            .tasks
            .spawn(server.run(terms.clone(), move |request, peer| front.clone().answer(request, peer)));
        terms.tasks.spawn(admin_server.run(terms.counted_apart(), move |request, _| {
            let admin = admin.clone();
            async move { admin.answer(request).await }
        }));
        tracing::info!(%address, admin = %admin_address, "serving");
        Ok(Self { address, admin: admin_address, stores, cache, terms, _ticker: ticker, _guests: guests })
    }

    /// Where visitors are served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where publishers write and monitors read.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The small records: what the write API writes, for a program that publishes to its own host.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.stores.records
    }

    /// Leaves in order: stops accepting, ends event streams, lets requests under way finish within
    /// [`crate::Limits::shutdown`], and brings the stores to the disk.
    pub async fn shutdown(self) {
        self.terms.leave().await;
        if let Some(cache) = &self.cache {
            cache.close().await;
        }
        self.stores.renders.close().await;
    }
}

impl Drop for Pop {
    fn drop(&mut self) {
        self.terms.leaving.cancel();
    }
}

fn ready(
    engine: &wasmtime::Engine,
    data: &Path,
    bytes: &[u8],
    compiling: fn(Compiling),
) -> Result<wasmtime_wasi_http::p3::bindings::ServicePre<host::Host>, PopError> {
    let component = |why: wasmtime::Error| PopError::Component(format!("{why:#}"));
    let code = CodeCache::open(data).component(engine, bytes, compiling).map_err(component)?;
    host::link(engine, &code).map_err(component)
}
