//! Informational responses (1xx; RFC 9110, section 15.2) from an origin to an HTTP/1.1 client.
//!
//! hyper's server cannot send them, so they are written beside it, by the connection's socket (`socket.rs`): when hyper has
//! nothing left to write and flushes, everything before is out. That is the place, as long as the answer to the request has
//! not begun: a request takes them only until then, and its answer waits until they are written. So pipelined requests keep
//! their order.
//!
//! What is passed on: all but 100, which hyper sends by itself where a client waits for it, and 101, since nothing is
//! upgraded here. On HTTP/2 they are left out: hyper gives no access to what would send them there. A request that is
//! answered along with another's fetch gets none, as it was never sent to the origin.

use std::{
    collections::VecDeque,
    fmt,
    io::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};

/// Most informational responses to one request, and most bytes of all of them.
const MOST: usize = 16;
const MOST_BYTES: usize = 16 << 10;

/// Fields of one connection, and of bodies, which these have not.
const LEFT_OUT: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What waits to be written on one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The request that is being answered, counted from 1; 0 before the first.
    request: u64,
    /// Whether it takes more.
    open: bool,
    count: usize,
    bytes: usize,
    waiting: VecDeque<Bytes>,
    /// Of the connection, while something could come.
    connection: Option<Waker>,
    /// Of the answer, while it waits.
    answer: Option<Waker>,
}

/// Sends informational responses to who sent a request. A clone sends to the same.
#[derive(Clone)]
pub(crate) struct Informational {
    outbox: Arc<Outbox>,
    request: u64,
}

impl fmt::Debug for Informational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Informational").field("request", &self.request).finish_non_exhaustive()
    }
}

impl Informational {
    /// Sends one, if it may be and the answer has not begun.
    pub(crate) fn send(&self, status: StatusCode, fields: &HeaderMap) {
        let is_ours = matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS);
        if !status.is_informational() || is_ours {
            return;
        }
        let head = head(status, fields);
        let mut state = self.outbox.lock();
        let fits = state.count < MOST && state.bytes + head.len() <= MOST_BYTES;
        if state.request != self.request || !state.open || !fits {
            return;
        }
        state.count += 1;
        state.bytes += head.len();
        state.waiting.push_back(head);
        if let Some(connection) = state.connection.take() {
            connection.wake();
        }
    }
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new request is answered from now on.
    pub(crate) fn begin(self: &Arc<Self>) -> Informational {
        let mut state = self.lock();
        let request = state.request + 1;
        *state = State { request, open: true, ..State::default() };
        Informational { outbox: self.clone(), request }
    }

    /// Ready when everything is written; from then on the request takes no more.
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.waiting.is_empty() {
            state.open = false;
            state.connection = None;
            return Poll::Ready(());
        }
        state.answer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The next bytes to write. Where there are none, the connection is woken when some have come.
    pub(crate) fn next(&self, cx: &Context<'_>) -> Option<Bytes> {
        let mut state = self.lock();
        let next = state.waiting.front().cloned();
        if next.is_none() && state.open {
            match &mut state.connection {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        next
    }

    /// So many bytes of the next are written.
    pub(crate) fn advance(&self, written: usize) {
        let mut state = self.lock();
        if let Some(first) = state.waiting.front_mut() {
            let _ = first.split_to(written.min(first.len()));
            if first.is_empty() {
                state.waiting.pop_front();
            }
        }
        if state.waiting.is_empty()
            && let Some(answer) = state.answer.take()
        {
            answer.wake();
        }
    }
}

/// The response as it is written on HTTP/1.1.
fn head(status: StatusCode, fields: &HeaderMap) -> Bytes {
    let named: Vec<HeaderName> = fields
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let mut head = Vec::with_capacity(256);
    // Writing to a `Vec` does not fail.
    let _ = write!(head, "HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or(""));
    for (name, value) in fields.iter().filter(|(name, _)| !LEFT_OUT.contains(name) && !named.contains(name)) {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn hints(link: &'static str) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in
            [("link", link), ("connection", "x-hop"), ("x-hop", "1"), ("content-length", "5")]
        {
            fields.append(name, HeaderValue::from_static(value));
        }
        fields
    }

    fn written(outbox: &Outbox) -> String {
        let cx = Context::from_waker(Waker::noop());
        let mut all = String::new();
        while let Some(bytes) = outbox.next(&cx) {
            all.push_str(std::str::from_utf8(&bytes[..1]).unwrap());
            outbox.advance(1);
        }
        all
    }

    #[test]
    fn what_belongs_to_a_connection_is_left_out() {
        let outbox = Arc::new(Outbox::default());
        outbox.begin().send(StatusCode::EARLY_HINTS, &hints("</a>"));
        assert_eq!(written(&outbox), "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
    }

    #[test]
    fn a_hundred_a_switch_and_what_is_final_are_not_passed_on() {
        let outbox = Arc::new(Outbox::default());
        let informational = outbox.begin();
        for status in [100, 101, 200, 404] {
            informational.send(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        }
        assert_eq!(written(&outbox), "");
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        for (link, most) in [("a", MOST), ("x".repeat(5000).leak(), 3)] {
            let outbox = Arc::new(Outbox::default());
            let informational = outbox.begin();
            (0..100).for_each(|_| informational.send(StatusCode::EARLY_HINTS, &hints(link)));
            assert_eq!(written(&outbox).matches("HTTP/1.1 103").count(), most);
        }
    }

    #[test]
    fn an_answer_waits_for_them_and_later_ones_are_too_late() {
        let outbox = Arc::new(Outbox::default());
        let mut cx = Context::from_waker(Waker::noop());
        let first = outbox.begin();
        first.send(StatusCode::PROCESSING, &HeaderMap::new());
        assert!(outbox.poll_end(&mut cx).is_pending());
        assert_eq!(written(&outbox), "HTTP/1.1 102 Processing\r\n\r\n");
        assert!(outbox.poll_end(&mut cx).is_ready());
        first.send(StatusCode::PROCESSING, &HeaderMap::new());
        let _second = outbox.begin();
        first.send(StatusCode::PROCESSING, &HeaderMap::new());
        assert_eq!(written(&outbox), "", "they are not of the second request");
    }
}
