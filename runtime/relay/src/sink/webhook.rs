//! Webhooks: states that changed, signed as Standard Webhooks says for Ed25519.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
//!
//! The signed request goes to the address that the operator wrote and to no other: redirects are not followed, and a name
//! must not resolve to an address of this machine or its network, unless the webhook is marked `private`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use reqwest::{Client, Url};
use serde::Serialize;

use super::snapshot::{Shown, Signed};
use crate::http::{self, Reach};

/// Most bytes of an answer. What it says is not looked at.
const ANSWER_BYTES: usize = 64 << 10;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A webhook.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    /// Where to post.
    pub(crate) url: Url,
    client: Client,
}

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

impl Webhook {
    /// A webhook at a URL. A URL that spells out an inner address says by itself that it is meant.
    pub(crate) fn new(url: Url, private: bool) -> Result<Self, String> {
        Ok(Self { client: http::client(reach_of(&url, private), 0, PATIENCE)?, url })
    }

    /// Tells it, with a signature (`v1a`) over `id.timestamp.body`.
    pub(super) async fn tell(&self, signed: &Signed, key: &SigningKey) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let data = Data { sequence: signed.sequence, collections: &signed.states };
        let told = Told { r#type: "states.changed", timestamp: now, data };
        let body = serde_json::to_string(&told).map_err(|why| why.to_string())?;
        // The same for every try, so that whoever is told twice can tell.
        let id = format!("snapshot_{}", signed.sequence);
        let signature = key.sign(format!("{id}.{now}.{body}").as_bytes());
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", format!("v1a,{}", BASE64_STANDARD.encode(signature.to_bytes())))
            .body(body);
        match http::read(request, ANSWER_BYTES).await {
            Ok((status, _)) if status.is_success() => Ok(()),
            Ok((status, _)) => Err(format!("it answered {status}")),
            Err(why) => Err(why.to_string()),
        }
    }
}

fn reach_of(url: &Url, private: bool) -> Reach {
    if private || http::names_inner(url) { Reach::All } else { Reach::Public }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Instant,
    };

    use axum::{
        Router,
        http::{StatusCode, header},
        routing::post,
    };
    use tokio::net::TcpListener;

    use super::*;

    fn signed() -> Signed {
        Signed { sequence: 1, bytes: Vec::new(), states: Vec::new(), at: Instant::now() }
    }

    async fn told(url: &str, private: bool) -> Result<(), String> {
        let webhook = Webhook::new(url.parse().unwrap(), private)?;
        webhook.tell(&signed(), &SigningKey::from_bytes(&[7; 32])).await
    }

    /// A server that redirects posts to itself, and counts what arrives there.
    async fn redirecting() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let arrived = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&arrived);
        let to = move |status, host: &'static str| {
            post(async move || (status, [(header::LOCATION, format!("http://{host}:{port}/inner"))]))
        };
        let router = Router::new()
            .route("/301", to(StatusCode::MOVED_PERMANENTLY, "127.0.0.1"))
            .route("/302", to(StatusCode::FOUND, "localhost"))
            .route("/307", to(StatusCode::TEMPORARY_REDIRECT, "127.0.0.1"))
            .route("/308", to(StatusCode::PERMANENT_REDIRECT, "[::ffff:127.0.0.1]"))
            .route(
                "/inner",
                axum::routing::any(async move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                }),
            );
        tokio::spawn(async move { axum::serve(listener, router).await });
        (format!("http://127.0.0.1:{port}"), arrived)
    }

    #[tokio::test]
    async fn a_redirect_carries_no_signed_post_anywhere() {
        let (url, arrived) = redirecting().await;
        for status in ["301", "302", "307", "308"] {
            let why = told(&format!("{url}/{status}"), true).await.unwrap_err();
            assert!(why.contains(status) && why.contains("not followed"), "{why}");
        }
        assert_eq!(arrived.load(Ordering::SeqCst), 0);
        // The server works: the address itself is told.
        told(&format!("{url}/inner"), false).await.unwrap();
        assert_eq!(arrived.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn only_an_address_that_was_written_or_marked_private_may_be_an_inner_one() {
        for (url, private, reach) in [
            ("https://hooks.example/", false, Reach::Public),
            ("https://hooks.example/", true, Reach::All),
            ("http://127.0.0.1:9000/", false, Reach::All),
            ("http://[::1]/", false, Reach::All),
            ("http://localhost/", false, Reach::All),
        ] {
            assert_eq!(reach_of(&url.parse().unwrap(), private), reach, "{url}");
        }
    }
}
