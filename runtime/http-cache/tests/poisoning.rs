//! What one client asks changes nothing of what another gets: the cache before an origin that believes everything it is
//! told, and says of each answer that it may be kept.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, uri::Scheme};
use http_body_util::BodyExt as _;
use iridule_http_cache::{
    Body, Cache, CanonicalRequest, Keying, Limits, Origin, Policy, Received, Unanswered,
};
use proptest::prelude::*;

/// An origin as there are many: it takes the host, the path and the method from whoever names them, refuses what it does
/// not like, and lets everything be kept.
#[derive(Default)]
struct Credulous(AtomicU32);

impl Origin for Credulous {
    async fn ask(&self, request: CanonicalRequest<Body>) -> Result<Response<Body>, Unanswered> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let (url, host) = (request.url().to_owned(), request.host().to_owned());
        let request = request.into_http().unwrap();
        let text =
            |name: &str| request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let first = |names: &[&str]| names.iter().find_map(|name| text(name)).map(|value| value.into_owned());
        let mut fields: Vec<(&str, String)> =
            vec![("cache-control", "max-age=60".into()), ("vary", "foo".into())];
        let bytes: usize =
            request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let path = first(&["x-original-url", "x-rewrite-url"]).unwrap_or(request.uri().path().to_owned());
        let whole = format!(
            "{} {} {} {}",
            first(&["x-forwarded-host", "x-host", "forwarded"]).unwrap_or(host),
            first(&["cookie"]).unwrap_or_default(),
            first(&["foo"]).unwrap_or_default(),
            url,
        );
        if let Some(origin) = first(&["origin"]) {
            fields.push(("access-control-allow-origin", origin));
        }
        let range = first(&["range"]).filter(|_| request.method() == Method::GET);
        let (status, body) = match () {
            () if bytes > 8192 => (431, String::new()),
            () if request.headers().values().any(|value| value.to_str().is_err()) => (400, String::new()),
            () if first(&["expect"]).is_some() => (417, String::new()),
            () if first(&["authorization"]).is_some() => (401, String::new()),
            () if first(&["x-http-method-override", "x-method-override"]).is_some() => (405, String::new()),
            () if first(&["x-forwarded-proto", "x-forwarded-scheme", "upgrade"]).is_some() => {
                (301, String::new())
            }
            () if first(&["if-match"]).is_some_and(|tag| tag != "*") => (412, String::new()),
            () if path.split('/').any(|segment| matches!(segment, "." | "..")) || path.contains("%6") => {
                (404, "not here".into())
            }
            () if first(&["if-none-match"]).is_some_and(|tags| tags.contains("\"v\"")) => {
                (304, String::new())
            }
            () => match range.as_deref() {
                Some("bytes=0-1") => {
                    fields.push(("content-range", format!("bytes 0-1/{}", whole.len())));
                    (206, whole[..2].to_owned())
                }
                Some("bytes=9999-") => (416, String::new()),
                _ => (200, whole),
            },
        };
        if matches!(status, 200 | 206 | 304) {
            fields.push(("etag", "\"v\"".into()));
        }
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(name, value);
        }
        let body = if request.method() == Method::HEAD { String::new() } else { body };
        Ok(response.body(Body::whole(Bytes::from(body))).unwrap())
    }
}

