//! The gate between a connection and the guests: who comes in, who waits, and what goes out.
//!
//! A request waits for an instance in its client's turn (or is turned away), and goes to it. A reply of known length is taken
//! whole out of the guest before its first byte goes to the client: then a slow client holds no instance, and a guest
//! that dies in the middle is a clean 500 instead of a cut-off 200. A reply without a length is a stream and goes
//! through as it comes, for as long as a stream may last.
//!
//! Who is answered from the cache does not come here (`front.rs`); whose turn it is says `queue.rs`; which instance takes
//! what is `instance.rs`.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty};
use iridule_edge::reply::DEPENDS_ON;
use iridule_http_cache::{Body, CanonicalRequest, NoAnswer, Origin, Unanswered, retain_fields};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use wasmtime_wasi_http::{
    WasiBody,
    handler::{ExpirationError, InstantiationError, ProxyHandler},
};

use crate::{
    config::Limits,
    guest_threads::GuestHandle,
    instance::{Kind, Nursery, Ticket, Trace},
    metrics::{Held, Metrics},
    problem::Problem,
    queue::{FairQueue, Full},
    site::wants_events,
};

/// Largest reply that is taken whole, bytes: the largest render. A larger one goes out as a stream.
const WHOLE_BYTES: u64 = 32 << 20;

/// The gate of one host.
pub(crate) struct Gate {
    exclusive: ProxyHandler<Nursery>,
    guests: GuestHandle,
    streams: ProxyHandler<Nursery>,
    instances: Arc<FairQueue>,
    stream_places: Arc<Semaphore>,
    limits: Limits,
    metrics: Arc<Metrics>,
    leaving: CancellationToken,
}

impl Gate {
    /// A gate before two kinds of instances; `leaving` ends its streams.
    pub(crate) fn new(
        nursery: impl Fn(Kind) -> Nursery,
        guests: GuestHandle,
        limits: &Limits,
        leaving: CancellationToken,
    ) -> Self {
        let exclusive = nursery(Kind::Exclusive);
        let metrics = exclusive.shared.metrics.clone();
        Self {
            exclusive: ProxyHandler::new(exclusive),
            guests,
            streams: ProxyHandler::new(nursery(Kind::Streams)),
            instances: FairQueue::new(limits.instances, limits.max_in_flight),
            stream_places: Arc::new(Semaphore::new(limits.max_streams)),
            limits: limits.clone(),
            metrics,
            leaving,
        }
    }

    async fn pass(&self, mut request: CanonicalRequest<Body>) -> Result<Response<Body>, Problem> {
        if self.leaving.is_cancelled() {
            return Err(Problem::Leaving);
        }
        let late = tokio::time::Instant::now() + self.limits.deadline;
        let is_head = request.method() == Method::HEAD;
        let trace = Arc::new(Trace::default());
        // A stream holds a place of its own kind.
        let (reply, stream) = if wants_events(&request) {
            let permit = self.stream_place()?;
            let ticket = Ticket { _permit: None, trace: trace.clone() };
            let handled = self.guests.spawning(self.streams.handle(ticket, inward(request)?));
            let reply = tokio::time::timeout_at(late, handled).await;
            (reply.map_err(|_| Problem::Late)?, Some(permit))
        } else {
            let turn = self.instances.enter(request.waiting());
            let permit = tokio::time::timeout_at(late, turn).await;
            let permit = permit.map_err(|_| Problem::Busy)?.map_err(|Full| Problem::Busy)?;
            let ticket = Ticket { _permit: Some(permit), trace: trace.clone() };
            (self.guests.spawning(self.exclusive.handle(ticket, inward(request)?)).await, None)
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(why) => return Err(failure(&why, &trace).await),
        };
        self.outward(reply, is_head, &trace, stream).await
    }

    /// Takes a reply out of the guest, or lets it flow.
    async fn outward(
        &self,
        reply: Response<WasiBody>,
        is_head: bool,
        trace: &Trace,
        stream: Option<OwnedSemaphorePermit>,
    ) -> Result<Response<Body>, Problem> {
        let (head, body) = reply.into_parts();
        let length =
            head.headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
        let bodiless = is_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let reply = match length {
            // Dropping the body tells the guest that nobody reads it.
            _ if bodiless => Body::whole(Bytes::new()),
            Some(length) if length <= WHOLE_BYTES => match take_whole(body, length).await {
                Ok(bytes) => Body::whole(bytes),
                Err(why) => {
                    tracing::warn!(%why, "a guest did not finish its reply");
                    return Err(if trace.is_late() { Problem::Late } else { Problem::Failed });
                }
            },
            _ => {
                trace.set_streaming();
                let events = stream.is_some();
                let permit = match stream {
                    Some(permit) => permit,
                    None => self.stream_place()?,
                };
                self.flow(body, events, permit)
            }
        };
        Ok(Response::from_parts(head, reply))
    }

