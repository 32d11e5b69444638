//! Remembers pictures on which the painter failed recently, so that they are not tried again at once.

use std::{
    num::NonZeroUsize,
    sync::Mutex,
    time::{Duration, Instant},
};

use iridule_records::render_key::RenderKey;
use lru::LruCache;

use crate::lock::lock;

/// Maximum number of pictures that are remembered.
const MAX_PICTURES: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not zero");
/// How long a picture is not tried again.
const RETRY_DELAY: Duration = Duration::from_secs(30);

/// Pictures, each with the time and the cause of the failure.
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

    /// Returns why the painter failed on this picture recently, if it did.
    pub(crate) fn why(&self, key: &RenderKey) -> Option<String> {
        let mut failed = lock(&self.0);
        let (when, why) = failed.get(key)?;
        (when.elapsed() < RETRY_DELAY).then(|| why.clone())
    }
}
