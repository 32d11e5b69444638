//! The canonical request: one URL, one host, one set of fields. It is made once, before the key, and is all that the cache,
//! the origin and whoever writes URLs see of a request.
//!
//! [`CanonicalRequest::new`] is the only way from a received request to one. The URL that an origin gets is read from
//! the text that is the cache key, so a request cannot be stored under one URL and answered for another.

use std::{net::IpAddr, sync::Arc};

use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header,
    uri::Scheme,
};
use tokio::sync::watch;

use crate::{body::Body, conditional, key::Keying};

/// Why a received request names no resource (RFC 9112, section 3.2; RFC 9113, section 8.3.1). To be answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It has no `Host`.
    #[error("the request has no `Host` field; send the host of the URL in one")]
    NoHost,
    /// It has several.
    #[error("the request has more than one `Host` field; send one")]
    SeveralHosts,
    /// The host is none.
    #[error("the host is not valid; send a name of ASCII letters, digits, `-` and `_`, or an IP address")]
    Host,
    /// The URL, or `:authority`, has another host than `Host`.
    #[error("the URL and the `Host` field name different hosts; send the same host in both")]
    HostsDiffer,
    /// It names no path of a host: `*`, or the form of a `CONNECT`, or another scheme.
    #[error("the request names no http or https resource; send the path of one")]
    Target,
}

/// How a request was received, as far as that is known from elsewhere than the request itself.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// What the client spoke: `http` or `https`.
    pub scheme: &'a Scheme,
    /// The host that the client asked for, where a trusted intermediary says so. `None`: the request says it.
    pub host: Option<&'a str>,
    /// The client's address, for fairness. `None`: this host itself.
    pub client: Option<IpAddr>,
}

/// A request in canonical form.
#[derive(Debug)]
pub struct CanonicalRequest<B> {
    method: Method,
    /// `scheme://host/path?query`: the cache key.
    url: String,
    /// Where the path begins.
    path: usize,
    headers: HeaderMap,
    /// What the host attached to the request, such as where informational responses go; nothing that a client sent.
    extensions: Extensions,
    body: B,
    client: Option<IpAddr>,
    /// Whom the answer is for, once several may wait for it.
    waiting: Option<Waiting>,
}

impl<B> CanonicalRequest<B> {
    /// Makes a received request canonical.
    ///
    /// # Errors
    /// [`Malformed`], when it does not name one resource of one host.
    pub fn new(request: Request<B>, received: &Received<'_>, keying: &Keying) -> Result<Self, Malformed> {
        let (head, body) = request.into_parts();
        let (method, uri, mut headers) = (head.method, head.uri, head.headers);
        let scheme = received.scheme.as_str();
        if method == Method::CONNECT || uri.path() == "*" {
            return Err(Malformed::Target);
        }
        if uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
            return Err(Malformed::Target);
        }
        let mut lines = headers.get_all(header::HOST).iter();
        let (host, second) = (lines.next(), lines.next());
        if second.is_some() {
            return Err(Malformed::SeveralHosts);
        }
        let host = host.map(|host| host.to_str().map_err(|_| Malformed::Host)).transpose()?;
        let url = |host| keying.url(scheme, host, uri.path(), uri.query());
        let (mut url, mut path) = match (uri.authority(), host) {
            // Only HTTP/2 has the host in the URL alone.
            (Some(_), None) if head.version < Version::HTTP_2 => return Err(Malformed::NoHost),
            (None, None) => return Err(Malformed::NoHost),
            (Some(authority), None) => url(authority.as_str())?,
            (None, Some(host)) => url(host)?,
            (Some(authority), Some(host)) => {
                let asked = url(authority.as_str())?;
                if url(host)? != asked {
                    return Err(Malformed::HostsDiffer);
                }
                asked
            }
        };
        if let Some(host) = received.host {
            (url, path) = keying.url(scheme, host, uri.path(), uri.query())?;
        }
        headers.remove(header::HOST);
        (keying.fields)(&method, url[path..].split('?').next().unwrap_or_default(), &mut headers);
        let extensions = head.extensions;
        Ok(Self { method, url, path, headers, extensions, body, client: received.client, waiting: None })
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The whole URL, which is the cache key.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The host, with its port where that is not the scheme's own.
    pub fn host(&self) -> &str {
        let authority = &self.url[..self.path];
        authority.find("://").map_or(authority, |end| &authority[end + 3..])
    }

    /// The scheme: `http` or `https`.
    pub fn scheme(&self) -> &str {
        self.url.split(':').next().unwrap_or_default()
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.url[self.path..].split('?').next().unwrap_or_default()
    }

