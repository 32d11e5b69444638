//! A few workers, and whoever waits for one.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    config::SandboxConfig,
    error::{ExceededLimit, JobKilled, SandboxError, SandboxUnavailable},
    job::{Job, encode},
    limits::JobLimits,
    process::{CallOutcome, Worker},
    wire::{JobCall, MessageKind, WorkerMessage},
};

/// Calls after which a worker is replaced, lest what libraries leak adds up.
const MAX_CALLS: u32 = 1000;
/// The share of its memory that a worker may keep between jobs: with more, it is replaced.
const MAX_KEPT_SHARE: u64 = 4;

/// Workers that run jobs. Clones share them. Workers are started when there is something to do, and end with the last
/// clone.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<SandboxInner>,
}

struct SandboxInner {
    config: SandboxConfig,
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Worker>>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

/// A caller that waits.
struct WaitingGuard<'a>(&'a AtomicUsize);

impl Drop for WaitingGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sandbox {
    /// A sandbox; no worker is started yet.
    #[must_use]
    pub fn new(config: SandboxConfig) -> Self {
        let slots = Arc::new(Semaphore::new(config.workers.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            inner: Arc::new(SandboxInner {
                config,
                slots,
                waiting: AtomicUsize::new(0),
                idle: Mutex::default(),
            }),
        }
    }

    /// The limits of a job for which no others are named.
    #[must_use]
    pub fn limits(&self) -> JobLimits {
        self.inner.config.limits
    }

    /// The most workers at once.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.inner.config.workers
    }

    /// Runs a job in any worker. When the caller no longer waits, the job is ended.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub async fn run<J: Job>(&self, request: &J::Request) -> Result<J::Reply, SandboxError<J::Error>> {
        self.run_with_limits::<J>(request, self.limits()).await
    }

    /// The same within other limits.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub async fn run_with_limits<J: Job>(
        &self,
        request: &J::Request,
        limits: JobLimits,
    ) -> Result<J::Reply, SandboxError<J::Error>> {
        let call = self.call::<J>(request, &limits)?;
        let _slot = self.slot().await?;
        let mut worker = None;
        let reply = self.run_in::<J>(&mut worker, &call, &limits).await;
        if let Some(worker) = worker {
            self.put_back(worker, &limits);
        }
        reply
    }

    /// Takes a worker for a row of jobs that share its state. It counts as busy until the session ends, and ends with it.
    ///
    /// # Errors
    /// [`SandboxUnavailable::Busy`].
    pub async fn session(&self) -> Result<Session, SandboxUnavailable> {
        Ok(Session { _slot: self.slot().await?, sandbox: self.clone(), worker: None })
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, SandboxUnavailable> {
        let SandboxInner { config, slots, waiting, .. } = &*self.inner;
        if let Ok(slot) = slots.clone().try_acquire_owned() {
            return Ok(slot);
        }
        if waiting.fetch_add(1, Ordering::Relaxed) >= config.max_waiting {
            waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(SandboxUnavailable::Busy);
        }
        let _waiting = WaitingGuard(waiting);
        slots.clone().acquire_owned().await.map_err(|_| SandboxUnavailable::Busy)
    }

    fn call<J: Job>(
        &self,
        request: &J::Request,
        limits: &JobLimits,
    ) -> Result<JobCall, SandboxError<J::Error>> {
        let body = encode(request).map_err(|why| SandboxUnavailable::Connection(io::Error::other(why)))?;
        let (bytes, max_bytes) = (body.len() as u64, self.inner.config.max_request_bytes);
        if bytes > max_bytes {
            return Err(too_large(format!("{bytes} bytes, at most {max_bytes}")).into());
        }
        let JobLimits { cpu_time: time, memory, reply_bytes, .. } = *limits;
        Ok(JobCall { name: J::NAME.into(), time, memory, reply_bytes, body })
    }

    /// Runs a job in this worker, or in another if there is none yet. Afterwards there is one only if it can be used again.
    async fn run_in<J: Job>(
        &self,
        worker: &mut Option<Worker>,
        call: &JobCall,
        limits: &JobLimits,
    ) -> Result<J::Reply, SandboxError<J::Error>> {
        let mut used = match worker.take().or_else(|| self.idle().pop()) {
            Some(worker) => worker,
            None => Worker::start(&self.inner.config).await?,
        };
        let WorkerMessage { kind, body } = match used.call(call, limits).await {
            CallOutcome::Answer(answer) => answer,
            CallOutcome::Killed(killed) => return Err(killed.into()),
            CallOutcome::Unavailable(why) => return Err(why.into()),
        };
        *worker = Some(used);
        let failed = |why: String| SandboxUnavailable::Connection(io::Error::other(why));
        match kind {
            MessageKind::Reply => {
                Ok(serde_ipld_dagcbor::from_slice(&body).map_err(|why| failed(why.to_string()))?)
            }
            MessageKind::JobError => {
                let error = serde_ipld_dagcbor::from_slice(&body).map_err(|why| failed(why.to_string()))?;
                Err(SandboxError::Job(error))
            }
            MessageKind::TooLarge => {
                let bytes = String::from_utf8_lossy(&body);
                Err(too_large(format!("what comes of it has {bytes} bytes, at most {}", limits.reply_bytes))
                    .into())
            }
            MessageKind::Unknown => Err(SandboxUnavailable::NotServed(J::NAME).into()),
            MessageKind::Undecodable => Err(failed(String::from_utf8_lossy(&body).into_owned()).into()),
            MessageKind::Ready | MessageKind::Panicked | MessageKind::Note => {
                Err(failed("an answer out of turn".into()).into())
            }
        }
    }

    fn put_back(&self, worker: Worker, limits: &JobLimits) {
        let keeps_too_much =
            worker.memory_in_use().is_some_and(|bytes| bytes > limits.memory / MAX_KEPT_SHARE);
        if worker.answered < MAX_CALLS && !keeps_too_much {
            self.idle().push(worker);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_large(detail: String) -> JobKilled {
    JobKilled { limit: ExceededLimit::Size, activity: String::new(), detail }
}

/// A worker for a row of jobs that share its state.
#[derive(Debug)]
pub struct Session {
    sandbox: Sandbox,
    _slot: OwnedSemaphorePermit,
    worker: Option<Worker>,
}

impl Session {
    /// Runs a job after those before. When one is ended, or a worker fails, the next begins in a new worker, without any
    /// state.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub async fn run<J: Job>(
        &mut self,
        request: &J::Request,
        limits: JobLimits,
    ) -> Result<J::Reply, SandboxError<J::Error>> {
        let call = self.sandbox.call::<J>(request, &limits)?;
        let sandbox = self.sandbox.clone();
        if self.worker.is_none() {
            self.worker = Some(Worker::start(&sandbox.inner.config).await?);
        }
        sandbox.run_in::<J>(&mut self.worker, &call, &limits).await
    }

    /// Ends the worker, if there is one: the next job begins without any state.
    pub fn restart(&mut self) {
        self.worker = None;
    }

    /// Whether the next job begins without any state.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.worker.is_none()
    }
}
