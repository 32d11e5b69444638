//! A socket with patience: writing to a client that takes nothing fails after a while. And the place where informational
//! responses (`informational.rs`) are written.
//!
//! Without it a client could ask for a large picture, read none of it, and hold its bytes here for as long as it likes.
//! How long a client may take to ask is hyper's to watch; see `server.rs`.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use crate::informational::Outbox;

/// A connection whose writes fail with [`io::ErrorKind::TimedOut`] when not a byte goes out for too long.
pub(crate) struct Socket<S = TcpStream> {
    stream: S,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    outbox: Option<Arc<Outbox>>,
}

impl<S> Socket<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, stalled: None, outbox: None }
    }

    /// The same, which also writes what waits there, when everything before it is written.
    pub(crate) fn with(self, outbox: Arc<Outbox>) -> Self {
        Self { outbox: Some(outbox), ..self }
    }

    /// Starts waiting when a write makes no progress, and stops when it does.
    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_informational(cx))?;
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, closed)
    }
}

impl<S: AsyncWrite + Unpin> Socket<S> {
    /// Writes the informational responses that wait. hyper flushes when it has written all that it has, and begins no answer
    /// before they are out; so nothing of hyper's comes between them.
    fn poll_informational(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(outbox) = self.outbox.clone() else { return Poll::Ready(Ok(())) };
        while let Some(bytes) = outbox.next(cx) {
            let written = Pin::new(&mut self.stream).poll_write(cx, &bytes);
            match ready!(self.watch(cx, written))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => outbox.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(100);
        let mut socket = Socket::new(ours, Duration::from_millis(80));
        let reading = tokio::spawn(async move {
            let mut buffer = [0; 100];
            for _ in 0..6 {
                sleep(Duration::from_millis(40)).await;
                theirs.read_exact(&mut buffer).await.unwrap();
            }
            theirs
        });
        socket.write_all(&[1; 700]).await.unwrap();
        let theirs = reading.await.unwrap();
        let stalled = socket.write_all(&[1; 1]).await.unwrap_err();
        assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }

    #[tokio::test]
    async fn what_a_layer_between_has_taken_and_cannot_pass_on_is_given_up_too() {
        // As TLS does, it takes what there is, and passes it on when it is flushed.
        let (ours, _theirs) = tokio::io::duplex(100);
        let between = tokio::io::BufWriter::with_capacity(1000, ours);
        let mut socket = Socket::new(between, Duration::from_millis(80));
        socket.write_all(&[1; 500]).await.unwrap();
        let flushed = tokio::time::timeout(Duration::from_secs(5), socket.flush()).await;
        assert_eq!(flushed.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn informational_responses_are_written_when_all_before_is() {
        let (ours, mut theirs) = tokio::io::duplex(1000);
        let outbox = Arc::new(Outbox::default());
        let mut socket = Socket::new(ours, Duration::from_secs(5)).with(outbox.clone());
        outbox.begin().send(http::StatusCode::PROCESSING, &http::HeaderMap::new());
        socket.write_all(b"before ").await.unwrap();
        socket.flush().await.unwrap();
        socket.write_all(b"after").await.unwrap();
        drop(socket);
        let mut all = String::new();
        theirs.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "before HTTP/1.1 102 Processing\r\n\r\nafter");
    }
}
