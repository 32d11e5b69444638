//! JSON-RPC to one provider, with patience and a bound on what it may send.
//!
//! alloy's own transport reads an answer of any length; this one is that transport's shape with a limit
//! ([`limits::RPC_ANSWER_MIB`]). A provider is asked only at the URL that the operator wrote: redirects are not followed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use alloy::{
    providers::RootProvider,
    rpc::{
        client::RpcClient,
        json_rpc::{RequestPacket, ResponsePacket},
    },
    transports::{TransportError, TransportErrorKind, TransportFut},
};
use reqwest::{Client, Url};

use crate::{
    http::{self, Reach, Unanswered},
    limits,
};

/// For how long a provider that did not answer is not waited for when the others agree already.
const SLOW: Duration = Duration::from_secs(30);

/// A provider.
#[derive(Clone)]
pub(crate) struct Provider {
    /// How logs and metrics call it: its host, since a URL may hold a key.
    pub(crate) name: Arc<str>,
    pub(crate) rpc: RootProvider,
    patience: Duration,
    started: Instant,
    /// Until when it counts as slow, milliseconds after `started`.
    slow: Arc<AtomicU64>,
}

impl Provider {
    /// A provider at a URL, given this long for each answer, and so many bytes.
    pub(crate) fn new(url: &Url, patience: Duration, answer_bytes: usize) -> Result<Self, String> {
        let client = http::client(Reach::All, 0, patience)?;
        let transport = Transport { client, url: url.clone(), answer_bytes };
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        Ok(Self {
            name: format!("{}{port}", url.host_str().unwrap_or("nowhere")).into(),
            rpc: RootProvider::new(RpcClient::new(transport, false)),
            patience,
            started: Instant::now(),
            slow: Arc::default(),
        })
    }

    /// Asks it, for as long as its patience lasts.
    pub(crate) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        let answer = tokio::time::timeout(self.patience, question).await;
        let until = match answer {
            Ok(_) => 0,
            Err(_) => self.elapsed() + millis(SLOW),
        };
        self.slow.store(until, Ordering::Relaxed);
        answer.unwrap_or_else(|_| Err(format!("no answer within {} ms", self.patience.as_millis())))
    }

    /// Whether it did not answer a short time ago.
    pub(crate) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed) > self.elapsed()
    }

    fn elapsed(&self) -> u64 {
        millis(self.started.elapsed())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Clone)]
struct Transport {
    client: Client,
    url: Url,
    answer_bytes: usize,
}

impl Transport {
    async fn send(self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let request = self.client.post(self.url).json(&request);
        let (status, body) = http::read(request, self.answer_bytes).await.map_err(|why| {
            let hint = match why {
                Unanswered::TooLong { .. } => {
                    format!("; answer_mib of this [[chain]] may be up to {}", limits::MAX_RPC_ANSWER_MIB)
                }
                Unanswered::Network(_) | Unanswered::Redirected { .. } => String::new(),
            };
            TransportErrorKind::custom_str(&format!("{why}{hint}"))
        })?;
        // An error may come with any status: what it says is worth more.
        serde_json::from_slice(&body).map_err(|why| {
            if status.is_success() {
                TransportErrorKind::custom_str(&format!("no JSON-RPC: {why}"))
            } else {
                TransportErrorKind::custom_str(&format!("status {status}"))
            }
        })
    }
}

impl tower_service::Service<RequestPacket> for Transport {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}
