//! Which URLs had an answer lately that may not be shared, so that requests for them do not wait for one another in vain.
//!
//! A URL is remembered as a keyed hash: an entry takes the same few bytes however long the URL is, and nobody outside can
//! find two URLs with one hash. Should two have one all the same, one of them is fetched without waiting for a while.

use std::{
    hash::{BuildHasher as _, RandomState},
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;

use crate::clock::Tick;

/// The URLs whose next answer is expected to be for one client alone.
pub(crate) struct Predictor {
    hasher: RandomState,
    last: Duration,
    noted: Mutex<LruCache<u64, Tick>>,
}

impl Predictor {
    /// Remembers this many URLs for this long each.
    pub(crate) fn new(urls: NonZeroUsize, last: Duration) -> Self {
        Self { hasher: RandomState::new(), last, noted: Mutex::new(LruCache::new(urls)) }
    }

    /// Notes that the answer under a key may not be shared.
    pub(crate) fn note(&self, key: &str, now: Tick) {
        self.noted().put(self.hasher.hash_one(key), now);
    }

    /// Notes that the answer under a key may be shared.
    pub(crate) fn forget(&self, key: &str) {
        self.noted().pop(&self.hasher.hash_one(key));
    }

    /// Whether the next answer under a key is expected to be for one client alone.
    pub(crate) fn expects_unshared(&self, key: &str, now: Tick) -> bool {
        let since = self.noted().get(&self.hasher.hash_one(key)).copied();
        since.is_some_and(|since| now.seconds_since(since) < self.last.as_secs())
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, LruCache<u64, Tick>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_remembered_for_a_while_among_so_many() {
        let predictor = Predictor::new(NonZeroUsize::new(2).unwrap(), Duration::from_secs(10));
        let expects = |key: &str, now: u64| predictor.expects_unshared(key, Tick(now * 1000));
        predictor.note("a", Tick(0));
        assert!(expects("a", 9) && !expects("a", 10) && !expects("b", 0));
        predictor.forget("a");
        assert!(!expects("a", 0));
        ["a", "b", "c"].iter().for_each(|key| predictor.note(key, Tick(0)));
        assert!(!expects("a", 0) && expects("b", 0) && expects("c", 0));
    }
}
