//! The parent's side of a worker process: starts it, sends it calls, watches its limits, and ends it.

use std::{
    io::{self, PipeReader, Read as _},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt as _, process::ExitStatusExt as _},
    },
    process::{Child, Command, ExitStatus, Stdio},
    sync::{LazyLock, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    config::SandboxConfig,
    error::{ExceededLimit, JobKilled, SandboxUnavailable},
    limits::JobLimits,
    wire::{self, JobCall, MessageKind, WorkerMessage},
    worker::{self, VARIABLE},
};

/// How often the watchdog checks a running job.
const CHECK_INTERVAL: Duration = Duration::from_millis(5);
/// How long a new child may take until it reports that it is ready.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of the child's standard error is read, bytes.
const STDERR_READ_BYTES: u64 = 64 << 10;
/// How much of the child's standard error an error quotes, bytes.
const MAX_DETAIL_BYTES: usize = 400;
/// Maximum size of a message that is not a reply, bytes.
const MAX_CONTROL_BYTES: u64 = 4096;

/// A worker process.
#[derive(Debug)]
pub(crate) struct Worker {
    /// `None` once the process was handed to the reaper.
    child: Option<Child>,
    socket: UnixStream,
    /// The child's standard error.
    stderr: PipeReader,
    /// How many calls the worker has answered.
    pub(crate) answered: u32,
}

/// The outcome of a call.
#[derive(Debug)]
pub(crate) enum CallOutcome {
    Answer(WorkerMessage),
    Killed(JobKilled),
    Unavailable(SandboxUnavailable),
}

impl Worker {
    /// Starts a child process and waits until it is ready.
    pub(crate) async fn start(config: &SandboxConfig) -> Result<Self, SandboxUnavailable> {
        if worker::is_worker() {
            return Err(SandboxUnavailable::Start(io::Error::other("a worker starts no workers")));
        }
        if config.program.is_plain() && !worker::is_served() {
            return Err(SandboxUnavailable::NotServed("any: its main does not call serve_if_asked"));
        }
        let mut worker = Self::spawn(config).await.map_err(SandboxUnavailable::Start)?;
        match tokio::time::timeout(START_TIMEOUT, worker.receive(MAX_CONTROL_BYTES)).await {
            Ok(Ok(WorkerMessage { kind: MessageKind::Ready, .. })) => Ok(worker),
            Ok(Ok(_)) => Err(SandboxUnavailable::Start(io::Error::other("it does not answer as a worker"))),
            Ok(Err(_)) => {
                let status = worker.end().await;
                let said = worker.read_stderr();
                Err(SandboxUnavailable::Start(io::Error::other(format!(
                    "it ended: {} {said}",
                    describe(status)
                ))))
            }
            Err(_) => Err(SandboxUnavailable::Start(io::ErrorKind::TimedOut.into())),
        }
    }

