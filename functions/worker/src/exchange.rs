//! Requests and replies, from the runtime's objects to core's types and back, and what is asked of origins.
//!
//! Bodies cross once, whole: a visitor's is not read at all, and a reply's is handed over as one buffer, so that the
//! runtime knows its length. Headers pass as they are; which of them mean something is core's to say.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use iridule_origin_api::limits;
use worker::{
    AbortSignal, Error, Fetch,
    js_sys::{Array, Uint8Array},
    wasm_bindgen::JsCast as _,
    web_sys,
};

/// A request as core takes it.
///
/// # Errors
/// When the address or the method does not read as one.
pub(crate) fn inward(request: &web_sys::Request) -> Result<Request<()>, http::Error> {
    let mut inward = Request::builder().method(&*request.method()).uri(request.url()).body(())?;
    let lines = request.headers().entries().into_iter().flatten().filter_map(|entry| {
        let pair: Array = entry.unchecked_into();
        Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
    });
    *inward.headers_mut() = fields(lines);
    Ok(inward)
}

fn fields(lines: impl Iterator<Item = (String, String)>) -> HeaderMap {
    // What no header can carry was never sent as one.
    let read = |(name, value): (String, String)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    };
    let mut fields = HeaderMap::new();
    for (name, value) in lines.filter_map(read) {
        fields.append(name, value);
    }
    fields
}

fn headers(fields: &HeaderMap) -> Result<web_sys::Headers, Error> {
    let headers = web_sys::Headers::new()?;
    for (name, value) in fields {
        let value = value.to_str().map_err(|_| Error::RustError(format!("{name} is not plain text")))?;
        headers.append(name.as_str(), value)?;
    }
    Ok(headers)
}

/// Sends a request, and reads the answer whole.
///
/// # Errors
/// What the runtime says of it; more than [`limits::ORIGIN_BYTES`].
pub(crate) async fn ask(request: Request<Bytes>, signal: &AbortSignal) -> Result<Response<Bytes>, Error> {
    let init = web_sys::RequestInit::new();
    init.set_method(request.method().as_str());
    init.set_headers(headers(request.headers())?.as_ref());
    let body = request.body();
    if !body.is_empty() {
        init.set_body(&Uint8Array::from(&**body));
    }
    let sent = web_sys::Request::new_with_str_and_init(&request.uri().to_string(), &init)?;
    let mut answer = Fetch::Request(sent.into()).send_with_signal(signal).await?;
    let mut whole = BytesMut::new();
    let mut parts = answer.stream()?;
    while let Some(part) = parts.next().await {
        whole.extend_from_slice(&part?);
        if whole.len() > limits::ORIGIN_BYTES {
            return Err(Error::RustError("the answer is too long".into()));
        }
    }
    let mut inward = Response::new(whole.freeze());
    let status = StatusCode::from_u16(answer.status_code());
    *inward.status_mut() = status.map_err(|why| Error::RustError(why.to_string()))?;
    *inward.headers_mut() = fields(answer.headers().entries());
    Ok(inward)
}

/// A reply as the runtime takes it.
///
/// # Errors
/// What the runtime says of a status or a header.
pub(crate) fn outward(response: &Response<Bytes>) -> Result<web_sys::Response, Error> {
    let init = web_sys::ResponseInit::new();
    init.set_status(response.status().as_u16());
    init.set_headers(headers(response.headers())?.as_ref());
    let body = response.body();
    let buffer = (!body.is_empty()).then(|| Uint8Array::from(&**body));
    let buffer = buffer.as_ref().map(|buffer| buffer.unchecked_ref());
    Ok(web_sys::Response::new_with_opt_buffer_source_and_init(buffer, &init)?)
}
