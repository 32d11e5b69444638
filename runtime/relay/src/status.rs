//! What a relay says of itself at `/v1/status`, and as a table.

use std::{fmt, time::Duration};

use iridule_records::gauge::Band;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use crate::http::{self, Reach, Unanswered};

/// Most bytes of a relay's answer.
const BYTES: usize = 4 << 20;

/// Whether a relay leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It has the ledger.
    Leads,
    /// Another relay has it; this one waits.
    Waits,
}

/// How a relay does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Whether it leads. One that waits knows nothing else.
    pub role: Role,
    /// The newest snapshot's sequence.
    pub sequence: u64,
    /// When it was made, Unix milliseconds.
    pub issued: Option<u64>,
    /// Until when it is fresh, Unix milliseconds.
    pub expires: Option<u64>,
    /// The id of the key that it is signed with.
    pub key: String,
    /// The feeds that sources or collections name.
    pub feeds: Vec<FeedStatus>,
    /// The collections that are watched.
    pub collections: Vec<PanelStatus>,
    /// The collections whose tokens are read on their chains.
    #[serde(default)]
    pub tokens: Vec<TokensStatus>,
    /// Whom it tells.
    pub sinks: Vec<SinkStatus>,
}

/// How far a feed's value can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Staleness {
    /// It is as new as it should be.
    Fresh,
    /// Nothing came for longer than its heartbeat.
    Heartbeat,
    /// It differs from its reference by more than it may.
    Deviation,
    /// There is no round yet.
    Unknown,
}

/// How a feed does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedStatus {
    /// Its name.
    pub feed: String,
    /// Its newest value.
    pub value: Option<f64>,
    /// The newest round, phase and number.
    pub round: Option<String>,
    /// When that was, Unix seconds.
    pub updated: Option<u64>,
    /// How old it is by the source's own clock, seconds.
    pub age: Option<u64>,
    /// Whether it is stale.
    pub staleness: Staleness,
    /// Why the last look gave nothing.
    pub why: Option<String>,
}

/// How a collection stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanelStatus {
    /// Its slug.
    pub slug: String,
    /// Its state, once every gauge has a band.
    pub state: Option<String>,
    /// The bands, in manifest order.
    pub bands: Vec<Band>,
}

/// How the tokens of a collection do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokensStatus {
    /// The collection.
    pub collection: String,
    /// Tokens that are recorded.
    pub recorded: u64,
    /// Tokens that are to be read.
    pub waiting: u64,
    /// Those of them that could not be read, and are tried again.
    #[serde(default)]
    pub failing: u64,
    /// Tokens whose documents were refused: they are tried again when they change.
    pub refused: u64,
    /// Why the last look failed, why a token could not be read, or why the first of those is refused.
    pub why: Option<String>,
}

/// How a sink does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStatus {
    /// Who it is.
    pub sink: String,
    /// The highest sequence that it took.
    pub sequence: u64,
    /// What went wrong last, while it is behind.
    pub why: Option<String>,
}

/// Asks a relay how it does.
///
/// # Errors
/// A sentence.
pub async fn ask(relay: &str) -> Result<Status, String> {
    let url = format!("{}/v1/status", relay.trim_end_matches('/'));
    let client = http::client(Reach::All, 0, Duration::from_secs(5))?;
    match http::read(client.get(&url), BYTES).await {
        Ok((StatusCode::OK, body)) => {
            serde_json::from_slice(&body).map_err(|why| format!("{url} answers as no relay does: {why}"))
        }
        Ok((status, _)) => Err(format!("{url} answered {status}")),
        Err(Unanswered::Network(why)) => Err(format!("{url}: {why}; `iridule oracle run` starts a relay")),
        Err(why) => Err(format!("{url} answers as no relay does: {why}")),
    }
}

impl Status {
    /// The status of a relay that waits.
    pub(crate) fn waiting() -> Self {
        Self {
            role: Role::Waits,
            sequence: 0,
            issued: None,
            expires: None,
            key: String::new(),
            feeds: Vec::new(),
            collections: Vec::new(),
            tokens: Vec::new(),
            sinks: Vec::new(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.role == Role::Waits {
            return f.write_str("waits: another relay leads on this ledger\n");
        }
        writeln!(f, "leads; snapshot {} signed by key {}", self.sequence, self.key)?;
        writeln!(f, "\n{:<24} {:>16} {:>12} {:>10}  state", "feed", "value", "round", "age")?;
        for feed in &self.feeds {
            let age = feed.age.map_or("-".into(), |age| format!("{age} s"));
            let value = feed.value.map_or("-".into(), |value| format!("{value:.4}"));
            let state = match (&feed.why, feed.staleness) {
                (Some(why), _) => why.as_str(),
                (None, Staleness::Fresh) => "fresh",
                (None, Staleness::Heartbeat) => "stale: silent for longer than its heartbeat",
                (None, Staleness::Deviation) => "stale: far from its reference",
                (None, Staleness::Unknown) => "no round yet",
            };
            let round = feed.round.as_deref().unwrap_or("-");
            writeln!(f, "{:<24} {value:>16} {round:>12} {age:>10}  {state}", feed.feed)?;
        }
        writeln!(f, "\n{:<24} {:>16}  bands", "collection", "state")?;
        for panel in &self.collections {
            let state = panel.state.as_deref().unwrap_or("-");
            writeln!(f, "{:<24} {state:>16}  {:?}", panel.slug, panel.bands)?;
        }
        if !self.tokens.is_empty() {
            writeln!(
                f,
                "\n{:<24} {:>8} {:>8} {:>8} {:>8}",
                "tokens of", "recorded", "waiting", "failing", "refused"
            )?;
        }
        for tokens in &self.tokens {
            let TokensStatus { collection, recorded, waiting, failing, refused, why } = tokens;
            let why = why.as_deref().unwrap_or_default();
            writeln!(f, "{collection:<24} {recorded:>8} {waiting:>8} {failing:>8} {refused:>8}  {why}")?;
        }
        writeln!(f, "\n{:<40} {:>8}  state", "sink", "sequence")?;
        for sink in &self.sinks {
            let state = sink.why.as_deref().unwrap_or(if sink.sequence == self.sequence {
                "has it"
            } else {
                "behind"
            });
            writeln!(f, "{:<40} {:>8}  {state}", sink.sink, sink.sequence)?;
        }
        Ok(())
    }
}
