//! The front: every visitor's request goes through here, to the cache and, where that needs it, on to whoever answers
//! behind it: the functions (`gate.rs`) or another origin (`proxy.rs`).

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use iridule_cache::{Body, Cache, Origin, Outcome, Watch};

use crate::{
    metrics::{Held, Metrics},
    problem::Problem,
    server::Terms,
    visitors::Visitors,
};

/// The front of a host.
pub(crate) struct Front<O> {
    /// `None`: everything goes on.
    cache: Option<Arc<Cache>>,
    origin: Arc<O>,
    metrics: Arc<Metrics>,
    visitors: Arc<Visitors>,
}

impl<O: Origin> Front<O> {
    pub(crate) fn new(cache: Option<Arc<Cache>>, origin: Arc<O>, terms: &Terms) -> Self {
        Self { cache, origin, metrics: terms.metrics.clone(), visitors: terms.visitors.clone() }
    }

    /// Answers a request, in any case.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Result<Response<Body>, Infallible> {
        let start = Instant::now();
        let held = Held::new(&self.metrics.in_flight);
        let request = request.map(|body| match http_body::Body::is_end_stream(&body) {
            true => Body::empty(),
            false => Body::stream(body),
        });
        let answer = match &self.cache {
            _ if !self.visitors.may_ask(peer) => Err(Problem::TooOften),
            Some(cache) => cache.answer(&self.origin, request).await.map_err(Problem::from),
            None => Box::pin(self.origin.ask(request)).await.map_err(Problem::from),
        };
        let answer = answer.unwrap_or_else(|problem| problem.reply().map(Body::whole));
        drop(held);
        self.metrics.reply(answer.status());
        self.metrics.latency.observe(start.elapsed().as_secs_f64());
        Ok(answer)
    }
}

impl Watch for Metrics {
    fn saw(&self, outcome: Outcome) {
        self.cache.of(outcome).inc();
    }
}