    async fn spawn(config: &SandboxConfig) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        // Neither side blocks on this pipe: output that does not fit is lost.
        let (stderr, stderr_writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&stderr, true)?;
        rustix::io::ioctl_fionbio(&stderr_writer, true)?;
        let mut command = config.program.command()?;
        command
            .env_clear()
            .env(VARIABLE, format!("{} {}", std::process::id(), config.confinement.name()))
            // Otherwise memory that the allocator only reserves would count as used.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .envs(config.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            // Signals from the terminal, such as Ctrl-C, go to the parent only; the parent ends its children.
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(stderr_writer);
        let child = start(command).await?;
        Ok(Self { child: Some(child), socket, stderr, answered: 0 })
    }

    /// Sends a call and enforces its limits. The worker can be used again only if it answered.
    pub(crate) async fn call(&mut self, call: &JobCall, limits: &JobLimits) -> CallOutcome {
        let watchdog = Watchdog::new(self.child.as_ref().map_or(0, Child::id), limits);
        let activity = Mutex::new(String::new());
        let exchange = async {
            let mut socket = tokio::net::UnixStream::from_std(self.socket.try_clone()?)?;
            wire::write_call(&mut socket, call).await?;
            loop {
                match WorkerMessage::read(&mut socket, limits.reply_bytes.max(MAX_CONTROL_BYTES)).await? {
                    WorkerMessage { kind: MessageKind::Note, body } => {
                        *activity.lock().unwrap_or_else(PoisonError::into_inner) = text(&body);
                    }
                    answer => return Ok(answer),
                }
            }
        };
        let answered: Result<io::Result<WorkerMessage>, LimitExceeded> = tokio::select! {
            biased;
            answer = exchange => Ok(answer),
            exceeded = watchdog.run() => Err(exceeded),
        };
        let activity = activity.into_inner().unwrap_or_else(PoisonError::into_inner);
        match answered {
            Ok(Ok(WorkerMessage { kind: MessageKind::Panicked, body })) => CallOutcome::Killed(JobKilled {
                limit: ExceededLimit::Crashed,
                activity,
                detail: text(&body),
            }),
            Ok(Ok(answer)) => {
                self.answered += 1;
                // Discards this job's warnings, so that they are not reported with the next one.
                drop(self.read_stderr());
                CallOutcome::Answer(answer)
            }
            Ok(Err(why)) => self.why_it_ended(why, activity).await,
            Err(LimitExceeded { limit, detail }) => {
                // The limit is reported, whatever the exit status.
                let _ = self.end().await;
                CallOutcome::Killed(JobKilled { limit, activity, detail })
            }
        }
    }

    /// Finds out why a child closed the connection.
    async fn why_it_ended(&mut self, why: io::Error, activity: String) -> CallOutcome {
        let status = self.end().await;
        let said = self.read_stderr();
        let signal = status.as_ref().ok().and_then(ExitStatus::signal);
        // These are the texts that Rust's own handlers print before they abort.
        let (limit, detail) = if said.contains("memory allocation of") {
            (ExceededLimit::Memory, said)
        } else if said.contains("has overflowed its stack") {
            (ExceededLimit::Crashed, "a stack overflow".into())
        } else {
            match (signal, status) {
                (Some(XCPU), _) => (ExceededLimit::Time, "processor time".into()),
                (Some(signal @ (HUP | INT | KILL | TERM)), _) => {
                    return CallOutcome::Unavailable(SandboxUnavailable::Killed(signal));
                }
                (_, Err(_)) => return CallOutcome::Unavailable(SandboxUnavailable::Connection(why)),
                (_, status) => {
                    (ExceededLimit::Crashed, format!("{} {said}", describe(status)).trim_end().to_owned())
                }
            }
        };
        CallOutcome::Killed(JobKilled { limit, activity, detail })
    }

    async fn receive(&mut self, max_bytes: u64) -> io::Result<WorkerMessage> {
        let mut socket = tokio::net::UnixStream::from_std(self.socket.try_clone()?)?;
        WorkerMessage::read(&mut socket, max_bytes).await
    }

    /// Kills the child and returns its exit status. It may have ended before.
    async fn end(&mut self) -> io::Result<ExitStatus> {
        let Some(child) = self.child.take() else { return Err(io::Error::other("it was ended before")) };
        let (tell, told) = oneshot::channel();
        reap(child, Some(tell));
        told.await.map_err(io::Error::other)?
    }

    /// Reads the beginning of what the child printed on its standard error since the last call.
    fn read_stderr(&mut self) -> String {
        let mut bytes = Vec::new();
        // The pipe does not block: an error means that nothing more is there.
        let _ = (&self.stderr).take(STDERR_READ_BYTES).read_to_end(&mut bytes);
        let mut text = String::from_utf8_lossy(&bytes).trim().replace('\n', " ");
        text.truncate(text.floor_char_boundary(MAX_DETAIL_BYTES));
        text
    }

    /// The memory that the worker uses, bytes. `None` where the system does not report it.
    pub(crate) fn memory_in_use(&self) -> Option<u64> {
        resource_usage(self.child.as_ref()?.id()).map(|used| used.memory)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            reap(child, None);
        }
    }
}

const HUP: i32 = rustix::process::Signal::HUP.as_raw();
const INT: i32 = rustix::process::Signal::INT.as_raw();
const KILL: i32 = rustix::process::Signal::KILL.as_raw();
const TERM: i32 = rustix::process::Signal::TERM.as_raw();
const XCPU: i32 = rustix::process::Signal::XCPU.as_raw();

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn describe(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|why| why.to_string(), |status| status.to_string())
}

