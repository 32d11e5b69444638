//! The metrics that an origin reports at `/metrics`.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// The content type of the text that [`OriginMetrics::text`] returns.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of one origin.
pub(crate) struct OriginMetrics {
    registry: Registry,
    renders: Family<PainterLabel, Counter>,
    /// Seconds from taking a job to its encoded file.
    pub(crate) seconds: Histogram,
    /// Requests answered with a stored render.
    pub(crate) stored: Counter,
    /// Requests that joined an existing job.
    pub(crate) joined: Counter,
    /// Requests answered with 428: blocks of the style were missing.
    pub(crate) without_blocks: Counter,
    /// Blocks received.
    pub(crate) blocks: Counter,
    /// Requests turned away because the queue was full or the time ran out.
    pub(crate) turned_away: Counter,
    /// Requests rejected: unknown edges, repeated nonces, bad signatures.
    pub(crate) refused: Counter,
    /// Requests turned away because they could not have been done in time. Part of `turned_away`.
    pub(crate) too_late: Counter,
    /// Pictures that cannot be painted or encoded.
    pub(crate) unpaintable: Counter,
    /// Pictures on which the painter failed.
    pub(crate) faults: Counter,
    queued: Gauge,
    running: Gauge,
    wait: Gauge<f64, AtomicU64>,
    devices: Gauge,
    connections: Gauge,
    clocks: Family<EdgeLabel, Gauge<f64, AtomicU64>>,
}

/// Values that are measured when the metrics are read.
pub(crate) struct Measured {
    /// Jobs that wait for a worker, and jobs that run.
    pub(crate) depth: (usize, usize),
    pub(crate) wait_ms: u64,
    pub(crate) devices: usize,
    pub(crate) connections: usize,
    /// How far the clock of each edge is ahead, milliseconds.
    pub(crate) clocks: Vec<(String, i64)>,
}

/// The edge, by the id of its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EdgeLabel {
    edge: String,
}

/// What painted a picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PainterLabel {
    by: &'static str,
}

impl OriginMetrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("iridule_origin");
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let stored = counter("stored", "Orders answered with a render that was stored");
        let joined = counter("joined", "Orders that joined a job that was there already");
        let without_blocks =
            counter("without_blocks", "Orders that blocks of the style were wanted for first");
        let blocks = counter("blocks", "Blocks of styles taken");
        let turned_away = counter("turned_away", "Orders without room or time");
        let refused = counter("refused", "Orders of strangers, replays and forgeries");
        let too_late = counter("too_late", "Orders turned away because they could not be done in time");
        let unpaintable = counter("unpaintable", "Pictures that cannot be painted or encoded");
        let faults = counter("faults", "Pictures on which the painter failed");
        let renders = Family::<PainterLabel, Counter>::default();
        registry.register("renders", "Renders made, by what painted them", renders.clone());
        let seconds = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        registry.register_with_unit("render", "From a job to its file", Unit::Seconds, seconds.clone());
        let (queued, running, devices) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("queued", "Jobs that wait for a worker", queued.clone());
        registry.register("running", "Jobs that run", running.clone());
        registry.register("devices", "Graphics devices that passed the probe", devices.clone());
        let (wait, connections) = (Gauge::<f64, AtomicU64>::default(), Gauge::default());
        registry.register_with_unit(
            "wait",
            "What a new job would wait for a worker",
            Unit::Seconds,
            wait.clone(),
        );
        registry.register("connections", "Connections", connections.clone());
        let clocks = Family::<EdgeLabel, Gauge<f64, AtomicU64>>::default();
        let help = "By how much an edge's clock is ahead of this one";
        registry.register_with_unit("clock_difference", help, Unit::Seconds, clocks.clone());
        Self {
            registry,
            renders,
            seconds,
            stored,
            joined,
            without_blocks,
            blocks,
            turned_away,
            refused,
            too_late,
            unpaintable,
            faults,
            queued,
            running,
            wait,
            devices,
            connections,
            clocks,
        }
    }

    /// Counts a render by what painted it: `gpu`, `cpu`, or `fallback` where a device failed.
    pub(crate) fn rendered(&self, by: &'static str) {
        self.renders.get_or_create(&PainterLabel { by }).inc();
    }

    /// Returns all metrics as text.
    pub(crate) fn text(&self, now: Measured) -> String {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.queued.set(count(now.depth.0));
        self.running.set(count(now.depth.1));
        self.wait.set(Duration::from_millis(now.wait_ms).as_secs_f64());
        self.devices.set(count(now.devices));
        self.connections.set(count(now.connections));
        for (edge, ahead_ms) in now.clocks {
            let seconds = Duration::from_millis(ahead_ms.unsigned_abs()).as_secs_f64();
            let seconds = if ahead_ms < 0 { -seconds } else { seconds };
            self.clocks.get_or_create(&EdgeLabel { edge }).set(seconds);
        }
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
