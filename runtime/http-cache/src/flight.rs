//! One request for many that ask alike: who flies, who waits, and one stream that all of them read.
//!
//! The first to miss a key leads a flight; who comes while it is under way follows it. A leader's work runs in a task of its
//! own, so a client that goes away ruins it for nobody. What it brings is told through a [`Landing`]; a body that is still
//! coming is a [`Shared`] stream, which keeps all its bytes for late followers as long as they may be stored at all, and
//! beyond that only what its slowest reader has yet to read.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use tokio::sync::watch;

use crate::{body::BodyError, canonical::Waiting, entry::Response};

/// What followers learn of a flight.
#[derive(Clone)]
pub(crate) enum Landing {
    /// Nothing yet.
    Under,
    /// A response that may be stored; its body is still coming.
    Coming(Arc<Coming>),
    /// A response that is stored.
    Stored(Arc<Landed>),
    /// It failed, and the stored one that was asked about may be used.
    Stale(Arc<Response>),
    /// It brought what only its leader may have.
    Alone,
    /// It failed.
    Failed,
}

/// A stored response, and for whom it is.
pub(crate) struct Landed {
    pub(crate) response: Arc<Response>,
    pub(crate) selection: Selection,
    /// It was there before, and the origin confirmed it.
    pub(crate) confirmed: bool,
}

/// A response whose body is still coming.
pub(crate) struct Coming {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) selection: Selection,
    pub(crate) body: Arc<Shared>,
}

/// By which fields a response was selected, and what they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) names: Vec<HeaderName>,
    pub(crate) values: String,
}

impl Selection {
    /// The same request's selection by some of these fields; `None` where there are others among them.
    pub(crate) fn restricted(&self, names: &[HeaderName]) -> Option<Self> {
        if !names.iter().all(|name| self.names.contains(name)) {
            return None;
        }
        // A line for each field, without its end.
        let is_kept = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default();
            names.iter().any(|kept| kept.as_str() == name)
        };
        let values = self.values.split('\n').filter(is_kept).map(|line| format!("\n{line}")).collect();
        Some(Self { names: names.to_vec(), values })
    }
}

/// One flight under way: what it brings, and to whom.
struct Flight {
    landing: watch::Receiver<Landing>,
    waiting: Waiting,
}

/// All flights under way.
#[derive(Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<String, Flight>>>);

/// A place in a flight.
pub(crate) enum Place {
    /// The first: does the work.
    Lead(Lead),
    Follow(watch::Receiver<Landing>),
}

/// The duty to land a flight; dropped before, it fails.
pub(crate) struct Lead {
    key: String,
    landing: watch::Sender<Landing>,
    flights: Arc<Mutex<HashMap<String, Flight>>>,
}

impl Flights {
    /// Joins the flight of a key, or starts it. A flight is for all who wait for it: it need not stand where the client
    /// that started it stands in a queue.
    pub(crate) fn join(&self, key: String, waiting: &Waiting) -> Place {
        let mut flights = lock(&self.0);
        if let Some(flight) = flights.get(&key) {
            flight.waiting.join(waiting);
            return Place::Follow(flight.landing.clone());
        }
        let (landing, follow) = watch::channel(Landing::Under);
        flights.insert(key.clone(), Flight { landing: follow, waiting: waiting.clone() });
        Place::Lead(Lead { key, landing, flights: self.0.clone() })
    }

    /// Joins the flight of a key, where there is one.
    pub(crate) fn follow(&self, key: &str, waiting: &Waiting) -> Option<watch::Receiver<Landing>> {
        let flights = lock(&self.0);
        let flight = flights.get(key)?;
        flight.waiting.join(waiting);
        Some(flight.landing.clone())
    }

    /// Lets nobody join the flights of these keys any more; what they bring is told to who has, and not kept.
    pub(crate) fn forget(&self, is_one: impl Fn(&str) -> bool) {
        lock(&self.0).retain(|key, _| !is_one(key));
    }
}

impl Lead {
    /// Whether one can still join.
    pub(crate) fn is_open(&self) -> bool {
        let flights = lock(&self.flights);
        flights.get(&self.key).is_some_and(|flight| flight.landing.same_channel(&self.landing.subscribe()))
    }

    /// Tells the followers, and those who will come until [`Lead`] is dropped.
    pub(crate) fn tell(&self, landing: Landing) {
        self.landing.send_replace(landing);
    }

    /// Lets nobody join any more.
    pub(crate) fn close(&self) {
        lock(&self.flights).remove(&self.key);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // After `close` another flight may have taken the key.
        if self.is_open() {
            self.close();
        }
        self.landing.send_if_modified(|landing| {
            let lost = matches!(landing, Landing::Under);
            if lost {
                *landing = Landing::Failed;
            }
            lost
        });
    }
}

