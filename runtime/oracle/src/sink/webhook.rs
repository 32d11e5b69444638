//! Webhooks: states that changed, signed as Standard Webhooks says for Ed25519.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use reqwest::{Client, Url};
use serde::Serialize;

use super::{Shown, Signed};
use crate::http::{self, Unanswered};

/// Most bytes of an answer.
const ANSWER_BYTES: usize = 64 << 10;

/// What a webhook is sent.
#[derive(Serialize)]
struct Told<'a> {
    r#type: &'static str,
    timestamp: u64,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    sequence: u64,
    collections: &'a [Shown],
}

/// Tells a webhook, with a signature (`v1a`) over `id.timestamp.body`.
pub(super) async fn tell(url: &Url, signed: &Signed, key: &SigningKey) -> Result<(), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let data = Data { sequence: signed.sequence, collections: &signed.states };
    let told = Told { r#type: "states.changed", timestamp: now, data };
    let body = serde_json::to_string(&told).map_err(|why| why.to_string())?;
    // The same for every try, so that whoever is told twice can tell.
    let id = format!("snapshot_{}", signed.sequence);
    let signature = key.sign(format!("{id}.{now}.{body}").as_bytes());
    let client = Client::builder().timeout(Duration::from_secs(10)).build().map_err(|why| why.to_string())?;
    let request = client
        .post(url.clone())
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", now)
        .header("webhook-signature", format!("v1a,{}", BASE64_STANDARD.encode(signature.to_bytes())))
        .body(body);
    match http::read(request, ANSWER_BYTES).await {
        Ok((status, _)) if status.is_success() => Ok(()),
        Ok((status, _)) => Err(format!("it answered {status}")),
        Err(Unanswered::Network(why)) => Err(why),
        Err(Unanswered::TooLong) => Err("its answer is too long".into()),
    }
}
