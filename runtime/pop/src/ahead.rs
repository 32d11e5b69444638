//! What is made before it is asked for: when an epoch changes, the pictures of origins that visitors look at, in the state
//! that is now and in those that are likely to follow.
//!
//! Core's [`forecast`] ranks them: visitors, times probability, over cost. Popularity is counted in a bounded sketch and
//! halved at each change, so that what was looked at long ago fades; which state follows which is learnt from the snapshots
//! that are published here, and kept in the records. The pictures are asked for past the cache, so that no visitor waits
//! behind them, as a prefetch (`Sec-Purpose`): the functions order them with less priority than any visitor's. While
//! visitors wait for something, nothing is asked for ahead.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Method, Response, Uri, header};
use http_body_util::BodyExt as _;
use iridule_edge::route::{self, Route};
use iridule_http_cache::{Body, CanonicalRequest, Origin};
use iridule_records::{
    forecast::{self, Moves, Popular},
    gauge::State,
    record_keys,
    signed::TrustedKeys,
    snapshot::{self, Snapshot},
};
use iridule_scene::variant::Variant;
use iridule_style::{manifest::Manifest, plan};
use lru::LruCache;
use tokio::{sync::Notify, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{error::StoreError, metrics::Metrics, site::FUNCTIONS, store::Records};

/// Pictures whose visitors are counted.
const COUNTED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// Longest address of one that is counted, bytes. Ours are shorter; what is longer has parameters that mean nothing.
const ADDRESS: usize = 512;
/// Pictures that are made ahead after one change.
const MOST: usize = 512;
/// How many are asked for at once.
const AT_ONCE: usize = 2;
/// How long to leave visitors alone before looking again.
const PAUSE: Duration = Duration::from_millis(50);
/// Says that an answer is for later (the Fetch standard).
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A picture as a visitor names it: by its canonical URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Looked(Uri);

impl Looked {
    pub(crate) fn path(&self) -> &str {
        self.0.path()
    }

    fn length(&self) -> usize {
        let path = self.0.path_and_query().map_or(0, |path| path.as_str().len());
        path + self.0.authority().map_or(0, |authority| authority.as_str().len())
    }

    /// What this request looks at.
    pub(crate) fn at<B>(request: &CanonicalRequest<B>) -> Option<Self> {
        (request.method() == Method::GET).then(|| request.url().parse().ok().map(Self)).flatten()
    }

    /// The same picture under another path and query.
    fn under(&self, path: Uri) -> Option<Self> {
        let mut parts = self.0.clone().into_parts();
        parts.path_and_query = path.into_parts().path_and_query;
        Uri::from_parts(parts).ok().map(Self)
    }
}

/// What is published here, and whom to believe.
pub(crate) struct Published {
    pub(crate) records: Records,
    pub(crate) relays: TrustedKeys,
    pub(crate) publishers: TrustedKeys,
}

impl Published {
    fn snapshot(&self, bytes: &[u8]) -> Option<Snapshot> {
        Snapshot::open(bytes, &self.relays, u64::MAX).ok()
    }
}

/// A collection that pictures are of.
struct Subject {
    manifest: Manifest,
    /// The states that may follow on the one that is now, with their probabilities.
    next: Vec<(State, f64)>,
}

impl Subject {
    /// What a picture is reckoned to cost.
    fn cost(&self, looked: &Looked) -> Option<u64> {
        let Ok(Route::Picture { extension, asked, .. }) = Route::parse(&looked.0) else { return None };
        let canvas = self.manifest.canvas.canvas();
        let variant = Variant::resolve(&asked, extension.negotiate([]), &canvas).ok()?;
        Some(plan::cost(&self.manifest, &variant))
    }
}

/// What visitors looked at, what is likely to come, and whether there is something to do.
pub(crate) struct Ahead {
    counts: Mutex<LruCache<Looked, u32>>,
    moves: Mutex<Moves>,
    published: Published,
    change: Notify,
    metrics: Arc<Metrics>,
}

impl Ahead {
    pub(crate) fn new(metrics: Arc<Metrics>, published: Published) -> Self {
        let counts = Mutex::new(LruCache::new(COUNTED));
        let kept = published.records.get(record_keys::MOVES).map_err(|why| why.to_string());
        let moves =
            kept.and_then(|kept| kept.map_or_else(|| Ok(Moves::default()), |kept| Moves::decode(&kept)));
        let moves = moves.unwrap_or_else(|why| {
            tracing::warn!(why, "which states followed which is forgotten");
            Moves::default()
        });
        Self { counts, moves: Mutex::new(moves), published, change: Notify::new(), metrics }
    }

    /// Whether this answer is a live picture of an origin, or stands in for one.
    pub(crate) fn counts(path: &str, answer: &Response<Body>) -> bool {
        let weak = answer.headers().get(header::ETAG).is_some_and(|etag| etag.as_bytes().starts_with(b"W/"));
        let status = || answer.headers().get(CACHE_STATUS).and_then(|status| status.to_str().ok());
        (weak || status().is_some_and(|status| status.contains("detail=interim"))) && !path.contains('@')
    }

    /// A visitor looked at it.
    pub(crate) fn saw(&self, looked: Looked) {
        if looked.length() > ADDRESS {
            return;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get_or_insert_mut(looked, || 0);
        *count = count.saturating_add(1);
    }

    /// One snapshot replaced another, or was the first.
    pub(crate) fn snapshot(&self, before: Option<&[u8]>, after: &[u8]) {
        if let Err(why) = self.learn(before, after) {
            tracing::warn!(%why, "what a snapshot moved is not learnt");
        }
        self.change.notify_one();
    }

    fn learn(&self, before: Option<&[u8]>, after: &[u8]) -> Result<(), StoreError> {
        let open = |bytes| self.published.snapshot(bytes);
        let (Some(before), Some(after)) = (before.and_then(open), open(after)) else { return Ok(()) };
        let mut moved = BTreeMap::new();
        for (_, manifest) in self.published.records.collections(&self.published.publishers)? {
            let states = before.state(&manifest.gauges).zip(after.state(&manifest.gauges));
            moved.extend(states.map(|states| (snapshot::panel(&manifest.gauges), states)));
        }
        let mut moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        for (panel, (from, to)) in moved.into_iter().filter(|(_, (from, to))| from != to) {
            moves.saw(&panel, &from, &to);
        }
        Ok(())
    }

    /// Keeps what was learnt.
    async fn remember(&self) {
        let moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner).encode();
        if let Err(why) = self.published.records.set(record_keys::MOVES.to_owned(), moves).await {
            tracing::warn!(%why, "which states followed which is not kept");
        }
    }

    /// What visitors looked at, with how many did. What was counted fades.
    fn popular(&self) -> Vec<(u32, Looked)> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let all = counts.iter().map(|(looked, count)| (*count, looked.clone()));
        let all = all.filter(|(count, _)| *count > 0).collect();
        for (_, count) in counts.iter_mut() {
            *count /= 2;
        }
        all
    }

    /// The collections there are, by slug.
    fn subjects(&self) -> Result<BTreeMap<String, Subject>, StoreError> {
        let Published { records, publishers, .. } = &self.published;
        let snapshot = records.snapshot()?.and_then(|bytes| self.published.snapshot(&bytes));
        let moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        let subject = |manifest: Manifest| {
            let (gauges, snapshot) = (&manifest.gauges, snapshot.as_ref());
            let now = snapshot.and_then(|snapshot| snapshot.state(gauges));
            let mut next = now.map_or_else(Vec::new, |now| moves.likely(&snapshot::panel(gauges), &now));
            next.retain(|(state, _)| snapshot.is_some_and(|snapshot| snapshot.was_published(gauges, state)));
            Subject { manifest, next }
        };
        let all = records.collections(publishers)?.into_iter();
        Ok(all.map(|(collection, manifest)| (collection.slug, subject(manifest))).collect())
    }

    /// What to make, the most worthwhile first.
    fn worthwhile(&self) -> Vec<Looked> {
        let subjects = self.subjects().unwrap_or_else(|why| {
            tracing::warn!(%why, "which collections there are is not known; nothing is made ahead");
            BTreeMap::new()
        });
        let (looked, pictures): (Vec<Looked>, Vec<Popular<'_>>) = self
            .popular()
            .into_iter()
            .filter_map(|(visits, looked)| {
                let subject = subjects.get(looked.path().split('/').nth(2)?)?;
                let cost = subject.cost(&looked)?;
                Some((looked, Popular { visits, cost, next: &subject.next }))
            })
            .unzip();
        let wishes = forecast::rank(&pictures, MOST).into_iter();
        wishes
            .filter_map(|wish| {
                let looked = looked.get(wish.picture)?;
                match &wish.state {
                    Some(state) => looked.under(route::in_state(&looked.0, state)?),
                    None => Some(looked.clone()),
                }
            })
            .collect()
    }

    /// Waits for changes and makes ahead, until the host leaves.
    pub(crate) async fn run<O: Origin>(self: Arc<Self>, functions: Arc<O>, leaving: CancellationToken) {
        let work = async {
            loop {
                self.change.notified().await;
                self.remember().await;
                let mut asking = JoinSet::new();
                for looked in self.worthwhile() {
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
        let Ok(request) = CanonicalRequest::get(&looked.0.to_string(), &FUNCTIONS) else { return };
        let request = request.with_field(SEC_PURPOSE, HeaderValue::from_static("prefetch"));
        self.metrics.ahead.inc();
        match functions.ask(request.map(|()| Body::empty())).await {
            // The functions go on when the answer has been taken.
            Ok(answer) => drop(answer.into_body().collect().await),
            Err(why) => tracing::debug!(?why, "not made ahead"),
        }
    }
}
