//! What is behind a listener, as far as requests are concerned: how a URL and fields of a request read there, what the
//! listener speaks, and whom it believes about who is asking.
//!
//! Every request of a visitor becomes canonical here, before anybody else sees it.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header, uri::Scheme};
use iridule_edge::{parameters::Extension, reply};
use iridule_http_cache::{CanonicalRequest, Keying, Received};
use iridule_scene::variant::Format;

use crate::{
    config::Limits,
    problem::Problem,
    proxies::{self, TrustedProxy, Visitor},
};

/// The site behind a listener.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) keying: Keying,
    /// What the listener speaks.
    scheme: Scheme,
    trusted: Arc<[TrustedProxy]>,
}

impl Site {
    pub(crate) fn new(keying: Keying, is_tls: bool, limits: &Limits) -> Self {
        let scheme = if is_tls { Scheme::HTTPS } else { Scheme::HTTP };
        Self { keying, scheme, trusted: limits.trusted_proxies.as_slice().into() }
    }

    /// Who asks, and what.
    pub(crate) fn receive<B>(
        &self,
        request: Request<B>,
        peer: IpAddr,
    ) -> Result<(IpAddr, CanonicalRequest<B>), Problem> {
        let Visitor { address, scheme, host } = proxies::visitor(peer, request.headers(), &self.trusted)?;
        let scheme = scheme.as_ref().unwrap_or(&self.scheme);
        let received = Received { scheme, host: host.as_deref(), client: Some(address) };
        Ok((address, CanonicalRequest::new(request, &received, &self.keying)?))
    }
}

/// How the functions read a request: parameters in any order, of `Accept` only the format that comes of it, and the fields
/// that some reply of theirs depends on.
pub(crate) const FUNCTIONS: Keying =
    Keying { sort_query: true, normalise, fields: of_functions, whole: true };

fn normalise(name: &HeaderName, values: &str) -> Option<String> {
    (*name == header::ACCEPT).then(|| format!("{:?}", Extension::Auto.negotiate([values])))
}

/// Fields that the cache before the functions reads. They reach no function.
const OF_THE_CACHE: [HeaderName; 5] = [
    header::CACHE_CONTROL,
    header::PRAGMA,
    header::IF_MODIFIED_SINCE,
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
];

/// Leaves what the functions and the cache before them read, each in one form.
fn of_functions(_: &Method, path: &str, headers: &mut HeaderMap) {
    let accept = accepted(path, headers);
    let is_read = |name: &HeaderName| reply::DEPENDS_ON.contains(name) || OF_THE_CACHE.contains(name);
    iridule_http_cache::retain_fields(headers, is_read);
    match accept {
        Some(accept) => headers.insert(header::ACCEPT, HeaderValue::from_static(accept)),
        None => headers.remove(header::ACCEPT),
    };
}

/// The media type that an `Accept` comes down to, where it is not the usual one.
fn accepted(path: &str, headers: &HeaderMap) -> Option<&'static str> {
    let mut lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok()).peekable();
    let first = lines.peek()?;
    if path.ends_with("/live") && first.starts_with(EVENTS) {
        return Some(EVENTS);
    }
    match Extension::Auto.negotiate(lines) {
        Format::Png => None,
        format => Some(format.media_type()),
    }
}

/// What an `EventSource` accepts.
const EVENTS: &str = "text/event-stream";

