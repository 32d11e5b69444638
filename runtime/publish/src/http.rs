//! What the places that speak HTTP share: a client with bounds, answers, and what their errors say.
//!
//! A place is asked only at the address that its operator wrote: redirects are not followed, so that neither a token nor
//! a record goes anywhere else.

use std::time::Duration;

use iridule_records::limits;
use reqwest::{Client, RequestBuilder, StatusCode, redirect::Policy};
use serde::Deserialize;

use crate::{
    bounded::{self, root_cause},
    error::PlaceError,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Most bytes of an answer that is a record: a block is the largest, and an envelope may surround it.
pub(crate) const RECORD_BYTES: usize = 2 * limits::BLOCK_BYTES;
/// Most bytes of a list of collections with their gauges.
pub(crate) const LIST_BYTES: usize = 32 << 20;

/// A client.
pub(crate) fn client(at: &str) -> Result<Client, PlaceError> {
    let builder = Client::builder().timeout(PATIENCE).connect_timeout(CONNECT).redirect(Policy::none());
    builder.build().map_err(|e| PlaceError::Unreachable { at: at.into(), why: root_cause(&e) })
}

/// Sends a request, and reads an answer of at most `limit` bytes.
pub(crate) async fn send(
    request: RequestBuilder,
    at: &str,
    limit: usize,
) -> Result<(StatusCode, Vec<u8>), PlaceError> {
    let unreachable =
        |why: bounded::Unanswered| PlaceError::Unreachable { at: at.into(), why: why.to_string() };
    bounded::read(request, limit).await.map_err(unreachable)
}

/// The body of an answer that says yes.
pub(crate) fn success(at: &str, status: StatusCode, body: Vec<u8>) -> Result<Vec<u8>, PlaceError> {
    if status.is_success() {
        return Ok(body);
    }
    Err(PlaceError::Refused { at: at.into(), status: status.as_u16(), detail: detail(status, &body) })
}

/// Most characters of a place's own words that an error repeats.
const DETAIL_CHARACTERS: usize = 500;

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
    let known = known.map(|said| said.chars().take(DETAIL_CHARACTERS).collect());
    known.unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason given").into())
}
