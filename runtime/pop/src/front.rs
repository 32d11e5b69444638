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
        let may_ask = self.visitors.may_ask(peer);
        let at_hand = || self.cache.as_ref().filter(|_| may_ask)?.at_hand(&request);
        let answer = match at_hand() {
            Some(answer) => answer,
            // Boxed, so that a hit need not move the whole machinery of a miss in and out of its connection.
            None => Box::pin(self.ask(request, may_ask)).await,
        };
        self.metrics.reply(answer.status());
        Ok(answer)
    }

    /// What is not at hand.
    async fn ask(&self, request: Request<Incoming>, may_ask: bool) -> Response<Body> {
        let start = Instant::now();
        let _held = Held::new(&self.metrics.in_flight);
        let request = request.map(Body::stream);
        let answer = match &self.cache {
            _ if !may_ask => Err(Problem::TooOften),
            Some(cache) => cache.answer(&self.origin, request).await.map_err(Problem::from),
            None => self.origin.ask(request).await.map_err(Problem::from),
        };
        self.metrics.latency.observe(start.elapsed().as_secs_f64());
        answer.unwrap_or_else(|problem| problem.reply().map(Body::whole))
    }
}

impl Watch for Metrics {
    fn saw(&self, outcome: Outcome) {
        self.cache.of(outcome).inc();
    }
}
