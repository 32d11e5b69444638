//! The front: every visitor's request goes through here, to the cache and, where that needs it, on to whoever answers
//! behind it: the functions (`gate.rs`) or another origin (`proxy.rs`).

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use iridule_http_cache::{Body, Cache, CanonicalRequest, Origin, Outcome, Watch};

use crate::{
    ahead::{Ahead, Looked},
    metrics::{Held, Metrics},
    problem::Problem,
    server::Terms,
    site::{Site, wants_events},
    visitors::Visitors,
};

/// The front of a host.
pub(crate) struct Front<O> {
    /// `None`: everything goes on.
    cache: Option<Arc<Cache>>,
    origin: Arc<O>,
    site: Site,
    metrics: Arc<Metrics>,
    visitors: Arc<Visitors>,
    /// What is looked at is counted here.
    ahead: Option<Arc<Ahead>>,
}

impl<O: Origin> Front<O> {
    pub(crate) fn new(cache: Option<Arc<Cache>>, origin: Arc<O>, site: Site, terms: &Terms) -> Self {
        let (metrics, visitors) = (terms.metrics.clone(), terms.visitors.clone());
        Self { cache, origin, site, metrics, visitors, ahead: None }
    }

    /// A front that counts what is looked at.
    pub(crate) fn counting(self, ahead: Option<Arc<Ahead>>) -> Self {
        Self { ahead, ..self }
    }

    /// Answers a request, in any case.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Result<Response<Body>, Infallible> {
        let answer = match self.site.receive(request, peer) {
            Ok((client, request)) => self.answer_to(request, client).await,
            Err(problem) => problem.reply().map(Body::whole),
        };
        self.metrics.reply(answer.status());
        Ok(answer)
    }

    async fn answer_to(&self, request: CanonicalRequest<Incoming>, client: IpAddr) -> Response<Body> {
        let may_ask = self.visitors.may_ask(client);
        let at_hand = || self.cache.as_ref().filter(|_| may_ask)?.at_hand(&request);
        let counts =
            |path: &str, answer: &Response<Body>| self.ahead.is_some() && Ahead::counts(path, answer);
        let (answer, looked) = match at_hand() {
            Some(answer) => {
                let looked = counts(request.path(), &answer).then(|| Looked::at(&request)).flatten();
                (answer, looked)
            }
            // Boxed, so that a hit need not move the whole machinery of a miss in and out of its connection.
            None => {
                let looked = self.ahead.as_ref().and_then(|_| Looked::at(&request));
                let answer = Box::pin(self.ask(request, may_ask)).await;
                let looked = looked.filter(|looked| counts(looked.path(), &answer));
                (answer, looked)
            }
        };
        if let (Some(ahead), Some(looked)) = (&self.ahead, looked) {
            ahead.saw(looked);
        }
        answer
    }

    /// What is not at hand.
    async fn ask(&self, request: CanonicalRequest<Incoming>, may_ask: bool) -> Response<Body> {
        let start = Instant::now();
        let _held = Held::new(&self.metrics.in_flight);
        let request = request.map(Body::stream);
        let answer = match &self.cache {
            _ if !may_ask => Err(Problem::TooOften),
            // A stream of events is for whoever opened it.
            Some(cache) if !(self.site.keying.whole && wants_events(&request)) => {
                cache.answer(&self.origin, request).await.map_err(Problem::from)
            }
            _ => self.origin.ask(request).await.map_err(Problem::from),
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
