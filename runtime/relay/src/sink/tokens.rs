//! Token records on their way to a place: each that it does not have yet, in the order in which they were made.
//!
//! A task of its own beside the snapshots', so that a collection that a place does not know yet holds up no snapshot. A
//! record that a place does not take is set aside in the ledger and offered again later, and holds up no other record.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use iridule_publish::{Address, Place, PlaceError};
use iridule_records::block::Block;
use tokio::sync::watch;

use super::snapshot::{LONGEST, WAIT};
use crate::{
    ledger::{Kept, Ledger, LedgerError},
    metrics::Metrics,
};

/// Most records that are offered again in one round.
const AGAIN: usize = 256;
/// Most records of one collection that a place may refuse in one round before the rest of them waits for the next.
const REFUSALS: u32 = 8;

/// What gives a place its tokens.
pub(crate) struct Giving {
    /// The place's name.
    pub(crate) name: String,
    pub(crate) address: Address,
    pub(crate) token: String,
    pub(crate) ledger: Ledger,
    /// The highest place of a record.
    pub(crate) newest: watch::Receiver<u64>,
    pub(crate) metrics: Arc<Metrics>,
}

/// What became of offering a record.
enum Offered {
    /// The place has it, or a newer one.
    Taken,
    /// The place does not take it as it is now.
    Refused(PlaceError),
}

/// Which records that were set aside are offered next.
struct Again {
    /// The last name that was offered.
    after: String,
    due: Instant,
    wait: Duration,
}

impl Giving {
    /// Runs until there is nothing newer to come.
    pub(crate) async fn run(mut self) {
        let mut wait = WAIT;
        let mut again = Again { after: String::new(), due: Instant::now(), wait: WAIT };
        loop {
            self.newest.borrow_and_update();
            match self.give_all(&mut again).await {
                Ok(()) => wait = WAIT,
                Err(why) => {
                    self.metrics.refusals(&self.name).inc();
                    tracing::warn!(
                        sink = self.name,
                        why,
                        wait_ms = wait.as_millis(),
                        "a token is not taken; again soon"
                    );
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST);
                    continue;
                }
            }
            let news = tokio::time::timeout_at(again.due.into(), self.newest.changed());
            if let Ok(Err(_)) = news.await {
                return;
            }
        }
    }

    /// Gives the place what it does not have, then what it did not take before. An error is that the place cannot be
    /// reached, or that the ledger cannot.
    async fn give_all(&self, again: &mut Again) -> Result<(), String> {
        let broken = |why: LedgerError| why.to_string();
        let cursor = format!("tokens of {}", self.name);
        let mut place = None;
        let mut refusals: BTreeMap<String, u32> = BTreeMap::new();
        loop {
            let told = self.ledger.told(&cursor).map_err(broken)?;
            let told = told.and_then(|told| told.try_into().ok()).map_or(0, u64::from_be_bytes);
            let Some((next, name)) = self.ledger.token_after(told).map_err(broken)? else { break };
            // One that was made anew meanwhile has a higher place, and its turn comes.
            let kept = self.ledger.token(&name).map_err(broken)?.filter(|kept| kept.place == next);
            let refused = refusals.entry(slug(&name).to_owned()).or_default();
            let taken = match kept {
                None => true,
                // A collection that the place does not know is not offered token by token.
                Some(_) if *refused >= REFUSALS => false,
                Some(kept) => match self.offer(&mut place, kept).await? {
                    Offered::Taken => true,
                    Offered::Refused(why) => {
                        *refused += 1;
                        self.metrics.refusals(&self.name).inc();
                        tracing::warn!(sink = self.name, token = name, %why, "a token is set aside");
                        false
                    }
                },
            };
            if taken {
                self.ledger.tell(&cursor, &next.to_be_bytes()).map_err(broken)?;
            } else {
                self.ledger.set_aside(&self.name, &cursor, next, &name).map_err(broken)?;
                again.soon();
            }
        }
        if again.due <= Instant::now() {
            self.give_again(&mut place, again).await?;
        }
        Ok(())
    }

    /// One round over what was set aside: some of it, the rest in the next rounds.
    async fn give_again(&self, place: &mut Option<Place>, again: &mut Again) -> Result<(), String> {
        let broken = |why: LedgerError| why.to_string();
        let mut refusals: BTreeMap<String, u32> = BTreeMap::new();
        let mut taken = false;
        let aside = self.ledger.aside(&self.name, &again.after, AGAIN).map_err(broken)?;
        let all_seen = aside.len() < AGAIN;
        for (name, _) in aside {
            again.after.clone_from(&name);
            let refused = refusals.entry(slug(&name).to_owned()).or_default();
            if *refused >= REFUSALS {
                continue;
            }
            let Some(kept) = self.ledger.token(&name).map_err(broken)? else {
                self.ledger.not_aside(&self.name, &name).map_err(broken)?;
                continue;
            };
            match self.offer(place, kept).await? {
                Offered::Taken => {
                    taken = true;
                    self.ledger.not_aside(&self.name, &name).map_err(broken)?;
                }
                Offered::Refused(why) => {
                    *refused += 1;
                    tracing::debug!(sink = self.name, token = name, %why, "a token is not taken yet");
                }
            }
        }
        if all_seen {
            again.after.clear();
        }
        let nothing_left = self.ledger.aside(&self.name, "", 1).map_err(broken)?.is_empty();
        again.wait = if taken { WAIT } else { (again.wait * 2).min(LONGEST) };
        again.due = Instant::now() + if nothing_left { NEVER } else { again.wait };
        Ok(())
    }

    async fn offer(&self, place: &mut Option<Place>, kept: Kept) -> Result<Offered, String> {
        let open = match place.take() {
            Some(open) => open,
            None => Place::open(&self.address, &self.token).await.map_err(|why| why.to_string())?,
        };
        let given = give(&open, kept).await;
        *place = Some(open);
        match given {
            Ok(()) => Ok(Offered::Taken),
            Err(why) if is_of_the_record(&why) => Ok(Offered::Refused(why)),
            Err(why) => Err(why.to_string()),
        }
    }
}

