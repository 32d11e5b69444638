//! Sinks: whom a relay tells. Each has a task of its own, so that one that is down holds up no other.
//!
//! A sink is given the newest snapshot, again and again until it has taken it, with waits that double up to a minute. A
//! snapshot says everything, so a sink that was away is given only the newest: what it missed is in there. Sequences
//! that a sink sees only rise.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use iridule_core::{signed::TrustedKeys, snapshot::Snapshot};
use iridule_publish::{Address, Place, PlaceError};
use reqwest::{Client, Url};
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::{http, http::Unanswered, metrics::Metrics};

/// The first wait after a failure; each further one is twice as long.
const WAIT: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// Most bytes of a webhook's answer.
const ANSWER_BYTES: usize = 64 << 10;

/// What a sink is.
#[derive(Clone)]
pub(crate) enum Target {
    /// A place where edges find their records.
    Place { address: Address, token: String },
    /// Somebody who wants to know.
    Webhook { url: Url },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A URL may hold a password or a key: its host is enough to know it by.
            Self::Place { address: Address::Redis(url), .. } => {
                write!(f, "redis://{}", url.rsplit_once(['@', '/']).map_or("", |(_, host)| host))
            }
            Self::Place { address, .. } => address.fmt(f),
            Self::Webhook { url } => write!(f, "webhook {}", url.host_str().unwrap_or_default()),
        }
    }
}

/// A signed snapshot on its way.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) sequence: u64,
    pub(crate) bytes: Vec<u8>,
    /// What a webhook is told; the states in it decide whether it is told at all.
    pub(crate) states: Vec<Shown>,
    pub(crate) at: Instant,
}

/// A collection's state, as a webhook is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Shown {
    pub(crate) collection: String,
    pub(crate) state: String,
    pub(crate) epoch: String,
}

/// How a sink does.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Standing {
    /// The highest sequence that it took.
    pub(crate) sequence: u64,
    /// What went wrong last, while it is behind.
    pub(crate) why: Option<String>,
}

/// A sink's task and what is known of it.
pub(crate) struct Sink {
    pub(crate) name: String,
    pub(crate) standing: Arc<Mutex<Standing>>,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

/// What every sink's task needs.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) newest: watch::Receiver<Option<Arc<Signed>>>,
    /// Where a sink says that it has a higher sequence already.
    pub(crate) ahead: mpsc::Sender<u64>,
    pub(crate) key: SigningKey,
    pub(crate) known_keys: TrustedKeys,
    pub(crate) metrics: Arc<Metrics>,
}

impl Sink {
    pub(crate) fn start(target: Target, common: Common) -> Self {
        let (name, standing) = (target.to_string(), Arc::default());
        let feeding = Feeding {
            name: name.clone(),
            target,
            common,
            standing: Arc::clone(&standing),
            place: None,
            told: None,
        };
        Self { name, standing, task: tokio::spawn(feeding.run()) }
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Feeding {
    name: String,
    target: Target,
    common: Common,
    standing: Arc<Mutex<Standing>>,
    place: Option<Place>,
    told: Option<Vec<Shown>>,
}

/// Why a sink did not take a snapshot.
enum Untaken {
    /// Trying again may help.
    Failed(String),
    /// It has a snapshot with this sequence, which is not lower.
    Ahead(u64),
}

impl Feeding {
    /// Runs until there is nothing newer to come.
    async fn run(mut self) {
        let mut wait = WAIT;
        loop {
            let newest = self.common.newest.borrow_and_update().clone();
            if let Some(signed) = newest.filter(|signed| signed.sequence > self.sequence()) {
                match self.give(&signed).await {
                    Ok(()) => {
                        wait = WAIT;
                        self.common.metrics.lag(&self.name).observe(signed.at.elapsed().as_secs_f64());
                        self.note(Some(signed.sequence), None);
                        continue;
                    }
                    Err(Untaken::Ahead(there)) => {
                        self.note(None, Some(format!("it has sequence {there} already")));
                        // The relay jumps above it; nothing is lost when it has left.
                        let _ = self.common.ahead.send(there).await;
                    }
                    Err(Untaken::Failed(why)) => {
                        self.common.metrics.refusals(&self.name).inc();
                        tracing::warn!(
                            sink = self.name,
                            why,
                            wait_ms = wait.as_millis(),
                            "not taken; again soon"
                        );
                        self.note(None, Some(why));
                        tokio::time::sleep(wait).await;
                        wait = (wait * 2).min(LONGEST);
                        continue;
                    }
                }
            }
            if self.common.newest.changed().await.is_err() {
                return;
            }
        }
    }

    fn sequence(&self) -> u64 {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).sequence
    }

    fn note(&self, sequence: Option<u64>, why: Option<String>) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.sequence = sequence.unwrap_or(standing.sequence);
        standing.why = why;
    }

