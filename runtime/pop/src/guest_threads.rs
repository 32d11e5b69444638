//! The threads that guests run on.
//!
//! Painting takes a processor for as long as it lasts, and a hit takes it for microseconds. Guests therefore run on threads of
//! their own, with a lower priority than the threads that serve connections: the kernel lets a hit in before it goes on
//! with a picture, however many pictures are being painted.

use std::{future::Future, io};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::context::TokioContext;

/// What is added to the niceness of the threads (Linux only). 10 gives them about a tenth of the processor's time while
/// the threads of connections want all of it: see the table of weights in Linux's `kernel/sched/core.c`.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// The number of turns after which a thread looks at its sockets and timers. A guest's turn lasts a millisecond.
const EVENT_INTERVAL: u32 = 8;

/// A tokio runtime for guests.
pub(crate) struct GuestThreads {
    handle: Handle,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl GuestThreads {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("iridule-guests")
            .enable_all()
            .event_interval(EVENT_INTERVAL)
            .on_thread_start(lower_priority)
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Where to run guests.
    pub(crate) fn handle(&self) -> GuestHandle {
        GuestHandle(self.handle.clone())
    }
}

impl Drop for GuestThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for guests is not allowed on the threads of another runtime.
            runtime.shutdown_background();
        }
    }
}

/// Runs tasks on the threads of guests.
#[derive(Clone)]
pub(crate) struct GuestHandle(Handle);

impl GuestHandle {
    /// Lets a future spawn its tasks there. The future itself runs where it is awaited.
    pub(crate) async fn spawning<F: Future>(&self, future: F) -> F::Output {
        TokioContext::new(future, self.0.clone()).await
    }
}

/// Lowers the priority of the thread that calls.
#[cfg(target_os = "linux")]
fn lower_priority() {
    // On Linux each thread has its own niceness, unlike in POSIX: see setpriority(2), "C library/kernel differences".
    if let Err(why) = rustix::process::nice(NICENESS) {
        tracing::debug!(%why, "guests run at the priority of connections");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}
