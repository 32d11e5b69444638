//! The way of a request through the cache (RFC 9111, section 4): its key, what is stored under it, and what may be done
//! with that; when it will not do, asking the origin, which is `fetch.rs`. How an answer is made from what is stored is
//! `reply.rs`.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use http::{HeaderMap, Method, Response, header};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::{
    admission::{Admission, Admitted},
    body::Body,
    canonical::CanonicalRequest,
    clock::{self, Clock, Earlier, SystemClock, Tick, TimeSource},
    conditional,
    directives::Directives,
    entry::Response as Kept,
    fetch::{Brought, Errand},
    fields::strip_hop_by_hop,
    flight::{Flights, Landed, Landing, Memory, Place, Selection},
    freshness::{Instead, Standing, Times},
    key::Keying,
    lookup::{Found, second_slot},
    predictor::Predictor,
    purge::{Purge, Purges},
    reply::{self, Client},
    status::{self, How, Why},
    storable::has_credentials,
    store::{Policy, Store, StoreError},
};

/// Who is asked when nothing stored will do.
pub trait Origin: Send + Sync + 'static {
    /// Answers a request. The answer's body may still be coming.
    fn ask(
        &self,
        request: CanonicalRequest<Body>,
    ) -> impl Future<Output = Result<Response<Body>, Unanswered>> + Send;
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The origin cannot be reached, or broke off.
    #[error("the origin cannot be reached")]
    Unreachable,
    /// The origin takes too long, or too many are waiting for it.
    #[error("the origin takes too long")]
    Late,
    /// The client wants only what is stored (RFC 9111, section 5.2.1.7), and it is not.
    #[error("it is not stored, and only what is was asked for")]
    OnlyIfCached,
    /// As many requests wait for the origin as there is memory for.
    #[error("too many requests wait for the origin")]
    Busy,
}

/// Marks, as an extension of a response, that it stands for an answer that the origin did not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAnswer;

/// How an answer was come by, for who counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// From the store, fresh.
    Hit,
    /// From the store, stale: being asked about, or asking failed.
    Stale,
    /// From the store, confirmed by the origin just now.
    Confirmed,
    /// From the origin.
    Miss,
    /// From the origin, fetched for another that asked alike.
    Collapsed,
    /// From the origin, past the cache.
    Passed,
}

/// Is told of every answer.
pub trait Watch: Send + Sync + 'static {
    /// An answer was come by in this way.
    fn saw(&self, outcome: Outcome);
}

/// Nobody counts.
impl Watch for () {
    fn saw(&self, _: Outcome) {}
}

/// Bounds on waiting and remembering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long a request waits for another that fetches the same, before it goes on its own.
    pub patience: Duration,
    /// Requests that may be on their own at once after having waited in vain.
    pub impatient: usize,
    /// For how long a URL whose answer may not be shared is fetched without waiting for others.
    pub unshared: Duration,
    /// How many such URLs are remembered.
    pub unshared_urls: NonZeroUsize,
    /// Memory for the requests that wait for the origin, bytes of keys and fields; one more is [`Unanswered::Busy`].
    pub waiting_bytes: usize,
    /// How long the next piece of a body may take, before it is given up.
    pub stall: Duration,
    /// How long a slow reader of a body may hold up others altogether, once the body is too large to be kept for all.
    pub lag: Duration,
    /// For how long past its lifetime a response is used while the origin cannot be reached, where the origin says
    /// nothing of errors.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
            impatient: 64,
            unshared: Duration::from_secs(10),
            unshared_urls: NonZeroUsize::new(1 << 14).unwrap_or(NonZeroUsize::MIN),
            waiting_bytes: 64 << 20,
            stall: Duration::from_secs(30),
            lag: Duration::from_secs(2),
            grace: Duration::from_secs(60),
        }
    }
}

/// A shared cache.
pub struct Cache {
    pub(crate) store: Store,
    pub(crate) purges: Purges,
    pub(crate) keying: Keying,
    pub(crate) largest: usize,
    pub(crate) coming: Memory,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) predictor: Predictor,
    admission: Admission,
    flights: Flights,
    impatient: Semaphore,
    watch: Arc<dyn Watch>,
}

