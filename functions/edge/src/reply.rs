//! Replies: the one place where a status and headers are made.
//!
//! | header | what it says here |
//! |---|---|
//! | `ETag` | the render key of a picture, the hash of a document; strong, but for pictures of an origin; none on what stands in for another |
//! | `Cache-Control`, `CDN-Cache-Control` (RFC 9213) | by [`Lifetime`]. Neither `s-maxage` nor `must-revalidate` is sent: on Workers they switch stale-while-revalidate off |
//! | `Cache-Status` (RFC 9211) | which tier answered, whether the snapshot behind it was in force, and what a picture stands in for |
//! | `Cache-Tag` | the collection, the token, and `…/live` for what an epoch change makes untrue; [`TAG_OF_LISTS`] and [`TAG_OF_REFUSALS`] for what any publication may |
//! | `Vary` | on whatever is answered to `auto`, problems included, where `Accept` decides |
//! | `Server-Timing` | how long core took, where the host's clock moves |
//!
//! Errors are problem details (RFC 9457). What the client reads and what the log gets are two texts.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::{Display, Write as _};

use alloy_primitives::keccak256;
use arrayvec::ArrayString;
use base64::{display::Base64Display, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;

use crate::{
    fault::{Fault, Refused, Short},
    parameters::Extension,
    route::{Route, Token},
};
use iridule_records::render_key::{Painter, RenderKey};
use iridule_scene::variant::Format;
use iridule_style::standing::Freshness;

/// How long an answer may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// For ever: one state's picture.
    Immutable,
    /// Seconds, then while revalidating: what follows a state in force.
    Live,
    /// A few seconds: what stands in for something better, and refusals.
    Brief,
    /// A second: what is shown until an origin has made the right one.
    Interim,
    /// Not at all.
    Never,
}

impl Lifetime {
    fn cache_control(self) -> &'static str {
        match self {
            Self::Immutable => "public, max-age=31536000, immutable",
            Self::Live => "public, max-age=10, stale-while-revalidate=60",
            Self::Brief => "public, max-age=5",
            Self::Interim => "public, max-age=1",
            Self::Never => "no-store",
        }
    }

    fn cdn_cache_control(self) -> &'static str {
        match self {
            Self::Immutable => "max-age=31536000",
            Self::Live => "max-age=10, stale-while-revalidate=60",
            Self::Brief => "max-age=5",
            Self::Interim => "max-age=1",
            Self::Never => "no-store",
        }
    }
}

/// Where an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The client had it: 304.
    Client,
    /// In the isolate.
    Memory,
    /// In the store beyond the isolate.
    Store,
    /// Nowhere: it was painted.
    Painted,
    /// Nowhere: it was derived from a master.
    Derived,
    /// Nowhere: an origin painted it.
    Origin,
}

/// What is shown in place of a picture that an origin is still making.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interim {
    /// The same state at another size, or in another encoding.
    Size,
    /// The token's last state.
    State,
    /// The same state, painted with fewer pixels.
    Preview,
}

/// What every answer about a token says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// The token.
    pub token: Token,
    /// Whether the state was asked for by name, or how far the live one can be believed.
    pub state: Pinned,
}

/// Which state an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// One state of one style, for ever.
    Pinned,
    /// One state, in the style that the collection has now.
    State,
    /// The live one.
    Live(Freshness),
}

impl Pinned {
    fn lifetime(self) -> Lifetime {
        match self {
            Self::Pinned => Lifetime::Immutable,
            Self::State | Self::Live(Freshness::Fresh) => Lifetime::Live,
            Self::Live(Freshness::Expired | Freshness::Rest | Freshness::FormerStyle) => Lifetime::Brief,
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::Pinned | Self::State | Self::Live(Freshness::Fresh) => "",
            Self::Live(Freshness::Expired) => "-expired",
            Self::Live(Freshness::Rest) => "-unpublished",
            Self::Live(Freshness::FormerStyle) => "-former-style",
        }
    }
}

