//! The sandbox: a bounded number of workers, and a bounded queue of callers.

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

/// A worker is replaced after this many calls, because libraries may leak memory.
const MAX_CALLS: u32 = 1000;
/// A worker is replaced when it keeps more than this share (one in N) of its memory limit between jobs.
const MAX_KEPT_SHARE: u64 = 4;

/// A pool of workers that run jobs. Clones share the workers. A worker is started when a job needs one, and ended when the
/// last clone is dropped.
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

/// Counts a waiting caller until it is dropped.
struct WaitingGuard<'a>(&'a AtomicUsize);

impl Drop for WaitingGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sandbox {
    /// Makes a sandbox. It starts no worker yet.
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

    /// The limits of a job that is run without limits of its own.
    #[must_use]
    pub fn limits(&self) -> JobLimits {
        self.inner.config.limits
    }

    /// The maximum number of workers.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.inner.config.workers
    }

    /// Runs a job in any worker. The job is killed when the future is dropped.
    ///
    /// # Errors
    /// [`SandboxError`].
    pub async fn run<J: Job>(&self, request: &J::Request) -> Result<J::Reply, SandboxError<J::Error>> {
        self.run_with_limits::<J>(request, self.limits()).await
    }

    /// Runs a job with limits of its own.
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

    /// Reserves a worker for several jobs that share its state. The worker counts as busy, and lives, until the session is
    /// dropped.
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

    /// Runs a job in `worker`, or in another one if it is `None`. Afterwards `worker` is set only if it can be used again.
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

/// A worker that is reserved for several jobs, which share its state.
#[derive(Debug)]
pub struct Session {
    sandbox: Sandbox,
    _slot: OwnedSemaphorePermit,
    worker: Option<Worker>,
}

impl Session {
    /// Runs a job. When it is killed, or the worker fails, the next job runs in a new worker, with the default state.
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

    /// Ends the worker. The next job runs in a new one, with the default state.
    pub fn restart(&mut self) {
        self.worker = None;
    }

    /// Whether the next job runs in a new worker, with the default state.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.worker.is_none()
    }
}
