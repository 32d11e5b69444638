//! What guests write to stdout and stderr becomes `tracing` events, one a line.
//!
//! The host's own events are made where they happen.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use iridule_edge::platform::Level;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// Longest line that becomes one event, bytes; a longer one is cut in pieces, so that a guest cannot grow the buffer.
const LINE_BYTES: usize = 4096;

/// One of the two streams.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// A guest's stream. Clones share the line begun.
#[derive(Clone)]
pub(crate) struct GuestLog {
    stream: Stream,
    instance: u64,
    line: Arc<Mutex<Vec<u8>>>,
}

impl GuestLog {
    pub(crate) fn new(stream: Stream, instance: u64) -> Self {
        Self { stream, instance, line: Arc::default() }
    }

    fn take(&self, mut bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        while !bytes.is_empty() {
            let room = (LINE_BYTES - line.len()).min(bytes.len());
            match bytes[..room].iter().position(|b| *b == b'\n') {
                Some(end) => {
                    line.extend_from_slice(&bytes[..end]);
                    bytes = &bytes[end + 1..];
                    self.say(&mut line);
                }
                None => {
                    line.extend_from_slice(&bytes[..room]);
                    bytes = &bytes[room..];
                    if line.len() == LINE_BYTES {
                        self.say(&mut line);
                    }
                }
            }
        }
    }

    /// How much an operator should care: what the guest says in front of the line, else a warning on stderr.
    fn level<'a>(&self, text: &'a str) -> (Level, &'a str) {
        match (text.split_once(": "), self.stream) {
            (Some(("error", rest)), _) => (Level::Error, rest),
            (Some(("warn", rest)), _) => (Level::Warn, rest),
            (Some(("info", rest)), _) => (Level::Info, rest),
            (_, Stream::Stderr) => (Level::Warn, text),
            (_, Stream::Stdout) => (Level::Info, text),
        }
    }

    fn say(&self, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(line);
        let (level, text) = self.level(&text);
        match level {
            Level::Info => tracing::info!(target: "iridule_pop::guest", instance = self.instance, "{text}"),
            Level::Warn => tracing::warn!(target: "iridule_pop::guest", instance = self.instance, "{text}"),
            Level::Error => tracing::error!(target: "iridule_pop::guest", instance = self.instance, "{text}"),
        }
        line.clear();
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
