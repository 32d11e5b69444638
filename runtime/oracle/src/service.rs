//! The relay as a service: what monitors and `iridule oracle status` read.
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | 200 while the relay runs |
//! | `GET /readyz` | 200 while it leads, 503 while it waits |
//! | `GET /metrics` | the series of `metrics.rs` |
//! | `GET /v1/status` | [`Status`] as JSON |
//! | `GET /v1/ledger?from=N` | the ledger's entries from place N on, a line of JSON each |

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures_util::stream;
use serde::Deserialize;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    ledger::Ledger,
    metrics::{self, Metrics},
    status::{Role, Status},
};

/// Entries that are read and sent at once.
const PAGE: usize = 1024;

/// What the service shows.
pub(crate) struct Shared {
    status: Mutex<Status>,
    ledger: OnceLock<Ledger>,
    metrics: Arc<Metrics>,
}

impl Shared {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { status: Mutex::new(Status::waiting()), ledger: OnceLock::new(), metrics }
    }

    /// From now on this relay leads.
    pub(crate) fn leads(&self, ledger: Ledger) {
        // It begins to lead once.
        let _ = self.ledger.set(ledger);
    }

    pub(crate) fn status(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    fn now(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves until the relay ends.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/status", get(async |State(shared): State<Arc<Shared>>| Json(shared.now())))
        .route("/v1/ledger", get(entries))
        .with_state(shared);
    let leave = async move {
        // A sender that is gone means the same.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    if let Err(why) = axum::serve(listener, router).with_graceful_shutdown(leave).await {
        tracing::error!(%why, "the service ended");
    }
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    match shared.now().role {
        Role::Leads => "leads\n".into_response(),
        Role::Waits => (StatusCode::SERVICE_UNAVAILABLE, "waits\n").into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], shared.metrics.text()).into_response()
}

#[derive(Deserialize)]
struct From {
    #[serde(default)]
    from: u64,
}

async fn entries(State(shared): State<Arc<Shared>>, Query(From { from }): Query<From>) -> Response {
    let Some(ledger) = shared.ledger.get().cloned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "another relay has the ledger\n").into_response();
    };
    let pages = stream::unfold(Some(from), move |from| {
        let ledger = ledger.clone();
        async move {
            let from = from?;
            let page = tokio::task::spawn_blocking(move || ledger.entries(from, PAGE)).await;
            let page = page.ok().and_then(Result::ok).unwrap_or_default();
            let next = (page.len() == PAGE).then_some(from + PAGE as u64);
            let mut lines = Vec::new();
            for (_, entry) in &page {
                // To a vector, and no entry holds what JSON cannot.
                if serde_json::to_writer(&mut lines, entry).is_ok() {
                    lines.push(b'\n');
                }
            }
            Some((Ok::<_, Infallible>(lines), next))
        }
    });
    ([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(pages)).into_response()
}