/// A picture to be sent.
#[derive(Debug, Clone)]
pub struct Picture {
    /// What it shows.
    pub about: About,
    /// Its key, hence its ETag.
    pub key: RenderKey,
    /// What makes it.
    pub painter: Painter,
    /// Its encoding.
    pub format: Format,
    /// Whether `Accept` chose the encoding.
    pub negotiated: bool,
}

/// An answer, before it is HTTP.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A finished picture.
    Picture(Picture, Found, Bytes),
    /// Something to look at until the picture has come, in this encoding.
    Interim(Picture, Interim, Format, Bytes),
    /// The client has the picture already.
    Unchanged(Picture),
    /// A JSON document about a token.
    Metadata(About, Vec<u8>),
    /// A JSON document about this edge.
    Json(Vec<u8>),
    /// A page.
    Page(&'static str),
    /// This edge answers.
    Healthy,
    /// What may be asked, and from where.
    Options,
}

impl Picture {
    /// Its ETag: weak where another painting of the same picture may differ in the last bit.
    #[must_use]
    pub fn etag(&self) -> ETag {
        let weak = if self.painter.is_exact() { "" } else { "W/" };
        text(format_args!("{weak}{}", opaque_tag(&self.key)))
    }
}

/// An entity tag (RFC 9110, section 8.8.3): at most a mark of weakness, two quotes, and 43 characters.
pub type ETag = ArrayString<47>;

/// A picture's ETag without its strength.
fn opaque_tag(key: &RenderKey) -> ETag {
    text(format_args!("\"{key}\""))
}

/// Whether the request's `If-None-Match` names this picture (RFC 9110, section 13.1.2: weak comparison).
#[must_use]
pub fn matches_etag(headers: &HeaderMap, key: &RenderKey) -> bool {
    names(headers, &opaque_tag(key))
}

fn names(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|list| {
        list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
    })
}

/// The fields of a request that some reply of ours depends on, beside its method, its URL and its host. All others may be
/// removed before a request gets here; a shared cache before the functions lets nothing else through.
pub const DEPENDS_ON: [HeaderName; 4] =
    [header::ACCEPT, header::IF_NONE_MATCH, header::IF_RANGE, header::RANGE];

/// Makes the reply to a request that took this many microseconds.
#[must_use]
pub fn reply<B>(request: &Request<B>, answer: Result<Answer, Fault>, micros: u64) -> Response<Bytes> {
    let mut response = match answer {
        Ok(answer) => answered(request, answer),
        Err(fault) => {
            let mut response = problem(&fault);
            // Whether a picture can be made may depend on its encoding, and so on `Accept`.
            if matches!(Route::parse(request.uri()), Ok(Route::Picture { extension: Extension::Auto, .. })) {
                response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
            }
            response
        }
    };
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    set(headers, SERVER_TIMING, format_args!("total;dur={}.{:03}", micros / 1000, micros % 1000));
    let status = response.status();
    if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
        let length = response.body().len();
        set(response.headers_mut(), header::CONTENT_LENGTH, length);
    }
    if request.method() == Method::HEAD {
        *response.body_mut() = Bytes::new();
    }
    response
}

