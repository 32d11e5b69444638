//! What is made before it is asked for: when an epoch changes, the pictures of origins that visitors looked at most, in the
//! state that is now.
//!
//! Popularity is counted in a bounded sketch and halved at each change, so that what was looked at long ago fades. The
//! pictures are asked for past the cache, so that no visitor waits behind them, as a prefetch (`Sec-Purpose`): the functions
//! order them with less priority than any visitor's. While visitors wait for something, nothing is asked for ahead.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::BodyExt as _;
use iridule_cache::{Body, Origin};
use lru::LruCache;
use tokio::{sync::Notify, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Pictures whose visitors are counted.
const COUNTED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// Pictures that are made ahead after one change.
const MOST: usize = 512;
/// How many are asked for at once.
const AT_ONCE: usize = 2;
/// How long to leave visitors alone before looking again.
const PAUSE: Duration = Duration::from_millis(50);
/// Says that an answer is for later (the Fetch standard).
pub(crate) const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A picture as a visitor names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Looked {
    host: Option<HeaderValue>,
    uri: Uri,
}

impl Looked {
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// What this request looks at.
    pub(crate) fn at<B>(request: &Request<B>) -> Option<Self> {
        let host = request.headers().get(header::HOST).cloned();
        (request.method() == Method::GET).then(|| Self { host, uri: request.uri().clone() })
    }
}

/// What visitors looked at, and whether there is something to do.
pub(crate) struct Ahead {
    counts: Mutex<LruCache<Looked, u32>>,
    change: Notify,
    metrics: Arc<Metrics>,
}

impl Ahead {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        let counts = Mutex::new(LruCache::new(COUNTED));
        Self { counts, change: Notify::new(), metrics }
    }

    /// Whether this answer is a live picture of an origin, or stands in for one.
    pub(crate) fn counts(uri: &Uri, answer: &Response<Body>) -> bool {
        let weak = answer.headers().get(header::ETAG).is_some_and(|etag| etag.as_bytes().starts_with(b"W/"));
        let status = || answer.headers().get(CACHE_STATUS).and_then(|status| status.to_str().ok());
        (weak || status().is_some_and(|status| status.contains("detail=interim")))
            && !uri.path().contains('@')
    }

    /// A visitor looked at it.
    pub(crate) fn saw(&self, looked: Looked) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get_or_insert_mut(looked, || 0);
        *count = count.saturating_add(1);
    }

    /// The epoch has changed.
    pub(crate) fn begin(&self) {
        self.change.notify_one();
    }

    /// The most popular first. What was counted fades.
    fn popular(&self) -> Vec<Looked> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<(u32, Looked)> =
            counts.iter().map(|(looked, count)| (*count, looked.clone())).collect();
        for (_, count) in counts.iter_mut() {
            *count /= 2;
        }
        all.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        all.into_iter().filter(|(count, _)| *count > 0).take(MOST).map(|(_, looked)| looked).collect()
    }

    /// Waits for changes and makes ahead, until the host leaves.
    pub(crate) async fn run<O: Origin>(self: Arc<Self>, functions: Arc<O>, leaving: CancellationToken) {
        let work = async {
            loop {
                self.change.notified().await;
                let mut asking = JoinSet::new();
                for looked in self.popular() {
                    while asking.len() >= AT_ONCE {
                        let _ = asking.join_next().await;
                    }
                    self.visitors_wait_for_nothing().await;
                    let (ahead, functions) = (self.clone(), functions.clone());
                    asking.spawn(async move { ahead.ask(&*functions, looked).await });
                }
                while asking.join_next().await.is_some() {}
            }
        };
        leaving.run_until_cancelled(work).await;
    }

    async fn visitors_wait_for_nothing(&self) {
        while self.metrics.in_flight.get() > 0 {
            sleep(PAUSE).await;
        }
    }

    async fn ask<O: Origin>(&self, functions: &O, looked: Looked) {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = looked.uri;
        let headers = request.headers_mut();
        headers.insert(SEC_PURPOSE, HeaderValue::from_static("prefetch"));
        headers.extend(looked.host.map(|host| (header::HOST, host)));
        self.metrics.ahead.inc();
        match functions.ask(request).await {
            // The functions go on when the answer has been taken.
            Ok(answer) => drop(answer.into_body().collect().await),
            Err(why) => tracing::debug!(?why, "not made ahead"),
        }
    }
}
