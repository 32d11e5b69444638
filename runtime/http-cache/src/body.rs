//! The body of a request or an answer: bytes at hand, a stream, or one stream that many read.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};

use crate::flight::Reader;

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Its source says so.
    #[error("the body's source failed: {0}")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It was read along with others, and the one who fetched it failed.
    #[error("the body that was being fetched for several at once broke off")]
    Broken,
    /// Its reader takes it so slowly that others, who read the same one, would have to wait.
    #[error("the body is read along with others, and taken too slowly for them")]
    TooSlow,
}

/// A body.
pub struct Body(pub(crate) Kind);

pub(crate) enum Kind {
    Whole(Bytes),
    Stream(UnsyncBoxBody<Bytes, BodyError>),
    Shared(Reader),
}

impl Body {
    /// Nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// Bytes at hand.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole(bytes))
    }

    /// What comes as it comes; nothing, where it is known that nothing will.
    pub fn stream<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self(Kind::Stream(body.map_err(|why| BodyError::Source(why.into())).boxed_unsync()))
    }

    pub(crate) fn shared(reader: Reader) -> Self {
        Self(Kind::Shared(reader))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Stream(stream) => Pin::new(stream).poll_frame(cx),
            Kind::Shared(reader) => reader.poll(cx).map(|next| next.map(|data| data.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Stream(stream) => stream.is_end_stream(),
            Kind::Shared(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(stream) => stream.size_hint(),
            Kind::Shared(reader) => reader.length().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
