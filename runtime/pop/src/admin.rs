//! The second listener: the write API for publishers, health and metrics for monitors.
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | 200 while the host runs |
//! | `GET /readyz` | 200 while it does all that it is there for; else 503, and in plain words what it does not |
//! | `GET /metrics` | the series of `metrics.rs` |
//! | `PUT /v1/snapshot` | takes a signed snapshot |
//! | `GET /v1/snapshot` | the one in force |
//! | `PUT /v1/blocks/{cid}` | takes a block of a style |
//! | `PUT /v1/collections/{slug}` | takes a collection's record |
//! | `PUT /v1/tokens/{slug}/{number}` | takes a token's record; `GET` gives the one in force |
//! | `POST /v1/purge` | takes out of the cache one `url`, one `tag` or `everything`; with `soft` only the freshness |
//! | `GET /v1/collections` | the collections and their gauges, as core's `/t` lists them: what a relay needs |
//!
//! All under `/v1` needs the bearer token. A record that is new is a 201, one that was there already a 200; one that is
//! refused is a problem document that says why: 400 for an address that makes no sense, 403 for a key that is not
//! trusted, 409 for what does not follow on what is there, 413 for too many bytes, 422 for what is not valid in itself.
//! While the record store cannot be written, a record is a 503 with `Retry-After`. What is valid is core's and
//! `store/publish.rs`'s to say.
//!
//! No answer here is for scripts of other origins: none has a CORS header.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use cid::Cid;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use iridule_edge::{fault::Defect, metadata};
use iridule_http_cache::{Cache, Purge};
use iridule_records::{
    limits,
    signed::{RecordRefused, TrustedKeys},
    token::TokenRecord,
};
use iridule_style::package::PackageRefused;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;

use crate::{
    ahead::Ahead,
    error::{Refused, StoreError},
    metrics::{self, Metrics},
    problem::problem,
    readiness::Readiness,
    store::{Accepted, Records},
    untrue::Untrue,
};

/// Longest purge request, bytes: a URL and its name.
const PURGE_BYTES: usize = 16 << 10;
/// How long a publisher may take to send a body.
const BODY: Duration = Duration::from_secs(30);

/// What the second listener answers with.
pub(crate) struct Admin {
    pub(crate) records: Records,
    pub(crate) trusted: TrustedKeys,
    pub(crate) publishers: TrustedKeys,
    pub(crate) token: Option<String>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readiness: Readiness,
    /// The host is going down.
    pub(crate) leaving: CancellationToken,
    /// What becomes untrue is purged here.
    pub(crate) cache: Option<Arc<Cache>>,
    /// Is told when an epoch changes.
    pub(crate) ahead: Option<Arc<Ahead>>,
}

/// What an operator wants purged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedPurge {
    url: Option<String>,
    tag: Option<String>,
    #[serde(default)]
    everything: bool,
    #[serde(default)]
    soft: bool,
}

type Answer = Result<Response<Bytes>, Denied>;

/// Why a request is not answered as asked: a problem document to be, and perhaps one more header.
struct Denied {
    status: StatusCode,
    detail: String,
    header: Option<(HeaderName, &'static str)>,
}

impl Denied {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), header: None }
    }

    fn reply(&self) -> Response<Bytes> {
        let mut reply = problem(self.status, &self.detail);
        reply.headers_mut().remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        if let Some((name, value)) = &self.header {
            reply.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
        }
        reply
    }
}

