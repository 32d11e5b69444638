//! What a monitor reads at `/metrics` of an origin.

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

/// Content type of the text that [`Metrics::text`] makes.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All series of one origin.
pub(crate) struct Metrics {
    registry: Registry,
    renders: Family<Painted, Counter>,
    /// Seconds from taking a job to its file.
    pub(crate) seconds: Histogram,
    /// Orders answered with a render that was stored.
    pub(crate) stored: Counter,
    /// Orders that joined a job that was there already.
    pub(crate) joined: Counter,
    /// Orders answered with 428.
    pub(crate) without_blocks: Counter,
    /// Blocks taken.
    pub(crate) blocks: Counter,
    /// Orders turned away because the queue was full, or time ran out.
    pub(crate) turned_away: Counter,
    /// Orders refused: strangers, replays, forgeries.
    pub(crate) refused: Counter,
    /// Pictures that could not be painted or encoded.
    pub(crate) unpaintable: Counter,
    queued: Gauge,
    running: Gauge,
    devices: Gauge,
}

/// What painted a picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Painted {
    by: &'static str,
}

impl Metrics {
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
        let unpaintable = counter("unpaintable", "Pictures that could not be painted or encoded");
        let renders = Family::<Painted, Counter>::default();
        registry.register("renders", "Renders made, by what painted them", renders.clone());
        let seconds = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        registry.register_with_unit("render", "From a job to its file", Unit::Seconds, seconds.clone());
        let (queued, running, devices) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("queued", "Jobs that wait for a worker", queued.clone());
        registry.register("running", "Jobs that run", running.clone());
        registry.register("devices", "Graphics devices that passed the probe", devices.clone());
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
            unpaintable,
            queued,
            running,
            devices,
        }
    }

    /// Counts a render: `gpu`, `cpu`, or `fallback` where a device failed.
    pub(crate) fn rendered(&self, by: &'static str) {
        self.renders.get_or_create(&Painted { by }).inc();
    }

    /// The series as text.
    pub(crate) fn text(&self, (queued, running): (usize, usize), devices: usize) -> String {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.queued.set(count(queued));
        self.running.set(count(running));
        self.devices.set(count(devices));
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