/// Whether a client wants server-sent events, and from an address that has them. An `EventSource` always says so.
pub(crate) fn wants_events<B>(request: &CanonicalRequest<B>) -> bool {
    request.headers().get(header::ACCEPT).is_some_and(|accept| accept == EVENTS)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{Response, StatusCode, Version};
    use http_body_util::BodyExt as _;
    use iridule_http_cache::{Body, Cache, Origin, Policy, Unanswered};
    use proptest::prelude::*;

    use super::*;

    /// Functions whose reply is all that they see, and may be kept.
    struct Echo;

    impl Origin for Echo {
        async fn ask(&self, request: CanonicalRequest<Body>) -> Result<Response<Body>, Unanswered> {
            let seen = request.into_http().unwrap();
            let reply = Response::builder().header("cache-control", "max-age=60").header("vary", "accept");
            // The cache's own question, whether it still holds.
            let is_asked_about = seen.headers().contains_key(header::IF_NONE_MATCH);
            let reply = if is_asked_about { reply.status(304) } else { reply };
            let seen = format!("{} {} {:?}", seen.method(), seen.uri(), seen.headers());
            let seen = if is_asked_about { String::new() } else { seen };
            Ok(reply.header("etag", "\"v\"").body(Body::whole(Bytes::from(seen))).unwrap())
        }
    }

    /// A request as it comes off a connection.
    #[derive(Debug, Clone)]
    struct Raw {
        method: Method,
        target: String,
        host: &'static str,
        fields: Vec<(&'static str, &'static str)>,
    }

    impl Raw {
        fn received(&self) -> Result<CanonicalRequest<()>, Problem> {
            let site = Site::new(FUNCTIONS, false, &Limits::default());
            let mut request =
                Request::builder().method(&self.method).uri(&self.target).header("host", self.host);
            for (name, value) in &self.fields {
                request = request.header(*name, *value);
            }
            let request = request.version(Version::HTTP_11).body(()).unwrap();
            site.receive(request, IpAddr::from([192, 0, 2, 1])).map(|(_, request)| request)
        }
    }

    fn raw(values: &'static [&'static str]) -> impl Strategy<Value = Raw> {
        let names = prop::sample::select(vec![
            "accept",
            "accept",
            "accept-encoding",
            "accept-language",
            "authorization",
            "cache-control",
            "connection",
            "cookie",
            "expect",
            "forwarded",
            "if-match",
            "if-modified-since",
            "if-none-match",
            "if-range",
            "origin",
            "pragma",
            "range",
            "sec-purpose",
            "te",
            "upgrade",
            "user-agent",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-http-method-override",
            "x-original-url",
        ]);
        let target = (
            prop::sample::select(vec!["", "http://img.example", "http://IMG.example:80"]),
            prop::sample::select(vec![
                "/t/a/1.auto",
                "/t/./a/1.auto",
                "/x/../t/a/1.auto",
                "/t/%61/1.auto",
                "/t/a/1.png",
            ]),
            prop::sample::select(vec!["", "?", "?w=1&h=2", "?h=2&w=1", "?%77=1&h=2", "?w=1"]),
        );
        (
            prop_oneof![4 => Just(Method::GET), 1 => Just(Method::HEAD)],
            target.prop_map(|(origin, path, query)| format!("{origin}{path}{query}")),
            prop::sample::select(vec!["img.example", "Img.Example:80", "img.example:"]),
            prop::collection::vec((names, prop::sample::select(values.to_vec())), 0..5),
        )
            .prop_map(|(method, target, host, fields)| Raw { method, target, host, fields })
    }

    const VALUES: &[&str] = &[
        "image/webp",
        "image/webp;q=0",
        "image/png, image/webp",
        "*/*",
        "text/event-stream",
        "close, host, accept",
        "bytes=0-1",
        "bytes=99999-",
        "\"v\"",
        "\"w\"",
        "no-cache",
        "max-age=0",
        "prefetch",
        "evil.example",
        "a=b",
        "/x",
    ];

    async fn cache() -> Arc<Cache> {
        let limits = iridule_http_cache::Limits::default();
        Cache::open(&Policy::default(), FUNCTIONS, limits, Arc::new(())).await.unwrap()
    }

    /// What a client gets, without what says how it was come by.
    async fn ask(cache: &Arc<Cache>, request: CanonicalRequest<()>) -> (StatusCode, HeaderMap, Bytes) {
        let request = request.map(|()| Body::empty());
        let answer = match cache.at_hand(&request) {
            Some(answer) => answer,
            None => cache.answer(&Arc::new(Echo), request).await.unwrap(),
        };
        let (mut head, body) = answer.into_parts();
        for name in ["age", "cache-status", "date"] {
            head.headers.remove(name);
        }
        (head.status, head.headers, body.collect().await.unwrap().to_bytes())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]

        #[test]
        fn two_requests_with_one_key_get_one_answer(one in raw(VALUES), other in raw(VALUES)) {
            let (Ok(one), Ok(other)) = (one.received(), other.received()) else {
                return Err(TestCaseError::fail("each of them names one resource"));
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let copy = other.without_body().map(drop);
            let (alone, after) = runtime.block_on(async {
                let alone = ask(&cache().await, copy).await;
                let cache = cache().await;
                ask(&cache, one).await;
                (alone, ask(&cache, other).await)
            });
            prop_assert_eq!(after, alone);
        }

        #[test]
        fn the_functions_see_the_key_and_what_their_replies_depend_on(raw in raw(VALUES)) {
            let request = raw.received().unwrap();
            prop_assert_eq!(request.host(), "img.example");
            prop_assert!(!request.path().contains("/."));
            for name in request.headers().keys() {
                prop_assert!(reply::DEPENDS_ON.contains(name) || OF_THE_CACHE.contains(name), "{}", name);
            }
            let accept = request.headers().get_all(header::ACCEPT).iter().collect::<Vec<_>>();
            prop_assert!(accept.is_empty() || accept == ["image/webp"], "{:?}", accept);
        }
    }

    #[test]
    fn events_are_for_addresses_that_have_them() {
        let of = |target: &str| {
            let fields = vec![("accept", EVENTS)];
            let raw = Raw { method: Method::GET, target: target.into(), host: "a", fields };
            wants_events(&raw.received().unwrap())
        };
        assert!(of("/t/a/1/live") && of("/t/a/live?x"));
        assert!(!of("/t/a/1.png") && !of("/t/a/1/live.png"));
    }
}
