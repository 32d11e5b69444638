//! The result of a render: a picture, or why there is none.

use bytes::Bytes;
use cid::Cid;

use crate::painter::PaintedBy;

/// A finished picture.
#[derive(Debug, Clone)]
pub(crate) struct RenderedPicture {
    pub(crate) body: Bytes,
    pub(crate) by: PaintedBy,
}

/// Why a render failed.
#[derive(Debug, Clone)]
pub(crate) enum RenderFailure {
    /// These blocks of the style are not in the store.
    Missing(Vec<Cid>),
    /// The style cannot be painted with this seed and state, on any machine.
    Unpaintable(String),
    /// The painter failed. This counts as a fault of this machine, until another origin fails on the same picture.
    Machine(String),
    /// The store does not respond.
    Store(String),
}

pub(crate) type RenderResult = Result<RenderedPicture, RenderFailure>;
