//! Handing a finished reply to the host.
//!
//! The headers are core's and pass as they are. A reply without a body is given none, instead of an empty stream: only
//! then may the `Content-Length` of a `HEAD` name the length that a `GET` would have (a host checks a stream against
//! it). Whatever the request left to do runs after the last byte is out.

use bytes::Bytes;
use http::Response;
use spin_sdk::wasip3::{
    http::types::{self, ErrorCode, Headers},
    spawn, wit_future, wit_stream,
};

use crate::platform::Visit;

/// Starts the reply; body and errands follow when the host has taken it.
///
/// # Errors
/// When the host does not take a header.
pub(crate) fn send(response: Response<Bytes>, visit: Visit) -> Result<types::Response, ErrorCode> {
    let (head, body) = response.into_parts();
    let headers = Headers::try_from(head.headers)
        .map_err(|why| ErrorCode::InternalError(Some(format!("a header was not taken: {why}"))))?;
    let (end, trailers) = wit_future::new(|| Ok(None));
    let (contents, pipe) = if body.is_empty() {
        (None, None)
    } else {
        let (writer, reader) = wit_stream::new();
        (Some(reader), Some(writer))
    };
    let (response, _sent) = types::Response::new(headers, contents, trailers);
    response
        .set_status_code(head.status.as_u16())
        .map_err(|()| ErrorCode::InternalError(Some(format!("status {} was not taken", head.status))))?;
    spawn(async move {
        if let Some(mut pipe) = pipe {
            // What is left over was not wanted: the client has gone.
            let _ = pipe.write_all(body.into()).await;
        }
        let _ = end.write(Ok(None)).await;
        visit.run_errands().await;
    });
    Ok(response)
}