impl Cache {
    /// Opens a cache over what a folder holds, or an empty one.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub async fn open(
        policy: &Policy,
        keying: Keying,
        limits: Limits,
        watch: Arc<dyn Watch>,
    ) -> Result<Arc<Self>, StoreError> {
        Self::open_at(policy, keying, limits, watch, Arc::new(SystemClock)).await
    }

    /// The same, by another clock.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub async fn open_at(
        policy: &Policy,
        keying: Keying,
        limits: Limits,
        watch: Arc<dyn Watch>,
        time: Arc<dyn TimeSource>,
    ) -> Result<Arc<Self>, StoreError> {
        let folder: Option<PathBuf> = policy.disk.as_ref().map(|(folder, _)| folder.clone());
        let blocks = Policy {
            disk: policy.disk.clone().map(|(at, bytes)| (at.join("blocks"), bytes)),
            ..policy.clone()
        };
        let failed = |what: &str, why: std::io::Error| StoreError(format!("{what}: {why}"));
        let purges = Purges::open(folder.as_deref()).map_err(|why| failed("purges", why))?;
        let (clock, earlier) =
            Clock::open(time, folder.as_deref(), purges.latest()).map_err(|why| failed("clock", why))?;
        if earlier != Earlier::Aged {
            // All that an earlier process has stored, and nothing of this one's.
            let before = Tick(clock.now().0.saturating_sub(1));
            let soft = earlier == Earlier::Older;
            purges.purge(Purge::Everything, soft, before).map_err(|why| failed("purges", why))?;
        }
        let cache = Arc::new(Self {
            store: Store::open(&blocks).await?,
            purges,
            clock,
            keying,
            largest: policy.largest,
            coming: Memory::new(policy.memory),
            flights: Flights::default(),
            impatient: Semaphore::new(limits.impatient),
            predictor: Predictor::new(limits.unshared_urls, limits.unshared),
            admission: Admission::new(limits.waiting_bytes),
            limits,
            watch,
        });
        if folder.is_some() {
            tokio::spawn(write_clock(Arc::downgrade(&cache)));
        }
        Ok(cache)
    }

    /// The answer that lies in memory, fresh: all that most requests need.
    #[must_use]
    pub fn at_hand<B: http_body::Body>(&self, request: &CanonicalRequest<B>) -> Option<Response<Body>> {
        if self.past_the_cache(request).is_some() {
            return None;
        }
        let (client, now) = (Client::of(request), self.clock.now());
        let (found, _) = self.in_memory(request.url(), request.headers(), now)?;
        let Found::Response { response, softly } = found else { return None };
        let asked = Directives::of_request(request.headers());
        match response.freshness.standing(&asked, now, softly, 0) {
            Standing::Fresh { ttl }
                if reply::holds(&response, client)
                    && conditional::holds(request.headers(), response.status, &response.fields) =>
            {
                Some(self.reply_at(client, &response, How::Hit { ttl }, now))
            }
            _ => None,
        }
    }

    /// Answers a request: from what is stored where that may be, else from the origin.
    ///
    /// # Errors
    /// When the origin is needed and does not answer.
    pub async fn answer<O: Origin>(
        self: &Arc<Self>,
        origin: &Arc<O>,
        request: CanonicalRequest<Body>,
    ) -> Result<Response<Body>, Unanswered> {
        if let Some(why) = self.past_the_cache(&request) {
            return self.pass(&**origin, request, why).await;
        }
        if self.keying.whole && request.method() == Method::HEAD {
            // The answer to a `GET` is the answer to all who come after, and this one without its body.
            let answer = self.look_up(origin, request.whole()).await?;
            return Ok(answer.map(|_| Body::empty()));
        }
        self.look_up(origin, request).await
    }

    /// The answer from what is stored, else from the origin.
    async fn look_up<O: Origin>(
        self: &Arc<Self>,
        origin: &Arc<O>,
        request: CanonicalRequest<Body>,
    ) -> Result<Response<Body>, Unanswered> {
        let asked = Directives::of_request(request.headers());
        let now = self.clock.now();
        let (found, selected) = self.find(request.url(), request.headers(), now).await;
        let client = Client::of(&request);
        if self.is_for_the_origin(&request, &found, &asked, now) {
            if asked.only_if_cached {
                return Err(Unanswered::OnlyIfCached);
            }
            return self.pass(&**origin, request, Why::Bypass).await;
        }
        let (stored, why) = match found {
            Found::Response { response, .. } if !reply::holds(&response, client) => (None, Why::Partial),
            Found::Response { response, softly } => {
                let grace = self.limits.grace.as_secs();
                match response.freshness.standing(&asked, now, softly, grace) {
                    Standing::Fresh { ttl } => {
                        return Ok(self.reply_at(client, &response, How::Hit { ttl }, now));
                    }
                    Standing::Revalidate => {
                        let answer = self.reply(client, &response, How::Stale);
                        if request.may_be_shared() {
                            let stored = Some((response, Instead::Errors));
                            // Without memory for the question, a later request asks.
                            if let Ok(errand) = self.errand(origin, request, asked, stored, Why::Stale) {
                                self.go_behind(errand, selected);
                            }
                        }
                        return Ok(answer);
                    }
                    Standing::Ask { instead } => (Some((response, instead)), Why::Stale),
                }
            }
            Found::OtherVariants => (None, Why::VaryMiss),
            Found::Nothing => (None, Why::UriMiss),
        };
        if asked.only_if_cached {
            return Err(Unanswered::OnlyIfCached);
        }
        if !request.may_be_shared() {
            return self.pass(&**origin, request, why).await;
        }
        if request.method() == Method::HEAD {
            return self.head(origin, request, stored.map(|(stored, _)| stored), selected, why).await;
        }
        let errand = self.errand(origin, request, asked, stored, why)?;
        self.fetch(errand, selected).await
    }

    /// Asks the origin for a head, and brings what is stored up to date by it (section 4.3.5).
    async fn head<O: Origin>(
        self: &Arc<Self>,
        origin: &Arc<O>,
        request: CanonicalRequest<Body>,
        stored: Option<Arc<Kept>>,
        selected: Selection,
        why: Why,
    ) -> Result<Response<Body>, Unanswered> {
        let question = request.without_body();
        let asked = self.clock.now();
        let answer = self.pass(&**origin, request, why).await?;
        if let Some(stored) = stored
            && answer.status() == stored.status
            && !has_credentials(question.headers())
        {
            let times = self.times(asked);
            self.compare(origin, question, selected, stored, answer.headers(), times).await;
        }
        Ok(answer)
    }

    /// Makes untrue what is stored: at once, whatever it is. Softly, it may still be used while it is being asked about,
    /// where the origin allows that. A URL is given whole, `http://host/path?query`.
    ///
    /// # Errors
    /// When the purge cannot be written down, and so would not outlive the process; or when the URL is none.
    pub fn purge(&self, what: Purge, soft: bool) -> std::io::Result<()> {
        let now = self.clock.now();
        let purged = match what {
            Purge::Url(url) => {
                let none =
                    || std::io::Error::new(std::io::ErrorKind::InvalidInput, "a URL is http://host/path");
                let key = self.keying.of_url(&url).ok_or_else(none)?;
                // Who purges knows the public URL, and not whether TLS ends here or before.
                let rest = key.split_once("://").map_or("", |(_, rest)| rest);
                ["http", "https"].iter().try_for_each(|scheme| {
                    self.purges.purge(Purge::Url(format!("{scheme}://{rest}")), soft, now)
                })
            }
            other => self.purges.purge(other, soft, now),
        };
        // What is under way was asked for before, and is not for who comes now. All of it: which tags it will bear is not
        // known before it comes.
        self.flights.forget(|_| true);
        purged
    }

    /// Brings everything to the disk.
    pub async fn close(&self) {
        self.store.close().await;
        self.write_clock();
    }

    fn errand<O: Origin>(
        self: &Arc<Self>,
        origin: &Arc<O>,
        request: CanonicalRequest<Body>,
        asked: Directives,
        stored: Option<(Arc<Kept>, Instead)>,
        why: Why,
    ) -> Result<Errand<O>, Unanswered> {
        let admitted = self.admit(&request)?;
        Ok(Errand {
            _admitted: admitted,
            cache: self.clone(),
            origin: origin.clone(),
            key: request.url().to_owned(),
            request: request.map(drop),
            asked,
            stored,
            why,
        })
    }

    /// Refreshes a stored response in the background, unless a fetch of it is under way. No client waits for the answer,
    /// so the fetch takes no client's turn: otherwise the refreshes that one client sets off keep its misses waiting.
    fn go_behind<O: Origin>(&self, mut errand: Errand<O>, selected: Selection) {
        errand.request.set_background();
        let key = self.flight_key(&errand, &selected);
        if let Place::Lead(lead) = self.flights.join(key, errand.request.waiting()) {
            let (own, _) = oneshot::channel();
            tokio::spawn(errand.run(Some(lead), own));
        }
    }

    /// Asks the origin, or waits for who asks it alike.
    async fn fetch<O: Origin>(
        &self,
        mut errand: Errand<O>,
        selected: Selection,
    ) -> Result<Response<Body>, Unanswered> {
        let key = self.flight_key(&errand, &selected);
        if errand.asked.no_store || self.predictor.expects_unshared(&errand.key, self.clock.now()) {
            // An answer to `no-store` is not stored; one that is coming for somebody else may be for this client too.
            let flight = errand.asked.no_store.then(|| self.flights.follow(&key, errand.request.waiting()));
            return match flight.flatten() {
                Some(flight) => self.follow(errand, flight).await,
                None => self.alone(errand).await,
            };
        }
        match self.flights.join(key, errand.request.waiting()) {
            Place::Lead(lead) => {
                let (client, why) = (errand.client(), errand.why);
                if let Some(landed) = self.stored_meanwhile(&errand) {
                    lead.tell(Landing::Stored(landed.clone()));
                    let how = How::Forwarded { why, stored: true, collapsed: true };
                    return Ok(self.reply(client.borrowed(), &landed.response, how));
                }
                let (own, brought) = oneshot::channel();
                tokio::spawn(errand.run(Some(lead), own));
                self.take(&client, why, brought).await
            }
            Place::Follow(flight) => self.follow(errand, flight).await,
        }
    }

    /// A fresh response that another request stored after this one had looked and found nothing: that fetch ended just before
    /// this request would have joined it.
    fn stored_meanwhile<O: Origin>(&self, errand: &Errand<O>) -> Option<Arc<Landed>> {
        if errand.stored.is_some() {
            return None;
        }
        let (headers, now) = (errand.request.headers(), self.clock.now());
        let (found, selection) = self.in_memory(&errand.key, headers, now)?;
        let Found::Response { response, softly } = found else { return None };
        let standing = response.freshness.standing(&errand.asked, now, softly, 0);
        let answers = matches!(standing, Standing::Fresh { .. })
            && reply::holds(&response, errand.client().borrowed())
            && conditional::holds(headers, response.status, &response.fields);
        answers.then(|| Arc::new(Landed { response, selection, confirmed: false }))
    }

    /// Waits for a flight, and goes on alone when it brings nothing for this request.
    async fn follow<O: Origin>(
        &self,
        errand: Errand<O>,
        mut flight: watch::Receiver<Landing>,
    ) -> Result<Response<Body>, Unanswered> {
        let landed = flight.wait_for(|landing| !matches!(landing, Landing::Under));
        let landing = match tokio::time::timeout(self.limits.patience, landed).await {
            Ok(Ok(landing)) => landing.clone(),
            Ok(Err(_)) | Err(_) => Landing::Failed,
        };
        let client = errand.client();
        let is_for_us =
            |selection: &Selection| self.selection(&selection.names, errand.request.headers()) == *selection;
        let collapsed = How::Forwarded { why: errand.why, stored: true, collapsed: true };
        match landing {
            Landing::Stored(landed)
                if is_for_us(&landed.selection) && reply::holds(&landed.response, client.borrowed()) =>
            {
                let how = if landed.confirmed { How::Confirmed { collapsed: true } } else { collapsed };
                return Ok(self.reply(client.borrowed(), &landed.response, how));
            }
            Landing::Coming(coming) if is_for_us(&coming.selection) => {
                if let Some(reader) = coming.body.read() {
                    self.watch.saw(Outcome::Collapsed);
                    return Ok(reply::coming(client.borrowed(), &coming, reader, collapsed));
                }
            }
            Landing::Stale(response) if reply::holds(&response, client.borrowed()) => {
                return Ok(self.reply(client.borrowed(), &response, How::Unreachable));
            }
            // Its answer is for one only, and so will ours be: no need to stand in line.
            Landing::Alone => return self.alone(errand).await,
            Landing::Stored(_)
            | Landing::Coming(_)
            | Landing::Stale(_)
            | Landing::Failed
            | Landing::Under => {}
        }
        let place = tokio::time::timeout(self.limits.patience, self.impatient.acquire()).await;
        let _place = place.map_err(|_| Unanswered::Late)?;
        self.alone(errand).await
    }

    async fn alone<O: Origin>(&self, errand: Errand<O>) -> Result<Response<Body>, Unanswered> {
        let (client, why) = (errand.client(), errand.why);
        let (own, brought) = oneshot::channel();
        tokio::spawn(errand.run(None, own));
        self.take(&client, why, brought).await
    }

    /// What an errand brought to who sent it.
    async fn take(
        &self,
        client: &reply::Owned,
        why: Why,
        brought: oneshot::Receiver<Brought>,
    ) -> Result<Response<Body>, Unanswered> {
        let stored = How::Forwarded { why, stored: true, collapsed: false };
        match brought.await.unwrap_or(Brought::Failed(Unanswered::Unreachable)) {
            Brought::Stored(landed, personal) => {
                let how = if landed.confirmed { How::Confirmed { collapsed: false } } else { stored };
                let mut answer = self.reply(client.borrowed(), &landed.response, how);
                answer.headers_mut().extend(personal);
                Ok(answer)
            }
            Brought::Coming(coming, reader, personal) => {
                self.watch.saw(Outcome::Miss);
                let mut answer = reply::coming(client.borrowed(), &coming, reader, stored);
                answer.headers_mut().extend(personal);
                Ok(answer)
            }
            Brought::Private(answer) => {
                let how = How::Forwarded { why, stored: false, collapsed: false };
                self.watch.saw(how.outcome());
                Ok(reply::passed(answer, how))
            }
            Brought::Stale(response) => Ok(self.reply(client.borrowed(), &response, How::Unreachable)),
            Brought::Failed(why) => Err(why),
        }
    }

    /// Past the cache; what an unsafe request changes is no longer true here (section 4.4).
    async fn pass<O: Origin>(
        &self,
        origin: &O,
        request: CanonicalRequest<Body>,
        why: Why,
    ) -> Result<Response<Body>, Unanswered> {
        let key = (!request.method().is_safe()).then(|| request.url().to_owned());
        let admitted = self.admit(&request)?;
        let mut answer = origin.ask(request).await?;
        drop(admitted);
        strip_hop_by_hop(answer.headers_mut());
        if let Some(key) = key
            && (answer.status().is_success() || answer.status().is_redirection())
        {
            self.invalidate(&key).await;
            for name in [header::LOCATION, header::CONTENT_LOCATION] {
                let url = answer.headers().get(name).and_then(|url| url.to_str().ok());
                if let Some(sibling) = url.and_then(|url| self.keying.of_sibling(&key, url)) {
                    self.invalidate(&sibling).await;
                }
            }
        }
        self.watch.saw(Outcome::Passed);
        Ok(reply::passed(answer, How::Forwarded { why, stored: false, collapsed: false }))
    }

    /// Brings what is stored up to date by the answer to a `HEAD` (section 4.3.5). Where that is of something else, the
    /// origin is asked for the whole, and what is stored stays until that is there: a `HEAD` makes nobody miss.
    async fn compare<O: Origin>(
        self: &Arc<Self>,
        origin: &Arc<O>,
        question: CanonicalRequest<Body>,
        selected: Selection,
        stored: Arc<Kept>,
        news: &HeaderMap,
        times: Times,
    ) {
        let mut news = news.clone();
        // Ours, of this answer.
        news.remove(status::CACHE_STATUS);
        let fields = conditional::updated(&stored.fields, &news);
        let said = Directives::of_response(&fields);
        if conditional::is_of_another(&stored.fields, &news) || said.no_store || said.private {
            let stored = Some((stored, Instead::Errors));
            let errand = self.errand(origin, question.whole(), Directives::default(), stored, Why::Stale);
            // Without memory for the question, a later request asks.
            if let Ok(errand) = errand {
                self.go_behind(errand, selected);
            }
        } else {
            self.keep(question.url(), &selected, Arc::new(stored.confirmed(fields, times))).await;
        }
    }

    /// Lets go of what is stored under a key, and of what is under way for it.
    pub(crate) async fn invalidate(&self, key: &str) {
        self.flights.forget(|flight| {
            flight.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('\n'))
        });
        self.store.remove(key).await;
        self.store.remove(&second_slot(key)).await;
    }

    fn reply(&self, client: Client<'_>, response: &Kept, how: How) -> Response<Body> {
        self.reply_at(client, response, how, self.clock.now())
    }

    fn reply_at(&self, client: Client<'_>, response: &Kept, how: How, now: Tick) -> Response<Body> {
        self.watch.saw(how.outcome());
        reply::stored(client, response, now, how)
    }

    /// When an answer came that was asked for then.
    pub(crate) fn times(&self, asked: Tick) -> Times {
        Times { asked, came: self.clock.now(), wall: self.clock.wall() }
    }

    /// Takes the memory that a request for the origin needs.
    fn admit<B>(&self, request: &CanonicalRequest<B>) -> Result<Admitted, Unanswered> {
        self.admission.admit(request).ok_or(Unanswered::Busy)
    }

    fn write_clock(&self) {
        if let Err(why) = self.clock.write_if_used() {
            tracing::warn!(%why, "the cache's clock could not be written; after a restart, more may be fetched again");
        }
    }
}

