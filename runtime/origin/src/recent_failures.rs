//! Pictures on which the painter failed a moment ago: they are not tried again at once, however many ask.

use std::{
    num::NonZeroUsize,
    sync::Mutex,
    time::{Duration, Instant},
};

use iridule_core::key::RenderKey;
use lru::LruCache;

use crate::lock::lock;

/// Pictures remembered.
const MAX_PICTURES: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not zero");
/// For how long.
const RETRY_DELAY: Duration = Duration::from_secs(30);

/// The pictures, with when the painter failed and why.
#[derive(Debug)]
pub(crate) struct RecentFailures(Mutex<LruCache<RenderKey, (Instant, String)>>);

impl Default for RecentFailures {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MAX_PICTURES)))
    }
}

impl RecentFailures {
    pub(crate) fn note(&self, key: &RenderKey, why: &str) {
        lock(&self.0).put(*key, (Instant::now(), why.to_owned()));
    }

    /// Why the painter failed on this picture a moment ago, if it did.
    pub(crate) fn why(&self, key: &RenderKey) -> Option<String> {
        let mut failed = lock(&self.0);
        let (when, why) = failed.get(key)?;
        (when.elapsed() < RETRY_DELAY).then(|| why.clone())
    }
}