/// The collection of a token's name.
fn slug(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

/// Long enough for nothing to be due.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

impl Again {
    /// Something was set aside just now.
    fn soon(&mut self) {
        self.wait = WAIT;
        self.due = self.due.min(Instant::now() + WAIT);
    }
}

/// Whether a place refused this one record, so that the others can be offered. It is asked again later either way.
fn is_of_the_record(why: &PlaceError) -> bool {
    match why {
        // Who asks, how often, and how long it took are not the record's.
        PlaceError::Refused { status, .. } => {
            (400..500).contains(status) && !matches!(status, 401 | 408 | 429)
        }
        PlaceError::Unreachable { .. } | PlaceError::Malformed { .. } => false,
    }
}

async fn give(place: &Place, kept: Kept) -> Result<(), PlaceError> {
    for block in kept.blocks {
        place.put_block(&Block { cid: block.cid, bytes: block.bytes.into_vec() }).await?;
    }
    let (slug, number) = (&kept.record.slug, kept.record.number);
    match place.put_token(slug, number, &kept.signed).await {
        // It has this one, or a newer one that another relay gave it.
        Err(PlaceError::Refused { status: 409, .. }) => Ok(()),
        put => put,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::{Mutex, atomic::AtomicUsize, atomic::Ordering},
    };

    use axum::{Router, extract::Path, http::StatusCode, routing::put};
    use iridule_records::token::{self, TokenRecord};
    use tempfile::TempDir;
    use tokio::{net::TcpListener, sync::watch};

    use super::*;
    use crate::ledger::TokenWrites;

    /// Writes records of these tokens, and gives the highest place.
    fn record(ledger: &Ledger, slug: &str, numbers: &[u64]) -> u64 {
        let record = |number: &u64| {
            let (slug, seed) = (slug.to_owned(), [0; 32].into());
            let (name, description, attributes) = (None, None, Vec::new());
            let (version, number) = (token::VERSION, *number);
            let record = TokenRecord {
                version,
                slug,
                number,
                sequence: 1,
                block: 1,
                seed,
                styles: Vec::new(),
                name,
                description,
                attributes,
            };
            (record, b"signed".to_vec(), Vec::new())
        };
        let writes = TokenWrites { records: numbers.iter().map(record).collect(), ..TokenWrites::default() };
        ledger.keep_tokens(slug, writes).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_record_that_a_place_refuses_holds_back_no_other_and_is_offered_again() {
        let folder = TempDir::new().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        // A collection that the place does not know, and one record that it does not take.
        record(&ledger, "unknown", &(0..100).collect::<Vec<_>>());
        let place = record(&ledger, "fields", &[1, 2, 3]);
        let taken = Arc::new(Mutex::new(BTreeSet::new()));
        let refusing = Arc::new(Mutex::new(true));
        let asked = Arc::new(AtomicUsize::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (takes, refuses, counts) = (taken.clone(), refusing.clone(), asked.clone());
        let router = Router::new().route(
            "/v1/tokens/{slug}/{number}",
            put(async move |Path((slug, number)): Path<(String, u64)>| {
                counts.fetch_add(1, Ordering::Relaxed);
                if *refuses.lock().unwrap() && (slug == "unknown" || number == 2) {
                    return StatusCode::UNPROCESSABLE_ENTITY;
                }
                takes.lock().unwrap().insert((slug, number));
                StatusCode::CREATED
            }),
        );
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (tell, newest) = watch::channel(place);
        let metrics = Arc::new(Metrics::new());
        let giving = |newest| Giving {
            name: "place".into(),
            address: url.parse().unwrap(),
            token: String::new(),
            ledger: ledger.clone(),
            newest,
            metrics: metrics.clone(),
        };
        let has = |number: usize| {
            let taken = taken.clone();
            async move {
                let started = Instant::now();
                while taken.lock().unwrap().len() < number {
                    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", taken.lock().unwrap());
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        let task = tokio::spawn(giving(newest.clone()).run());
        has(2).await;
        assert_eq!(*taken.lock().unwrap(), [("fields".into(), 1), ("fields".into(), 3)].into());
        assert!(asked.load(Ordering::Relaxed) < 40, "an unknown collection is not offered token by token");
        // A restart forgets nothing.
        task.abort();
        let _ = task.await;
        *refusing.lock().unwrap() = false;
        let task = tokio::spawn(giving(newest).run());
        has(103).await;
        while !ledger.aside("place", "", 1).unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(tell);
        tokio::time::timeout(Duration::from_secs(30), task).await.unwrap().unwrap();
    }
}
