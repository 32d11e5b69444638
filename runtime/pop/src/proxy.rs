//! The cache before any HTTP origin: `iridule serve --proxy`.
//!
//! A gateway as RFC 9110, section 7.6 has it: the origin learns from `Via` that we are there. `Host` and `X-Forwarded-Proto`
//! are those of the canonical URL, which is the cache key.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Request, Response, Uri, Version, header};
use iridule_http_cache::{Body, Cache, CanonicalRequest, Keying, Origin, Unanswered};

use crate::{
    Limits,
    config::CacheLimits,
    error::PopError,
    front::Front,
    informational::Informational,
    kept::send,
    metrics::Metrics,
    outbound::{AllowedHost, HttpClient, client},
    server::{Server, Terms},
    site::Site,
    tls::Tls,
};

/// What a proxy needs to start.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// The origin: scheme, host and port. An inner address must be spelled out, or be `localhost`.
    pub origin: AllowedHost,
    /// Where visitors are served. Port 0 takes a free port.
    pub listen: SocketAddr,
    /// The listener's certificate; `None` serves in clear.
    pub tls: Option<Tls>,
    /// What is kept.
    pub cache: CacheLimits,
    /// Bounds; of those on guests, only the deadline matters here.
    pub limits: Limits,
}

/// A running cache before an origin.
///
/// Dropping it stops serving at once; [`Proxy::shutdown`] lets requests under way finish.
pub struct Proxy {
    address: SocketAddr,
    cache: Arc<Cache>,
    terms: Terms,
}

impl Proxy {
    /// Starts one on the current tokio runtime.
    ///
    /// # Errors
    /// When its port or its store cannot be opened.
    pub async fn start(mut config: ProxyConfig) -> Result<Self, PopError> {
        // Half of the descriptors, for a connection to the origin may stand behind each.
        config.limits.fit_open_files(iridule_machine::raise_open_files());
        let metrics = Metrics::new();
        let cache = config.cache.open(Keying::default(), metrics.clone()).await?;
        let server = Server::bind(config.listen, config.tls.as_ref()).await?;
        let address = server.address;
        let origin = Arc::new(Upstream::new(config.origin, config.limits.deadline)?);
        let terms = Terms::new(config.limits, metrics).informational();
        let site = Site::new(Keying::ANY, config.tls.is_some(), &terms.limits);
        let front = Arc::new(Front::new(Some(cache.clone()), origin, site, &terms));
        terms
            .tasks
            .spawn(server.run(terms.clone(), move |request, peer| front.clone().answer(request, peer)));
        Ok(Self { address, cache, terms })
    }

    /// Where visitors are served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests under way finish within [`Limits::shutdown`], and brings the cache to the disk.
    pub async fn shutdown(self) {
        self.terms.leave().await;
        self.cache.close().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.terms.leaving.cancel();
    }
}

/// The origin behind a proxy.
struct Upstream {
    client: HttpClient<Body>,
    base: Uri,
    deadline: Duration,
}

impl Upstream {
    fn new(host: AllowedHost, deadline: Duration) -> Result<Self, PopError> {
        let base = host.to_string().parse().map_err(|_| PopError::Config(format!("{host} is no origin")))?;
        Ok(Self { client: client([host].into()), base, deadline })
    }

    /// The request as the origin gets it.
    fn outward(&self, request: CanonicalRequest<Body>) -> Option<Request<Body>> {
        let host = HeaderValue::from_str(request.host()).ok()?;
        let scheme = HeaderValue::from_str(request.scheme()).ok()?;
        let mut request = request.into_http().ok()?;
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(parts).ok()?;
        *request.version_mut() = Version::HTTP_11;
        let headers = request.headers_mut();
        headers.insert(header::HOST, host);
        headers.insert(X_FORWARDED_PROTO, scheme);
        headers.append(header::VIA, HeaderValue::from_static("1.1 iridule"));
        if let Some(informational) = request.extensions_mut().remove::<Informational>() {
            hyper::ext::on_informational(&mut request, move |response| {
                informational.send(response.status(), response.headers());
            });
        }
        Some(request)
    }
}

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl Origin for Upstream {
    async fn ask(&self, request: CanonicalRequest<Body>) -> Result<Response<Body>, Unanswered> {
        let request = self.outward(request).ok_or(Unanswered::Unreachable)?;
        let answer = tokio::time::timeout(self.deadline, send(&self.client, request, Body::empty));
        let answer = answer.await.map_err(|_| Unanswered::Late)?;
        let answer = answer.map_err(|why| {
            tracing::warn!(%why, "the origin did not answer");
            Unanswered::Unreachable
        })?;
        Ok(answer.map(Body::stream))
    }
}
