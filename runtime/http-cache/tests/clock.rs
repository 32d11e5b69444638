//! The cache when the wall clock is set: within a process, and from one process to the next.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod support;

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use iridule_http_cache::{
    Body, Cache, CanonicalRequest, Keying, Limits, Origin, Policy, Purge, TimeSource, Unanswered,
};
use support::canonical;

const YEAR: u64 = 365 * 24 * 3600;
/// What the time really is when a test begins, seconds.
const NOW: u64 = 1_700_000_000;

/// Clocks that a test sets: how far the wall clock is from the truth, and how much time has passed.
#[derive(Default)]
struct Clocks(Mutex<(i64, u64)>);

impl Clocks {
    fn step(&self, seconds: i64) {
        self.0.lock().unwrap().0 = seconds;
    }

    fn pass(&self, seconds: u64) {
        self.0.lock().unwrap().1 += seconds;
    }

    fn true_date(&self) -> String {
        httpdate(UNIX_EPOCH + Duration::from_secs(NOW + self.0.lock().unwrap().1))
    }
}

fn httpdate(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

impl TimeSource for Clocks {
    fn wall(&self) -> SystemTime {
        let (off, passed) = *self.0.lock().unwrap();
        UNIX_EPOCH + Duration::from_secs((NOW + passed).checked_add_signed(off).unwrap())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.lock().unwrap().1)
    }
}

/// An origin that numbers its answers and dates them rightly, or not at all.
struct Numbered {
    asked: AtomicU32,
    clocks: Arc<Clocks>,
    dated: bool,
    control: &'static str,
}

impl Origin for Numbered {
    async fn ask(&self, request: CanonicalRequest<Body>) -> Result<Response<Body>, Unanswered> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut answer =
            Response::builder().header("cache-control", self.control).header("cache-tag", request.path());
        if self.dated {
            answer = answer.header("date", self.clocks.true_date());
        }
        Ok(answer.body(Body::whole(Bytes::from(number.to_string()))).unwrap())
    }
}

struct Edge {
    cache: Arc<Cache>,
    origin: Arc<Numbered>,
}

impl Edge {
    async fn open(clocks: &Arc<Clocks>, folder: Option<&Path>, control: &'static str, dated: bool) -> Self {
        let disk = folder.map(|folder| (folder.to_owned(), 64 << 20));
        let policy = Policy { memory: 1 << 20, disk, largest: 1 << 20 };
        let cache =
            Cache::open_at(&policy, Keying::default(), Limits::default(), Arc::new(()), clocks.clone())
                .await
                .unwrap();
        let origin = Arc::new(Numbered { asked: AtomicU32::new(0), clocks: clocks.clone(), dated, control });
        Self { cache, origin }
    }

    async fn get(&self, path: &str) -> (HeaderMap, Bytes) {
        let request = Request::get(format!("http://h{path}")).body(Body::empty()).unwrap();
        let request = canonical(request, &Keying::default());
        let (head, body) = self.cache.answer(&self.origin, request).await.unwrap().into_parts();
        (head.headers, body.collect().await.unwrap().to_bytes())
    }

    async fn body(&self, path: &str) -> Bytes {
        self.get(path).await.1
    }

    async fn is_hit(&self, path: &str) -> bool {
        self.get(path).await.0["cache-status"].to_str().unwrap().contains("hit;ttl")
    }
}

const STEPS: [i64; 4] = [-(YEAR as i64), -1, 1, YEAR as i64];

#[tokio::test]
async fn a_step_of_the_wall_clock_changes_neither_freshness_nor_age() {
    for dated in [true, false] {
        for step in STEPS {
            let clocks = Arc::new(Clocks::default());
            let edge = Edge::open(&clocks, None, "max-age=60", dated).await;
            edge.get("/a").await;
            clocks.pass(10);
            clocks.step(step);
            let (fields, body) = edge.get("/a").await;
            assert_eq!(
                (&*body, &fields["age"]),
                (&b"1"[..], &http::HeaderValue::from_static("10")),
                "{step}"
            );
            clocks.pass(50);
            assert_eq!(edge.body("/a").await, "2", "{step}: it is over when its time is");
        }
    }
}

#[tokio::test]
async fn what_was_stored_while_the_clock_was_wrong_ends_when_it_should() {
    for step in STEPS {
        let clocks = Arc::new(Clocks::default());
        clocks.step(step);
        let edge = Edge::open(&clocks, None, "max-age=60", false).await;
        edge.get("/a").await;
        clocks.step(0);
        clocks.pass(59);
        assert!(edge.is_hit("/a").await, "{step}");
        clocks.pass(1);
        assert_eq!(edge.body("/a").await, "2", "{step}");
    }
}