/// On every reply: any page may show and read what is served here.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "ETag, Cache-Status, Server-Timing, Accept-Ranges, Content-Range",
    ),
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    (HeaderName::from_static("timing-allow-origin"), "*"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

fn answered<B>(request: &Request<B>, answer: Answer) -> Response<Bytes> {
    match answer {
        Answer::Picture(picture, found, body) => send_picture(request, &picture, found, body),
        Answer::Interim(picture, interim, format, body) => send_interim(&picture, interim, format, body),
        Answer::Unchanged(picture) => {
            let mut response = bare(Bytes::new());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            picture_headers(response.headers_mut(), &picture, Found::Client);
            response
        }
        Answer::Metadata(about, body) => {
            let mut response = document(request, body, about.state.lifetime());
            set_tags(response.headers_mut(), &about);
            response
        }
        Answer::Json(body) => {
            let mut response = document(request, body, Lifetime::Brief);
            set(response.headers_mut(), CACHE_TAG, TAG_OF_LISTS);
            response
        }
        Answer::Page(html) => {
            let mut response =
                typed(Bytes::from_static(html.as_bytes()), "text/html; charset=utf-8", Lifetime::Live);
            set(response.headers_mut(), header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
            response
        }
        Answer::Healthy => typed(Bytes::from_static(b"ok\n"), "text/plain; charset=utf-8", Lifetime::Never),
        Answer::Options => {
            let mut response = bare(Bytes::new());
            *response.status_mut() = StatusCode::NO_CONTENT;
            let headers = response.headers_mut();
            set(headers, header::ALLOW, METHODS);
            set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, "If-None-Match, If-Range, Range");
            set(headers, header::ACCESS_CONTROL_MAX_AGE, "86400");
            response
        }
    }
}

const METHODS: &str = "GET, HEAD, OPTIONS";

/// A page loads from here and nowhere else.
const PAGE_POLICY: &str = "default-src 'none'; img-src 'self'; connect-src 'self'; \
                           style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// A response with room for its headers.
fn bare(body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().reserve(HEADERS);
    response
}

/// The most headers of a reply.
const HEADERS: usize = 16;

fn typed(body: Bytes, media_type: &'static str, lifetime: Lifetime) -> Response<Bytes> {
    let mut response = bare(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    keep_for(headers, lifetime);
    response
}

fn keep_for(headers: &mut HeaderMap, lifetime: Lifetime) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(lifetime.cache_control()));
    headers.insert(CDN_CACHE_CONTROL, HeaderValue::from_static(lifetime.cdn_cache_control()));
}

/// A JSON document, with its hash for an ETag.
fn document<B>(request: &Request<B>, body: Vec<u8>, lifetime: Lifetime) -> Response<Bytes> {
    let hash = keccak256(&body);
    let etag: ETag = text(format_args!("\"{}\"", Base64Display::new(&hash[..16], &BASE64_URL_SAFE_NO_PAD)));
    let unchanged = names(request.headers(), &etag);
    let mut response = typed(body.into(), "application/json", lifetime);
    set(response.headers_mut(), header::ETAG, etag);
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Bytes::new();
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    response
}

fn picture_headers(headers: &mut HeaderMap, picture: &Picture, found: Found) {
    let about = &picture.about;
    keep_for(headers, about.state.lifetime());
    set(headers, header::ETAG, picture.etag());
    let status = match found {
        Found::Client => "hit; detail=etag",
        Found::Memory => "hit; detail=memory",
        Found::Store => "hit; detail=store",
        Found::Painted => "fwd=miss; stored; detail=painted",
        Found::Derived => "fwd=miss; stored; detail=derived",
        Found::Origin => "fwd=miss; stored; detail=origin",
    };
    set(headers, CACHE_STATUS, format_args!("iridule; {status}{}", about.state.detail()));
    describe(headers, picture);
}

/// What is true of a picture and of what stands in for it alike.
fn describe(headers: &mut HeaderMap, picture: &Picture) {
    set_tags(headers, &picture.about);
    if picture.negotiated {
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    }
}

/// No ETag and no ranges: the next answer has other bytes.
fn send_interim(picture: &Picture, interim: Interim, format: Format, body: Bytes) -> Response<Bytes> {
    let mut response = typed(body, format.media_type(), Lifetime::Interim);
    let headers = response.headers_mut();
    let what = match interim {
        Interim::Size => "size",
        Interim::State => "state",
        Interim::Preview => "preview",
    };
    let state = picture.about.state.detail();
    set(headers, CACHE_STATUS, format_args!("iridule; fwd=miss; detail=interim-{what}{state}"));
    describe(headers, picture);
    response
}

/// Tag of what tells which collections there are. No slug has a tilde.
pub const TAG_OF_LISTS: &str = "~lists";
/// Tag of refusals that may be kept: what was not there may be there when something is published.
pub const TAG_OF_REFUSALS: &str = "~refusals";

