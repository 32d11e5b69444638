//! What becomes of a render: a picture, or why there is none.

use bytes::Bytes;
use cid::Cid;

use crate::painter::PaintedBy;

/// A finished picture.
#[derive(Debug, Clone)]
pub(crate) struct RenderedPicture {
    pub(crate) body: Bytes,
    pub(crate) by: PaintedBy,
}

/// Why a picture was not made.
#[derive(Debug, Clone)]
pub(crate) enum RenderFailure {
    /// These blocks of the style are not here.
    Missing(Vec<Cid>),
    /// The style cannot be painted so, here or elsewhere.
    Unpaintable(String),
    /// The painter failed. That is this machine's fault until another one fails on it too.
    Machine(String),
    /// The store did not answer.
    Store(String),
}

pub(crate) type RenderResult = Result<RenderedPicture, RenderFailure>;