impl Admin {
    /// Answers a request, in any case.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let answer = match path.strip_prefix("/v1/") {
            Some(rest) => self.guarded(&head.method, rest, &head.headers, body).await,
            None => self.open(&head.method, &path),
        };
        let answer = answer.unwrap_or_else(|denied| {
            let Denied { status, detail, .. } = &denied;
            tracing::warn!(method = %head.method, path, status = status.as_u16(), detail, "a request was denied");
            denied.reply()
        });
        Ok(answer.map(Full::new))
    }

    fn open(&self, method: &Method, path: &str) -> Answer {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match path {
            "/healthz" if reads => Ok(reply("text/plain; charset=utf-8", "ok\n")),
            "/metrics" if reads => Ok(reply(metrics::CONTENT_TYPE, self.metrics.text())),
            "/readyz" if reads => Ok(self.ready()),
            "/healthz" | "/readyz" | "/metrics" => Err(not_allowed("GET, HEAD")),
            _ => Err(Denied::new(
                StatusCode::NOT_FOUND,
                "here are /healthz, /readyz, /metrics and the write API under /v1",
            )),
        }
    }

    /// A line for each thing that is wrong.
    fn ready(&self) -> Response<Bytes> {
        let mut wrong = self.readiness.wrong();
        if self.leaving.is_cancelled() {
            wrong.push("shutdown: this node is going down".to_owned());
        }
        let mut answer = match &*wrong {
            [] => reply("text/plain; charset=utf-8", "ready\n"),
            wrong => reply("text/plain; charset=utf-8", format!("{}\n", wrong.join("\n"))),
        };
        if !wrong.is_empty() {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        answer
    }

    async fn guarded(&self, method: &Method, path: &str, headers: &HeaderMap, body: Incoming) -> Answer {
        self.check_token(headers)?;
        match (path.split_once('/').unwrap_or((path, "")), method) {
            (("snapshot", ""), &Method::GET) => self.snapshot(),
            (("snapshot", ""), &Method::PUT) => {
                let bytes = read(body, limits::SNAPSHOT_BYTES).await?;
                let now =
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
                let before = self.records.snapshot().ok().flatten();
                let accepted = self.records.put_snapshot(bytes.clone(), &self.trusted, now_ms).await;
                if matches!(accepted, Ok(Accepted::Written)) {
                    self.untrue().snapshot(before.as_deref(), &bytes, now_ms);
                    if let Some(ahead) = &self.ahead {
                        ahead.snapshot(before.as_deref(), &bytes);
                    }
                }
                taken(accepted)
            }
            (("blocks", cid), &Method::PUT) => {
                let cid = Cid::try_from(cid).map_err(|why| {
                    Denied::new(StatusCode::BAD_REQUEST, format!("{cid:?} is no CID: {why}"))
                })?;
                let bytes = read(body, limits::BLOCK_BYTES).await?;
                taken(self.records.put_block(cid, bytes).await)
            }
            (("collections", ""), &Method::GET) => self.collections(),
            (("collections", slug), &Method::GET) if !slug.is_empty() => {
                match self.records.collection(slug) {
                    Ok(Some(bytes)) => Ok(reply("application/vnd.ipld.dag-cbor", bytes)),
                    Ok(None) => {
                        Err(Denied::new(StatusCode::NOT_FOUND, format!("there is no collection {slug:?}")))
                    }
                    Err(why) => Err(refusal(&why.into())),
                }
            }
            (("collections", slug), &Method::PUT) if !slug.is_empty() => {
                let bytes = read(body, limits::COLLECTION_BYTES).await?;
                self.collection(slug, bytes).await
            }
            (("tokens", name), &Method::GET | &Method::PUT) if name.contains('/') => {
                let (slug, number) = name.split_once('/').unwrap_or_default();
                let parsed: u64 = number.parse().map_err(|_| {
                    Denied::new(StatusCode::BAD_REQUEST, format!("{number:?} is no token's number"))
                })?;
                if method == Method::GET {
                    return match self.records.token(slug, parsed) {
                        Ok(Some(bytes)) => Ok(reply("application/vnd.ipld.dag-cbor", bytes)),
                        Ok(None) => Err(Denied::new(StatusCode::NOT_FOUND, "no such token is recorded here")),
                        Err(why) => Err(refusal(&why.into())),
                    };
                }
                let bytes = read(body, limits::TOKEN_BYTES).await?;
                self.token(slug, parsed, bytes).await
            }
            (("purge", ""), &Method::POST) => self.purge(&read(body, PURGE_BYTES).await?),
            (("purge", ""), _) => Err(not_allowed("POST")),
            (("snapshot", "") | ("collections" | "tokens", _), _) => Err(not_allowed("GET, PUT")),
            (("blocks", _), _) => Err(not_allowed("PUT")),
            _ => Err(Denied::new(
                StatusCode::NOT_FOUND,
                "the write API has /v1/snapshot, /v1/blocks/{cid}, /v1/collections, /v1/collections/{slug}, \
                 /v1/tokens/{slug}/{number} and /v1/purge",
            )),
        }
    }

    /// Compares digests, in a time that tells nothing of where they differ or how long the token is.
    fn check_token(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let offered = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().split_at_checked("bearer ".len()))
            .and_then(|(scheme, token)| scheme.eq_ignore_ascii_case(b"bearer ").then_some(token));
        let fits = match (&self.token, offered) {
            (Some(token), Some(offered)) => Sha256::digest(token).ct_eq(&*Sha256::digest(offered)).into(),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let why = match self.token {
            Some(_) => "the write API needs its bearer token",
            None => "the write API is closed: this node was started without a token",
        };
        let challenge = Some((header::WWW_AUTHENTICATE, "Bearer"));
        Err(Denied { header: challenge, ..Denied::new(StatusCode::UNAUTHORIZED, why) })
    }

    fn snapshot(&self) -> Answer {
        match self.records.snapshot() {
            Ok(Some(bytes)) => Ok(reply("application/vnd.ipld.dag-cbor", bytes)),
            Ok(None) => Err(Denied::new(StatusCode::NOT_FOUND, "no snapshot has been published here")),
            Err(why) => Err(refusal(&why.into())),
        }
    }

    fn collections(&self) -> Answer {
        let all = self.records.collections(&self.publishers).map_err(|why| refusal(&why.into()))?;
        let listed = metadata::collections(all.iter().map(|(collection, manifest)| (collection, manifest)));
        let broken = |why: Defect| StoreError::Broken { key: "collections".to_owned(), why: why.to_string() };
        listed
            .map(|json| reply("application/json", json))
            .map_err(|why| refusal(&Refused::Store(broken(why))))
    }

    async fn collection(&self, slug: &str, bytes: Vec<u8>) -> Answer {
        // The address is checked against the record, so that a publisher's slip cannot replace another collection.
        match iridule_records::collection::Collection::open(&bytes, &self.publishers) {
            Ok(record) if record.slug != slug => {
                Err(refusal(&Refused::OtherSlug { wanted: slug.to_owned(), found: record.slug }))
            }
            _ => {
                let accepted = self.records.put_collection(bytes, &self.publishers).await;
                if matches!(accepted, Ok(Accepted::Written)) {
                    self.untrue().collection(slug);
                }
                taken(accepted)
            }
        }
    }

    async fn token(&self, slug: &str, number: u64, bytes: Vec<u8>) -> Answer {
        match TokenRecord::open(&bytes, &self.trusted) {
            Ok(record) if (record.slug.as_str(), record.number) != (slug, number) => {
                let (wanted, found) =
                    (format!("{slug}/{number}"), format!("{}/{}", record.slug, record.number));
                Err(refusal(&Refused::OtherSlug { wanted, found }))
            }
            _ => {
                let accepted = self.records.put_token(bytes, &self.trusted, &self.publishers).await;
                if matches!(accepted, Ok(Accepted::Written)) {
                    self.untrue().token(slug, &number.to_string());
                }
                taken(accepted)
            }
        }
    }

    fn untrue(&self) -> Untrue<'_> {
        Untrue {
            cache: self.cache.as_deref(),
            records: &self.records,
            trusted: &self.trusted,
            publishers: &self.publishers,
        }
    }

    /// Purges what an operator names.
    fn purge(&self, json: &[u8]) -> Answer {
        let unread = |why: serde_json::Error| {
            let detail = format!("{why}; write it like {{\"tag\": \"orbits/live\", \"soft\": true}}");
            Denied::new(StatusCode::BAD_REQUEST, detail)
        };
        let asked: AskedPurge = serde_json::from_slice(json).map_err(unread)?;
        let what = match asked {
            AskedPurge { url: Some(url), tag: None, everything: false, .. } => Purge::Url(url),
            AskedPurge { url: None, tag: Some(tag), everything: false, .. } => Purge::Tag(tag),
            AskedPurge { url: None, tag: None, everything: true, .. } => Purge::Everything,
            _ => {
                let detail = "name one of `url`, `tag` and `everything`";
                return Err(Denied::new(StatusCode::BAD_REQUEST, detail));
            }
        };
        let Some(cache) = &self.cache else {
            return Err(Denied::new(StatusCode::CONFLICT, "this node was started without a cache"));
        };
        match cache.purge(what, asked.soft) {
            Ok(()) => Ok(reply("text/plain; charset=utf-8", "purged\n")),
            Err(why) if why.kind() == std::io::ErrorKind::InvalidInput => {
                Err(Denied::new(StatusCode::BAD_REQUEST, why.to_string()))
            }
            Err(why) => {
                tracing::error!(%why, "a purge holds, but could not be written down");
                let detail = "purged until this node restarts; the operator's log says why no longer";
                Err(Denied::new(StatusCode::INTERNAL_SERVER_ERROR, detail))
            }
        }
    }
}

