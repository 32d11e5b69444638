//! What the places that speak HTTP share: a client with patience, answers, and what their errors say.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;

use crate::PlaceError;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A client.
pub(crate) fn client(at: &str) -> Result<Client, PlaceError> {
    let client = Client::builder().timeout(PATIENCE).connect_timeout(CONNECT).build();
    client.map_err(|e| PlaceError::Unreachable { at: at.into(), why: root_cause(&e) })
}

/// Sends a request, and reads the answer whole.
pub(crate) async fn send(request: RequestBuilder, at: &str) -> Result<(StatusCode, Vec<u8>), PlaceError> {
    let unreachable = |e: reqwest::Error| PlaceError::Unreachable { at: at.into(), why: root_cause(&e) };
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    Ok((status, answer.bytes().await.map_err(unreachable)?.into()))
}

/// The body of an answer that says yes.
pub(crate) fn success(at: &str, status: StatusCode, body: Vec<u8>) -> Result<Vec<u8>, PlaceError> {
    if status.is_success() {
        return Ok(body);
    }
    Err(PlaceError::Refused { at: at.into(), status: status.as_u16(), detail: detail(status, &body) })
}

/// The `detail` of a problem document, the first message of Cloudflare's API, or the status in words.
fn detail(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Known {
        Problem { detail: String },
        Cloudflare { errors: Vec<Message> },
    }
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let known = match serde_json::from_slice(body) {
        Ok(Known::Problem { detail }) => Some(detail),
        Ok(Known::Cloudflare { errors }) => errors.into_iter().next().map(|error| error.message),
        Err(_) => None,
    };
    known.unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason given").into())
}

/// The innermost reason of a failed request: the outer ones only repeat the address, which may hold a key.
#[must_use]
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