    fn flow(&self, body: WasiBody, events: bool, permit: OwnedSemaphorePermit) -> Body {
        Body::stream(Flow {
            body,
            end: Box::pin(tokio::time::sleep(self.limits.stream_lifetime)),
            leaving: Box::pin(self.leaving.clone().cancelled_owned()),
            _held: Held::new(&self.metrics.streams),
            events,
            _permit: permit,
        })
    }

    fn stream_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.stream_places.clone().try_acquire_owned().map_err(|_| Problem::TooManyStreams)
    }
}

/// Says that an answer is for later. Only this host says so to a guest (`ahead.rs`).
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");

/// The request as the guest gets it: with the whole URL, since `wasi:http` has no `Host` header, with the fields that some
/// reply depends on, and without a body, which no guest reads.
fn inward(request: CanonicalRequest<Body>) -> Result<Request<WasiBody>, Problem> {
    let mut request = request.into_http().map_err(|_| Problem::Failed)?;
    retain_fields(request.headers_mut(), |name| DEPENDS_ON.contains(name) || *name == SEC_PURPOSE);
    Ok(request.map(|_| Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync()))
}

/// Why there is no reply, for the client; the log learns the rest.
async fn failure(why: &wasmtime::Error, trace: &Trace) -> Problem {
    if !trace.is_late() && !why.is::<InstantiationError<Ticket>>() {
        trace.ended().await;
    }
    if trace.is_starved() {
        Problem::Busy
    } else if trace.is_late() || why.is::<ExpirationError>() {
        Problem::Late
    } else if why.is::<InstantiationError<Ticket>>() {
        // The pool is empty, because instances that answered have not ended yet.
        tracing::warn!(%why, "no instance could be made");
        Problem::Busy
    } else {
        tracing::warn!(why = format!("{why:#}"), "a request failed in the guest");
        if trace.has_crashed() { Problem::Crashed } else { Problem::Failed }
    }
}

/// Reads a body of known length. What the guest may still do after the last byte is not waited for.
async fn take_whole(mut body: WasiBody, length: u64) -> Result<Bytes, wasmtime_wasi_http::Error> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() == length && whole.is_empty() {
            return Ok(data);
        }
        if whole.is_empty() {
            whole.reserve(length);
        }
        whole.extend_from_slice(&data);
        if whole.len() >= length {
            return Ok(whole.freeze());
        }
    }
    if whole.len() == length {
        Ok(whole.freeze())
    } else {
        Err(wasmtime_wasi_http::Error::HttpResponseIncomplete)
    }
}

/// A body that flows out of a guest.
struct Flow {
    body: WasiBody,
    end: Pin<Box<tokio::time::Sleep>>,
    leaving: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Events may stop anywhere; the client comes again.
    events: bool,
    _held: Held,
    _permit: OwnedSemaphorePermit,
}

impl http_body::Body for Flow {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.end.as_mut().poll(cx).is_ready() || self.leaving.as_mut().poll(cx).is_ready() {
            let broken = wasmtime_wasi_http::Error::HttpResponseTimeout;
            return Poll::Ready(if self.events { None } else { Some(Err(broken)) });
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

impl Origin for Gate {
    /// Answers a request, in any case.
    async fn ask(&self, request: CanonicalRequest<Body>) -> Result<Response<Body>, Unanswered> {
        // Guests get no body, so the copy is the same request.
        let again = matches!(*request.method(), Method::GET | Method::HEAD).then(|| request.without_body());
        let mut answer = self.pass(request).await;
        // Guests know now what ended the instance, and show the former style. A second time nobody tries.
        let has_crashed = matches!(answer, Err(Problem::Crashed));
        if let Some(again) = again.filter(|_| has_crashed) {
            answer = self.pass(again).await;
        }
        Ok(answer.unwrap_or_else(|problem| {
            if matches!(problem, Problem::Busy | Problem::TooManyStreams) {
                self.metrics.turned_away.inc();
            }
            let mut reply = problem.reply().map(Body::whole);
            reply.extensions_mut().insert(NoAnswer);
            reply
        }))
    }
}
