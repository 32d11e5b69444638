//! Requests that guests send: only to hosts on the list, and never to an inner address that the list does not name.
//!
//! The list is checked when the guest asks; addresses are checked after the name is resolved, in the connector, on the
//! very addresses that are dialled, so a name that changes its mind in between gains nothing. `address.rs` knows which
//! addresses are inner ones.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    str::FromStr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, Uri, uri::Scheme};
use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::net::TcpStream;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use iridule_records::address::is_inner;

use crate::{
    kept::{Accounted, send},
    metrics::Metrics,
};

/// How long a connection may take to be made, name and all.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next request to the same host.
const KEEP: Duration = Duration::from_secs(60);

/// A host that guests may send requests to.
///
/// Written `https://origin.example:8443`, without a path; the port may be left out, and `*.example.com` names every
/// host below a domain. An address or `localhost` as the host lets guests reach that inner address; a name that
/// resolves to one must be allowed to with [`AllowedHost::inner`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    tls: bool,
    host: String,
    below: bool,
    port: u16,
    inner: bool,
}

impl AllowedHost {
    /// The same host, also when its name resolves to a private, loopback or link-local address.
    #[must_use]
    pub fn inner(mut self) -> Self {
        self.inner = true;
        self
    }

    fn names(&self, target: &Target<'_>) -> bool {
        let host = if self.below {
            target.host.strip_suffix(&*self.host).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
        } else {
            target.host.eq_ignore_ascii_case(&self.host)
        };
        host && self.tls == target.tls && self.port == target.port
    }
}

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?}: {why}; write it like https://origin.example:8443");
        let (below, plain) = match text.split_once("://*.") {
            Some((scheme, domain)) => (true, format!("{scheme}://{domain}")),
            None => (false, text.to_owned()),
        };
        let uri: Uri = plain.parse().map_err(|_| wrong("not a URL"))?;
        if uri.path() != "/" || uri.query().is_some() || plain.contains('@') {
            return Err(wrong("scheme, host and port only"));
        }
        let target = Target::of(&uri).ok_or_else(|| wrong("a host, http or https"))?;
        let host = target.host.to_ascii_lowercase();
        let inner = !below && (host == "localhost" || literal(&host).is_some());
        Ok(Self { tls: target.tls, host, below, port: target.port, inner })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, star) = (if self.tls { "https" } else { "http" }, if self.below { "*." } else { "" });
        write!(f, "{scheme}://{star}{}:{}", self.host, self.port)
    }
}

/// Where a request goes, as its URL says.
struct Target<'a> {
    tls: bool,
    host: &'a str,
    port: u16,
}

impl<'a> Target<'a> {
    fn of(uri: &'a Uri) -> Option<Self> {
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        let host = uri.host().filter(|host| !host.is_empty())?;
        let port = match uri.authority()?.as_str().rsplit_once(':') {
            // A colon inside an IPv6 address is none before a port.
            Some((_, port)) if !port.ends_with(']') => port.parse().ok()?,
            _ => 80 + 363 * u16::from(tls),
        };
        Some(Self { tls, host, port })
    }
}

/// The address that a URL's host spells out, if it does.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The way out of every instance of one host. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Outbound {
    allowed: Arc<[AllowedHost]>,
    client: HttpClient<WasiBody>,
    metrics: Arc<Metrics>,
}

impl Outbound {
    pub(crate) fn new(allowed: &[AllowedHost], metrics: Arc<Metrics>) -> Self {
        let allowed: Arc<[AllowedHost]> = allowed.into();
        Self { client: client(allowed.clone()), allowed, metrics }
    }

    fn is_allowed(&self, uri: &Uri) -> bool {
        Target::of(uri).is_some_and(|target| self.allowed.iter().any(|host| host.names(&target)))
    }
}

/// A client over [`Connector`].
pub(crate) type HttpClient<B> = Client<Accounted<HttpsConnector<Connector>>, B>;

/// A client that dials what the list allows, and keeps its connections.
pub(crate) fn client<B>(allowed: Arc<[AllowedHost]>) -> HttpClient<B>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let connector = HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .wrap_connector(Connector { allowed });
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(KEEP)
        .pool_timer(TokioTimer::new())
        .build(Accounted(connector))
}

type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let outbound = self.clone();
        Box::new(async move {
            let uri = request.uri().clone();
            let sent = outbound.send(request, options).await;
            if let Err(why) = &sent {
                if matches!(why, Error::HttpRequestDenied | Error::DestinationIpProhibited) {
                    outbound.metrics.outbound_refused.inc();
                }
                tracing::warn!(to = %uri.authority().map_or("", |a| a.as_str()), ?why, "a guest's request failed");
            }
            sent
        })
    }
}