/// The tag of all of a collection that follows the live state.
#[must_use]
pub fn tag_of_live(slug: &str) -> String {
    format!("{slug}{LIVE}")
}

/// What follows a slug in the tag of what is live of it.
const LIVE: &str = "/live";

fn set_tags(headers: &mut HeaderMap, about: &About) {
    let About { token: Token { slug, number }, state } = about;
    match state {
        Pinned::Pinned | Pinned::State => set(headers, CACHE_TAG, format_args!("{slug},{slug}/{number}")),
        Pinned::Live(_) => set(headers, CACHE_TAG, format_args!("{slug},{slug}/{number},{slug}{LIVE}")),
    }
}

fn send_picture<B>(request: &Request<B>, picture: &Picture, found: Found, body: Bytes) -> Response<Bytes> {
    let wanted = wanted_range(request, &picture.etag(), body.len());
    let mut response = match wanted {
        Wanted::Whole => bare(body),
        Wanted::Part { first, last } => {
            let whole = body.len();
            let mut response = bare(body.slice(first..=last));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(response.headers_mut(), header::CONTENT_RANGE, format_args!("bytes {first}-{last}/{whole}"));
            response
        }
        Wanted::Nothing => {
            let mut response = problem(&Refused::Range(body.len() as u64).into());
            set(response.headers_mut(), header::CONTENT_RANGE, format_args!("bytes */{}", body.len()));
            return response;
        }
    };
    let headers = response.headers_mut();
    picture_headers(headers, picture, found);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(picture.format.media_type()));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

/// Which part of a picture is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part { first: usize, last: usize },
    Nothing,
}

/// Reads `Range` and `If-Range` (RFC 9110, section 14): one range of bytes of a `GET`. Several ranges, another unit or
/// anything malformed are ignored, as the RFC allows.
fn wanted_range<B>(request: &Request<B>, etag: &str, length: usize) -> Wanted {
    // Of a field that is no list there is one line, or nobody knows which one counts.
    let text = |name| {
        let mut lines = request.headers().get_all(name).iter();
        let (Some(value), None) = (lines.next(), lines.next()) else { return None };
        value.to_str().ok()
    };
    let Some(range) = text(header::RANGE).and_then(|range| range.strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    // The comparison is strong (RFC 9110, section 13.1.5): parts of two paintings do not fit together.
    let still_same = !request.headers().contains_key(header::IF_RANGE)
        || text(header::IF_RANGE) == Some(etag) && !etag.starts_with("W/");
    if request.method() != Method::GET || !still_same {
        return Wanted::Whole;
    }
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<usize>().unwrap_or(usize::MAX))
    };
    let Some((from, to)) = range.trim().split_once('-') else { return Wanted::Whole };
    let (first, last) = match (number(from), number(to)) {
        (Some(first), None) if to.is_empty() => (first, usize::MAX),
        (Some(first), Some(last)) if first <= last => (first, last),
        (None, Some(0)) if from.is_empty() => return Wanted::Nothing,
        (None, Some(suffix)) if from.is_empty() => (length.saturating_sub(suffix), usize::MAX),
        _ => return Wanted::Whole,
    };
    if first >= length { Wanted::Nothing } else { Wanted::Part { first, last: last.min(length - 1) } }
}

/// Problem details.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
}

