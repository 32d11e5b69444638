//! What a monitor reads at `/metrics`: counters and gauges of one host, in the Prometheus text format.
//!
//! Every series is looked up once, here, so that counting on the way of a request is an atomic add. Nothing is labelled
//! with what a visitor sent.

use std::sync::{Arc, atomic::AtomicU64};

use http::StatusCode;
use iridule_http_cache::Outcome;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

/// Content type of the text that [`Metrics::text`] makes.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All series of one host.
pub(crate) struct Metrics {
    registry: Registry,
    replies: [Counter; 5],
    /// Seconds from the request's head to the reply's, of what was not at hand in the cache's memory.
    pub(crate) latency: Histogram,
    /// Requests under way.
    pub(crate) in_flight: Gauge,
    /// Requests turned away with 503.
    pub(crate) turned_away: Counter,
    /// Pictures asked for ahead of visitors.
    pub(crate) ahead: Counter,
    /// Event streams open.
    pub(crate) streams: Gauge,
    /// Connections open.
    pub(crate) connections: Gauge,
    /// Guest instances alive.
    pub(crate) instances: Gauge,
    /// Guest instances ever made.
    pub(crate) instantiated: Counter,
    /// Guest instances that died of a trap.
    pub(crate) traps: Counter,
    /// Guest instances dropped because they ran past a limit of time.
    pub(crate) expired: Counter,
    /// Guest instances that ended because others held the memory that they needed.
    pub(crate) starved: Counter,
    /// Pictures and styles noted because an instance ended during work on them.
    pub(crate) crashes: Counter,
    /// Times a guest was refused more memory.
    pub(crate) memory_refused: Counter,
    /// Connections that could not be accepted, for want of file descriptors or memory.
    pub(crate) accept_failures: Counter,
    /// Whether the record store takes writes: 1 or 0.
    pub(crate) records_writable: Gauge,
    /// Times the record store was opened again after it failed.
    pub(crate) records_reopened: Counter,
    /// Requests of guests refused by the allow-list or the address rules.
    pub(crate) outbound_refused: Counter,
    /// Records taken by the write API, or by the seeding methods.
    pub(crate) writes: Counter,
    /// Records refused.
    pub(crate) writes_refused: Counter,
    /// Answers, by how the cache came by them.
    pub(crate) cache: CacheMetrics,
    /// The store of small records.
    pub(crate) records: StoreMetrics,
    /// The store of renders.
    pub(crate) renders: StoreMetrics,
}

/// The series of the cache before the functions.
pub(crate) struct CacheMetrics([Counter; 6]);

impl CacheMetrics {
    const OUTCOMES: [&str; 6] = ["hit", "stale", "confirmed", "miss", "collapsed", "passed"];

    fn new(registry: &mut Registry) -> Self {
        let family = Family::<OutcomeLabel, Counter>::default();
        registry.register("cache", "Answers, by how the cache came by them", family.clone());
        Self(Self::OUTCOMES.map(|outcome| family.get_or_create(&OutcomeLabel { outcome }).clone()))
    }