    /// The fields, without `Host`.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(crate) fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// The body.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// The same request with another body.
    pub fn map<C>(self, change: impl FnOnce(B) -> C) -> CanonicalRequest<C> {
        let Self { method, url, path, headers, extensions, body, client, waiting } = self;
        CanonicalRequest { method, url, path, headers, extensions, body: change(body), client, waiting }
    }

    /// The same request with a field that this program vouches for.
    #[must_use]
    pub fn with_field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The clients that wait for the answer: the one that asked, and those that came to wait for the same.
    pub fn waiting(&mut self) -> &Waiting {
        self.waiting.get_or_insert_with(|| Waiting::new(self.client))
    }

    /// No client waits for the answer any more; those that join later do.
    pub(crate) fn set_background(&mut self) {
        self.waiting = Some(Waiting::new(None));
    }

    /// As HTTP, with the whole URL and without `Host`.
    ///
    /// # Errors
    /// When the URL is longer than an [`Uri`] can be.
    pub fn into_http(self) -> Result<Request<B>, http::uri::InvalidUri> {
        let uri = Uri::try_from(self.url)?;
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers;
        *request.extensions_mut() = self.extensions;
        Ok(request)
    }

    /// Whether the answer may be for others too, as far as the request goes. A request whose fields are unusual enough for
    /// an origin to refuse them is answered, and its answer is for nobody else: otherwise one long header would make an
    /// error of a picture.
    pub(crate) fn may_be_shared(&self) -> bool {
        let is_plain = |value: &HeaderValue| value.len() <= FIELD_BYTES && value.to_str().is_ok();
        let bytes: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        bytes <= FIELDS_BYTES && self.headers.values().all(is_plain)
    }

    /// The same request without its body.
    #[must_use]
    pub fn without_body(&self) -> CanonicalRequest<Body> {
        let Self { method, url, path, headers, extensions, client, waiting, .. } = self;
        CanonicalRequest {
            method: method.clone(),
            url: url.clone(),
            path: *path,
            headers: headers.clone(),
            extensions: extensions.clone(),
            body: Body::empty(),
            client: *client,
            waiting: waiting.clone(),
        }
    }

    /// The same request as a `GET` of the whole, for an origin that is asked for nothing else.
    pub(crate) fn whole(mut self) -> Self {
        self.method = Method::GET;
        self.headers.remove(header::RANGE);
        self.headers.remove(header::IF_RANGE);
        self
    }
}

impl CanonicalRequest<()> {
    /// A `GET` of this program's own.
    ///
    /// # Errors
    /// [`Malformed`], when it is no URL, `http://host/path?query`.
    pub fn get(url: &str, keying: &Keying) -> Result<Self, Malformed> {
        let url = keying.of_url(url).ok_or(Malformed::Target)?;
        let path = url.find("://").and_then(|end| Some(url[end + 3..].find('/')? + end + 3));
        let path = path.ok_or(Malformed::Target)?;
        let (method, headers) = (Method::GET, HeaderMap::new());
        let extensions = Extensions::new();
        Ok(Self { method, url, path, headers, extensions, body: (), client: None, waiting: None })
    }

    /// What the origin is asked when the answer is for all who ask alike.
    pub(crate) fn shared_question(&self, keying: &Keying) -> CanonicalRequest<Body> {
        let mut question = self.without_body();
        if keying.whole {
            // About nothing: without any condition or range.
            conditional::ask_about(&mut question.headers, &HeaderMap::new());
            question.headers.remove(header::CACHE_CONTROL);
            question.headers.remove(header::PRAGMA);
        }
        question
    }
}

/// Longest value of a field, and most bytes of all, of a request whose answer is for others too. Origins refuse more: the
/// usual limit is 8 KiB.
const FIELD_BYTES: usize = 4096;
const FIELDS_BYTES: usize = 7168;

/// Whether a status says something of the one request that it answers, and so nothing to others that ask for the same.
pub(crate) fn is_of_one_request(status: StatusCode, headers: &HeaderMap) -> bool {
    match status.as_u16() {
        401 | 407 | 408 | 411 | 412 | 413 | 415 | 416 | 417 | 421 | 425 | 426 | 428 | 429 | 431 | 511 => true,
        // What was not acceptable to one may be to the next, where the key does not tell them apart.
        406 => !headers.contains_key(header::VARY),
        _ => false,
    }
}

/// Most addresses that are noted for one answer; more would not make it come sooner.
const WAITING: usize = 16;