impl Outbound {
    async fn send(&self, request: Request<WasiBody>, options: Option<RequestOptions>) -> Sent {
        if !self.is_allowed(request.uri()) {
            return Err(Error::HttpRequestDenied);
        }
        let answer = send(&self.client, request, nothing);
        let answer = match options.and_then(|options| options.first_byte_timeout) {
            Some(limit) => {
                tokio::time::timeout(limit, answer).await.map_err(|_| Error::HttpResponseTimeout)?
            }
            None => answer.await,
        };
        let answer = answer.map_err(|why| reason(&why))?;
        let io: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
        Ok((answer.map(|body| body.map_err(Error::from).boxed_unsync()), io))
    }
}

fn nothing() -> WasiBody {
    http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The innermost cause that a guest can do something with.
fn reason(why: &hyper_util::client::legacy::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(why);
    while let Some(error) = cause {
        if let Some(dial) = error.downcast_ref::<Dial>() {
            return match dial {
                Dial::Inner => Error::DestinationIpProhibited,
                Dial::Late => Error::ConnectionTimeout,
                Dial::Name(_) => Error::DnsError { rcode: None, info_code: None },
                Dial::Refused(_) => Error::ConnectionRefused,
            };
        }
        cause = error.source();
    }
    if why.is_connect() { Error::TlsProtocolError } else { Error::ConnectionTerminated }
}

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Dial {
    #[error("the host's address is an inner one, and the list does not name it")]
    Inner,
    #[error("no connection within {} s", CONNECT.as_secs())]
    Late,
    #[error("resolving the host: {0}")]
    Name(io::Error),
    #[error("connecting: {0}")]
    Refused(io::Error),
}

/// Resolves, checks, dials.
#[derive(Clone)]
pub(crate) struct Connector {
    allowed: Arc<[AllowedHost]>,
}

impl Connector {
    async fn dial(self, uri: Uri) -> Result<TokioIo<TcpStream>, Dial> {
        let target = Target::of(&uri).ok_or_else(|| Dial::Name(io::ErrorKind::InvalidInput.into()))?;
        let inner = self.allowed.iter().any(|host| host.inner && host.names(&target));
        let addresses: Vec<SocketAddr> = match literal(target.host) {
            Some(address) => vec![SocketAddr::new(address, target.port)],
            None => tokio::net::lookup_host((target.host, target.port)).await.map_err(Dial::Name)?.collect(),
        };
        let mut last = Dial::Inner;
        for address in addresses.iter().filter(|address| inner || !is_inner(address.ip())) {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(Dial::Refused)?;
                    return Ok(TokioIo::new(stream));
                }
                Err(why) => last = Dial::Refused(why),
            }
        }
        Err(last)
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = Dial;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Dial>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Dial>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dial = self.clone().dial(uri);
        Box::pin(async { tokio::time::timeout(CONNECT, dial).await.unwrap_or(Err(Dial::Late)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: &str, url: &str) -> bool {
        let uri: Uri = url.parse().unwrap();
        rule.parse::<AllowedHost>().unwrap().names(&Target::of(&uri).unwrap())
    }

    #[test]
    fn a_rule_names_scheme_host_and_port() {
        assert!(allows("https://origin.example", "https://origin.example/a?b"));
        assert!(allows("https://origin.example", "https://ORIGIN.example:443/"));
        assert!(!allows("https://origin.example", "http://origin.example/"));
        assert!(!allows("https://origin.example", "https://origin.example:444/"));
        assert!(!allows("https://origin.example", "https://origin.example.evil/"));
        assert!(!allows("https://origin.example", "https://evil@other.example/"));
        assert!(allows("http://[::1]:8080", "http://[::1]:8080/"));
        assert!(allows("http://[::1]", "http://[::1]/"));
    }

    #[test]
    fn a_star_names_what_is_below_a_domain() {
        assert!(allows("https://*.example.com", "https://a.b.example.com/"));
        assert!(!allows("https://*.example.com", "https://example.com/"));
        assert!(!allows("https://*.example.com", "https://.example.com/"));
        assert!(!allows("https://*.example.com", "https://badexample.com/"));
    }

    #[test]
    fn only_spelled_out_addresses_are_inner_by_themselves() {
        assert!("http://127.0.0.1:1".parse::<AllowedHost>().unwrap().inner);
        assert!("http://localhost".parse::<AllowedHost>().unwrap().inner);
        assert!(!"http://origin.example".parse::<AllowedHost>().unwrap().inner);
        for wrong in
            ["origin.example", "ftp://a", "https://a/b", "https://a?b", "https://u@a", "https://", ""]
        {
            assert!(wrong.parse::<AllowedHost>().is_err(), "{wrong}");
        }
    }
}
