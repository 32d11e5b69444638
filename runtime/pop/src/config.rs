//! What an operator may set, with the defaults and their reasons.
//!
//! Reading files and flags is the CLI's; which addresses a guest may call is `outbound.rs`.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use iridule_http_cache::{Cache, Keying, Policy};
use iridule_records::signed::TrustedKeys;

use crate::{
    code::Compiling, error::PopError, metrics::Metrics, outbound::AllowedHost, proxies::TrustedProxy,
    tls::Tls,
};

/// Everything a host needs to start.
#[derive(Clone)]
pub struct Config {
    /// The component: bytes of a wasm component that exports `wasi:http/handler@0.3.0`.
    pub component: Cow<'static, [u8]>,
    /// Where visitors are served. Port 0 takes a free port.
    pub listen: SocketAddr,
    /// The certificate of the first listener; `None` serves in clear.
    pub tls: Option<Tls>,
    /// Where publishers write and monitors read. Keep it on the loopback, or behind something that adds TLS: the token
    /// travels in clear.
    pub admin: SocketAddr,
    /// The folder of all state: `records.redb`, `renders/`, `code/`. Made if it is not there.
    pub data: PathBuf,
    /// What `spin:variables` answers, by name.
    pub variables: BTreeMap<String, String>,
    /// Where guests may send requests. Empty: nowhere.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Whose snapshots the write API takes. Empty: nobody's.
    pub trusted: TrustedKeys,
    /// Whose collections the write API takes. Empty: nobody's.
    pub publishers: TrustedKeys,
    /// The bearer token of the write API; `None` closes the API, leaving health and metrics.
    pub admin_token: Option<String>,
    /// Whether pictures of origins are made ahead when an epoch changes, those that visitors look at most.
    pub ahead: bool,
    /// The cache before the functions. `None`: every request reaches them.
    pub cache: Option<CacheLimits>,
    /// Memory that the host may use for all it does, bytes, at least 256 MiB. `None`: seven eighths of the limit of its
    /// cgroup, or half of the system's memory. Caches and guests are lowered to fit.
    pub memory: Option<usize>,
    /// How much of that memory other parts of this process use, bytes: an origin, for one.
    pub reserved_memory: usize,
    /// Is told when the component has to be compiled, which takes seconds, and when that is done.
    pub compiling: fn(Compiling),
    /// Bounds on what one host takes on.
    pub limits: Limits,
}

/// How much a cache keeps, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheLimits {
    /// Memory for responses, bytes.
    pub memory: usize,
    /// Disk for responses, bytes, at least 16 MiB; 0 keeps them in memory only.
    pub disk: usize,
    /// The folder for those on disk. Made if it is not there.
    pub folder: PathBuf,
}

impl CacheLimits {
    /// 64 MiB of memory and no disk: what is dropped is in the renders store behind.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { memory: 64 << 20, disk: 0, folder: folder.into() }
    }

    pub(crate) async fn open(&self, keying: Keying, watch: Arc<Metrics>) -> Result<Arc<Cache>, PopError> {
        let disk = (self.disk > 0).then(|| (self.folder.clone(), self.disk));
        let policy = Policy { memory: self.memory, disk, ..Policy::default() };
        let limits = iridule_http_cache::Limits::default;
        match Cache::open(&policy, keying, limits(), watch.clone()).await {
            Err(why) if policy.disk.is_some() => {
                // Responses can be fetched again: that they cannot be kept is no reason to serve nobody.
                tracing::error!(%why, folder = %self.folder.display(), "responses are cached in memory only until the next start");
                let policy = Policy { disk: None, ..policy };
                Ok(Cache::open(&policy, keying, limits(), watch).await?)
            }
            opened => Ok(opened?),
        }
    }
}

impl Config {
    /// A configuration with every default: loopback ports 3000 and 3001, no variables, nowhere to call, nobody trusted, a
    /// cache in memory.
    pub fn new(component: impl Into<Cow<'static, [u8]>>, data: impl Into<PathBuf>) -> Self {
        let data = data.into();
        Self {
            ahead: true,
            cache: Some(CacheLimits::new(data.join("cache"))),
            component: component.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 3000)),
            tls: None,
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 3001)),
            data,
            variables: BTreeMap::new(),
            allowed_hosts: Vec::new(),
            trusted: TrustedKeys::default(),
            publishers: TrustedKeys::default(),
            admin_token: None,
            memory: None,
            reserved_memory: 0,
            compiling: |_| {},
            limits: Limits::default(),
        }
    }
}

/// Without the component's bytes and the secrets.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("component", &format_args!("{} bytes", self.component.len()))
            .field("listen", &self.listen)
            .field("tls", &self.tls)
            .field("admin", &self.admin)
            .field("data", &self.data)
            .field("variables", &self.variables.keys())
            .field("allowed_hosts", &self.allowed_hosts)
            .field("admin_token", &self.admin_token.is_some())
            .field("cache", &self.cache)
            .field("memory", &self.memory)
            .field("reserved_memory", &self.reserved_memory)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Bounds on what one host takes on. Bounds on memory, connections and instances are lowered at the start to what the
