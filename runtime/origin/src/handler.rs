//! The request handler of an origin.
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/render` | [`iridule_origin_api::order`] says what is sent and what comes back |
//! | `PUT /v1/blocks/{cid}` | 201: the block is kept |
//! | `GET /healthz` | 200 while the process runs |
//! | `GET /readyz` | 200 while it accepts render requests, with a line for each edge whose clock is wrong |
//! | `GET /metrics` | the metrics of `metrics.rs` |
//!
//! 401: the request is not signed by an edge that this origin knows, was sent before, or is dated by another clock. 408:
//! the body takes too long. 413, 422: the body is not the block, or the picture cannot be painted. 500: the painter failed.
//! 503: the queue is full, the time is too short, or the origin shuts down. 504: not done by the deadline. A body is read
//! only after the signature was verified. Every response to a request with a valid signature is signed.

use iridule_records::block;
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use cid::Cid;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use iridule_origin_api::{
    limits,
    order::{self, Errand, Order, OrderRefused, Priority, Render, Signed, answer},
};
use iridule_records::render_key::RenderKey;

use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use crate::{
    clocks::now_ms,
    metrics,
    nonces::NonceCheck,
    outcome::{RenderFailure, RenderedPicture},
    painter::PaintedBy,
    queue::{QueueRefusal, QueueRequest},
    server::ResponseBody,
    shared::{OriginState, PaintTask},
    style_cache::KnownStyle,
};

/// Maximum time that a response waits for memory.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(5);

/// A response before it is signed.
type BytesResponse = Response<Bytes>;

/// A render that an edge requests, with its deadline.
struct AcceptedRender {
    edge: String,
    render: Render,
    key: RenderKey,
    priority: Priority,
    deadline_ms: u64,
}

/// The response to a request that is rejected.
struct RejectedOrder {
    answer: BytesResponse,
    /// The nonce that the response is signed for. `None` where the edge is unknown.
    nonce: Option<u64>,
}

/// Why a request's body could not be read.
enum RequestBodyError {
    TooLong,
    TooLate,
    Cut,
    Leaving,
}

impl OriginState {
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let path = request.uri().path();
        let block = path.strip_prefix(order::BLOCKS_PATH);
        let answer = match (request.method(), path, block) {
            (&Method::POST, order::RENDER_PATH, _) => return self.handle_render(request).await,
            (&Method::PUT, _, Some(name)) => {
                let name = name.to_owned();
                return self.handle_block(request, &name).await;
            }
            (&Method::GET, "/healthz", _) => text(StatusCode::OK, "ok"),
            (&Method::GET, "/readyz", _) => self.readiness(),
            (&Method::GET, "/metrics", _) => self.metrics_text(),
            (_, order::RENDER_PATH | "/healthz" | "/readyz" | "/metrics", _) | (_, _, Some(_)) => {
                text(StatusCode::METHOD_NOT_ALLOWED, "another method")
            }
            _ => text(StatusCode::NOT_FOUND, "nothing is here"),
        };
        answer.map(|body| ResponseBody::new(body, None))
    }

    fn readiness(&self) -> BytesResponse {
        match self.draining.load(Ordering::Relaxed) {
            true => text(StatusCode::SERVICE_UNAVAILABLE, "leaving"),
            false => Response::new(format!("ready\n{}", self.clocks.warnings()).into()),
        }
    }

    fn metrics_text(&self) -> BytesResponse {
        let now = metrics::Measured {
            depth: self.queue.depth(),
            wait_ms: self.queue.wait_ms(),
            devices: self.devices.load(Ordering::Relaxed),
            connections: self.connections.count(),
            clocks: self.clocks.all(),
        };
        let mut answer = Response::new(self.metrics.text(now).into());
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
        answer
    }

    async fn handle_render(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (head, body) = request.into_parts();
        let (signed, deadline_ms) = match self.authenticate(&head.headers) {
            Ok(accepted) => accepted,
            Err(refusal) => return self.sign_and_send(refusal.answer, refusal.nonce, Instant::now()).await,
        };
        let Signed { edge, order } = signed;
        let nonce = Some(order.nonce);
        let deadline = Instant::now() + Duration::from_millis(order.within_ms);
        // A render request has no body. But some clients send the end of the empty body late, and hyper closes the
        // connection, and loses the response, when a body is not read to its end.
        let answer = match self.read_body(body, 64, deadline).await {
            Err(why) => body_error_response(&why),
            Ok(_) => match order.errand {
                Errand::Render(render, priority) => match render.key() {
                    Ok(key) => {
                        self.respond(&AcceptedRender { edge, render, key, priority, deadline_ms }).await
                    }
                    Err(why) => text(StatusCode::UNPROCESSABLE_ENTITY, &why),
                },
                Errand::Block(_) => text(StatusCode::BAD_REQUEST, "the order is for a block"),
            },
        };
        self.sign_and_send(answer, nonce, deadline).await
    }

    async fn handle_block(&self, request: Request<Incoming>, name: &str) -> Response<ResponseBody> {
        let (head, body) = request.into_parts();
        let (Signed { order, .. }, _) = match self.authenticate(&head.headers) {
            Ok(accepted) => accepted,
            Err(refusal) => return self.sign_and_send(refusal.answer, refusal.nonce, Instant::now()).await,
        };
        let deadline = Instant::now() + Duration::from_millis(order.within_ms);
        let answer = match order.errand {
            Errand::Block(cid) if cid.to_string() == name => self.store_block(&cid, body, deadline).await,
            _ => text(StatusCode::BAD_REQUEST, "the order is for something else"),
        };
        self.sign_and_send(answer, Some(order.nonce), deadline).await
    }

    /// Verifies a signed request and checks that it is new. Returns it with its deadline by this origin's clock, Unix
    /// milliseconds, or the response that rejects it.
    fn authenticate(&self, headers: &HeaderMap) -> Result<(Signed, u64), Box<RejectedOrder>> {
        let now = now_ms();
        let refused = |edge: &str, why: &OrderRefused, nonce: Option<u64>| {
            self.metrics.refused.inc();
            if let Some(skipped) = self.refusals.admit(Instant::now()) {
                // The text may contain what an unknown client has sent, so it is logged escaped.
                let why = why.to_string();
                tracing::warn!(edge, ?why, skipped, "an order is refused");
            }
            Box::new(RejectedOrder { answer: text(StatusCode::UNAUTHORIZED, &why.to_string()), nonce })
        };
        let signed = Order::open(headers, &self.edges).map_err(|why| refused("", &why, None))?;
        let Signed { edge, order } = &signed;
        self.clocks.note(edge, order.clock_ms, now);
        order.check(&self.id, now).map_err(|why| refused(edge, &why, Some(order.nonce)))?;
        let again = match self.nonces.note(edge, order.nonce, order.sent_ms, now) {
            NonceCheck::New => return Ok((signed.clone(), now.saturating_add(order.within_ms))),
            NonceCheck::Again => OrderRefused::Again,
            NonceCheck::TooOld => OrderRefused::TooOld,
        };
        Err(refused(edge, &again, Some(order.nonce)))
    }

    async fn respond(&self, accepted: &AcceptedRender) -> BytesResponse {
        let AcceptedRender { render, key, .. } = accepted;
        match self.store.render(key, render.variant.format).await {
            Ok(Some(body)) => {
                self.metrics.stored.inc();
                return picture_response(render, key, body, None);
            }
            Ok(None) => {}
            Err(why) => tracing::warn!(%key, %why, "not looked up"),
        }
        if let Some(why) = self.recent_failures.why(key) {
            return text(StatusCode::INTERNAL_SERVER_ERROR, &format!("a moment ago: {why}"));
        }
        match self.styles.style(&render.style).await {
            Ok(style) => self.enqueue(accepted, style).await,
            Err(why) => {
                if let RenderFailure::Store(why) = &why {
                    tracing::warn!(%key, why, "the style cannot be read");
                }
                self.failure_response(why)
            }
        }
    }

    /// Puts the render into the queue and waits for the picture.
    async fn enqueue(&self, accepted: &AcceptedRender, style: Arc<KnownStyle>) -> BytesResponse {
        let AcceptedRender { edge, render, key, priority, deadline_ms } = accepted;
        let request = QueueRequest {
            key: *key,
            edge,
            priority: *priority,
            deadline_ms: *deadline_ms,
            now_ms: now_ms(),
            estimate: style.estimate(&render.variant),
        };
        let mut waiter = match self.queue.enter(&request, || PaintTask { render: render.clone(), style }) {
            Ok(waiter) => waiter,
            Err(QueueRefusal::Full(after_ms)) => return self.unavailable(after_ms, "no room"),
            Err(QueueRefusal::TooLate(after_ms)) => {
                self.metrics.too_late.inc();
                return self.unavailable(after_ms, "it could not be done in time");
            }
            Err(QueueRefusal::Closed) => return self.unavailable(0, "leaving"),
        };
        if waiter.joined {
            self.metrics.joined.inc();
        }
        let left = Duration::from_millis(deadline_ms.saturating_sub(now_ms()));
        match timeout(left, waiter.wait()).await {
            Ok(Some(Ok(RenderedPicture { body, by }))) => picture_response(render, key, body, Some(&by)),
            Ok(Some(Err(failure))) => self.failure_response(failure),
            Ok(None) => self.unavailable(self.queue.wait_ms(), "it came too late, or gave way to another"),
            Err(_) if !waiter.runs() => {
                self.unavailable(self.queue.wait_ms(), "its turn did not come in time")
            }
            Err(_) => {
                self.metrics.turned_away.inc();
                text(StatusCode::GATEWAY_TIMEOUT, "not done by the deadline")
            }
        }
    }

    fn failure_response(&self, failure: RenderFailure) -> BytesResponse {
        match failure {
            RenderFailure::Missing(blocks) => {
                self.metrics.without_blocks.inc();
                let mut answer = Response::new(order::want(&blocks).unwrap_or_default().into());
                *answer.status_mut() = StatusCode::PRECONDITION_REQUIRED;
                answer
            }
            RenderFailure::Unpaintable(why) => text(StatusCode::UNPROCESSABLE_ENTITY, &why),
            RenderFailure::Machine(why) => text(StatusCode::INTERNAL_SERVER_ERROR, &why),
            RenderFailure::Store(_) => self.unavailable(0, "the store does not answer"),
        }
    }

    async fn store_block(&self, cid: &Cid, body: Incoming, deadline: Instant) -> BytesResponse {
        let turn = timeout(deadline.saturating_duration_since(Instant::now()), self.uploads.acquire());
        let Ok(Ok(_turn)) = turn.await else { return self.unavailable(0, "too many blocks at once") };
        let bytes = match self.read_body(body, limits::BLOCK_BYTES, deadline).await {
            Ok(bytes) => bytes,
            Err(why) => return body_error_response(&why),
        };
        if let Err(why) = block::verify(cid, &bytes) {
            return text(StatusCode::UNPROCESSABLE_ENTITY, &why);
        }
        match self.store.put_block(cid, bytes).await {
            Ok(()) => {
                self.metrics.blocks.inc();
                text(StatusCode::CREATED, "kept")
            }
            Err(why) => {
                tracing::warn!(%cid, %why, "a block is not kept");
                self.unavailable(0, "the store does not take it")
            }
        }
    }

    /// Reads a request's body, within limits of size and time. The parts are copied into one buffer, so that many small
    /// parts use no more memory than a few large ones.
    async fn read_body(
        &self,
        mut body: Incoming,
        max_bytes: usize,
        deadline: Instant,
    ) -> Result<Bytes, RequestBodyError> {
        let time = deadline.saturating_duration_since(Instant::now()).min(self.body_time);
        let mut leaving = self.leaving.subscribe();
        let read = async {
            let mut bytes = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.map_err(|_| RequestBodyError::Cut)?.into_data() else { continue };
                if bytes.len() + data.len() > max_bytes {
                    return Err(RequestBodyError::TooLong);
                }
                bytes.extend_from_slice(&data);
            }
            Ok(bytes.freeze())
        };
        tokio::select! {
            biased;
            read = timeout(time, read) => read.unwrap_or(Err(RequestBodyError::TooLate)),
            _ = leaving.wait_for(|leaving| *leaving) => Err(RequestBodyError::Leaving),
        }
    }

    fn unavailable(&self, after_ms: u64, why: &str) -> BytesResponse {
        self.metrics.turned_away.inc();
        let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, why);
        let seconds = after_ms.div_ceil(1000).clamp(1, limits::REST_MS / 1000);
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        answer
    }

    /// Waits for memory for the response, adds load and time to it, and signs it.
    async fn sign_and_send(
        &self,
        answer: BytesResponse,
        nonce: Option<u64>,
        deadline: Instant,
    ) -> Response<ResponseBody> {
        let (mut answer, memory) = match self.reserve_memory(answer.body().len(), deadline).await {
            Some(memory) => (answer, Some(memory)),
            None => (self.unavailable(0, "too many answers are on their way"), None),
        };
        if let Some(nonce) = nonce {
            let headers = answer.headers_mut();
            headers.insert(order::LOAD, self.load().into());
            headers.insert(answer::TIME, now_ms().into());
            answer::sign(&mut answer, nonce, &self.key);
        }
        answer.map(|body| ResponseBody::new(body, memory))
    }

    async fn reserve_memory(&self, bytes: usize, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        let kibibytes = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX).min(self.max_answer_kibibytes);
        let time = deadline.saturating_duration_since(Instant::now()).min(MEMORY_TIMEOUT);
        match self.answers.clone().try_acquire_many_owned(kibibytes) {
            Ok(memory) => Some(memory),
            Err(_) => timeout(time, self.answers.clone().acquire_many_owned(kibibytes)).await.ok()?.ok(),
        }
    }

    /// The load in percent: of the queue's capacity, or of the time that a visitor waits, whichever is higher.
    fn load(&self) -> u16 {
        if self.draining.load(Ordering::Relaxed) {
            return order::DRAINING.into();
        }
        let (queued, running) = self.queue.depth();
        let jobs = ((queued + running) * 100 / self.capacity) as u64;
        let wait = self.queue.wait_ms().saturating_mul(200) / limits::ESCALATION_MS;
        u16::try_from(jobs.max(wait).min(100)).unwrap_or(100)
    }
}

fn text(status: StatusCode, text: &str) -> BytesResponse {
    let mut answer = Response::new(format!("{text}\n").into());
    *answer.status_mut() = status;
    answer
}

fn body_error_response(why: &RequestBodyError) -> BytesResponse {
    match why {
        RequestBodyError::TooLong => text(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than it may be"),
        RequestBodyError::TooLate => text(StatusCode::REQUEST_TIMEOUT, "the body takes too long"),
        RequestBodyError::Cut => text(StatusCode::BAD_REQUEST, "the body is cut"),
        RequestBodyError::Leaving => text(StatusCode::SERVICE_UNAVAILABLE, "leaving"),
    }
}

fn picture_response(render: &Render, key: &RenderKey, body: Bytes, by: Option<&PaintedBy>) -> BytesResponse {
    let digest = answer::digest(&body);
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    let media_type = HeaderValue::from_static(render.variant.format.media_type());
    headers.insert(header::CONTENT_TYPE, media_type);
    for (name, text) in [(order::KEY, key.token()), (order::DIGEST, digest)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    if let Some(by) = by {
        headers.insert(order::PAINTED_BY, HeaderValue::from_static(by.word()));
    }
    answer
}
