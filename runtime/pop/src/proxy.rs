//! The cache before any HTTP origin: `iridule serve --proxy`.
//!
//! A gateway as RFC 9110, section 7.6 has it: the origin learns from `Via` that we are there, the `Host` is the client's.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, Uri, Version, header, uri::PathAndQuery};
use iridule_cache::{Body, Cache, Keying, Origin, Unanswered};

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
    pub async fn start(config: ProxyConfig) -> Result<Self, PopError> {
        let metrics = Metrics::new();
        let cache = config.cache.open(Keying::default(), metrics.clone()).await?;
        let server = Server::bind(config.listen, config.tls.as_ref()).await?;
        let address = server.address;
        let origin = Arc::new(Upstream::new(config.origin, config.limits.deadline)?);
        let terms = Terms::new(config.limits, metrics).informational();
        let front = Arc::new(Front::new(Some(cache.clone()), origin, &terms));
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

    fn outward(&self, request: &mut Request<Body>) -> Option<()> {
        if !request.headers().contains_key(header::HOST)
            && let Some(host) = request.uri().authority().and_then(|host| host.as_str().parse().ok())
        {
            request.headers_mut().insert(header::HOST, host);
        }
        let mut parts = self.base.clone().into_parts();
        let path = request.uri().path_and_query().cloned();
        parts.path_and_query = Some(path.unwrap_or(PathAndQuery::from_static("/")));
        *request.uri_mut() = Uri::from_parts(parts).ok()?;
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().append(header::VIA, HeaderValue::from_static("1.1 iridule"));
        if let Some(informational) = request.extensions_mut().remove::<Informational>() {
            hyper::ext::on_informational(request, move |response| {
                informational.send(response.status(), response.headers());
            });
        }
        Some(())
    }
}

impl Origin for Upstream {
    async fn ask(&self, mut request: Request<Body>) -> Result<Response<Body>, Unanswered> {
        self.outward(&mut request).ok_or(Unanswered::Unreachable)?;
        let answer = tokio::time::timeout(self.deadline, send(&self.client, request, Body::empty));
        let answer = answer.await.map_err(|_| Unanswered::Late)?;
        let answer = answer.map_err(|why| {
            tracing::warn!(%why, "the origin did not answer");
            Unanswered::Unreachable
        })?;
        Ok(answer.map(Body::stream))
    }
}