/// Reads a body of at most `most` bytes.
async fn read(body: Incoming, most: usize) -> Result<Vec<u8>, Denied> {
    let too_large =
        || Denied::new(StatusCode::PAYLOAD_TOO_LARGE, format!("at most {most} bytes are taken here"));
    match tokio::time::timeout(BODY, Limited::new(body, most).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes().into()),
        Ok(Err(why)) if why.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Denied::new(StatusCode::BAD_REQUEST, "the body ended before its time")),
        Err(_) => Err(Denied::new(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
    }
}

fn taken(result: Result<Accepted, Refused>) -> Answer {
    let (status, word) = match result.map_err(|why| refusal(&why))? {
        Accepted::Written => (StatusCode::CREATED, "written\n"),
        Accepted::Known => (StatusCode::OK, "known\n"),
    };
    let mut answer = reply("text/plain; charset=utf-8", word);
    *answer.status_mut() = status;
    Ok(answer)
}

/// The one place where a refused record gets a status.
fn refusal(why: &Refused) -> Denied {
    let status = match why {
        Refused::Signed(RecordRefused::NotNewer { .. }) | Refused::Package(PackageRefused::Missing(_)) => {
            StatusCode::CONFLICT
        }
        Refused::Signed(RecordRefused::UnknownKey(_) | RecordRefused::BadSignature(_)) => {
            StatusCode::FORBIDDEN
        }
        Refused::OtherSlug { .. } => StatusCode::BAD_REQUEST,
        Refused::Signed(_) | Refused::Block(_) | Refused::Collection(_) | Refused::Package(_) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Refused::Store(StoreError::Closed) => StatusCode::SERVICE_UNAVAILABLE,
        Refused::Store(StoreError::Records(_) | StoreError::Failing(_)) => {
            let detail =
                "the record store cannot be written just now, and nothing was changed; /readyz says why";
            let retry = Some((header::RETRY_AFTER, "5"));
            return Denied { header: retry, ..Denied::new(StatusCode::SERVICE_UNAVAILABLE, detail) };
        }
        Refused::Store(_) => {
            tracing::error!(%why, "the records store failed");
            return Denied::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the store failed; the operator's log says why",
            );
        }
    };
    Denied::new(status, why.to_string())
}

fn not_allowed(allow: &'static str) -> Denied {
    let detail = format!("use {allow}");
    Denied { header: Some((header::ALLOW, allow)), ..Denied::new(StatusCode::METHOD_NOT_ALLOWED, detail) }
}

fn reply(content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut reply = Response::new(body.into());
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}
