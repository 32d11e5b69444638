//! Connections to origins, as far as it must be known whether one that was kept open has failed before it was of any use.
//!
//! An origin may close a kept connection at any time, also while a request is on its way. Where the request was sent on such a
//! connection, nothing of an answer has come, and sending it again does no harm, it is sent once more (RFC 9110, section
//! 9.2.2).

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use http::{Extensions, Method, Request, Response, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        Client, Error,
        connect::{Connect, Connected, Connection},
    },
    rt::TokioIo,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_service::Service;

/// Sends a request; once more where the origin closed a kept connection under it.
pub(crate) async fn send<C, B>(
    client: &Client<C, B>,
    request: Request<B>,
    nothing: impl FnOnce() -> B,
) -> Result<Response<Incoming>, Error>
where
    C: Connect + Clone + Send + Sync + 'static,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let repeatable =
        matches!(*request.method(), Method::GET | Method::HEAD) && request.body().is_end_stream();
    let again = repeatable.then(|| {
        let mut again = Request::new(());
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.version_mut() = request.version();
        *again.headers_mut() = request.headers().clone();
        *again.extensions_mut() = request.extensions().clone();
        again
    });
    match (client.request(request).await, again) {
        (Err(why), Some(again)) if was_closed_unused(&why) => {
            tracing::debug!(%why, "the origin closed a kept connection; the request is sent again");
            client.request(again.map(|()| nothing())).await
        }
        (sent, _) => sent,
    }
}

/// Whether a request failed on a connection that had served another before, and nothing of an answer had come.
fn was_closed_unused(why: &Error) -> bool {
    let mut extensions = Extensions::new();
    if let Some(connected) = why.connect_info() {
        connected.get_extras(&mut extensions);
    }
    extensions.get::<Exchange>().is_some_and(|exchange| {
        exchange.0.is_reused.load(Ordering::Acquire) && !exchange.0.has_received.load(Ordering::Acquire)
    })
}

/// What is under way on a connection.
#[derive(Debug, Clone, Default)]
struct Exchange(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Something was sent after something was received: this is not the first request.
    is_reused: AtomicBool,
    /// Something was received since something was last sent.
    has_received: AtomicBool,
}

/// Makes connections that keep account of that.
#[derive(Clone)]
pub(crate) struct Accounted<C>(pub(crate) C);

impl<C> Service<Uri> for Accounted<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
{
    type Response = TokioIo<Account<C::Response>>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, C::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move {
            let stream = TokioIo::new(connecting.await?);
            Ok(TokioIo::new(Account { stream, exchange: Exchange::default() }))
        })
    }
}

/// A connection that keeps account.
pub(crate) struct Account<S> {
    stream: TokioIo<S>,
    exchange: Exchange,
}

impl<S> Account<S> {
    fn sent(&self) {
        if self.exchange.0.has_received.swap(false, Ordering::AcqRel) {
            self.exchange.0.is_reused.store(true, Ordering::Release);
        }
    }
}

impl<S: Connection> Connection for Account<S> {
    fn connected(&self) -> Connected {
        self.stream.inner().connected().extra(self.exchange.clone())
    }
}

impl<S: hyper::rt::Read + Unpin> AsyncRead for Account<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        if into.filled().len() > before {
            self.exchange.0.has_received.store(true, Ordering::Release);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: hyper::rt::Write + Unpin> AsyncWrite for Account<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.sent();
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.sent();
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
