//! The queue of renders: one job for each key, however many ask for it.
//!
//! - **Bounded** in jobs, in requests of one edge, and in the memory of the jobs that run. A job that waits is a few hundred
//!   bytes: its scene is built when it runs.
//! - **Fair**: edges take turns by the work done for each (start-time fair queueing, Goyal et al., 1996), whatever their
//!   deadlines; an edge's own jobs run by deadline. Visitors come before what is made ahead of them.
//! - **Honest**: a request that could not be done by its deadline is refused at once, and says when to come again; a queued
//!   job that has come too late is dropped before it starts.
//!
//! All of it is one state behind one lock (`state.rs`), so that joining, finishing, dropping and leaving cannot overlap; the
//! tests try every order of their steps.

mod request;
mod state;
#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use iridule_records::render_key::RenderKey;

use crate::lock::lock;

pub use request::{CLASSES, CostEstimate, QueueLimits, QueueRefusal, QueueRequest};
use state::QueueState;

/// The queue. `J` is what a worker needs to know of a job, `D` what becomes of one.
#[derive(Debug)]
pub struct Queue<J, D> {
    state: Mutex<QueueState<J, D>>,
    /// Told when there may be something for a worker.
    ready: Condvar,
}

/// Someone who waits for a job.
#[derive(Debug)]
pub struct Waiter<J, D: Clone> {
    queue: Arc<Queue<J, D>>,
    number: u64,
    /// Whether the job was here already.
    pub joined: bool,
}

impl<J, D: Clone> Queue<J, D> {
    /// An empty queue.
    #[must_use]
    pub fn new(bounds: QueueLimits) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(QueueState::new(bounds)), ready: Condvar::new() })
    }

    /// Waits for a job, which is made and queued unless it is here already.
    ///
    /// # Errors
    /// [`QueueRefusal`].
    pub fn enter(
        self: &Arc<Self>,
        request: &QueueRequest<'_>,
        job: impl FnOnce() -> J,
    ) -> Result<Waiter<J, D>, QueueRefusal> {
        let entered = self.step(|state, wake| state.enter(request, job, wake));
        let (number, joined) = entered?;
        self.ready.notify_one();
        Ok(Waiter { queue: self.clone(), number, joined })
    }

    /// The next job, as soon as there is one; `now` tells the time, Unix milliseconds. `None` when the queue is closed and
    /// empty. [`Self::finish`] must follow.
    pub fn next(&self, now: impl Fn() -> u64) -> Option<(RenderKey, J)> {
        let mut wake = Vec::new();
        let mut state = self.lock();
        let next = loop {
            let taken = state.take(now(), &mut wake);
            if taken.is_some() || state.is_finished() {
                break taken;
            }
            if !wake.is_empty() {
                drop(state);
                wake.drain(..).for_each(Waker::wake);
                state = self.lock();
                continue;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        wake.into_iter().for_each(Waker::wake);
        next
    }

    /// Tells everyone who waits for a job what became of it, and how many milliseconds it took where it was done.
    pub fn finish(&self, key: &RenderKey, done: &D, took_ms: Option<f64>) {
        self.step(|state, wake| state.finish(key, done, took_ms, wake));
        self.ready.notify_all();
    }

    /// Takes nothing more. What is queued is still done.
    pub fn close(&self) {
        self.step(|state, _| state.close());
        self.ready.notify_all();
    }

    /// Jobs that wait for a worker, and jobs that run.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        self.lock().depth()
    }

    /// How long a new job would wait for a worker, milliseconds.
    #[must_use]
    pub fn wait_ms(&self) -> u64 {
        self.lock().wait_ms()
    }

    /// One step of the state; whom it concerns is woken after the lock is free.
    fn step<T>(&self, step: impl FnOnce(&mut QueueState<J, D>, &mut Vec<Waker>) -> T) -> T {
        let mut wake = Vec::new();
        let result = step(&mut self.lock(), &mut wake);
        wake.into_iter().for_each(Waker::wake);
        result
    }

    /// A poisoned lock means that a step panicked, which none does.
    fn lock(&self) -> MutexGuard<'_, QueueState<J, D>> {
        lock(&self.state)
    }
}

impl<J, D: Clone> Waiter<J, D> {
    /// Whether the job runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.queue.lock().runs(self.number)
    }

    /// What became of the job. `None`: it was dropped before it ran.
    pub async fn wait(&mut self) -> Option<D> {
        poll_fn(|context| match self.queue.lock().poll(self.number, context.waker()) {
            Some(done) => Poll::Ready(done),
            None => Poll::Pending,
        })
        .await
    }
}

impl<J, D: Clone> Drop for Waiter<J, D> {
    fn drop(&mut self) {
        self.queue.step(|state, _| state.leave(self.number));
    }
}
