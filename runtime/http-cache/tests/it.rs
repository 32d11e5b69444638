//! The cache with an origin behind it: who is answered with what, how often the origin is asked, and what lasts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod support;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use iridule_http_cache::{Body, Cache, CanonicalRequest, Keying, Limits, Origin, Policy, Purge, Unanswered};
use tokio::sync::{Notify, mpsc};

type Answer = Result<Response<Body>, Unanswered>;

/// An origin that says what a test makes it say, and counts.
struct Script<F> {
    asked: AtomicU32,
    say: F,
}

impl<F, R> Origin for Script<F>
where
    F: Fn(u32, Request<Body>) -> R + Send + Sync + 'static,
    R: Future<Output = Answer> + Send,
{
    async fn ask(&self, request: CanonicalRequest<Body>) -> Answer {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        (self.say)(number, request.into_http().unwrap()).await
    }
}

/// A cache before a script.
struct Edge<F> {
    cache: Arc<Cache>,
    origin: Arc<Script<F>>,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Read {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Read {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl<F, R> Edge<F>
where
    F: Fn(u32, Request<Body>) -> R + Send + Sync + 'static,
    R: Future<Output = Answer> + Send,
{
    async fn new(say: F) -> Self {
        Self::with(Policy::default(), Limits::default(), say).await
    }

    async fn with(policy: Policy, limits: Limits, say: F) -> Self {
        let cache = Cache::open(&policy, KEYING, limits, Arc::new(())).await.unwrap();
        Self { cache, origin: Arc::new(Script { asked: AtomicU32::new(0), say }) }
    }

    fn asked(&self) -> u32 {
        self.origin.asked.load(Ordering::SeqCst)
    }

    async fn send(&self, request: Request<Body>) -> Result<Read, Unanswered> {
        let request = canonical(request);
        let (head, body) = self.cache.answer(&self.origin, request).await?.into_parts();
        let body = body.collect().await.map_err(|_| Unanswered::Unreachable)?.to_bytes();
        Ok(Read { status: head.status, headers: head.headers, body })
    }

    async fn get(&self, path: &str, fields: &[(&str, &str)]) -> Read {
        self.send(get(path, fields)).await.unwrap()
    }
}

const KEYING: Keying = Keying { sort_query: true, ..Keying::ANY };

fn canonical(request: Request<Body>) -> CanonicalRequest<Body> {
    support::canonical(request, &KEYING)
}

fn get(path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(format!("http://h{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

fn say(control: &str, body: &str) -> Response<Body> {
    with(&[("cache-control", control)], body)
}

fn with(fields: &[(&str, &str)], body: &str) -> Response<Body> {
    let mut response = Response::builder();
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(Body::whole(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

fn status(code: u16) -> Response<Body> {
    Response::builder().status(code).body(Body::empty()).unwrap()
}

/// A body that comes when a test lets it.
fn flowing() -> (mpsc::Sender<Result<&'static str, std::io::Error>>, Body) {
    let (sender, mut chunks) = mpsc::channel(1);
    let stream = futures(move |cx| {
        chunks.poll_recv(cx).map(|next| {
            next.map(|chunk: Result<&'static str, _>| {
                chunk.map(|text| Frame::data(Bytes::from_static(text.as_bytes())))
            })
        })
    });
    (sender, Body::stream(StreamBody::new(stream)))
}

/// A stream of a polling function.
fn futures<T, P>(poll: P) -> impl futures_core::Stream<Item = T> + Send
where
    P: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Send + Unpin,
{
    struct Polled<P>(P);
    impl<T, P: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Unpin> futures_core::Stream
        for Polled<P>
    {
        type Item = T;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<T>> {
            (self.0)(cx)
        }
    }
    Polled(poll)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_that_ask_alike_are_one_run() {
    let edge = Arc::new(
        Edge::new(async |_, _| {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(say("max-age=60", "picture"))
        })
        .await,
    );
    let all: Vec<_> = (0..10_000)
        .map(|_| {
            let edge = edge.clone();
            tokio::spawn(async move { edge.get("/1.png", &[]).await })
        })
        .collect();
    let mut collapsed = 0;
    for one in all {
        let read = one.await.unwrap();
        assert_eq!((read.status.as_u16(), &*read.body), (200, &b"picture"[..]));
        collapsed += u32::from(read.header("cache-status").ends_with("collapsed"));
    }
    assert_eq!(edge.asked(), 1);
    assert!(collapsed > 0);
    assert!(edge.get("/1.png", &[]).await.header("cache-status").starts_with("iridule-pop;hit;ttl="));
}

#[tokio::test]
async fn waiters_read_the_answer_as_it_comes_even_when_the_first_leaves() {
    let (chunks, body) = flowing();
    let body = std::sync::Mutex::new(Some(body));
    let edge = Edge::new(move |_, _| {
        let body = body.lock().unwrap().take().unwrap();
        async { Ok(Response::builder().header("cache-control", "max-age=60").body(body).unwrap()) }
    })
    .await;
    let first = edge.cache.answer(&edge.origin, canonical(get("/a", &[]))).await.unwrap();
    let mut second = edge.cache.answer(&edge.origin, canonical(get("/a", &[]))).await.unwrap();
    chunks.send(Ok("one ")).await.unwrap();
    assert_eq!(second.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "one ");
    drop(first);
    let mut third = edge.cache.answer(&edge.origin, canonical(get("/a", &[]))).await.unwrap();
    assert_eq!(third.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "one ");
    chunks.send(Ok("two")).await.unwrap();
    drop(chunks);
    for mut answer in [second, third] {
        assert_eq!(answer.body_mut().collect().await.unwrap().to_bytes(), "two");
    }
    while !edge.get("/a", &[]).await.header("cache-status").contains("hit") {}
    assert_eq!((edge.asked(), &*edge.get("/a", &[]).await.body), (1, &b"one two"[..]));
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_for_all_and_is_not_kept() {
    let edge = Edge::new(async |number, _| {
        if number > 1 {
            return Ok(say("max-age=60", "whole"));
        }
        let (chunks, body) = flowing();
        tokio::spawn(async move {
            let _ = chunks.send(Ok("ha")).await;
            let _ = chunks.send(Err(std::io::ErrorKind::ConnectionReset.into())).await;
        });
        Ok(Response::builder().header("cache-control", "max-age=60").body(body).unwrap())
    })
    .await;
    assert_eq!(edge.send(get("/a", &[])).await.unwrap_err(), Unanswered::Unreachable);
    assert_eq!(edge.get("/a", &[]).await.body, "whole");
}

#[tokio::test]
async fn an_answer_that_stalls_is_given_up_by_all() {
    let limits = Limits { stall: Duration::from_millis(50), ..Limits::default() };
    let edge = Edge::with(Policy::default(), limits, async |number, _| {
        if number > 1 {
            return Ok(say("max-age=60", "whole"));
        }
        let (chunks, body) = flowing();
        tokio::spawn(async move {
            let _ = chunks.send(Ok("ha")).await;
            std::future::pending::<()>().await;
        });
        Ok(Response::builder().header("cache-control", "max-age=60").body(body).unwrap())
    })
    .await;
    let (one, two) = tokio::join!(edge.send(get("/a", &[])), edge.send(get("/a", &[])));
    assert_eq!((one.unwrap_err(), two.unwrap_err()), (Unanswered::Unreachable, Unanswered::Unreachable));
    assert_eq!(edge.get("/a", &[]).await.body, "whole");
}

#[tokio::test]
async fn bodies_over_the_memory_for_all_that_come_flow_through() {
    let policy = Policy { memory: 12, ..Policy::default() };
    let edge = Edge::with(policy, Limits::default(), async |_, _| {
        let (chunks, body) = flowing();
        tokio::spawn(async move {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_millis(2)).await;
                let _ = chunks.send(Ok("12")).await;
            }
        });
        Ok(Response::builder().header("cache-control", "max-age=60").body(body).unwrap())
    })
    .await;
    let (one, two) = tokio::join!(edge.get("/a", &[]), edge.get("/b", &[]));
    assert_eq!((one.body.len(), two.body.len()), (8, 8));
    // Given back: the next one alone has room.
    assert_eq!(edge.get("/c", &[]).await.body.len(), 8);
}

#[tokio::test]
async fn a_slow_or_failing_first_does_not_ruin_the_others() {
    let limits = Limits { patience: Duration::from_millis(50), ..Limits::default() };
    let edge = Edge::with(Policy::default(), limits, async |number, request: Request<Body>| {
        match (request.uri().path(), number) {
            ("/slow", 1) => std::future::pending().await,
            ("/slow", _) => Ok(say("max-age=60", "fast")),
            (_, 3) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(Unanswered::Unreachable)
            }
            _ => Ok(say("max-age=60", "there")),
        }
    })
    .await;
    let first = edge.cache.answer(&edge.origin, canonical(get("/slow", &[])));
    let (_, second) = tokio::join!(tokio::time::timeout(Duration::from_millis(200), first), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        edge.get("/slow", &[]).await
    });
    assert_eq!(second.body, "fast");
    let (first, second) = tokio::join!(edge.send(get("/down", &[])), edge.send(get("/down", &[])));
    assert_eq!(first.unwrap_err(), Unanswered::Unreachable);
    assert_eq!(second.unwrap().body, "there");
}

#[tokio::test]
async fn what_may_not_be_shared_is_remembered_and_does_not_queue() {
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    let edge = Edge::new(move |number, _| {
        let gate = gate.clone();
        async move {
            if number == 2 {
                gate.notified().await;
            }
            Ok(say("private", &number.to_string()))
        }
    })
    .await;
    assert_eq!(edge.get("/a", &[]).await.body, "1");
    // The second is held up; the third does not stand behind it.
    let (second, third) = tokio::join!(edge.get("/a", &[]), async {
        let third = edge.get("/a", &[]).await;
        opened.notify_one();
        third
    });
    assert_eq!((&*second.body, &*third.body), (&b"2"[..], &b"3"[..]));
}

#[tokio::test]
async fn variants_lie_beside_each_other_and_waiters_get_their_own() {
    let edge = Edge::new(async |_, request: Request<Body>| {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let foo = request.headers().get("foo").map_or("", |value| value.to_str().unwrap()).to_owned();
        Ok(with(&[("cache-control", "max-age=60"), ("vary", "Foo")], &foo))
    })
    .await;
    let (one, two) = tokio::join!(edge.get("/a", &[("foo", "1")]), edge.get("/a", &[("foo", "2")]));
    assert_eq!((&*one.body, &*two.body), (&b"1"[..], &b"2"[..]));
    for foo in ["1", "2"] {
        let again = edge.get("/a", &[("foo", foo)]).await;
        assert_eq!(again.body, foo);
        assert!(again.header("cache-status").contains("hit"));
    }
    let third = edge.get("/a", &[("foo", "3")]).await;
    assert_eq!(third.header("cache-status"), "iridule-pop;fwd=vary-miss;stored");
    assert_eq!(edge.asked(), 3);
    edge.cache.purge(Purge::Url("http://H/a".into()), false).unwrap();
    assert_eq!(
        edge.get("/a", &[("foo", "1")]).await.header("cache-status"),
        "iridule-pop;fwd=uri-miss;stored"
    );
}

#[tokio::test]
async fn unsafe_methods_invalidate_what_they_change_unless_they_fail() {
    let edge = Edge::new(async |_, request: Request<Body>| {
        Ok(match (request.method(), request.uri().path()) {
            (&Method::POST, "/bad") => status(500),
            (&Method::POST, _) => with(&[("location", "/b"), ("content-location", "http://other/c")], ""),
            _ => say("max-age=60", "x"),
        })
    })
    .await;
    let post = async |path: &str| {
        let request = Request::post(format!("http://h{path}")).body(Body::empty()).unwrap();
        edge.send(request).await.unwrap()
    };
    let is_hit = async |path: &str| edge.get(path, &[]).await.header("cache-status").contains("hit");
    for path in ["/a", "/b", "/c", "/bad"] {
        assert!(!is_hit(path).await && is_hit(path).await);
    }
    assert_eq!(post("/a").await.header("cache-status"), "iridule-pop;fwd=method");
    post("/bad").await;
    for (path, hit) in [("/a", false), ("/b", false), ("/c", true), ("/bad", true)] {
        assert_eq!(is_hit(path).await, hit, "{path}");
    }
}

#[tokio::test]
async fn the_stale_is_used_while_it_is_asked_about_and_confirmed() {
    let edge = Edge::new(async |number, request: Request<Body>| {
        if number == 1 {
            let fields = [("cache-control", "max-age=0, stale-while-revalidate=60"), ("etag", "\"1\"")];
            return Ok(with(&fields, "old"));
        }
        assert_eq!(request.headers()["if-none-match"], "\"1\"");
        let fields = [("cache-control", "max-age=60"), ("x-new", "yes")];
        let mut answer = with(&fields, "");
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        Ok(answer)
    })
    .await;
    edge.get("/a", &[]).await;
    let stale = edge.get("/a", &[]).await;
    assert_eq!((&*stale.body, stale.header("x-new")), (&b"old"[..], ""));
    assert_eq!(stale.header("cache-status"), "iridule-pop;hit;detail=stale-while-revalidate");
    while edge.asked() < 2 {
        tokio::task::yield_now().await;
    }
    let fresh = edge.get("/a", &[]).await;
    assert_eq!((&*fresh.body, fresh.header("x-new"), edge.asked()), (&b"old"[..], "yes", 2));
}

#[tokio::test]
async fn the_stale_stands_in_for_failures_where_it_may() {
    let edge = Edge::new(async |number, request: Request<Body>| {
        let control = request.uri().path().trim_start_matches('/').replace('+', ", ");
        match number % 3 {
            1 => Ok(say(&control, "old")),
            2 => Ok(status(503)),
            _ => Err(Unanswered::Unreachable),
        }
    })
    .await;
    edge.get("/max-age=0+stale-if-error=60", &[]).await;
    for _ in 0..2 {
        let stale = edge.get("/max-age=0+stale-if-error=60", &[]).await;
        assert_eq!(
            (&*stale.body, stale.header("cache-status")),
            (&b"old"[..], "iridule-pop;hit;detail=stale-if-error")
        );
    }
    edge.get("/max-age=0+stale-if-error=60+must-revalidate", &[]).await;
    assert_eq!(edge.get("/max-age=0+stale-if-error=60+must-revalidate", &[]).await.status, 503);
}

#[tokio::test]
async fn fields_for_one_go_to_who_asked_first_and_are_not_kept() {
    let edge = Edge::new(async |_, _| {
        let control = r#"max-age=60, no-cache="set-cookie, x-own""#;
        Ok(with(&[("cache-control", control), ("set-cookie", "a"), ("set-cookie", "b"), ("x-all", "c")], "x"))
    })
    .await;
    for cookies in [2, 0] {
        let read = edge.get("/a", &[]).await;
        assert_eq!(read.headers.get_all("set-cookie").iter().count(), cookies);
        assert_eq!(read.header("x-all"), "c");
    }
}

#[tokio::test]
async fn a_confirmation_that_forbids_keeping_is_obeyed() {
    let edge = Edge::new(async |number, request: Request<Body>| {
        if number == 1 {
            return Ok(with(&[("cache-control", "max-age=0"), ("etag", "\"1\"")], "old"));
        }
        if !request.headers().contains_key("if-none-match") {
            return Ok(say("no-store", "new"));
        }
        let mut answer = with(&[("cache-control", "no-store, max-age=60")], "");
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        Ok(answer)
    })
    .await;
    for body in ["old", "old", "new"] {
        assert_eq!(edge.get("/a", &[]).await.body, body);
    }
}

#[tokio::test]
async fn purges_hold_at_once_and_softly_leave_the_stale() {
    let edge = Edge::new(async |number, request: Request<Body>| {
        let tags = request.uri().path().trim_start_matches('/').to_owned();
        let control = "max-age=60, stale-while-revalidate=60";
        Ok(with(&[("cache-control", control), ("cache-tag", &tags)], &number.to_string()))
    })
    .await;
    let body = async |path: &str| edge.get(path, &[]).await.body;
    assert_eq!((body("/a,b").await, body("/c").await), ("1".into(), "2".into()));
    edge.cache.purge(Purge::Tag("b".into()), false).unwrap();
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert_eq!((body("/a,b").await, body("/c").await), ("3".into(), "2".into()));
    edge.cache.purge(Purge::Tag("c".into()), true).unwrap();
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert_eq!(body("/c").await, "2");
    while body("/c").await != "4" {
        tokio::task::yield_now().await;
    }
    edge.cache.purge(Purge::Everything, false).unwrap();
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert_eq!((body("/a,b").await, body("/c").await), ("5".into(), "6".into()));
    assert!(edge.cache.purge(Purge::Url("/a".into()), false).is_err());
}

#[tokio::test]
async fn what_is_under_way_when_it_becomes_untrue_is_for_nobody_who_comes_later() {
    for purge in [true, false] {
        let gate = Arc::new(Notify::new());
        let opened = gate.clone();
        let edge = Edge::new(move |number, _| {
            let gate = gate.clone();
            async move {
                if number == 1 {
                    gate.notified().await;
                }
                Ok(say("max-age=60", &number.to_string()))
            }
        })
        .await;
        let (early, late) = tokio::join!(edge.get("/a", &[]), async {
            while edge.asked() == 0 {
                tokio::task::yield_now().await;
            }
            if purge {
                edge.cache.purge(Purge::Everything, false).unwrap();
                tokio::time::sleep(Duration::from_millis(3)).await;
            } else {
                let post = Request::post("http://h/a").body(Body::empty()).unwrap();
                edge.send(post).await.unwrap();
            }
            let late = edge.get("/a", &[]).await;
            opened.notify_one();
            late
        });
        assert_eq!(early.body, "1");
        assert_ne!(late.body, "1");
        let again = edge.get("/a", &[]).await;
        assert_eq!(again.body, late.body, "the early one came last and is not kept");
    }
}

#[tokio::test]
async fn parts_of_what_is_stored() {
    let edge = Edge::new(async |_, request: Request<Body>| match request.headers().get("range") {
        None => Ok(say("max-age=60", "0123456789")),
        Some(_) => {
            let mut part = with(&[("cache-control", "max-age=60"), ("content-range", "bytes 4-6/10")], "456");
            *part.status_mut() = StatusCode::PARTIAL_CONTENT;
            Ok(part)
        }
    })
    .await;
    edge.get("/whole", &[]).await;
    let part = edge.get("/whole", &[("range", "bytes=-3")]).await;
    assert_eq!((part.status.as_u16(), &*part.body), (206, &b"789"[..]));
    assert_eq!((part.header("content-range"), part.header("content-length")), ("bytes 7-9/10", "3"));
    let beyond = edge.get("/whole", &[("range", "bytes=10-")]).await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, "bytes */10"));
    edge.get("/part", &[("range", "bytes=4-6")]).await;
    let smaller = edge.get("/part", &[("range", "bytes=5-5")]).await;
    assert_eq!((smaller.status.as_u16(), &*smaller.body, edge.asked()), (206, &b"5"[..], 2));
    assert_eq!(edge.get("/part", &[]).await.body, "0123456789");
}

#[tokio::test]
async fn clients_that_have_it_get_304_and_heads_no_body() {
    let edge =
        Edge::new(async |_, _| Ok(with(&[("cache-control", "max-age=60"), ("etag", "\"1\"")], "picture")))
            .await;
    edge.get("/a", &[]).await;
    let has = edge.get("/a", &[("if-none-match", "W/\"1\"")]).await;
    assert_eq!((has.status.as_u16(), has.body.len(), has.header("etag")), (304, 0, "\"1\""));
    let head = Request::head("http://h/a").body(Body::empty()).unwrap();
    let head = edge.send(head).await.unwrap();
    assert_eq!((head.body.len(), head.header("content-length"), edge.asked()), (0, "7", 1));
    let only = edge.send(get("/b", &[("cache-control", "only-if-cached")])).await;
    assert_eq!(only.unwrap_err(), Unanswered::OnlyIfCached);
}

#[tokio::test]
async fn the_answer_to_a_head_confirms_what_is_stored_or_lets_it_go() {
    let edge = Edge::new(async |_, request: Request<Body>| {
        let (is_head, path) = (request.method() == Method::HEAD, request.uri().path().to_owned());
        let control = if is_head { "max-age=60" } else { "max-age=0" };
        let tag = if is_head && path == "/changed" { "\"2\"" } else { "\"1\"" };
        Ok(with(&[("cache-control", control), ("etag", tag)], if is_head { "" } else { "picture" }))
    })
    .await;
    for (path, hit) in [("/same", true), ("/changed", false)] {
        edge.get(path, &[]).await;
        let head = Request::head(format!("http://h{path}")).body(Body::empty()).unwrap();
        edge.send(head).await.unwrap();
        let read = edge.get(path, &[]).await;
        assert_eq!(
            (read.header("cache-status").contains("hit"), &*read.body),
            (hit, &b"picture"[..]),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_is_too_large_flows_through_to_all() {
    let policy = Policy { largest: 8, ..Policy::default() };
    let edge = Edge::with(policy, Limits::default(), async |_, _| {
        let (chunks, body) = flowing();
        tokio::spawn(async move {
            for _ in 0..4 {
                let _ = chunks.send(Ok("12345")).await;
            }
        });
        Ok(Response::builder().header("cache-control", "max-age=60").body(body).unwrap())
    })
    .await;
    let (one, two) = tokio::join!(edge.get("/a", &[]), edge.get("/a", &[]));
    assert_eq!((one.body.len(), two.body.len()), (20, 20));
    assert!(!edge.get("/a", &[]).await.header("cache-status").contains("hit"));
}

fn on_disk(folder: &Path) -> Policy {
    Policy { memory: 1 << 20, disk: Some((folder.to_owned(), 64 << 20)), largest: 1 << 20 }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_disk_is_there_after_a_restart_and_purges_are_too() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || {
        Edge::with(on_disk(folder.path()), Limits::default(), async |_, request: Request<Body>| {
            let path = request.uri().path().to_owned();
            Ok(with(&[("cache-control", "max-age=600"), ("cache-tag", &path)], &path.repeat(100)))
        })
        .await
    };
    let edge = open().await;
    for number in 0..200 {
        edge.get(&format!("/{number}"), &[]).await;
    }
    edge.cache.purge(Purge::Tag("/7".into()), false).unwrap();
    edge.cache.close().await;
    drop(edge);
    let edge = open().await;
    for number in 0..200 {
        let path = format!("/{number}");
        let read = edge.get(&path, &[]).await;
        assert_eq!(read.body, path.repeat(100));
        assert_eq!(read.header("cache-status").contains("hit"), number != 7, "{number}");
    }
    assert_eq!(edge.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bytes_on_disk_are_a_miss_and_never_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let open = async || {
        Edge::with(on_disk(folder.path()), Limits::default(), async |_, request: Request<Body>| {
            Ok(say("max-age=600", &request.uri().path().repeat(500)))
        })
        .await
    };
    let edge = open().await;
    for number in 0..100 {
        edge.get(&format!("/{number}"), &[]).await;
    }
    edge.cache.close().await;
    drop(edge);
    for file in std::fs::read_dir(folder.path().join("blocks")).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        for byte in bytes.iter_mut().step_by(3001).filter(|byte| **byte != 0) {
            *byte ^= 0x10;
        }
        std::fs::write(&path, bytes).unwrap();
    }
    let edge = open().await;
    for number in 0..100 {
        let path = format!("/{number}");
        assert_eq!(edge.get(&path, &[]).await.body, path.repeat(500));
    }
    assert!(edge.asked() > 0, "something was flipped");
}
