//! The relay as a service: what monitors and `iridule oracle status` read.
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | 200 while the relay runs |
//! | `GET /readyz` | 200 while it leads, 503 while it waits |
//! | `GET /metrics` | the series of `metrics.rs` |
//! | `GET /v1/status` | [`Status`] as JSON |
//! | `GET /v1/ledger?from=N` | the ledger's entries from place N on, a line of JSON each |
//!
//! An answer that is complete says so: the ledger is sent in chunks, and when it cannot be read to its end, the last chunk
//! is missing. Connections are bounded in `listener.rs`.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Query, State},
    http::{HeaderValue, StatusCode, Version, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};

use crate::{
    ledger::{Ledger, LedgerError},
    limits, listener,
    metrics::{self, Metrics},
    status::{Role, Status},
};

/// Most entries that are read and sent at once.
const PAGE: usize = 1024;

/// What the service shows.
pub(crate) struct Shared {
    status: Mutex<Status>,
    ledger: OnceLock<Ledger>,
    metrics: Arc<Metrics>,
    /// One permit for each client that may read the ledger.
    readers: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            status: Mutex::new(Status::waiting()),
            ledger: OnceLock::new(),
            metrics,
            readers: Arc::new(Semaphore::new(limits::LEDGER_READERS)),
        }
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
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, stopped: watch::Receiver<bool>) {
    let metrics = Arc::clone(&shared.metrics);
    listener::serve(listener, router(shared), metrics, stopped).await;
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(series))
        .route("/v1/status", get(async |State(shared): State<Arc<Shared>>| Json(shared.now())))
        .route("/v1/ledger", get(entries))
        .with_state(shared)
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    match shared.now().role {
        Role::Leads => "leads\n".into_response(),
        Role::Waits => (StatusCode::SERVICE_UNAVAILABLE, "waits\n").into_response(),
    }
}

async fn series(State(shared): State<Arc<Shared>>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], shared.metrics.text()).into_response()
}

#[derive(Deserialize)]
struct From {
    #[serde(default)]
    from: u64,
}

async fn entries(
    State(shared): State<Arc<Shared>>,
    Query(From { from }): Query<From>,
    version: Version,
) -> Response {
    if version < Version::HTTP_11 {
        // Without chunks, a body that breaks off looks like one that is complete.
        let why = "the ledger is sent in chunks: ask with HTTP/1.1\n";
        return (StatusCode::HTTP_VERSION_NOT_SUPPORTED, why).into_response();
    }
    let Some(ledger) = shared.ledger.get().cloned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "another relay has the ledger\n").into_response();
    };
    let Ok(permit) = Arc::clone(&shared.readers).try_acquire_owned() else {
        let why = format!("{} clients read the ledger already\n", limits::LEDGER_READERS);
        let later = [(header::RETRY_AFTER, HeaderValue::from_static("5"))];
        return (StatusCode::SERVICE_UNAVAILABLE, later, why).into_response();
    };
    let mut reader = Reader { ledger, next: Some(from), _permit: permit };
    // The status line cannot be taken back, so what cannot be read at all is found out before it.
    let first = match reader.lines().await {
        Ok(first) => first.unwrap_or_default(),
        Err(why) => {
            tracing::error!(from, %why, "the ledger cannot be read for a client");
            let why = "the ledger cannot be read; the relay's log says why\n";
            return (StatusCode::INTERNAL_SERVER_ERROR, why).into_response();
        }
    };
    let rest = stream::unfold(reader, async |mut reader| {
        let lines = reader.lines().await.transpose()?;
        if let Err(why) = &lines {
            tracing::error!(%why, "the ledger cannot be read to its end for a client; the answer is broken off");
        }
        Some((lines, reader))
    });
    let pages = stream::once(async { Ok(first) }).chain(rest);
    ([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(pages)).into_response()
}

/// One client's way through the ledger. At most a page of it is in memory.
struct Reader {
    ledger: Ledger,
    next: Option<u64>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// The next entries as lines of JSON; `None` after the last.
    async fn lines(&mut self) -> Result<Option<Bytes>, LedgerError> {
        // After an error there is nothing more to come.
        let Some(from) = self.next.take() else { return Ok(None) };
        let ledger = self.ledger.clone();
        let page = tokio::task::spawn_blocking(move || {
            let page = ledger.page(from, PAGE, limits::LEDGER_PAGE_BYTES)?;
            let mut lines = Vec::new();
            for (place, entry) in &page.entries {
                serde_json::to_writer(&mut lines, entry)
                    .map_err(|why| LedgerError::Broken(format!("entry {place} is no JSON: {why}")))?;
                lines.push(b'\n');
            }
            Ok((lines, page.next))
        });
        let (lines, next) = page.await.map_err(|why| LedgerError::Broken(why.to_string()))??;
        self.next = next;
        Ok(Some(lines.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        book::Event,
        ledger::Entry,
        round::{Round, RoundId},
    };

    /// A ledger of so many rounds in which one place does not decode, and a service that shows it.
    async fn served(rounds: u64, spoilt: u64) -> (String, tempfile::TempDir, watch::Sender<bool>) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let round = |number| {
            let round =
                Round { id: RoundId { phase: 1, number }, answer: 5, decimals: 8, updated: 1_680_734_315 };
            Entry::Event(Event::Round { feed: "eth-usd".into(), round, block: None })
        };
        ledger.append(&(1..=rounds).map(round).collect::<Vec<_>>(), None).unwrap();
        ledger.spoil(spoilt);
        let shared = Arc::new(Shared::new(Arc::new(Metrics::new())));
        shared.leads(ledger);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/ledger", listener.local_addr().unwrap());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve(listener, shared, stopped));
        (url, folder, stop)
    }

    #[tokio::test]
    async fn a_ledger_that_cannot_be_read_to_its_end_is_no_complete_answer() {
        let (url, _folder, _stop) = served(20_000, 15_000).await;
        let mut answer = reqwest::get(&url).await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut lines = 0;
        let ended = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => lines += chunk.iter().filter(|byte| **byte == b'\n').count(),
                ended => break ended,
            }
        };
        assert!(ended.is_err(), "it breaks off");
        assert!((1000..15_000).contains(&lines), "what could be read before is there: {lines} lines");
        // From behind the damage on, it is whole.
        let rest = reqwest::get(format!("{url}?from=15001")).await.unwrap().text().await.unwrap();
        assert_eq!(rest.lines().count(), 4_999);
    }

    #[tokio::test]
    async fn a_ledger_that_cannot_be_read_at_all_is_an_error() {
        let (url, _folder, _stop) = served(10, 3).await;
        let answer = reqwest::get(&url).await.unwrap();
        assert_eq!(answer.status(), 500);
        assert!(answer.text().await.unwrap().contains("cannot be read"));
    }

    #[tokio::test]
    async fn a_client_that_cannot_tell_a_broken_answer_gets_none() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (url, _folder, _stop) = served(10, 3).await;
        let address = url.trim_start_matches("http://").split('/').next().unwrap();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /v1/ledger HTTP/1.0\r\nhost: r\r\n\r\n").await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert!(said.contains(" 505 "), "{said}");
    }
}