/// The clients that wait for an answer, by their addresses. A clone is the same set.
#[derive(Debug, Clone)]
pub struct Waiting(Arc<watch::Sender<Vec<IpAddr>>>);

impl Waiting {
    /// One client; `None`: this host itself.
    #[must_use]
    pub fn new(client: Option<IpAddr>) -> Self {
        Self(Arc::new(watch::Sender::new(client.into_iter().collect())))
    }

    /// Those who wait now, and those who will.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Vec<IpAddr>> {
        self.0.subscribe()
    }

    /// Notes the clients of another request that waits for the same answer.
    pub fn join(&self, other: &Self) {
        let others = other.0.borrow().clone();
        self.0.send_if_modified(|all| {
            let before = all.len();
            for client in others {
                if all.len() < WAITING && !all.contains(&client) {
                    all.push(client);
                }
            }
            all.len() > before
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP: Received<'_> = Received { scheme: &Scheme::HTTP, host: None, client: None };

    /// The canonical URL of a request with this target, these `Host` lines and this version.
    fn url(target: &str, hosts: &[&str], version: Version) -> Result<String, Malformed> {
        let mut request = Request::get(target).version(version);
        for host in hosts {
            request = request.header("host", HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        let request = request.body(()).unwrap();
        CanonicalRequest::new(request, &HTTP, &Keying::default()).map(|request| request.url)
    }

    #[test]
    fn one_request_is_one_url() {
        for (target, hosts, version) in [
            ("/a/./b?x", &["Img.Example:80"][..], Version::HTTP_11),
            ("http://img.example/a/b?x", &["img.example"], Version::HTTP_11),
            ("http://IMG.example:80/a/%2e/b?x", &["img.example"], Version::HTTP_10),
            ("https://img.example/a/b?x", &[], Version::HTTP_2),
            ("https://img.example/a/b?x", &["IMG.EXAMPLE"], Version::HTTP_2),
        ] {
            assert_eq!(url(target, hosts, version).as_deref(), Ok("http://img.example/a/b?x"), "{target}");
        }
    }

    #[test]
    fn a_request_without_one_valid_host_names_no_resource() {
        let (http1, http2) = (Version::HTTP_11, Version::HTTP_2);
        for (target, hosts, version, why) in [
            ("/a", &[][..], http1, Malformed::NoHost),
            ("/a", &[], Version::HTTP_10, Malformed::NoHost),
            ("/a", &[], http2, Malformed::NoHost),
            ("http://a/", &[], http1, Malformed::NoHost),
            ("/a", &["a", "a"], http1, Malformed::SeveralHosts),
            ("/a", &["a", "b"], http2, Malformed::SeveralHosts),
            ("/a", &[""], http1, Malformed::Host),
            ("/a", &["a, b"], http1, Malformed::Host),
            ("/a", &["ä"], http1, Malformed::Host),
            ("/a", &["u@a"], http1, Malformed::Host),
            ("http://u@a/", &["u@a"], http1, Malformed::Host),
            ("http://a/", &["b"], http1, Malformed::HostsDiffer),
            ("http://a/", &["a:8080"], http1, Malformed::HostsDiffer),
            ("http://a/", &["b"], http2, Malformed::HostsDiffer),
            ("*", &["a"], http1, Malformed::Target),
            ("ftp://a/", &["a"], http1, Malformed::Target),
        ] {
            assert_eq!(url(target, hosts, version), Err(why), "{target} {hosts:?}");
        }
    }

    #[test]
    fn a_trusted_host_replaces_the_one_of_the_request() {
        let received = Received { scheme: &Scheme::HTTPS, host: Some("img.example:443"), client: None };
        let request = Request::get("/a").header("host", "inner:3000").body(()).unwrap();
        let request = CanonicalRequest::new(request, &received, &Keying::default()).unwrap();
        assert_eq!(
            (request.url(), request.scheme(), request.host(), request.path()),
            ("https://img.example/a", "https", "img.example", "/a")
        );
    }

    #[test]
    fn unusual_fields_are_not_for_others() {
        let shared = |name: &str, value: &[u8]| {
            let request = Request::get("/").header("host", "a");
            let request = request.header(name, HeaderValue::from_bytes(value).unwrap()).body(()).unwrap();
            CanonicalRequest::new(request, &HTTP, &Keying::default()).unwrap().may_be_shared()
        };
        assert!(shared("x", b"1"));
        assert!(!shared("x", &[b'a'; 5000]));
        assert!(!shared("x", b"\xff"));
    }
}
