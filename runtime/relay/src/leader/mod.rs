//! The relay that has the ledger: its steps, from sources to sinks.

mod status;

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use iridule_records::{
    signed::key_id,
    snapshot::{self, Snapshot},
};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
};

use crate::{
    book::{Block, Book, Event, Moved, Panel},
    config::Config,
    ledger::{Entry, Ledger, LedgerError, Sealed},
    limits,
    panels::watch_panels,
    replay::Replayed,
    round::Round,
    sink::{Common, Giving, Shown, Signed, Sink, Target},
    source::{Look, News},
    status::TokensStatus,
    tokens::{Needs, Recorder},
};

/// How long sinks are given to take the last snapshot when the relay leaves.
const LEAVE: Duration = Duration::from_millis(limits::LEAVE_SINKS_MS);

/// Why a relay ends, or does not start.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The address is taken, or none.
    #[error("{address}: {source}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger does not add up.
    #[error("the ledger does not add up: {0}")]
    Inconsistent(String),
    /// A snapshot cannot be signed.
    #[error("a snapshot cannot be signed: {0}")]
    Unsealable(String),
}

/// What is known of a feed besides its rounds.
#[derive(Default)]
struct Reading {
    /// The source's time at the last look, Unix seconds.
    time: Option<u64>,
    /// Why the last look gave nothing.
    why: Option<String>,
}

pub(crate) struct Leader {
    pub(crate) config: Config,
    ledger: Ledger,
    book: Book,
    /// The newest snapshot.
    last: Option<Snapshot>,
    /// No sequence up to here is given again.
    sequence: u64,
    readings: BTreeMap<String, Reading>,
    panels: watch::Receiver<Option<Vec<Panel>>>,
    newest: watch::Sender<Option<Arc<Signed>>>,
    ahead: mpsc::Receiver<u64>,
    /// What reads tokens, each in a task of its own: it ends only for an error.
    recorders: JoinSet<Result<Infallible, LedgerError>>,
    tokens: Vec<Arc<Mutex<TokensStatus>>>,
    /// Tells the givers of a new record; kept here so that they stay when there is no recorder.
    newest_token: watch::Sender<u64>,
    sinks: Vec<Sink>,
    givers: Vec<JoinHandle<()>>,
    watcher: JoinHandle<()>,
}

impl Leader {
    pub(crate) fn new(mut config: Config, ledger: Ledger, replayed: Replayed) -> Result<Self, RelayError> {
        config.sources.iter_mut().for_each(|source| source.resume(&replayed.heights));
        let sealed = ledger.sealed()?;
        let trusted = config.known_keys.clone();
        let last = sealed.as_ref().and_then(|(_, bytes)| Snapshot::open(bytes, &trusted, u64::MAX).ok());
        let sequence = sealed.as_ref().map_or(0, |(sequence, _)| *sequence);
        config.metrics.leads.set(1);
        config.metrics.sequence.set(i64::try_from(sequence).unwrap_or(i64::MAX));
        tracing::info!(
            rounds = replayed.book.rounds(),
            sequence,
            key = key_id(&config.key.verifying_key()),
            "leading"
        );
        let (newest, receiver) = watch::channel(None);
        let (ahead_sender, ahead) = mpsc::channel(16);
        let common = Common {
            newest: receiver,
            ahead: ahead_sender,
            key: config.key.clone(),
            known_keys: trusted.clone(),
            metrics: config.metrics.clone(),
            ledger: ledger.clone(),
        };
        let sinks = config.targets.iter().map(|target| Sink::start(target.clone(), common.clone())).collect();
        let (newest_token, tokens_receiver) = watch::channel(0);
        let mut recorders = JoinSet::new();
        let recorder = |recorder: Recorder| {
            let shown = recorder.shown();
            recorders.spawn(recorder.run(Needs {
                ledger: ledger.clone(),
                key: config.key.clone(),
                metrics: config.metrics.clone(),
                newest: newest_token.clone(),
            }));
            shown
        };
        let tokens = std::mem::take(&mut config.tokens).into_iter().map(recorder).collect();
        let giving = |target: &Target| match target {
            Target::Place { address, token } => Some(Giving {
                name: target.to_string(),
                address: address.clone(),
                token: token.clone(),
                ledger: ledger.clone(),
                newest: tokens_receiver.clone(),
                metrics: config.metrics.clone(),
            }),
            Target::Webhook(_) | Target::Contract(_) => None,
        };
        let givers =
            config.targets.iter().filter_map(giving).map(|giving| tokio::spawn(giving.run())).collect();
        let places = config.targets.iter().filter_map(|target| match target {
            Target::Place { address, token } => Some((address.clone(), token.clone())),
            Target::Webhook(_) | Target::Contract(_) => None,
        });
        let known: Vec<Panel> = replayed.book.panels().map(|(panel, _)| panel.clone()).collect();
        let (panels_sender, panels) = watch::channel(None);
        let watcher =
            tokio::spawn(watch_panels(places.collect(), config.publishers.clone(), known, panels_sender));
        let leader = Self {
            config,
            ledger,
            book: replayed.book,
            last,
            sequence,
            readings: BTreeMap::new(),
            panels,
            newest,
            ahead,
            recorders,
            tokens,
            newest_token,
            sinks,
            givers,
            watcher,
        };
        // What was signed before the relay ended may not have reached everybody.
        if let Some((sequence, bytes)) = sealed {
            leader.publish(sequence, bytes);
        }
        Ok(leader)
    }

