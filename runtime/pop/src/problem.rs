//! What a visitor sees when the host itself answers: `application/problem+json`, never cached, readable across origins.
//!
//! The guest makes its own problems; these are for what it cannot answer because it is not running, not any more, or
//! not in time. The detail says what the client may do, and nothing of the inside; the log has the reason.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use iridule_http_cache::{Malformed, Unanswered};
use serde_json::json;

use crate::proxies::Contradiction;

/// Why the host answers in place of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// As many requests are under way as this host takes.
    Busy,
    /// As many streams are open as this host holds.
    TooManyStreams,
    /// The guest died, or answered with an error.
    Failed,
    /// The guest died of work that is noted now: asking again may give a picture of the former style.
    Crashed,
    /// The guest did not answer in time.
    Late,
    /// The host is going down.
    Leaving,
    /// The origin behind this cache cannot be reached.
    Unreachable,
    /// One address asks more often than it may.
    TooOften,
    /// It is not stored, and only what is was asked for.
    OnlyIfCached,
    /// The request does not name one resource of one host.
    Malformed(Malformed),
    /// What a trusted proxy says of the request contradicts itself.
    Contradiction,
}

impl Problem {
    pub(crate) fn reply(self) -> Response<Bytes> {
        let (status, detail) = match self {
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "as many requests are under way as this node takes; ask again in a second",
            ),
            Self::TooManyStreams => (
                StatusCode::SERVICE_UNAVAILABLE,
                "as many event streams are open as this node holds; ask again in a while, or poll",
            ),
            Self::Leaving => {
                (StatusCode::SERVICE_UNAVAILABLE, "this node is going down; ask again to reach another")
            }
            Self::Failed | Self::Crashed => {
                (StatusCode::INTERNAL_SERVER_ERROR, "the request failed here; the operator's log says why")
            }
            Self::TooOften => (
                StatusCode::TOO_MANY_REQUESTS,
                "this address asks more often than it may; ask again in a second",
            ),
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "the origin behind this node cannot be reached"),
            Self::OnlyIfCached => {
                (StatusCode::GATEWAY_TIMEOUT, "it is not stored here, and `only-if-cached` asks for no more")
            }
            Self::Malformed(why) => return problem(StatusCode::BAD_REQUEST, &why.to_string()),
            Self::Contradiction => return problem(StatusCode::BAD_REQUEST, &Contradiction.to_string()),
            Self::Late => (StatusCode::GATEWAY_TIMEOUT, "the request took longer than this node allows"),
        };
        let mut reply = problem(status, detail);
        let retry = match self {
            Self::Busy | Self::Leaving | Self::TooOften => Some("1"),
            Self::TooManyStreams => Some("30"),
            Self::Failed
            | Self::Crashed
            | Self::Late
            | Self::Unreachable
            | Self::OnlyIfCached
            | Self::Malformed(_)
            | Self::Contradiction => None,
        };
        if let Some(seconds) = retry {
            reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        reply
    }
}

impl From<Unanswered> for Problem {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::Unreachable => Self::Unreachable,
            Unanswered::Late => Self::Late,
            Unanswered::OnlyIfCached => Self::OnlyIfCached,
            Unanswered::Busy => Self::Busy,
        }
    }
}

impl From<Malformed> for Problem {
    fn from(why: Malformed) -> Self {
        Self::Malformed(why)
    }
}

impl From<Contradiction> for Problem {
    fn from(_: Contradiction) -> Self {
        Self::Contradiction
    }
}

/// A problem document (RFC 9457) with the status' own title.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response<Bytes> {
    let title = status.canonical_reason().unwrap_or("Problem");
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    let mut reply = Response::new(Bytes::from(body.to_string()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}
