//! The front: every visitor's request goes through here, to the cache and, where that needs it, on to whoever answers
//! behind it: the functions (`gate.rs`) or another origin (`proxy.rs`).

use std::{convert::Infallible, sync::Arc, time::Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use iridule_cache::{Body, Cache, Origin, Outcome, Watch};

use crate::{
    metrics::{Held, Metrics},
    problem::Problem,
};

/// The front of a host.
pub(crate) struct Front<O> {
    /// `None`: everything goes on.
    pub(crate) cache: Option<Arc<Cache>>,
    pub(crate) origin: Arc<O>,
    pub(crate) metrics: Arc<Metrics>,
}

impl<O: Origin> Front<O> {
    /// Answers a request, in any case.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let start = Instant::now();
        let held = Held::new(&self.metrics.in_flight);
        let request = request.map(|body| match http_body::Body::is_end_stream(&body) {
            true => Body::empty(),
            false => Body::stream(body),
        });
        let answer = match &self.cache {
            Some(cache) => cache.answer(&self.origin, request).await,
            None => Box::pin(self.origin.ask(request)).await,
        };
        let answer = answer.unwrap_or_else(|why| Problem::from(why).reply().map(Body::whole));
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