/// A request as it comes off a connection.
#[derive(Debug, Clone)]
struct Raw {
    method: Method,
    path: &'static str,
    host: &'static str,
    fields: Vec<(&'static str, Vec<u8>)>,
}

impl Raw {
    fn canonical(&self) -> CanonicalRequest<Body> {
        let mut request = Request::builder().method(&self.method).uri(self.path).version(Version::HTTP_11);
        request = request.header("host", self.host);
        for (name, value) in &self.fields {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let received = Received { scheme: &Scheme::HTTP, host: None, client: None };
        CanonicalRequest::new(request.body(Body::empty()).unwrap(), &received, &Keying::ANY).unwrap()
    }
}

const PATHS: [&str; 6] = ["/a", "/./a", "/x/../a", "/%61", "/a?", "/b"];
const HOSTS: [&str; 3] = ["h", "H:80", "other"];

/// A visitor as most are.
fn visitor() -> impl Strategy<Value = Raw> {
    let field = prop::sample::select(vec![
        ("range", "bytes=0-1"),
        ("range", "bytes=9999-"),
        ("if-none-match", "\"v\""),
        ("if-none-match", "\"w\""),
        ("foo", "1"),
        ("foo", "2"),
        ("accept", "image/webp"),
        ("user-agent", "x"),
    ]);
    raw(field.prop_map(|(name, value)| (name, value.as_bytes().to_vec())))
}

/// Somebody who tries everything.
fn attacker() -> impl Strategy<Value = Raw> {
    let names = prop::sample::select(vec![
        "accept",
        "authorization",
        "cache-control",
        "connection",
        "cookie",
        "expect",
        "foo",
        "forwarded",
        "if-match",
        "if-none-match",
        "if-range",
        "origin",
        "pragma",
        "range",
        "te",
        "upgrade",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-scheme",
        "x-host",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
    ]);
    let values = prop_oneof![
        prop::sample::select(vec![
            "1",
            "2",
            "evil.example",
            "/b",
            "DELETE",
            "https",
            "close, host",
            "close, foo, accept",
            "no-store",
            "no-cache",
            "max-age=0",
            "bytes=0-1",
            "bytes=9999-",
            "\"v\"",
            "\"w\"",
            "100-continue",
            "host=evil.example",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        Just(vec![b'a'; 9000]),
        Just(vec![0xff]),
    ];
    let known = prop::sample::select(vec![
        ("authorization", "Basic eDp5"),
        ("cache-control", "no-cache"),
        ("cache-control", "no-cache, no-store"),
        ("cookie", "a=b"),
        ("if-match", "\"z\""),
        ("range", "bytes=9999-"),
        ("x-original-url", "/b"),
    ]);
    let known = known.prop_map(|(name, value)| (name, value.as_bytes().to_vec()));
    raw(prop_oneof![(names, values), known])
}

fn raw(field: impl Strategy<Value = (&'static str, Vec<u8>)>) -> impl Strategy<Value = Raw> {
    let method = prop_oneof![4 => Just(Method::GET), 1 => Just(Method::HEAD)];
    let (path, host) = (prop::sample::select(PATHS.to_vec()), prop::sample::select(HOSTS.to_vec()));
    let fields = prop::collection::vec(field, 0..3);
    (method, path, host, fields).prop_map(|(method, path, host, mut fields)| {
        // A client that sends one of these twice gets what it gets.
        fields.sort_unstable_by_key(|(name, _)| *name);
        fields.dedup_by_key(|(name, _)| *name);
        Raw { method, path, host, fields }
    })
}

/// What a client gets: without what says how it was come by.
type Got = (StatusCode, HeaderMap, Bytes);

async fn cache() -> Arc<Cache> {
    Cache::open(&Policy::default(), Keying::ANY, Limits::default(), Arc::new(())).await.unwrap()
}

async fn ask(cache: &Arc<Cache>, origin: &Arc<Credulous>, raw: &Raw) -> Got {
    let request = raw.canonical();
    let answer = match cache.at_hand(&request) {
        Some(answer) => answer,
        None => cache.answer(origin, request).await.unwrap(),
    };
    let (mut head, body) = answer.into_parts();
    // A 416 says how long the whole is where that is known.
    for name in ["age", "cache-status", "date", "content-length", "content-range", "etag", "accept-ranges"] {
        head.headers.remove(name);
    }
    (head.status, head.headers, body.collect().await.unwrap().to_bytes())
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_visitor_gets_the_same_whoever_asked_before(attackers in prop::collection::vec(attacker(), 1..4), visitor in visitor()) {
        let (alone, after) = block_on(async {
            let origin = Arc::new(Credulous::default());
            let alone = ask(&cache().await, &origin, &visitor).await;
            let cache = cache().await;
            for attacker in &attackers {
                ask(&cache, &origin, attacker).await;
            }
            (alone, ask(&cache, &origin, &visitor).await)
        });
        prop_assert_eq!(after, alone);
    }

    #[test]
    fn a_visitor_who_had_a_hit_has_one_whoever_asked_between(attackers in prop::collection::vec(attacker(), 1..4)) {
        let visitor = Raw { method: Method::GET, path: "/a", host: "h", fields: Vec::new() };
        let asked = block_on(async {
            let (cache, origin) = (cache().await, Arc::new(Credulous::default()));
            ask(&cache, &origin, &visitor).await;
            for attacker in &attackers {
                ask(&cache, &origin, attacker).await;
            }
            let before = origin.0.load(Ordering::SeqCst);
            ask(&cache, &origin, &visitor).await;
            origin.0.load(Ordering::SeqCst) - before
        });
        prop_assert_eq!(asked, 0);
    }

    #[test]
    fn requests_with_one_key_are_one_question(one in attacker(), other in attacker()) {
        let (one, other) = (one.canonical(), other.canonical());
        if one.url() == other.url() {
            let of = |request: CanonicalRequest<Body>| {
                let host = request.host().to_owned();
                (host, request.into_http().unwrap().uri().clone())
            };
            prop_assert_eq!(of(one), of(other));
        }
    }
}

#[test]
fn the_picture_is_what_it_is() {
    // The origin of these tests does answer.
    let visitor = Raw { method: Method::GET, path: "/a", host: "h", fields: vec![("foo", b"1".to_vec())] };
    let (status, headers, body) = block_on(async { ask(&cache().await, &Arc::default(), &visitor).await });
    assert_eq!((status.as_u16(), &*body), (200, &b"h  1 http://h/a"[..]));
    assert!(headers.contains_key(header::CACHE_CONTROL));
}
