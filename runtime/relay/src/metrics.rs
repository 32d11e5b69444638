//! What a monitor reads at `/metrics` of a relay.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// Content type of the text that [`Metrics::text`] makes.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProvider {
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByFeed {
    feed: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySink {
    sink: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByLimit {
    limit: &'static str,
}

#[derive(Clone)]
struct Lag;

impl MetricConstructor<Histogram> for Lag {
    fn new_metric(&self) -> Histogram {
        // 1 ms to 65 s.
        Histogram::new(exponential_buckets(0.001, 2.0, 17))
    }
}

/// All series of one relay.
pub(crate) struct Metrics {
    registry: Registry,
    dissents: Family<ByProvider, Counter>,
    failures: Family<ByProvider, Counter>,
    /// Questions to which no quorum gave the same answer.
    pub(crate) disagreements: Counter,
    /// Reorganisations that took rounds back.
    pub(crate) reorganisations: Counter,
    /// Rounds taken in.
    pub(crate) rounds: Counter,
    /// Rounds that are missing or hold no value.
    pub(crate) passed_over: Counter,
    /// Gauges that moved.
    pub(crate) moves: Counter,
    /// Connections to the relay's service that were closed at once.
    pub(crate) turned_away: Counter,
    /// The newest snapshot's sequence.
    pub(crate) sequence: Gauge,
    /// 1 while this relay leads.
    pub(crate) leads: Gauge,
    ages: Family<ByFeed, Gauge>,
    unread: Family<ByFeed, Counter>,
    lags: Family<BySink, Histogram, Lag>,
    refusals: Family<BySink, Counter>,
    /// Tokens' documents that were worked on.
    pub(crate) documents: Counter,
    ended: Family<ByLimit, Counter>,
    /// Tokens that could not be read, each time.
    pub(crate) token_failures: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("iridule_relay");
        let (dissents, failures) = (Family::default(), Family::default());
        registry.register("dissents", "Answers other than the quorum's", dissents.clone());
        registry.register("failures", "Questions that a provider did not answer", failures.clone());
        let (ages, unread) = (Family::default(), Family::default());
        registry.register_with_unit(
            "feed_age",
            "Time since a feed's newest round, by the feed's clock",
            Unit::Seconds,
            ages.clone(),
        );
        registry.register("feed_unread", "Looks at a feed that gave no answer", unread.clone());
        let lags = Family::new_with_constructor(Lag);
        registry.register_with_unit(
            "publish_lag",
            "From a snapshot's signing to a sink's acceptance",
            Unit::Seconds,
            lags.clone(),
        );
        let refusals = Family::default();
        registry.register("publish_failures", "Tries at a sink that failed", refusals.clone());
        let ended: Family<ByLimit, Counter> = Family::default();
        registry.register(
            "documents_ended",
            "Tokens' documents that exceeded a limit (time, memory, crashed, size) and were ended",
            ended.clone(),
        );
        for limit in ["time", "memory", "crashed", "size"] {
            drop(ended.get_or_create(&ByLimit { limit }));
        }
        let (sequence, leads) = (Gauge::default(), Gauge::default());
        registry.register("sequence", "The newest snapshot's sequence", sequence.clone());
        registry.register("leads", "1 while this relay leads", leads.clone());
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        Self {
            disagreements: counter("disagreements", "Questions to which no quorum gave the same answer"),
            reorganisations: counter("reorganisations", "Reorganisations that took rounds back"),
            rounds: counter("rounds", "Rounds taken in"),
            passed_over: counter("rounds_passed_over", "Rounds that are missing or hold no value"),
            turned_away: counter(
                "turned_away",
                "Connections that were closed at once because their address had too many",
            ),
            moves: counter("moves", "Gauges that moved"),
            documents: counter("documents", "Tokens' documents that were worked on"),
            token_failures: counter("token_failures", "Tries to read a token that failed"),
            ended,
            registry,
            dissents,
            failures,
            sequence,
            leads,
            ages,
            unread,
            lags,
            refusals,
        }
    }

    pub(crate) fn dissents(&self, provider: &str) -> Counter {
        self.dissents.get_or_create_owned(&ByProvider { provider: provider.into() })
    }

    pub(crate) fn failures(&self, provider: &str) -> Counter {
        self.failures.get_or_create_owned(&ByProvider { provider: provider.into() })
    }

    pub(crate) fn age(&self, feed: &str) -> Gauge {
        self.ages.get_or_create_owned(&ByFeed { feed: feed.into() })
    }

    pub(crate) fn unread(&self, feed: &str) -> Counter {
        self.unread.get_or_create_owned(&ByFeed { feed: feed.into() })
    }

    pub(crate) fn lag(&self, sink: &str) -> Histogram {
        self.lags.get_or_create_owned(&BySink { sink: sink.into() })
    }

    pub(crate) fn refusals(&self, sink: &str) -> Counter {
        self.refusals.get_or_create_owned(&BySink { sink: sink.into() })
    }

    /// Documents that were ended for exceeding this limit.
    pub(crate) fn ended(&self, limit: &'static str) -> Counter {
        self.ended.get_or_create_owned(&ByLimit { limit })
    }

    /// All series in the OpenMetrics text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            // Only a formatter that fails does so, and a string's does not.
            text.clear();
        }
        text
    }
}
