//! Answers from what is stored: the whole, a part, that the client has it already, or that its condition is not fulfilled.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use crate::{
    body::Body,
    canonical::CanonicalRequest,
    clock::Tick,
    conditional,
    entry::Response as Kept,
    flight::{Coming, Reader},
    range::{Cut, Part, cut},
    status::{self, How},
};

/// What of a request its answer depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
}

/// The same, for later.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
}

/// The heads of a stored response's answers, made at the first: its fields, and places for what each answer says of itself.
#[derive(Debug)]
pub(crate) struct Heads {
    whole: HeaderMap,
    /// Of a 304.
    unchanged: HeaderMap,
}

impl Heads {
    fn of(fields: &HeaderMap) -> Self {
        let mut whole = fields.clone();
        whole.insert(header::AGE, 0.into());
        status::append(&mut whole, How::Stale);
        let mut unchanged = whole.clone();
        conditional::strip_for_304(&mut unchanged);
        Self { whole, unchanged }
    }
}

impl<'a> Client<'a> {
    pub(crate) fn of<B>(request: &'a CanonicalRequest<B>) -> Self {
        Self { method: request.method(), headers: request.headers() }
    }
}

impl Owned {
    pub(crate) fn borrowed(&self) -> Client<'_> {
        Client { method: &self.method, headers: &self.headers }
    }
}

/// Which bytes of a stored response answer a client.
fn wanted(response: &Kept, client: Client<'_>) -> Cut {
    let length = response.body.len() as u64;
    match response.part {
        Some(part) => cut(client.headers, &response.fields, part, length),
        None if response.status == StatusCode::OK && client.method == Method::GET => {
            cut(client.headers, &response.fields, Part { first: 0, total: length }, length)
        }
        None => Cut::Whole,
    }
}

/// Whether what is stored has the bytes that a client wants.
pub(crate) fn holds(response: &Kept, client: Client<'_>) -> bool {
    response.part.is_none()
        || (client.method == Method::GET && matches!(wanted(response, client), Cut::Part { .. }))
}

/// The answer that a stored response is to a client.
pub(crate) fn stored(client: Client<'_>, response: &Kept, now: Tick, how: How) -> Response<Body> {
    let heads = response.heads.get_or_init(|| Heads::of(&response.fields));
    let unchanged =
        response.status == StatusCode::OK && conditional::client_has(client.headers, &response.fields);
    let mut fields = if unchanged { &heads.unchanged } else { &heads.whole }.clone();
    fields.insert(header::AGE, response.freshness.age(now).into());
    status::replace(&mut fields, how);
    if !conditional::holds(client.headers, response.status, &response.fields) {
        return failed(fields);
    }
    if unchanged {
        return assemble(StatusCode::NOT_MODIFIED, fields, Body::empty());
    }
    let (status, body) = match wanted(response, client) {
        Cut::Part { first, last } => {
            let part = response.part.unwrap_or(Part { first: 0, total: response.body.len() as u64 });
            put_range(&mut fields, &format!("bytes {first}-{last}/{}", part.total));
            // Within the bytes held, `cut` has seen to it.
            let place = |at: u64| usize::try_from(at - part.first).unwrap_or(usize::MAX);
            (StatusCode::PARTIAL_CONTENT, response.body.slice(place(first)..=place(last)))
        }
        Cut::Unsatisfiable => {
            conditional::strip_for_304(&mut fields);
            let total = response.part.map_or(response.body.len() as u64, |part| part.total);
            put_range(&mut fields, &format!("bytes */{total}"));
            (StatusCode::RANGE_NOT_SATISFIABLE, bytes::Bytes::new())
        }
        Cut::Whole | Cut::NotHeld => (response.status, response.body.clone()),
    };
    if status != response.status || response.part.is_some() {
        fields.insert(header::CONTENT_LENGTH, body.len().into());
    }
    let body = if client.method == Method::HEAD { Body::empty() } else { Body::whole(body) };
    assemble(status, fields, body)
}

/// The answer that a response is whose body is still coming.
pub(crate) fn coming(client: Client<'_>, coming: &Coming, reader: Reader, how: How) -> Response<Body> {
    let mut fields = coming.fields.clone();
    status::append(&mut fields, how);
    if !conditional::holds(client.headers, coming.status, &coming.fields) {
        return failed(fields);
    }
    if coming.status == StatusCode::OK && conditional::client_has(client.headers, &coming.fields) {
        conditional::strip_for_304(&mut fields);
        return assemble(StatusCode::NOT_MODIFIED, fields, Body::empty());
    }
    assemble(coming.status, fields, Body::shared(reader))
}

/// The answer to a request whose `If-Match` or `If-Unmodified-Since` is not fulfilled (RFC 9110, section 13.2.2).
fn failed(mut fields: HeaderMap) -> Response<Body> {
    conditional::strip_for_304(&mut fields);
    fields.insert(header::CONTENT_LENGTH, 0.into());
    assemble(StatusCode::PRECONDITION_FAILED, fields, Body::empty())
}

/// The origin's answer as it is.
pub(crate) fn passed(mut answer: Response<Body>, how: How) -> Response<Body> {
    status::append(answer.headers_mut(), how);
    answer
}

fn put_range(fields: &mut HeaderMap, range: &str) {
    if let Ok(range) = HeaderValue::from_str(range) {
        fields.insert(header::CONTENT_RANGE, range);
    }
}

fn assemble(status: StatusCode, fields: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}
