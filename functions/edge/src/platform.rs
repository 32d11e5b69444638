//! The outside as core sees it.
//!
//! One trait, implemented once per host: an adapter is that implementation and nothing more. Core never asks for a
//! clock, a socket or a thread in any other way.
//!
//! Futures of this trait are awaited only by the request that made them (on Workers another request may not), so
//! nothing here is shared and nothing needs to be `Send`.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{fmt, future::Future, pin::Pin};

use bytes::Bytes;
use http::{Request, Response};

use crate::fault::Short;
use iridule_records::render_key::RenderKey;
use iridule_scene::{
    scene::{Canvas, Scene},
    variant::Variant,
};

/// Work that goes on after the reply.
pub type Task = Pin<Box<dyn Future<Output = ()>>>;

/// What a host gives to a request. A clone is the same request's view, for what goes on after the reply.
#[expect(async_fn_in_trait, reason = "futures stay with the request that made them; see the module's text")]
pub trait Platform: Clone + 'static {
    /// The time now.
    fn now(&self) -> UnixMicros;

    /// Reads one small record: a snapshot, a collection, a block of a style. The keys are those of [`iridule_records::record_keys`].
    ///
    /// # Errors
    /// [`Short::Store`] when the store does not answer. A key that is not there is `Ok(None)`.
    async fn record(&self, key: &str) -> Result<Option<Vec<u8>>, Short>;

    /// Looks for a stored render in the tier beyond this isolate. Any failure is a miss.
    async fn recall(&self, key: &RenderKey) -> Option<Bytes>;

    /// Keeps a stored render in the tier beyond this isolate, without making the visitor wait for it.
    ///
    /// A failure is the adapter's to log; the picture is served all the same.
    fn keep(&self, key: &RenderKey, stored: Bytes);

    /// Sends a request to an origin. The body of an answer is read whole, up to
    /// [`ORIGIN_BYTES`](iridule_origin_api::limits::ORIGIN_BYTES), within this many milliseconds from now.
    ///
    /// # Errors
    /// A sentence for the log: no connection, no answer in time, an answer that is cut or too long.
    async fn fetch(&self, request: Request<Bytes>, within_ms: u64) -> Result<Response<Bytes>, String>;

    /// Waits.
    async fn sleep(&self, ms: u64);

    /// Goes on with this after the reply: `waitUntil` on Workers. A host that stops may leave it undone.
    fn defer(&self, task: Task);

    /// A number that nobody gets twice: to tell one order to an origin from another.
    fn nonce(&self) -> u64;

    /// Paints a scene and encodes it: `iridule_raster::paint` in every adapter of ours. It is here, and not called by
    /// core, because core knows no pixels.
    ///
    /// # Errors
    /// What the painter says of a scene it cannot carry out.
    fn paint(&self, scene: &Scene, variant: &Variant) -> Result<Vec<u8>, String>;

    /// Makes a variant out of a style's master, the PNG that [`Self::paint`] makes at the canvas's size:
    /// `iridule_raster::derive`, for the same reason.
    ///
    /// # Errors
    /// What the painter says of a master it cannot read.
    fn derive(&self, master: &[u8], canvas: &Canvas, variant: &Variant) -> Result<Vec<u8>, String>;

    /// Tells the host that work begins that could end this instance, by a trap or by running out of time: painting a
    /// picture, loading a style. `false` when the same work ended an instance a short while ago: then nothing begins, and
    /// the work must not be done.
    ///
    /// A host that cannot tell lets everything begin.
    async fn begin_risk(&self, _name: &str) -> bool {
        true
    }

    /// Tells the host that work is done, with success or without, that [`Self::begin_risk`] let begin.
    async fn end_risk(&self, _name: &str) {}

    /// Says something to the operator.
    fn log(&self, level: Level, message: fmt::Arguments<'_>);
}

/// Microseconds since the Unix epoch. On Workers the clock stands still between IO; durations there read as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMicros(pub u64);

impl UnixMicros {
    /// The same moment in milliseconds, rounded down.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0 / 1000
    }
}

/// How much an operator should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something is broken and someone should look.
    Error,
    /// Something was refused or is degraded; it is handled.
    Warn,
    /// Of interest when looking closely.
    Info,
}

/// Drives a future of core to its end on a thread of its own: for native platforms, whose answers are ready at once.
///
/// A host with an executor uses that.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = core::pin::pin!(future);
    let mut context = core::task::Context::from_waker(core::task::Waker::noop());
    loop {
        if let core::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        core::hint::spin_loop();
    }
}