/// A body that several read while it comes.
pub(crate) struct Shared {
    length: Option<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Chunks from `first` on.
    chunks: VecDeque<Bytes>,
    first: usize,
    /// Bytes in `chunks`.
    held: usize,
    /// Too much came for it to be stored: what every reader has read goes.
    overflown: bool,
    /// `Some(true)`: whole.
    done: Option<bool>,
    readers: HashMap<u64, Position>,
    next: u64,
    writer: Option<Waker>,
}

#[derive(Default)]
struct Position {
    chunk: usize,
    /// For how long it held up others.
    held_up: Duration,
    waker: Option<Waker>,
}

/// Memory for the bodies that are still coming, all together.
pub(crate) struct Memory {
    most: usize,
    used: AtomicUsize,
}

/// What one of them takes of it.
pub(crate) struct Taken<'a> {
    memory: &'a Memory,
    bytes: usize,
}

impl Memory {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, used: AtomicUsize::new(0) }
    }

    pub(crate) fn take(&self) -> Taken<'_> {
        Taken { memory: self, bytes: 0 }
    }
}

impl Taken<'_> {
    /// Takes more, unless it would be over `most` of its own or over what there is for all.
    pub(crate) fn grow(&mut self, bytes: usize, most: usize) -> bool {
        self.bytes += bytes;
        let used = self.memory.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bytes <= most && used <= self.memory.most
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes that an overflown body holds for its slowest reader.
const WINDOW: usize = 256 << 10;

impl Shared {
    pub(crate) fn new(length: Option<u64>) -> Arc<Self> {
        Arc::new(Self { length, state: Mutex::default() })
    }

    /// A reader from the first byte on; `None` when some have gone already.
    pub(crate) fn read(self: &Arc<Self>) -> Option<Reader> {
        let mut state = lock(&self.state);
        if state.overflown {
            return None;
        }
        let id = state.next;
        state.next += 1;
        state.readers.insert(id, Position::default());
        Some(Reader { shared: self.clone(), id })
    }

    /// Takes the next chunk.
    pub(crate) fn push(&self, chunk: Bytes) {
        let mut state = lock(&self.state);
        state.held += chunk.len();
        state.chunks.push_back(chunk);
        state.wake_readers();
    }

    /// From now on nothing is kept for readers to come.
    pub(crate) fn overflow(&self) {
        let mut state = lock(&self.state);
        state.overflown = true;
        state.drop_read();
    }

    /// Ends it, whole or broken off.
    pub(crate) fn end(&self, whole: bool) {
        let mut state = lock(&self.state);
        state.done = Some(whole);
        state.wake_readers();
    }

    /// Ready when the next chunk may come: at once until it has overflown, then when the slowest reader has caught up.
    /// `false` when nobody reads any more.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut state = lock(&self.state);
        if !state.overflown || state.held < WINDOW {
            return Poll::Ready(true);
        }
        if state.readers.is_empty() {
            return Poll::Ready(false);
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The slowest readers, where another has read everything that there is, and waits for more.
    pub(crate) fn holding_up(&self) -> Vec<u64> {
        let state = lock(&self.state);
        let end = state.first + state.chunks.len();
        if !state.readers.values().any(|reader| reader.chunk == end) {
            return Vec::new();
        }
        let slowest = state.readers.iter().filter(|(_, reader)| reader.chunk == state.first);
        slowest.map(|(id, _)| *id).collect()
    }

    /// Notes for how long these readers held up others. From those that have done so for `most` altogether it takes the body,
    /// so that the others can go on.
    pub(crate) fn charge(&self, readers: &[u64], time: Duration, most: Duration) {
        let mut state = lock(&self.state);
        let mut wakers = Vec::new();
        for id in readers {
            let Some(reader) = state.readers.get_mut(id) else { continue };
            reader.held_up += time;
            if reader.held_up >= most {
                wakers.extend(state.readers.remove(id).and_then(|reader| reader.waker));
            }
        }
        state.drop_read();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// All bytes, once it is whole.
    pub(crate) fn collect(&self) -> Bytes {
        let state = lock(&self.state);
        match state.chunks.len() {
            1 => state.chunks[0].clone(),
            _ => state.chunks.iter().flatten().copied().collect(),
        }
    }
}

impl State {
    fn wake_readers(&mut self) {
        self.readers.values_mut().filter_map(|reader| reader.waker.take()).for_each(Waker::wake);
    }

    fn drop_read(&mut self) {
        if !self.overflown {
            return;
        }
        let slowest = self.readers.values().map(|reader| reader.chunk).min();
        let slowest = slowest.unwrap_or(self.first + self.chunks.len());
        while self.first < slowest {
            let Some(chunk) = self.chunks.pop_front() else { break };
            self.held -= chunk.len();
            self.first += 1;
        }
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

/// One of the readers of a shared body.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    id: u64,
}

impl Reader {
    pub(crate) fn length(&self) -> Option<u64> {
        self.shared.length
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut state = lock(&self.shared.state);
        let state = &mut *state;
        let Some(position) = state.readers.get_mut(&self.id) else {
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        };
        if let Some(chunk) = state.chunks.get(position.chunk - state.first) {
            let chunk = chunk.clone();
            position.chunk += 1;
            state.drop_read();
            return Poll::Ready(Some(Ok(chunk)));
        }
        match state.done {
            Some(true) => Poll::Ready(None),
            Some(false) => Poll::Ready(Some(Err(BodyError::Broken))),
            None => {
                position.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.readers.remove(&self.id);
        state.drop_read();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn next(reader: &mut Reader) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| reader.poll(cx)).await
    }

    #[tokio::test]
    async fn late_readers_get_everything_and_all_learn_how_it_ended() {
        for whole in [true, false] {
            let shared = Shared::new(None);
            let mut early = shared.read().unwrap();
            shared.push(Bytes::from_static(b"a"));
            assert_eq!(next(&mut early).await.unwrap().unwrap(), "a");
            let mut late = shared.read().unwrap();
            shared.push(Bytes::from_static(b"b"));
            shared.end(whole);
            assert_eq!(next(&mut late).await.unwrap().unwrap(), "a");
            for reader in [&mut early, &mut late] {
                assert_eq!(next(reader).await.unwrap().unwrap(), "b");
                assert!(matches!((next(reader).await, whole), (None, true) | (Some(Err(_)), false)));
            }
            assert_eq!(shared.collect(), "ab");
        }
    }

    #[tokio::test]
    async fn an_overflown_body_waits_for_its_slowest_reader() {
        let shared = Shared::new(None);
        let (mut fast, mut slow) = (shared.read().unwrap(), shared.read().unwrap());
        shared.overflow();
        assert!(shared.read().is_none());
        let chunk = Bytes::from(vec![7; WINDOW / 2]);
        for _ in 0..2 {
            shared.push(chunk.clone());
            next(&mut fast).await.unwrap().unwrap();
        }
        let room = async || std::future::poll_fn(|cx| Poll::Ready(shared.poll_room(cx))).await;
        assert_eq!(room().await, Poll::Pending);
        next(&mut slow).await.unwrap().unwrap();
        assert_eq!(room().await, Poll::Ready(true));
        shared.push(chunk);
        drop((fast, slow));
        shared.push(Bytes::from(vec![7; WINDOW]));
        assert_eq!(room().await, Poll::Ready(false));
    }

    #[tokio::test]
    async fn the_slowest_readers_are_dropped_and_learn_it() {
        let shared = Shared::new(None);
        let (mut fast, mut slow) = (shared.read().unwrap(), shared.read().unwrap());
        shared.overflow();
        shared.push(Bytes::from(vec![7; WINDOW]));
        assert!(shared.holding_up().is_empty());
        next(&mut fast).await.unwrap().unwrap();
        let (slowest, second) = (shared.holding_up(), Duration::from_secs(1));
        assert_eq!(slowest.len(), 1);
        shared.charge(&slowest, second, 2 * second);
        assert_eq!(shared.holding_up(), slowest, "it may, for a while");
        shared.charge(&slowest, second, 2 * second);
        assert!(matches!(next(&mut slow).await, Some(Err(BodyError::TooSlow))));
        assert_eq!(std::future::poll_fn(|cx| Poll::Ready(shared.poll_room(cx))).await, Poll::Ready(true));
        shared.push(Bytes::from_static(b"b"));
        assert_eq!(next(&mut fast).await.unwrap().unwrap(), "b");
    }

    #[tokio::test]
    async fn a_leader_that_is_lost_fails_its_flight_and_frees_the_key() {
        let flights = Flights::default();
        let Place::Lead(lead) = flights.join("a".into(), &Waiting::new(None)) else {
            panic!("the first leads")
        };
        let Place::Follow(follow) = flights.join("a".into(), &Waiting::new(None)) else {
            panic!("the second follows")
        };
        drop(lead);
        assert!(matches!(*follow.borrow(), Landing::Failed));
        assert!(matches!(flights.join("a".into(), &Waiting::new(None)), Place::Lead(_)));
    }

    #[tokio::test]
    async fn a_closed_flight_leaves_the_next_one_alone() {
        let flights = Flights::default();
        let Place::Lead(first) = flights.join("a".into(), &Waiting::new(None)) else {
            panic!("the first leads")
        };
        first.close();
        let Place::Lead(_second) = flights.join("a".into(), &Waiting::new(None)) else {
            panic!("the next leads anew")
        };
        drop(first);
        assert!(matches!(flights.join("a".into(), &Waiting::new(None)), Place::Follow(_)));
    }
}