    pub(crate) fn of(&self, outcome: Outcome) -> &Counter {
        let [hit, stale, confirmed, miss, collapsed, passed] = &self.0;
        match outcome {
            Outcome::Hit => hit,
            Outcome::Stale => stale,
            Outcome::Confirmed => confirmed,
            Outcome::Miss => miss,
            Outcome::Collapsed => collapsed,
            Outcome::Passed => passed,
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// The series of one store.
#[derive(Clone)]
pub(crate) struct StoreMetrics {
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) read_bytes: Counter,
    pub(crate) written_bytes: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StoreLabel {
    store: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Arc<Self> {
        let mut registry = Registry::with_prefix("iridule_pop");
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let replies = Family::<Class, Counter>::default();
        registry.register("replies", "Replies sent, by class of status", replies.clone());
        // 50 µs to 26 s: a hit takes well under a millisecond, the dearest paint and an origin take seconds.
        let latency = Histogram::new(exponential_buckets(50e-6, 2.0, 20));
        registry.register_with_unit(
            "latency",
            "From the request's head to the reply's, where the cache had it not at hand",
            Unit::Seconds,
            latency.clone(),
        );
        registry.register(
            "build",
            "What runs here",
            Info::new([("version", env!("CARGO_PKG_VERSION")), ("wasmtime", "48")]),
        );
        let (records, renders) = stores(&mut registry);
        let cache = CacheMetrics::new(&mut registry);
        let mut metrics = Self {
            replies: classes.map(|class| replies.get_or_create(&Class { class }).clone()),
            latency,
            in_flight: Gauge::default(),
            turned_away: Counter::default(),
            ahead: Counter::default(),
            streams: Gauge::default(),
            connections: Gauge::default(),
            instances: Gauge::default(),
            instantiated: Counter::default(),
            traps: Counter::default(),
            expired: Counter::default(),
            starved: Counter::default(),
            crashes: Counter::default(),
            memory_refused: Counter::default(),
            accept_failures: Counter::default(),
            records_writable: Gauge::default(),
            records_reopened: Counter::default(),
            outbound_refused: Counter::default(),
            writes: Counter::default(),
            writes_refused: Counter::default(),
            cache,
            records,
            renders,
            registry: Registry::default(),
        };
        for (name, help, gauge) in [
            ("in_flight", "Requests under way", &metrics.in_flight),
            ("streams", "Event streams open", &metrics.streams),
            ("connections", "Connections open", &metrics.connections),
            ("instances", "Guest instances alive", &metrics.instances),
            ("records_writable", "Whether the record store takes writes", &metrics.records_writable),
        ] {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, counter) in [
            ("turned_away", "Requests turned away with 503", &metrics.turned_away),
            ("ahead", "Pictures asked for ahead of visitors", &metrics.ahead),
            ("instantiated", "Guest instances made", &metrics.instantiated),
            ("traps", "Guest instances that died of a trap", &metrics.traps),
            ("expired", "Guest instances that ran past a limit of time", &metrics.expired),
            ("starved", "Guest instances that ended for want of memory that others held", &metrics.starved),
            (
                "crashes",
                "Pictures and styles noted because an instance ended during work on them",
                &metrics.crashes,
            ),
            ("accept_failures", "Connections that could not be accepted", &metrics.accept_failures),
            ("records_reopened", "Times the record store was opened again", &metrics.records_reopened),
            ("memory_refused", "Times a guest was refused more memory", &metrics.memory_refused),
            ("outbound_refused", "Requests of guests that were not let out", &metrics.outbound_refused),
            ("writes", "Records taken", &metrics.writes),
            ("writes_refused", "Records refused", &metrics.writes_refused),
        ] {
            registry.register(name, help, counter.clone());
        }
        metrics.registry = registry;
        Arc::new(metrics)
    }

    /// Counts a reply.
    pub(crate) fn reply(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5);
        self.replies[class - 1].inc();
    }

    /// Everything, as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` does not fail; were it to, a short text is what a monitor can tell from a whole one.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn stores(registry: &mut Registry) -> (StoreMetrics, StoreMetrics) {
    let mut family = |name: &str, help: &str| {
        let family = Family::<StoreLabel, Counter<u64, AtomicU64>>::default();
        registry.register(name, help, family.clone());
        family
    };
    let hits = family("store_hits", "Reads that found a value");
    let misses = family("store_misses", "Reads that found none");
    let read_bytes = family("store_read_bytes", "Bytes of the values read");
    let written_bytes = family("store_written_bytes", "Bytes of the values written");
    let of = |store: &'static str| {
        let label = StoreLabel { store };
        StoreMetrics {
            hits: hits.get_or_create(&label).clone(),
            misses: misses.get_or_create(&label).clone(),
            read_bytes: read_bytes.get_or_create(&label).clone(),
            written_bytes: written_bytes.get_or_create(&label).clone(),
        }
    };
    (of("default"), of("renders"))
}

impl StoreMetrics {
    /// Counts a read.
    pub(crate) fn read(&self, found: Option<usize>) {
        match found {
            Some(bytes) => {
                self.hits.inc();
                self.read_bytes.inc_by(bytes as u64);
            }
            None => {
                self.misses.inc();
            }
        }
    }

    /// Counts a write.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.written_bytes.inc_by(bytes as u64);
    }
}

/// Holds a gauge one higher for as long as it lives.
pub(crate) struct Held(Gauge);

impl Held {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}