/// The limit that a job exceeded, and the measured value.
struct LimitExceeded {
    limit: ExceededLimit,
    detail: String,
}

/// Watches the limits of a running job.
struct Watchdog {
    pid: u32,
    limits: JobLimits,
    started: Instant,
    /// What the child had used when the job started. `None` where the system does not report it.
    before: Option<ResourceUsage>,
}

impl Watchdog {
    fn new(pid: u32, limits: &JobLimits) -> Self {
        Self { pid, limits: *limits, started: Instant::now(), before: resource_usage(pid) }
    }

    /// Returns when the job exceeds a limit.
    async fn run(&self) -> LimitExceeded {
        let exceeded = |limit, detail| LimitExceeded { limit, detail };
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            let elapsed = self.started.elapsed();
            let now = self.before.and_then(|_| resource_usage(self.pid));
            let time = match (self.before, now) {
                (Some(before), Some(now)) => now.time.saturating_sub(before.time),
                _ => elapsed,
            };
            if time >= self.limits.cpu_time || elapsed >= self.limits.wall_time {
                let detail =
                    format!("{} ms of processor time in {} ms", time.as_millis(), elapsed.as_millis());
                return exceeded(ExceededLimit::Time, detail);
            }
            if let Some(now) = now
                && now.memory > self.limits.memory
            {
                return exceeded(ExceededLimit::Memory, format!("{} MiB", now.memory >> 20));
            }
        }
    }
}

/// Resources that a process has used.
#[derive(Debug, Clone, Copy)]
struct ResourceUsage {
    /// Processor time, user and system together.
    time: Duration,
    /// Resident memory that is not backed by a file, bytes.
    memory: u64,
}

/// Reads what a process has used. `None` where the system does not report it.
fn resource_usage(pid: u32) -> Option<ResourceUsage> {
    // The second field is the program's name in brackets, with any characters. Fields 14 and 15 are user and system time in
    // ticks.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = ticks.next()?.ok()? + ticks.next()?.ok()?;
    let time = Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1));
    // Fields, in pages: total, resident, resident and shared or file-backed.
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = statm.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
    let memory = resident.saturating_sub(shared) * rustix::param::page_size() as u64;
    Some(ResourceUsage { time, memory })
}

type StartRequest = (Command, oneshot::Sender<io::Result<Child>>);

/// The thread that starts all children. Linux ends a child together with the *thread* that started it, so this thread lives
/// as long as the process.
static STARTER: LazyLock<mpsc::Sender<StartRequest>> = LazyLock::new(|| {
    let (sender, receiver) = mpsc::channel::<StartRequest>();
    on_a_thread("sandbox-start", move || {
        for (mut command, tell) in receiver {
            let child = command.spawn();
            // Closes the parent's copy of the child's end of the connection.
            drop(command);
            if let Err(Ok(child)) = tell.send(child) {
                reap(child, None);
            }
        }
    });
    sender
});

type ReapRequest = (Child, Option<oneshot::Sender<io::Result<ExitStatus>>>);

/// The thread that waits for killed children, so that they do not stay as zombies.
static REAPER: LazyLock<mpsc::Sender<ReapRequest>> = LazyLock::new(|| {
    let (sender, receiver) = mpsc::channel::<ReapRequest>();
    on_a_thread("sandbox-reap", move || {
        for (mut child, tell) in receiver {
            let status = child.wait();
            if let Some(tell) = tell {
                let _ = tell.send(status);
            }
        }
    });
    sender
});

/// Starts a thread. If that fails, sending to its channel fails.
fn on_a_thread(name: &str, run: impl FnOnce() + Send + 'static) {
    let _ = thread::Builder::new().name(name.into()).spawn(run);
}

async fn start(command: Command) -> io::Result<Child> {
    let (tell, told) = oneshot::channel();
    STARTER.send((command, tell)).map_err(|_| io::Error::other("no thread to start processes"))?;
    told.await.map_err(io::Error::other)?
}

/// Kills a child and hands it to the reaper thread.
fn reap(mut child: Child, tell: Option<oneshot::Sender<io::Result<ExitStatus>>>) {
    // Fails only when the child has ended already.
    let _ = child.kill();
    let _ = REAPER.send((child, tell));
}
