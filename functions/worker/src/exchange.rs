//! Requests and replies, from the runtime's objects to core's types and back.
//!
//! Bodies cross once, whole: a request's is not read at all, and a reply's is handed over as one buffer, so that the
//! runtime knows its length. Headers pass as they are; which of them mean something is core's to say.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use worker::{
    Error,
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
    let headers = inward.headers_mut();
    for entry in request.headers().entries().into_iter().flatten() {
        let pair: Array = entry.unchecked_into();
        let (Some(name), Some(value)) = (pair.get(0).as_string(), pair.get(1).as_string()) else { continue };
        // What no header can carry was never sent as one.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            headers.append(name, value);
        }
    }
    Ok(inward)
}

/// A reply as the runtime takes it.
///
/// # Errors
/// What the runtime says of a status or a header.
pub(crate) fn outward(response: &Response<Bytes>) -> Result<web_sys::Response, Error> {
    let headers = web_sys::Headers::new()?;
    for (name, value) in response.headers() {
        let value = value.to_str().map_err(|_| Error::RustError(format!("{name} is not plain text")))?;
        headers.append(name.as_str(), value)?;
    }
    let init = web_sys::ResponseInit::new();
    init.set_status(response.status().as_u16());
    init.set_headers(&headers);
    let body = response.body();
    let buffer = (!body.is_empty()).then(|| Uint8Array::from(&**body));
    let buffer = buffer.as_ref().map(|buffer| buffer.unchecked_ref());
    Ok(web_sys::Response::new_with_opt_buffer_source_and_init(buffer, &init)?)
}