    /// One step. Gives whether there is more to read at once.
    pub(crate) async fn step(&mut self) -> Result<bool, RelayError> {
        let mut entries = Vec::new();
        let panels = self.panels.borrow_and_update().clone();
        if let Some(panels) = panels
            && !self.book.panels().map(|(panel, _)| panel).eq(&panels)
        {
            tracing::info!(collections = panels.len(), "watching what the places have now");
            self.take(Event::Panels(panels), &mut entries);
        }
        let book = &self.book;
        let looks: Vec<Look> =
            futures_util::future::join_all(self.config.sources.iter_mut().map(|source| source.look(book)))
                .await;
        let mut more = false;
        let mut rounds = BTreeMap::new();
        let mut passed = Vec::new();
        for look in looks {
            for (feed, news) in look.feeds {
                let reading = self.readings.entry(feed.clone()).or_default();
                reading.time = look.time.or(reading.time);
                match news {
                    Ok(news) => {
                        reading.why = None;
                        more |= news.more;
                        self.config.metrics.passed_over.inc_by(news.passed_over as u64);
                        // Only when all rounds are known is it certain what a dwell let go of.
                        passed.extend(look.time.filter(|_| !news.more).map(|until| (feed.clone(), until)));
                        rounds.insert(feed, news);
                    }
                    Err(why) => {
                        self.config.metrics.unread(&feed).inc();
                        if reading.why.as_ref() != Some(&why) {
                            tracing::warn!(feed, why, "not read");
                        }
                        reading.why = Some(why);
                    }
                }
            }
        }
        for event in in_order(rounds) {
            self.take(event, &mut entries);
        }
        for (feed, until) in passed {
            if self.book.is_due(&feed, until) {
                self.take(Event::Passed { feed, until }, &mut entries);
            }
        }
        self.note_ages();
        self.commit(entries)?;
        Ok(more)
    }

    /// A recorder ends for what ends the relay too.
    pub(crate) fn look_after_recorders(&mut self) -> Result<(), RelayError> {
        match self.recorders.try_join_next() {
            None => Ok(()),
            Some(Ok(Err(why))) => Err(why.into()),
            Some(Err(why)) => Err(RelayError::Inconsistent(why.to_string())),
        }
    }

    /// Takes an event into the book and notes it with what it moved.
    fn take(&mut self, event: Event, entries: &mut Vec<Entry>) {
        let metrics = &self.config.metrics;
        match self.book.take(&event) {
            Ok(moved) => {
                match &event {
                    Event::Round { .. } => drop(metrics.rounds.inc()),
                    Event::Retract { feed, to } => {
                        metrics.reorganisations.inc();
                        let to = to.map(|to| to.to_string());
                        tracing::warn!(
                            feed,
                            to,
                            "the chain was reorganised: rounds after this one are taken back"
                        );
                    }
                    Event::Panels(_) | Event::Passed { .. } => {}
                }
                metrics.moves.inc_by(moved.len() as u64);
                for Moved { gauge, from, to, .. } in &moved {
                    tracing::info!(gauge, from, to, "a gauge moved");
                }
                entries.push(Entry::Event(event));
                entries.extend(moved.into_iter().map(Entry::Moved));
            }
            Err(why) => {
                tracing::error!(%why, "not taken in");
                if let Event::Round { feed, .. } | Event::Retract { feed, .. } = event {
                    self.readings.entry(feed).or_default().why = Some(why.to_string());
                }
            }
        }
    }

