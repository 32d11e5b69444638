//! What the cache remembers of URLs that it does not store takes no more memory for long URLs than for short ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
#![cfg(target_os = "linux")]

mod support;

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use iridule_http_cache::{Body, Cache, CanonicalRequest, Keying, Limits, Origin, Policy, Unanswered};
use support::canonical;

/// Forbids to store anything; does not answer at all under `/never`.
struct Unshared;

impl Origin for Unshared {
    async fn ask(&self, request: CanonicalRequest<Body>) -> Result<Response<Body>, Unanswered> {
        if request.path().starts_with("/never") {
            std::future::pending::<()>().await;
        }
        Ok(Response::builder().header("cache-control", "private").body(Body::whole("x".into())).unwrap())
    }
}

fn long(path: &str, number: usize) -> CanonicalRequest<Body> {
    let url = format!("http://h/{path}?{number}{}", "x".repeat(24_000));
    canonical(Request::get(url).body(Body::empty()).unwrap(), &Keying::default())
}

/// The memory of this process, bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

// One test, since it measures the whole process.
#[tokio::test]
async fn long_urls_that_are_not_stored_take_bounded_memory() {
    let limits = Limits { waiting_bytes: 8 << 20, ..Limits::default() };
    let cache = Cache::open(&Policy::default(), Keying::default(), limits, Arc::new(())).await.unwrap();
    let origin = Arc::new(Unshared);
    let ask = async |number| {
        let answer = cache.answer(&origin, long("private", number)).await.unwrap();
        answer.into_body().collect().await.unwrap();
    };
    ask(0).await;
    let before = resident();
    for number in 0..1500 {
        ask(number).await;
    }
    let remembered = resident().saturating_sub(before);
    assert!(remembered < 16 << 20, "{remembered} bytes for 1,500 URLs of 24 kB each: 36 MB of keys");

    // Clients that leave at once: their requests go on to an origin that answers none of them.
    let before = resident();
    let mut refused = 0;
    for number in 0..1500 {
        let asking = cache.answer(&origin, long("never", number));
        match tokio::time::timeout(Duration::from_micros(1), asking).await {
            Ok(Err(Unanswered::Busy)) => refused += 1,
            Ok(_) => unreachable!("the origin does not answer"),
            Err(_) => {}
        }
    }
    let waiting = resident().saturating_sub(before);
    assert!(refused > 1000, "{refused} refused");
    assert!(waiting < 24 << 20, "{waiting} bytes for requests that wait");
}
