//! What the standards say of directives, conditions and failures, on the way through the whole cache.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

mod support;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use iridule_http_cache::{
    Body, Cache, CanonicalRequest, Keying, Limits, NoAnswer, Origin, Policy, Unanswered,
};
use support::canonical;

type Said = Result<Response<Body>, Unanswered>;

/// An origin that gives the answers of a list, one after the other.
struct List {
    answers: Mutex<Vec<Said>>,
    asked: AtomicU32,
    last: Mutex<HeaderMap>,
}

impl Origin for List {
    async fn ask(&self, request: CanonicalRequest<Body>) -> Said {
        self.asked.fetch_add(1, Ordering::SeqCst);
        *self.last.lock().unwrap() = request.headers().clone();
        self.answers.lock().unwrap().remove(0)
    }
}

struct Edge {
    cache: Arc<Cache>,
    origin: Arc<List>,
}

impl Edge {
    async fn new(answers: Vec<Said>) -> Self {
        let cache = Cache::open(&Policy::default(), Keying::default(), Limits::default(), Arc::new(()))
            .await
            .unwrap();
        let (answers, asked) = (Mutex::new(answers), AtomicU32::new(0));
        Self { cache, origin: Arc::new(List { answers, asked, last: Mutex::default() }) }
    }

    async fn get(&self, fields: &[(&str, &str)]) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = Request::get("http://h/a");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = canonical(request.body(Body::empty()).unwrap(), &Keying::default());
        let answer = match self.cache.at_hand(&request) {
            Some(answer) => answer,
            None => self.cache.answer(&self.origin, request).await.unwrap(),
        };
        let (head, body) = answer.into_parts();
        (head.status, head.headers, body.collect().await.unwrap().to_bytes())
    }

    async fn body(&self) -> Bytes {
        self.get(&[]).await.2
    }

    fn asked(&self) -> u32 {
        self.origin.asked.load(Ordering::SeqCst)
    }
}

fn say(status: u16, fields: &[(&str, &str)], body: &'static str) -> Said {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    Ok(response.body(Body::whole(Bytes::from_static(body.as_bytes()))).unwrap())
}

#[tokio::test]
async fn a_targeted_field_with_only_unknown_directives_overrides() {
    let fields = [("cache-control", "max-age=60"), ("cdn-cache-control", "foo")];
    let edge = Edge::new(vec![say(200, &fields, "1"), say(200, &fields, "2")]).await;
    assert_eq!((edge.body().await, edge.body().await), ("1".into(), "2".into()));
}

#[tokio::test]
async fn fields_that_a_targeted_field_names_are_for_the_first_client_only() {
    for named in ["private=\"set-cookie\"", "no-cache=\"set-cookie\"", "private=set-cookie"] {
        let control = format!("max-age=60, {named}");
        let fields = [("cdn-cache-control", &*control), ("set-cookie", "a"), ("x-all", "b")];
        let edge = Edge::new(vec![say(200, &fields, "1")]).await;
        let (first, second) = (edge.get(&[]).await.1, edge.get(&[]).await.1);
        assert!(first.contains_key("set-cookie") && !second.contains_key("set-cookie"), "{named}");
        assert!(second.contains_key("x-all"), "{named}");
    }
}

#[tokio::test]
async fn an_error_is_replaced_by_the_stale_only_where_somebody_says_so() {
    for status in [500, 502, 503, 504] {
        for (control, asked, stale) in [
            ("max-age=0", "", false),
            ("max-age=0, stale-if-error=60", "", true),
            ("max-age=0", "stale-if-error=60", true),
            ("max-age=0, stale-if-error=0", "stale-if-error=60", false),
            ("max-age=0, stale-if-error=60, must-revalidate", "", false),
            ("max-age=0, stale-if-error=60, proxy-revalidate", "", false),
            ("s-maxage=0, stale-if-error=60", "", false),
            ("no-cache, stale-if-error=60", "", false),
            ("max-age=0, stale-if-error=60", "no-cache", false),
        ] {
            let fields = [("cache-control", control), ("etag", "\"1\"")];
            let edge = Edge::new(vec![say(200, &fields, "old"), say(status, &[], "error")]).await;
            edge.body().await;
            let (got, _, body) = edge.get(&[("cache-control", asked)]).await;
            let expected = if stale { (200, "old") } else { (status, "error") };
            assert_eq!(
                (got.as_u16(), &*body),
                (expected.0, expected.1.as_bytes()),
                "{status} {control} {asked}"
            );
            assert_eq!(edge.asked(), 2);
        }
    }
}

#[tokio::test]
async fn no_answer_is_replaced_by_the_stale_for_a_while_unless_that_is_forbidden() {
    let none = || {
        let mut answer = say(503, &[], "error").unwrap();
        answer.extensions_mut().insert(NoAnswer);
        Ok(answer)
    };
    for (control, stale) in [
        ("max-age=0", true),
        ("max-age=0, stale-if-error=0", false),
        ("max-age=0, must-revalidate", false),
        ("max-age=0, proxy-revalidate", false),
        ("s-maxage=0", false),
        ("no-cache", false),
    ] {
        let fields = [("cache-control", control), ("etag", "\"1\"")];
        let edge = Edge::new(vec![say(200, &fields, "old"), none()]).await;
        edge.body().await;
        assert_eq!(edge.body().await == "old", stale, "{control}");
    }
}

const STORED: [(&str, &str); 3] =
    [("cache-control", "max-age=60"), ("etag", "\"1\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")];

#[tokio::test]
async fn conditions_that_a_fresh_response_fulfils_are_answered_from_it() {
    let edge = Edge::new(vec![say(200, &STORED, "picture")]).await;
    edge.body().await;
    let before = ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT");
    for (fields, status, body) in [
        (&[("if-match", "\"0\", \"1\"")][..], 200, "picture"),
        (&[("if-match", "*")], 200, "picture"),
        (&[("if-match", "\"1\""), before], 200, "picture"),
        (&[("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], 200, "picture"),
        (&[("if-match", "\"1\""), ("if-none-match", "\"1\"")], 304, ""),
        (&[("if-match", "\"1\""), ("range", "bytes=0-2")], 206, "pic"),
    ] {
        let (got, headers, text) = edge.get(fields).await;
        assert_eq!((got.as_u16(), &*text), (status, body.as_bytes()), "{fields:?}");
        assert!(headers["cache-status"].to_str().unwrap().contains("hit"));
    }
    assert_eq!(edge.asked(), 1);
}

#[tokio::test]
async fn conditions_that_it_does_not_fulfil_are_the_origin_s_to_judge_and_change_nothing_here() {
    for field in [
        ("if-match", "\"2\""),
        ("if-match", "W/\"1\""),
        ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT"),
    ] {
        let edge =
            Edge::new(vec![say(200, &STORED, "picture"), say(412, &[("cache-control", "max-age=60")], "")])
                .await;
        edge.body().await;
        assert_eq!(edge.get(&[field]).await.0, 412, "{field:?}");
        assert_eq!(edge.origin.last.lock().unwrap()[field.0], field.1);
        assert_eq!((edge.body().await, edge.asked()), ("picture".into(), 2));
    }
    // Nothing is stored: the origin judges, too, and its answer is not for others.
    let edge =
        Edge::new(vec![say(412, &[("cache-control", "max-age=60")], ""), say(200, &STORED, "1")]).await;
    assert_eq!(edge.get(&[("if-match", "\"2\"")]).await.0, 412);
    assert_eq!(edge.body().await, "1");
}
