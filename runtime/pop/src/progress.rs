//! HTTP/2 streams whose client takes nothing are reset.
//!
//! A client opens a window for each stream, and need not. hyper waits for it without a bound, and holds the answer meanwhile.
//! What happens on a connection does not tell: other streams of it may flow, and a client that answers pings is there. So
//! each stream is watched on its own: from the moment when its answer, or a piece of it, has been handed over, until hyper
//! asks for the next piece. That it asks for it means that the window has let the former one go.
//!
//! A piece has [`LONG`] bytes; for a client that did not take one quickly, [`SHORT`], so that who is only slow takes each in time.
//! The last byte of what the body gives at once is a piece of its own: hyper hands a
//! piece over to the connection as soon as one byte of it may go, and is done with the stream when it has handed over the
//! last one. When that is one byte, nothing that a closed window holds back remains in the connection after the stream's end,
//! where nobody would watch it.
//!
//! HTTP/1 needs none of this: a client that takes nothing stops the socket (`socket.rs`).

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Instant, Sleep, sleep};

/// A piece of a body that is handed over at once, bytes.
const LONG: usize = 16 << 10;
/// The same for a client that once took longer for one than an eighth of the limit.
const SHORT: usize = 1 << 10;

/// Whose turn it is on a stream: an even number is ours, an odd one the client's. Each turn has its own.
#[derive(Debug, Default)]
struct Turn(AtomicU64);

impl Turn {
    fn begin(&self, of_client: bool) {
        let now = self.0.load(Ordering::Relaxed);
        self.0.store((now | 1) + if of_client { 2 } else { 1 }, Ordering::Relaxed);
    }

    /// The client's turn, if it is that.
    fn of_client(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|turn| turn % 2 == 1)
    }
}

tokio::task_local! {
    /// Of the stream that is being polled.
    static TURN: Arc<Turn>;
}

fn begin(of_client: bool) {
    // Outside of a stream, on HTTP/1, nobody watches.
    let _ = TURN.try_with(|turn| turn.begin(of_client));
}

/// Notes that an answer was handed over.
pub(crate) fn answered() {
    begin(true);
}

/// Runs the streams of a connection, each in a task of its own, and drops those whose client takes nothing for too long. hyper
/// resets a stream that is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    stall: Duration,
}

impl Streams {
    pub(crate) fn new(stall: Duration) -> Self {
        Self { stall }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(watch(stream, self.stall));
    }
}

async fn watch(stream: impl Future<Output = ()>, stall: Duration) {
    let turn = Arc::new(Turn::default());
    let mut stream = pin!(TURN.scope(turn.clone(), stream));
    let mut stalled: Option<(u64, Pin<Box<Sleep>>)> = None;
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(now) = turn.of_client() else { return Poll::Pending };
        let (since, end) = stalled.get_or_insert_with(|| (now, Box::pin(sleep(stall))));
        if *since != now {
            *since = now;
            end.as_mut().reset(Instant::now() + stall);
        }
        let late = end.as_mut().poll(cx);
        if late.is_ready() {
            tracing::debug!("a stream is reset: its client takes nothing");
        }
        late
    })
    .await;
}

/// A body in pieces that says when it is asked for the next one.
pub(crate) struct Pieces<B> {
    body: B,
    /// Of the body's last frame.
    rest: Bytes,
    /// How long the next piece may be.
    size: usize,
    /// When the last one was handed over, until the next is asked for.
    handed: Option<Instant>,
    /// Within which time a client takes a piece quickly.
    quick: Duration,
}

impl<B> Pieces<B> {
    /// A body for a client that takes nothing for `stall` at most.
    pub(crate) fn new(body: B, stall: Duration) -> Self {
        Self { body, rest: Bytes::new(), size: LONG, handed: None, quick: stall / 8 }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Pieces<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        begin(false);
        let this = &mut *self;
        if this.handed.take().is_some_and(|handed| handed.elapsed() > this.quick) {
            this.size = SHORT;
        }
        if this.rest.is_empty() {
            match std::task::ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(other) => {
                        begin(true);
                        return Poll::Ready(Some(Ok(other)));
                    }
                },
                other => return Poll::Ready(other),
            }
        }
        // An empty frame stays one.
        let length = this.rest.len();
        let piece = this.rest.split_to(length.saturating_sub(1).min(this.size).max(length.min(1)));
        this.handed = Some(Instant::now());
        begin(true);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut all = SizeHint::new();
        if let Some(upper) = inner.upper() {
            all.set_upper(upper.saturating_add(rest));
        }
        all.set_lower(inner.lower().saturating_add(rest));
        all
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    const STALL: Duration = Duration::from_millis(1600);

    #[tokio::test]
    async fn pieces_are_long_until_a_client_is_slow() {
        let mut body = Pieces::new(Full::new(Bytes::from(vec![1; 10 * LONG])), STALL);
        let mut pieces = Vec::new();
        for pause in [0, 0, 300, 0, 0] {
            pieces.push(body.frame().await.unwrap().unwrap().into_data().unwrap().len());
            sleep(Duration::from_millis(pause)).await;
        }
        assert_eq!(pieces, [LONG, LONG, LONG, SHORT, SHORT]);
    }

    #[tokio::test]
    async fn pieces_are_the_whole_and_the_last_is_one_byte() {
        let frames =
            ["one", "", "2", "three"].map(|text| Ok::<_, std::io::Error>(Frame::data(Bytes::from(text))));
        let mut body = Pieces::new(Frames(frames.into()), STALL);
        let mut pieces = Vec::new();
        while let Some(piece) = body.frame().await {
            pieces.push(piece.unwrap().into_data().unwrap());
        }
        assert_eq!(pieces, ["on", "e", "", "2", "thre", "e"]);
    }

    /// Frames that are all there, of which nobody knows how many.
    struct Frames(std::collections::VecDeque<Result<Frame<Bytes>, std::io::Error>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    #[tokio::test]
    async fn pieces_know_how_long_they_are_together() {
        for length in [0, 1, 2, LONG - 1, LONG, LONG + 1, LONG + 2, 20 * LONG + 5] {
            let whole: Bytes = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut body = Pieces::new(Full::new(whole.clone()), STALL);
            assert_eq!(body.size_hint().exact(), Some(length as u64));
            let (mut got, mut last) = (Vec::new(), 0);
            while let Some(piece) = body.frame().await {
                let piece = piece.unwrap().into_data().unwrap();
                last = piece.len();
                assert!((1..=LONG).contains(&last));
                got.extend_from_slice(&piece);
                assert_eq!(body.is_end_stream(), got.len() == length);
            }
            assert_eq!(got, whole);
            assert_eq!(last, usize::from(length > 0), "{length}");
        }
    }

    #[tokio::test]
    async fn only_the_client_s_turn_is_limited() {
        let (ended, mut end) = tokio::sync::oneshot::channel::<()>();
        let stall = Duration::from_millis(400);
        Streams::new(stall).execute(async move {
            let _ended = ended;
            // The source takes its time.
            begin(false);
            sleep(stall * 2).await;
            for _ in 0..5 {
                begin(true);
                sleep(stall / 2).await;
                begin(false);
            }
            begin(true);
            std::future::pending::<()>().await;
        });
        let start = Instant::now();
        assert!(tokio::time::timeout(stall * 4, &mut end).await.is_err());
        assert!(end.await.is_err());
        let took = start.elapsed();
        assert!(took >= stall * 5 && took < stall * 20, "{took:?}");
    }
}