#[tokio::test]
async fn purges_reach_what_was_stored_before_and_nothing_later_whatever_the_clock_does() {
    for step in STEPS {
        let clocks = Arc::new(Clocks::default());
        let edge = Edge::open(&clocks, None, "max-age=600", false).await;
        edge.get("/a").await;
        edge.get("/b").await;
        clocks.step(step);
        clocks.pass(1);
        edge.cache.purge(Purge::Tag("/a".into()), false).unwrap();
        clocks.pass(1);
        assert_eq!((edge.body("/a").await, edge.body("/b").await), ("3".into(), "2".into()), "{step}");
        assert!(edge.is_hit("/a").await, "{step}: it was stored after the purge");
        clocks.step(0);
        assert!(edge.is_hit("/a").await, "{step}");
        edge.cache.purge(Purge::Everything, false).unwrap();
        clocks.pass(1);
        assert_eq!((edge.body("/a").await, edge.body("/b").await), ("4".into(), "5".into()), "{step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unshared_urls_are_fetched_together_again_after_a_while_whatever_the_clock_does() {
    for step in STEPS {
        let clocks = Arc::new(Clocks::default());
        let limits = Limits { unshared: Duration::from_secs(10), ..Limits::default() };
        let cache =
            Cache::open_at(&Policy::default(), Keying::default(), limits, Arc::new(()), clocks.clone())
                .await
                .unwrap();
        let origin = Arc::new(Sometimes(AtomicU32::new(0)));
        let ask = async || {
            let request =
                canonical(Request::get("http://h/a").body(Body::empty()).unwrap(), &Keying::default());
            cache.answer(&origin, request).await.unwrap().into_body().collect().await.unwrap();
        };
        ask().await;
        clocks.step(step);
        clocks.pass(11);
        // The first fetch ends a little after its answer.
        tokio::time::sleep(Duration::from_millis(50)).await;
        tokio::join!(ask(), ask(), ask());
        assert_eq!(origin.0.load(Ordering::SeqCst), 2, "{step}: one fetch for all three");
    }
}

/// Private at first, shared afterwards.
struct Sometimes(AtomicU32);

impl Origin for Sometimes {
    async fn ask(&self, _: CanonicalRequest<Body>) -> Result<Response<Body>, Unanswered> {
        let first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let control = if first { "private" } else { "max-age=60" };
        Ok(Response::builder().header("cache-control", control).body(Body::whole("x".into())).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_downtime_counts_and_an_earlier_purge_holds() {
    let (folder, clocks) = (tempfile::tempdir().unwrap(), Arc::new(Clocks::default()));
    let open = || Edge::open(&clocks, Some(folder.path()), "max-age=600", true);
    // The clock is a year ahead, and set right within the first process: the second goes on as if nothing were.
    clocks.step(YEAR as i64);
    let edge = open().await;
    clocks.step(0);
    clocks.pass(1);
    edge.get("/a").await;
    edge.get("/b").await;
    clocks.pass(1);
    edge.cache.purge(Purge::Tag("/a".into()), false).unwrap();
    edge.cache.close().await;
    drop(edge);
    clocks.pass(300);
    let edge = open().await;
    assert_eq!(edge.body("/a").await, "1", "it was purged");
    let (fields, _) = edge.get("/b").await;
    assert_eq!(fields["age"], "301");
    clocks.pass(299);
    assert!(!edge.is_hit("/b").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_clock_went_back_between_processes_what_is_stored_is_stale_and_purges_reach_it() {
    let (folder, clocks) = (tempfile::tempdir().unwrap(), Arc::new(Clocks::default()));
    let open = || Edge::open(&clocks, Some(folder.path()), "max-age=600", true);
    clocks.step(YEAR as i64);
    let edge = open().await;
    clocks.pass(1);
    edge.get("/a").await;
    edge.get("/b").await;
    edge.cache.close().await;
    drop(edge);
    clocks.step(0);
    clocks.pass(1);
    let edge = open().await;
    assert!(!edge.is_hit("/a").await, "nobody knows how old it is");
    clocks.pass(1);
    assert!(edge.is_hit("/a").await, "what is stored now is fresh");
    edge.cache.purge(Purge::Everything, false).unwrap();
    clocks.pass(1);
    assert!(!edge.is_hit("/a").await && !edge.is_hit("/b").await);
    edge.cache.close().await;
    drop(edge);
    // Once is enough: the next restart knows again how much time has passed.
    let edge = open().await;
    assert!(edge.is_hit("/a").await && edge.is_hit("/b").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_clock_went_forward_between_processes_nothing_is_younger_than_it_is() {
    let (folder, clocks) = (tempfile::tempdir().unwrap(), Arc::new(Clocks::default()));
    let open = || Edge::open(&clocks, Some(folder.path()), "max-age=600", true);
    clocks.step(-(YEAR as i64));
    let edge = open().await;
    clocks.pass(1);
    edge.get("/a").await;
    edge.cache.close().await;
    drop(edge);
    clocks.step(0);
    let edge = open().await;
    assert!(!edge.is_hit("/a").await);
    clocks.pass(1);
    assert!(edge.is_hit("/a").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_clock_s_file_nothing_stored_is_used() {
    let (folder, clocks) = (tempfile::tempdir().unwrap(), Arc::new(Clocks::default()));
    let open = || Edge::open(&clocks, Some(folder.path()), "max-age=600", true);
    let edge = open().await;
    clocks.pass(1);
    edge.get("/a").await;
    edge.cache.close().await;
    drop(edge);
    std::fs::remove_file(folder.path().join("clock")).unwrap();
    clocks.pass(1);
    assert!(!open().await.is_hit("/a").await);
}