    async fn give(&mut self, signed: &Signed) -> Result<(), Untaken> {
        match &self.target {
            Target::Place { address, token } => {
                let place = match &self.place {
                    Some(place) => place.clone(),
                    None => Place::open(address, token).await.map_err(failed)?,
                };
                let put = self.put(&place, signed).await;
                // A connection that failed is made anew.
                self.place = matches!(put, Ok(()) | Err(Untaken::Ahead(_))).then_some(place);
                put
            }
            Target::Webhook { url } => {
                if self.told.as_ref() != Some(&signed.states) {
                    tell(url, signed, &self.common.key).await.map_err(Untaken::Failed)?;
                    self.told = Some(signed.states.clone());
                }
                Ok(())
            }
        }
    }

    async fn put(&self, place: &Place, signed: &Signed) -> Result<(), Untaken> {
        let there = |bytes: Option<Vec<u8>>| {
            let bytes = bytes.filter(|bytes| *bytes != signed.bytes)?;
            let snapshot = Snapshot::open(&bytes, &self.common.known_keys, u64::MAX).ok()?;
            (snapshot.sequence >= signed.sequence).then_some(snapshot.sequence)
        };
        // A PoP looks for itself, within the transaction that writes.
        if let Place::Pop(_) = place {
            return match place.put_snapshot(&signed.bytes).await {
                Err(PlaceError::Refused { status: 409, detail, .. }) => {
                    match there(place.snapshot().await.map_err(failed)?) {
                        Some(sequence) => Err(Untaken::Ahead(sequence)),
                        None => Err(Untaken::Failed(detail)),
                    }
                }
                put => put.map_err(failed),
            };
        }
        if let Some(sequence) = there(place.snapshot().await.map_err(failed)?) {
            return Err(Untaken::Ahead(sequence));
        }
        place.put_snapshot(&signed.bytes).await.map_err(failed)
    }
}

fn failed(why: PlaceError) -> Untaken {
    Untaken::Failed(why.to_string())
}

/// What a webhook is sent.
#[derive(Serialize)]
struct Told<'a> {
    r#type: &'static str,
    timestamp: u64,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    sequence: u64,
    collections: &'a [Shown],
}

/// Tells a webhook, signed as Standard Webhooks says for Ed25519 (`v1a`): over `id.timestamp.body`.
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
async fn tell(url: &Url, signed: &Signed, key: &SigningKey) -> Result<(), String> {
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let data = Data { sequence: signed.sequence, collections: &signed.states };
    let told = Told { r#type: "states.changed", timestamp: now, data };
    let body = serde_json::to_string(&told).map_err(|why| why.to_string())?;
    // The same for every try, so that whoever is told twice can tell.
    let id = format!("snapshot_{}", signed.sequence);
    let signature = key.sign(format!("{id}.{now}.{body}").as_bytes());
    let client = Client::builder().timeout(Duration::from_secs(10)).build().map_err(|why| why.to_string())?;
    let request = client
        .post(url.clone())
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", now)
        .header("webhook-signature", format!("v1a,{}", BASE64_STANDARD.encode(signature.to_bytes())))
        .body(body);
    match http::read(request, ANSWER_BYTES).await {
        Ok((status, _)) if status.is_success() => Ok(()),
        Ok((status, _)) => Err(format!("it answered {status}")),
        Err(Unanswered::Network(why)) => Err(why),
        Err(Unanswered::TooLong) => Err("its answer is too long".into()),
    }
}
