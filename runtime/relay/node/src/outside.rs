//! A place on the web that is not ours: it serves a document, and takes what is posted.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use tokio::{net::TcpListener, sync::mpsc};

/// A running place.
pub struct Outside {
    /// Its URL: `/` is the document and takes posts, `/huge` is too long for anybody, `/around` leads to itself.
    pub url: String,
    /// What was posted.
    pub posted: mpsc::UnboundedReceiver<(HeaderMap, Bytes)>,
    document: Arc<Mutex<String>>,
}

type Shared = State<(Arc<Mutex<String>>, mpsc::UnboundedSender<(HeaderMap, Bytes)>)>;

impl Outside {
    /// Starts one, with this document. It runs until the runtime ends.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(document: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let document = Arc::new(Mutex::new(document.to_owned()));
        let (sender, posted) = mpsc::unbounded_channel();
        let router = Router::new()
            .route("/", get(show).post(take))
            .route("/huge", get(async || "1".repeat(8 << 20)))
            .route("/around", get(async || (StatusCode::FOUND, [(header::LOCATION, "/around")])))
            .with_state((document.clone(), sender));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, posted, document })
    }

    /// Changes the document.
    pub fn publish(&self, document: &str) {
        *self.document.lock().unwrap_or_else(PoisonError::into_inner) = document.to_owned();
    }
}

async fn show(State((document, _)): Shared) -> Response {
    document.lock().unwrap_or_else(PoisonError::into_inner).clone().into_response()
}

async fn take(State((_, posted)): Shared, headers: HeaderMap, body: Bytes) -> StatusCode {
    match posted.send((headers, body)) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::GONE,
    }
}