/// Writes the clock's file from time to time, for as long as there is a cache.
async fn write_clock(cache: Weak<Cache>) {
    loop {
        tokio::time::sleep(clock::INTERVAL).await;
        let Some(cache) = cache.upgrade() else { return };
        let _ = tokio::task::spawn_blocking(move || cache.write_clock()).await;
    }
}

impl How {
    fn outcome(self) -> Outcome {
        match self {
            Self::Hit { .. } => Outcome::Hit,
            Self::Stale | Self::Unreachable => Outcome::Stale,
            Self::Confirmed { .. } => Outcome::Confirmed,
            Self::Forwarded { collapsed: true, .. } => Outcome::Collapsed,
            Self::Forwarded { .. } => Outcome::Miss,
        }
    }
}

impl Cache {
    /// What a cache has no part in.
    fn past_the_cache<B: http_body::Body>(&self, request: &CanonicalRequest<B>) -> Option<Why> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Some(Why::Method);
        }
        // An origin that is asked for the whole only gets no body.
        let bypasses = !self.keying.whole && !request.body().is_end_stream();
        bypasses.then_some(Why::Bypass)
    }

    /// What makes two errands one.
    fn flight_key<O: Origin>(&self, errand: &Errand<O>, selected: &Selection) -> String {
        let headers = errand.request.headers();
        let mut key = format!("{}{}", errand.key, selected.values);
        if errand.stored.is_none() && !self.keying.whole {
            key.push_str(&conditional::question(headers));
        }
        for credentials in headers.get_all(header::AUTHORIZATION) {
            key.push_str(&format!("\nauthorization:{:?}", credentials.as_bytes()));
        }
        key
    }

    /// Whether the origin must judge a request's conditions: nothing fresh is stored that fulfills them. An origin that is
    /// asked for the whole only judges none; they are judged by the response.
    fn is_for_the_origin<B>(
        &self,
        request: &CanonicalRequest<B>,
        found: &Found,
        asked: &Directives,
        now: Tick,
    ) -> bool {
        if self.keying.whole || !conditional::is_for_the_origin(request.headers()) {
            return false;
        }
        let Found::Response { response, softly } = found else { return true };
        !(matches!(response.freshness.standing(asked, now, *softly, 0), Standing::Fresh { .. })
            && reply::holds(response, Client::of(request))
            && conditional::holds(request.headers(), response.status, &response.fields))
    }
}
