//! The task that gives one sink the newest snapshot until it has taken it.

use std::sync::{Arc, Mutex, PoisonError};

use ed25519_dalek::SigningKey;
use iridule_publish::Place;
use iridule_records::signed::TrustedKeys;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::{
    place,
    snapshot::{LONGEST, Shown, Signed, Untaken, WAIT},
    target::Target,
};
use crate::{ledger::Ledger, metrics::Metrics};

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
    pub(crate) ledger: Ledger,
}

impl Sink {
    pub(crate) fn start(target: Target, common: Common) -> Self {
        let (name, standing) = (target.to_string(), Arc::default());
        let feeding =
            Feeding { name: name.clone(), target, common, standing: Arc::clone(&standing), place: None };
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
                    None => Place::open(address, token).await.map_err(place::failed)?,
                };
                let put = place::put(&place, signed, &self.common.known_keys).await;
                // A connection that failed is made anew.
                self.place = matches!(put, Ok(()) | Err(Untaken::Ahead(_))).then_some(place);
                put
            }
            Target::Webhook(webhook) => {
                if let Some(told) = self.untold(&signed.states)? {
                    webhook.tell(signed, &self.common.key).await.map_err(Untaken::Failed)?;
                    self.told(&told)?;
                }
                Ok(())
            }
            Target::Contract(announcer) => {
                let mut states = signed.states.clone();
                states.retain(|shown| shown.collection == announcer.collection);
                if let Some(told) = self.untold(&states)? {
                    announcer.announce().await.map_err(Untaken::Failed)?;
                    self.told(&told)?;
                }
                Ok(())
            }
        }
    }

    /// What is to be remembered once these states are told; none when they were told last.
    fn untold(&self, states: &[Shown]) -> Result<Option<Vec<u8>>, Untaken> {
        let failed = |why: String| Untaken::Failed(why);
        let states = serde_ipld_dagcbor::to_vec(states).map_err(|why| failed(why.to_string()))?;
        let told = self.common.ledger.told(&self.name).map_err(|why| failed(why.to_string()))?;
        Ok((told.as_ref() != Some(&states)).then_some(states))
    }

    fn told(&self, states: &[u8]) -> Result<(), Untaken> {
        self.common.ledger.tell(&self.name, states).map_err(|why| Untaken::Failed(why.to_string()))
    }
}