fn problem(fault: &Fault) -> Response<Bytes> {
    let Said { status, kind, title, lifetime } = said(fault);
    let detail = match fault {
        Fault::Defect(_) => {
            "the fault is on this side and has been logged; the same request may succeed later".into()
        }
        fault => fault.to_string(),
    };
    let body =
        Problem { r#type: format!("urn:iridule:problem:{kind}"), title, status: status.as_u16(), detail };
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let mut response = typed(body.into(), "application/problem+json", lifetime);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if lifetime != Lifetime::Never {
        set(headers, CACHE_TAG, TAG_OF_REFUSALS);
    }
    if matches!(fault, Fault::Refused(Refused::Method)) {
        set(headers, header::ALLOW, METHODS);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        set(headers, header::RETRY_AFTER, "1");
    }
    response
}

/// What the outside is told of a fault.
struct Said {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    lifetime: Lifetime,
}

fn said(fault: &Fault) -> Said {
    let brief = |status, kind, title| Said { status, kind, title, lifetime: Lifetime::Brief };
    let never = |status, kind, title| Said { status, kind, title, lifetime: Lifetime::Never };
    let refused = match fault {
        Fault::Refused(refused) => refused,
        Fault::Short(Short::Store(_) | Short::Block(_) | Short::Style(_) | Short::Origins(_)) => {
            return never(StatusCode::SERVICE_UNAVAILABLE, "not-at-hand", "Not at hand just now");
        }
        Fault::Short(Short::NoOrigin(_)) => {
            return brief(StatusCode::NOT_IMPLEMENTED, "needs-origin", "Needs an origin");
        }
        Fault::Defect(_) => return never(StatusCode::INTERNAL_SERVER_ERROR, "defect", "Defect"),
    };
    match refused {
        Refused::PathTooLong(_) => brief(StatusCode::URI_TOO_LONG, "path-too-long", "Path too long"),
        Refused::QueryTooLong(_) => brief(StatusCode::URI_TOO_LONG, "query-too-long", "Query too long"),
        Refused::BrokenEscape(_) => {
            brief(StatusCode::BAD_REQUEST, "broken-escape", "Broken percent-encoding")
        }
        Refused::UnknownPath => brief(StatusCode::NOT_FOUND, "unknown-path", "Unknown path"),
        // Said of one request, and of no other for the same URL.
        Refused::NoHost => never(StatusCode::BAD_REQUEST, "no-host", "No host"),
        Refused::Method => brief(StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed"),
        Refused::UnknownCollection(_) => {
            brief(StatusCode::NOT_FOUND, "unknown-collection", "Unknown collection")
        }
        Refused::BadToken(_) => brief(StatusCode::BAD_REQUEST, "bad-token", "Not a token number"),
        Refused::TokenOutside { .. } => {
            brief(StatusCode::NOT_FOUND, "token-outside", "Token outside the supply")
        }
        Refused::UnknownFormat(_) => brief(StatusCode::BAD_REQUEST, "unknown-format", "Unknown format"),
        Refused::UnknownParameter { .. } => {
            brief(StatusCode::BAD_REQUEST, "unknown-parameter", "Unknown parameter")
        }
        Refused::RepeatedParameter(_) => {
            brief(StatusCode::BAD_REQUEST, "repeated-parameter", "Repeated parameter")
        }
        Refused::BadParameter { .. } => {
            brief(StatusCode::BAD_REQUEST, "bad-parameter", "Parameter out of range")
        }
        Refused::BadState(_) => brief(StatusCode::BAD_REQUEST, "bad-state", "Not a state"),
        Refused::UnknownToken { .. } => brief(StatusCode::NOT_FOUND, "unknown-token", "Unknown token"),
        Refused::UnknownStyle(_) => brief(StatusCode::NOT_FOUND, "unknown-style", "Unknown style"),
        Refused::UnpublishedState(_) => {
            brief(StatusCode::NOT_FOUND, "unpublished-state", "State never published")
        }
        // `Range` is in no cache's key, so a cache that kept this could give it to those who asked for the whole.
        Refused::Range(_) => never(StatusCode::RANGE_NOT_SATISFIABLE, "range", "Range not satisfiable"),
    }
}

/// Sets a header to text of our own making; text that no header can carry leaves it out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: impl Display) {
    if let Ok(value) = HeaderValue::from_str(&text::<HEADER_BYTES>(value)) {
        headers.insert(name, value);
    }
}

/// Bytes of the longest header: tags of a slug of 64 and a number of 78 characters.
const HEADER_BYTES: usize = 320;

/// Text that is known to be at most so long, without an allocation.
fn text<const BYTES: usize>(value: impl Display) -> ArrayString<BYTES> {
    let mut text = ArrayString::new();
    let fits = write!(text, "{value}").is_ok();
    debug_assert!(fits, "{value} is longer than {BYTES} bytes");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

    fn range(value: &str, length: usize) -> Wanted {
        let request = Request::builder().header("range", value).body(()).unwrap();
        wanted_range(&request, "\"e\"", length)
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_14_1_2_says() {
        assert_eq!(range("bytes=0-3", 10), Wanted::Part { first: 0, last: 3 });
        assert_eq!(range("bytes=4-", 10), Wanted::Part { first: 4, last: 9 });
        assert_eq!(range("bytes=4-99", 10), Wanted::Part { first: 4, last: 9 });
        assert_eq!(range("bytes=-4", 10), Wanted::Part { first: 6, last: 9 });
        assert_eq!(range("bytes=-99", 10), Wanted::Part { first: 0, last: 9 });
        for unsatisfiable in ["bytes=10-", "bytes=99-100", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(range(unsatisfiable, 10), Wanted::Nothing, "{unsatisfiable}");
        }
        for ignored in
            ["bytes=3-1", "bytes=0-1,3-4", "items=0-1", "bytes=", "bytes=a-", "bytes=--1", "bytes=+1-2"]
        {
            assert_eq!(range(ignored, 10), Wanted::Whole, "{ignored}");
        }
    }

    #[test]
    fn the_longest_tags_fit_into_their_header() {
        let (slug, number) = ("a".repeat(64), U256::MAX);
        let mut headers = HeaderMap::new();
        let about = About { token: Token { slug, number }, state: Pinned::Live(Freshness::Fresh) };
        set_tags(&mut headers, &about);
        assert!(headers[CACHE_TAG].to_str().unwrap().ends_with("a/live"));
    }

    #[test]
    fn a_range_of_another_version_is_ignored() {
        let request = |etag: &str| {
            Request::builder().header("range", "bytes=0-1").header("if-range", etag).body(()).unwrap()
        };
        assert_eq!(wanted_range(&request("\"e\""), "\"e\"", 9), Wanted::Part { first: 0, last: 1 });
        assert_eq!(wanted_range(&request("\"other\""), "\"e\"", 9), Wanted::Whole);
        assert_eq!(wanted_range(&request("W/\"e\""), "\"e\"", 9), Wanted::Whole);
    }

    #[test]
    fn of_two_ranges_none_counts() {
        let request = Request::builder().header("range", "bytes=0-1").header("range", "bytes=2-3");
        assert_eq!(wanted_range(&request.body(()).unwrap(), "\"e\"", 9), Wanted::Whole);
        let request = Request::builder().header("range", "bytes=0-1");
        let request = request.header("if-range", "\"e\"").header("if-range", "\"other\"").body(()).unwrap();
        assert_eq!(wanted_range(&request, "\"e\"", 9), Wanted::Whole);
    }

    #[test]
    fn a_problem_of_auto_varies_as_its_picture_does() {
        let vary = |path: &str| {
            let request = Request::get(path).body(()).unwrap();
            let response = reply(&request, Err(Refused::UnknownPath.into()), 0);
            response.headers().get(header::VARY).cloned()
        };
        assert_eq!(vary("/t/orbits/1.auto?w=64").unwrap(), "Accept");
        assert_eq!(vary("/t/orbits/1@ACg.auto").unwrap(), "Accept");
        assert_eq!(vary("/t/orbits/1.png"), None);
    }

    #[test]
    fn etags_are_compared_weakly() {
        let headers = |value: &str| {
            let mut headers = HeaderMap::new();
            set(&mut headers, header::IF_NONE_MATCH, value);
            headers
        };
        for hit in ["\"e\"", "W/\"e\"", "\"a\", \"e\"", "*"] {
            assert!(names(&headers(hit), "\"e\""), "{hit}");
        }
        for miss in ["\"a\"", "e", "", "\"E\""] {
            assert!(!names(&headers(miss), "\"e\""), "{miss}");
        }
    }
}