    /// Signs a snapshot where one is due, and writes everything down.
    fn commit(&mut self, mut entries: Vec<Entry>) -> Result<(), RelayError> {
        while let Ok(there) = self.ahead.try_recv() {
            if there >= self.sequence {
                tracing::warn!(there, "a sink has a higher sequence: going on above it");
                self.sequence = there;
                self.last = None;
            }
        }
        let now = now_ms();
        let bands = self.book.bands();
        let due = self.last.as_ref().is_none_or(|last| {
            let half = u64::try_from(self.config.lifetime.as_millis() / 2).unwrap_or(u64::MAX);
            last.gauges != bands
                || last.published != *self.book.published()
                || last.issued.saturating_add(half) <= now
        });
        let mut signed = None;
        if due && !bands.is_empty() {
            let sequence = self.sequence + 1;
            let lifetime = u64::try_from(self.config.lifetime.as_millis()).unwrap_or(u64::MAX);
            let snapshot = Snapshot {
                version: snapshot::VERSION,
                chain: self.config.chain,
                sequence,
                issued: now,
                expires: now.saturating_add(lifetime),
                gauges: bands.clone(),
                published: self.book.published().clone(),
            };
            let bytes = snapshot.seal(&self.config.key).map_err(RelayError::Unsealable)?;
            let key = key_id(&self.config.key.verifying_key());
            entries.push(Entry::Sealed(Sealed { sequence, issued: now, key, gauges: bands }));
            self.sequence = sequence;
            self.last = Some(snapshot);
            signed = Some((sequence, bytes));
        }
        if !entries.is_empty() {
            let sealed = signed.as_ref().map(|(sequence, bytes)| (*sequence, &**bytes));
            self.ledger.append(&entries, sealed)?;
        }
        if let Some((sequence, bytes)) = signed {
            self.config.metrics.sequence.set(i64::try_from(sequence).unwrap_or(i64::MAX));
            self.publish(sequence, bytes);
        }
        Ok(())
    }

    fn publish(&self, sequence: u64, bytes: Vec<u8>) {
        let shown = |(panel, state): (&Panel, Option<iridule_records::gauge::State>)| {
            let state = state?;
            let epoch = state.epoch().0.to_string();
            Some(Shown { collection: panel.slug.clone(), state: state.token(), epoch })
        };
        let states = self.book.panels().filter_map(shown).collect();
        self.newest.send_replace(Some(Arc::new(Signed { sequence, bytes, states, at: Instant::now() })));
    }

    fn note_ages(&self) {
        for (feed, reading) in &self.readings {
            if let (Some(time), Some(round)) = (reading.time, self.book.newest(feed)) {
                let age = time.saturating_sub(round.updated);
                self.config.metrics.age(feed).set(i64::try_from(age).unwrap_or(i64::MAX));
            }
        }
    }

    /// Lets the sinks take the last snapshot.
    pub(crate) async fn leave(mut self) {
        self.watcher.abort();
        self.recorders.shutdown().await;
        drop((self.newest, self.newest_token));
        let tasks: Vec<_> = self.sinks.into_iter().map(|sink| sink.task).chain(self.givers).collect();
        let unfinished: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        if tokio::time::timeout(LEAVE, futures_util::future::join_all(tasks)).await.is_err() {
            tracing::warn!("some sinks have not taken the last snapshot; the next start gives it to them");
            unfinished.iter().for_each(tokio::task::AbortHandle::abort);
        }
    }
}

/// Events of several feeds in the order in which they happened: what is taken back first, then rounds by their time, and
/// each feed's own rounds always in its own order.
fn in_order(news: BTreeMap<String, News>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut waiting: BTreeMap<String, (VecDeque<Round>, Option<Block>)> = BTreeMap::new();
    for (feed, news) in news {
        if let Some(to) = news.retract {
            events.push(Event::Retract { feed: feed.clone(), to });
        }
        waiting.insert(feed, (news.rounds.into(), news.block));
    }
    loop {
        let next = waiting
            .iter()
            .filter_map(|(feed, (rounds, _))| Some((rounds.front()?.updated, feed.clone())))
            .min();
        let Some((_, feed)) = next else { return events };
        if let Some((rounds, block)) = waiting.get_mut(&feed)
            && let Some(round) = rounds.pop_front()
        {
            events.push(Event::Round { feed, round, block: block.clone() });
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