/// machine gives: [`Config::memory`], and the process's limit on open files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests under way at once, waiting or running; for one more the client with most requests waiting gets a 503. At
    /// least 1.
    pub max_in_flight: usize,
    /// Guest instances that answer requests at once, where there is memory for as many. Requests over it wait for a free
    /// one, in turns by client address: a single client gets a quarter of them, or as many as there are cores. At least 1.
    ///
    /// An instance answers one request at a time (see `instance.rs`), also while it waits for an origin, so this is
    /// more than there are cores.
    pub instances: usize,
    /// Event streams held open at once; one more is answered 503.
    pub max_streams: usize,
    /// Streams that share an instance.
    pub streams_per_instance: usize,
    /// How long one event stream may last. The client reconnects by itself.
    pub stream_lifetime: Duration,
    /// From the first byte of the request to the last byte out of the guest. Later is a 504.
    pub deadline: Duration,
    /// Linear memory of one instance, bytes. A multiple of 64 KiB.
    pub instance_memory: usize,
    /// Requests that one instance answers before it is replaced. Bounds what a leak can cost. At least 1.
    pub instance_reuse: usize,
    /// How long an idle instance is kept for the next request.
    pub idle: Duration,
    /// Connections open at once. Over it, new ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Connections that one address, or one IPv6 /64, holds open at once; one more is closed. At least 1.
    pub connections_per_address: usize,
    /// Requests per second of one address, in bursts of twice that; over it, 429. 0: no bound.
    pub requests_per_second: u32,
    /// The proxies whose `Forwarded` and `X-Forwarded-*` say which scheme and host a client asked for, and by which address
    /// it is counted. Empty: nobody is believed.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// How long a client may take to send its request head, and a kept-alive connection may stay silent.
    pub header_timeout: Duration,
    /// How long a client may take nothing of a reply that is waiting for it, before it is cut off.
    pub stall_timeout: Duration,
    /// Bytes of a request head; over it, 431. At least 8192.
    pub header_bytes: usize,
    /// Memory of the records store's page cache, bytes.
    pub records_cache: usize,
    /// Memory of the renders store, bytes of keys and values.
    pub renders_memory: usize,
    /// Disk of the renders store, bytes. 0 keeps renders in memory only; otherwise at least 8 MiB.
    pub renders_disk: usize,
    /// How long [`crate::Pop::shutdown`] waits for requests under way.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_in_flight: 512,
            instances: 64,
            max_streams: 256,
            streams_per_instance: 64,
            stream_lifetime: Duration::from_secs(10 * 60),
            deadline: Duration::from_secs(30),
            instance_memory: 128 << 20,
            instance_reuse: 128,
            idle: Duration::from_secs(10),
            max_connections: 4096,
            connections_per_address: 1024,
            requests_per_second: 0,
            trusted_proxies: Vec::new(),
            header_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(30),
            header_bytes: 32 << 10,
            records_cache: 64 << 20,
            renders_memory: 64 << 20,
            renders_disk: 1 << 30,
            shutdown: Duration::from_secs(20),
        }
    }
}

/// File descriptors that are not for connections: stores, logs, the runtime, connections to origins.
const OTHER_FILES: u64 = 256;

impl Limits {
    /// Lowers the bounds on connections to what the limit on open files allows on two listeners; a quarter of them is for
    /// one address.
    pub(crate) fn fit_open_files(&mut self, open_files: Option<u64>) {
        let Some(open_files) = open_files else { return };
        let spare = open_files.saturating_sub(OTHER_FILES.min(open_files / 4));
        let most = usize::try_from(spare / 2).unwrap_or(usize::MAX).max(1);
        if self.max_connections > most {
            tracing::warn!(
                open_files,
                connections = most,
                "the limit on open files allows fewer connections than are set; raise it (ulimit -n, LimitNOFILE)"
            );
            self.max_connections = most;
            self.connections_per_address = self.connections_per_address.min((most / 4).max(1));
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let at_least = |name: &str, value: usize, least: usize| match value >= least {
            true => Ok(()),
            false => Err(format!("{name} is {value}, at least {least}")),
        };
        at_least("max_in_flight", self.max_in_flight, 1)?;
        at_least("instances", self.instances, 1)?;
        at_least("streams_per_instance", self.streams_per_instance, 1)?;
        at_least("instance_reuse", self.instance_reuse, 1)?;
        at_least("connections_per_address", self.connections_per_address, 1)?;
        at_least("max_connections", self.max_connections, 1)?;
        at_least("header_bytes", self.header_bytes, 8192)?;
        at_least("instance_memory", self.instance_memory, 1 << 16)?;
        if !self.instance_memory.is_multiple_of(1 << 16) {
            return Err("instance_memory is a multiple of 65536".into());
        }
        if self.renders_disk != 0 {
            at_least("renders_disk", self.renders_disk, 8 << 20)?;
        }
        if self.deadline < Duration::from_millis(20) {
            return Err("deadline is at least 20 ms".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_both_listeners_stay_below_the_limit_on_open_files() {
        for open_files in [1, 16, 64, 256, 1024, 4096, 1 << 20] {
            let mut limits = Limits::default();
            limits.fit_open_files(Some(open_files));
            let both = 2 * limits.max_connections as u64;
            assert!(both <= open_files.max(2), "{open_files}: {both}");
            assert!(limits.connections_per_address <= limits.max_connections);
            assert!(limits.connections_per_address < limits.max_connections || open_files < 16);
            limits.check().unwrap();
        }
        let mut limits = Limits::default();
        limits.fit_open_files(Some(1 << 20));
        assert_eq!(limits, Limits::default());
    }
}
