//! An errand to the origin: the question, what becomes of the answer, and who learns of it.

use std::{
    future::poll_fn,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::{sync::oneshot, time::timeout};

use crate::{
    admission::Admitted,
    body::{Body, Kind},
    canonical::CanonicalRequest,
    conditional,
    directives::Directives,
    entry::Response as Kept,
    fields,
    flight::{Coming, Landed, Landing, Lead, Reader, Shared},
    freshness::{Freshness, Instead, Times},
    front::{Cache, NoAnswer, Origin, Unanswered},
    range::Part,
    reply,
    status::Why,
    storable::{NotKept, has_credentials, storable},
    vary::Vary,
};

/// What is needed to ask.
pub(crate) struct Errand<O> {
    /// The memory that it takes.
    pub(crate) _admitted: Admitted,
    pub(crate) cache: Arc<Cache>,
    pub(crate) origin: Arc<O>,
    pub(crate) key: String,
    pub(crate) request: CanonicalRequest<()>,
    pub(crate) asked: Directives,
    /// What is stored and must be asked about, and after which failures it may be used.
    pub(crate) stored: Option<(Arc<Kept>, Instead)>,
    pub(crate) why: Why,
}

/// What an errand brings to who sent it; with fields that are for nobody else.
pub(crate) enum Brought {
    Stored(Arc<Landed>, HeaderMap),
    Coming(Arc<Coming>, Reader, HeaderMap),
    /// For nobody else.
    Private(Response<Body>),
    /// Asking failed; this may be used.
    Stale(Arc<Kept>),
    Failed(Unanswered),
}

/// Which failure an answer is (RFC 5861, section 4); `None` of none.
fn failure(answer: &Response<Body>) -> Option<Instead> {
    if answer.extensions().get::<NoAnswer>().is_some() {
        return Some(Instead::NoAnswer);
    }
    matches!(answer.status().as_u16(), 500 | 502 | 503 | 504).then_some(Instead::Errors)
}

impl<O: Origin> Errand<O> {
    /// Who is to be answered, for after the errand has left.
    pub(crate) fn client(&self) -> reply::Owned {
        reply::Owned { method: self.request.method().clone(), headers: self.request.headers().clone() }
    }

    /// Asks, keeps what may be kept, and tells who sent it and who waits.
    pub(crate) async fn run(self, lead: Option<Lead>, own: oneshot::Sender<Brought>) {
        let mut question = self.request.shared_question(&self.cache.keying);
        if let Some((stored, _)) = &self.stored {
            conditional::ask_about(question.headers_mut(), &stored.fields);
        }
        let asked = self.cache.clock.now();
        let answer = self.origin.ask(question).await;
        let times = self.cache.times(asked);
        let answer = match (answer, &self.stored) {
            (Ok(answer), Some((stored, instead)))
                if failure(&answer).is_some_and(|failure| *instead >= failure) =>
            {
                return stale(stored.clone(), lead.as_ref(), own);
            }
            (Err(_), Some((stored, instead))) if *instead >= Instead::NoAnswer => {
                return stale(stored.clone(), lead.as_ref(), own);
            }
            (Err(why), _) => {
                tell(lead.as_ref(), Landing::Failed);
                let _ = own.send(Brought::Failed(why));
                return;
            }
            (Ok(answer), Some((stored, _))) if answer.status() == StatusCode::NOT_MODIFIED => {
                let mut news = answer.into_parts().0.headers;
                fields::strip_hop_by_hop(&mut news);
                let response = Arc::new(stored.confirmed(conditional::updated(&stored.fields, &news), times));
                return self.confirm(response, lead, own).await;
            }
            (Ok(answer), _) => answer,
        };
        self.receive(answer, times, lead, own).await;
    }

    /// Takes an answer in, where it may be.
    async fn receive(
        self,
        answer: Response<Body>,
        times: Times,
        lead: Option<Lead>,
        own: oneshot::Sender<Brought>,
    ) {
        let (mut head, body) = answer.into_parts();
        fields::strip_hop_by_hop(&mut head.headers);
        let said = Directives::of_response(&head.headers);
        let freshness = Freshness::of(head.status, &head.headers, &said, times);
        let length = length(&head.headers, &body);
        let kept = self.storable(head.status, &said, &head.headers, &freshness).and_then(|()| {
            let fits = length.is_none_or(|length| length <= self.cache.largest as u64);
            if fits { Ok(()) } else { Err(NotKept::Size) }
        });
        if let Err(reason) = kept {
            let of_the_url = matches!(
                reason,
                NotKept::NoStore | NotKept::Private | NotKept::VariesOnAll | NotKept::Useless
            );
            let of_the_client = self.asked.no_store || has_credentials(self.request.headers());
            if of_the_url && !of_the_client && !head.status.is_server_error() {
                self.cache.predictor.note(&self.key, times.came);
            }
            tell(lead.as_ref(), Landing::Alone);
            let _ = own.send(Brought::Private(Response::from_parts(head, body)));
            return;
        }
        self.cache.predictor.forget(&self.key);
        let personal = fields::to_be_kept(&mut head.headers, &said.not_kept, times.wall);
        let body = match body.0 {
            Kind::Whole(bytes) => {
                let response = self.kept(head.status, head.headers, bytes, &said, times);
                return self.land(response, personal, lead, own).await;
            }
            other => Body(other),
        };
        let coming = Arc::new(Coming {
            status: head.status,
            selection: self.selection(&head.headers),
            fields: head.headers,
            body: Shared::new(length),
        });
        let Some(reader) = coming.body.read() else { return };
        tell(lead.as_ref(), Landing::Coming(coming.clone()));
        let _ = own.send(Brought::Coming(coming.clone(), reader, personal));
        if self.pump(body, &coming.body, lead.as_ref()).await && is_wanted(lead.as_ref()) {
            let response =
                self.kept(coming.status, coming.fields.clone(), coming.body.collect(), &said, times);
            self.cache.keep(&self.key, &coming.selection, response).await;
        }
    }

    /// Passes a body on as it comes. Says whether all of it is there to be kept.
    async fn pump(&self, mut body: Body, shared: &Shared, lead: Option<&Lead>) -> bool {
        let mut room = Some(self.cache.coming.take());
        loop {
            let data = match timeout(self.cache.limits.stall, body.frame()).await {
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame.into_data(),
                broken => {
                    tracing::debug!(key = self.key, stalled = broken.is_err(), "an answer broke off");
                    shared.end(false);
                    return false;
                }
            };
            // Trailers belong to the connection that they came on.
            let Ok(data) = data else { continue };
            if room.as_mut().is_some_and(|room| !room.grow(data.len(), self.cache.largest)) {
                room = None;
                if let Some(lead) = lead {
                    lead.close();
                }
                shared.overflow();
            }
            shared.push(data);
            if !has_room(shared, self.cache.limits.lag).await {
                return false;
            }
        }
        shared.end(true);
        room.is_some()
    }

    /// Keeps a whole response, and tells of it.
    async fn land(
        self,
        response: Arc<Kept>,
        personal: HeaderMap,
        lead: Option<Lead>,
        own: oneshot::Sender<Brought>,
    ) {
        let selection = self.selection(&response.fields);
        if is_wanted(lead.as_ref()) {
            self.cache.keep(&self.key, &selection, response.clone()).await;
        }
        let landed = Arc::new(Landed { response, selection, confirmed: false });
        tell(lead.as_ref(), Landing::Stored(landed.clone()));
        let _ = own.send(Brought::Stored(landed, personal));
    }

    /// Keeps what the origin confirmed, unless it says with that that it is to be kept no longer.
    async fn confirm(self, response: Arc<Kept>, lead: Option<Lead>, own: oneshot::Sender<Brought>) {
        let selection = self.selection(&response.fields);
        let said = Directives::of_response(&response.fields);
        let may = self.storable(response.status, &said, &response.fields, &response.freshness);
        let landed = Arc::new(Landed { response, selection, confirmed: true });
        match may {
            Ok(()) if is_wanted(lead.as_ref()) => {
                self.cache.keep(&self.key, &landed.selection, landed.response.clone()).await;
                tell(lead.as_ref(), Landing::Stored(landed.clone()));
            }
            Ok(()) => tell(lead.as_ref(), Landing::Stored(landed.clone())),
            // What one client says, or who it is, is no reason to let go of what is stored for all.
            Err(NotKept::Authorized) => tell(lead.as_ref(), Landing::Alone),
            Err(_) if self.asked.no_store => tell(lead.as_ref(), Landing::Alone),
            Err(_) => {
                self.cache.invalidate(&self.key).await;
                tell(lead.as_ref(), Landing::Alone);
            }
        }
        let _ = own.send(Brought::Stored(landed, HeaderMap::new()));
    }

    fn storable(
        &self,
        status: StatusCode,
        said: &Directives,
        fields: &HeaderMap,
        freshness: &Freshness,
    ) -> Result<(), NotKept> {
        let request = (self.request.method(), &self.asked, self.request.headers());
        storable(request, (status, said, fields), freshness)
    }

    fn kept(
        &self,
        status: StatusCode,
        mut fields: HeaderMap,
        body: Bytes,
        said: &Directives,
        times: Times,
    ) -> Arc<Kept> {
        let part = (status == StatusCode::PARTIAL_CONTENT)
            .then(|| Part::of(&fields).map(|part| part.with_length(body.len() as u64, &fields)))
            .flatten();
        if status != StatusCode::NO_CONTENT && self.request.method() == Method::GET {
            fields.insert(header::CONTENT_LENGTH, body.len().into());
        }
        Arc::new(Kept::new((status, fields, body), part, said, times))
    }

    fn selection(&self, fields: &HeaderMap) -> crate::flight::Selection {
        match Vary::of(fields) {
            Vary::Fields(names) => self.cache.selection(&names, self.request.headers()),
            Vary::Nothing | Vary::All => crate::flight::Selection::default(),
        }
    }
}

/// How often to look whether a slow reader holds up others.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until the next chunk may come; `false` when nobody reads any more. A reader that has held up others for `lag`
/// altogether is dropped.
async fn has_room(shared: &Shared, lag: Duration) -> bool {
    if let Poll::Ready(room) = poll_fn(|cx| Poll::Ready(shared.poll_room(cx))).await {
        return room;
    }
    loop {
        let (slowest, start) = (shared.holding_up(), Instant::now());
        let room = timeout(LOOK, poll_fn(|cx| shared.poll_room(cx))).await;
        shared.charge(&slowest, start.elapsed(), lag);
        if let Ok(room) = room {
            return room;
        }
    }
}

/// Whether what was asked for is still what it was: nothing has made it untrue meanwhile.
fn is_wanted(lead: Option<&Lead>) -> bool {
    lead.is_none_or(Lead::is_open)
}

fn tell(lead: Option<&Lead>, landing: Landing) {
    if let Some(lead) = lead {
        lead.tell(landing);
    }
}

fn stale(response: Arc<Kept>, lead: Option<&Lead>, own: oneshot::Sender<Brought>) {
    tell(lead, Landing::Stale(response.clone()));
    let _ = own.send(Brought::Stale(response));
}

/// How long a body will be, where that is known.
fn length(fields: &HeaderMap, body: &Body) -> Option<u64> {
    let said = || fields.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    body.size_hint().exact().or_else(said)
}
