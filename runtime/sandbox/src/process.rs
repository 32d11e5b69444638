//! The parent's side of one child: started, talked to, watched, ended.

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

/// How often a job under way is looked at.
const CHECK_INTERVAL: Duration = Duration::from_millis(5);
/// How long a child may take to be ready.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of what a child complained of that are read.
const STDERR_READ_BYTES: u64 = 64 << 10;
/// Most bytes of it that are told on.
const MAX_DETAIL_BYTES: usize = 400;
/// Largest answer that is no reply, bytes.
const MAX_CONTROL_BYTES: u64 = 4096;

/// A child.
#[derive(Debug)]
pub(crate) struct Worker {
    /// None once it was given to be reaped.
    child: Option<Child>,
    socket: UnixStream,
    /// What it prints on its standard error.
    stderr: PipeReader,
    /// Calls that it has answered.
    pub(crate) answered: u32,
}

/// What came of a call.
#[derive(Debug)]
pub(crate) enum CallOutcome {
    Answer(WorkerMessage),
    Killed(JobKilled),
    Unavailable(SandboxUnavailable),
}

impl Worker {
    /// Starts a child and waits until it is ready.
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
        // Neither side waits for the other here: what does not fit into the pipe is lost.
        let (stderr, stderr_writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&stderr, true)?;
        rustix::io::ioctl_fionbio(&stderr_writer, true)?;
        let mut command = config.program.command()?;
        command
            .env_clear()
            .env(VARIABLE, format!("{} {}", std::process::id(), config.confinement.name()))
            // An allocator that reserves memory far ahead would count as having used it.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .envs(config.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            // What a terminal sends to its foreground processes is for the parent to decide on.
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(stderr_writer);
        let child = start(command).await?;
        Ok(Self { child: Some(child), socket, stderr, answered: 0 })
    }

    /// Makes a call within its limits. Only a worker that answered can be used again.
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
                // Warnings of one job are not the next one's.
                drop(self.read_stderr());
                CallOutcome::Answer(answer)
            }
            Ok(Err(why)) => self.why_it_ended(why, activity).await,
            Err(LimitExceeded { limit, detail }) => {
                // How it ends is known.
                let _ = self.end().await;
                CallOutcome::Killed(JobKilled { limit, activity, detail })
            }
        }
    }

    /// Why a child no longer answers.
    async fn why_it_ended(&mut self, why: io::Error, activity: String) -> CallOutcome {
        let status = self.end().await;
        let said = self.read_stderr();
        let signal = status.as_ref().ok().and_then(ExitStatus::signal);
        // What Rust's own handlers print before they abort.
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

    /// Kills it, and waits for how it ended: by itself before, perhaps.
    async fn end(&mut self) -> io::Result<ExitStatus> {
        let Some(child) = self.child.take() else { return Err(io::Error::other("it was ended before")) };
        let (tell, told) = oneshot::channel();
        reap(child, Some(tell));
        told.await.map_err(io::Error::other)?
    }

    /// What it printed on its standard error since the last call, the beginning of it.
    fn read_stderr(&mut self) -> String {
        let mut bytes = Vec::new();
        // An error is that there is no more now.
        let _ = (&self.stderr).take(STDERR_READ_BYTES).read_to_end(&mut bytes);
        let mut text = String::from_utf8_lossy(&bytes).trim().replace('\n', " ");
        text.truncate(text.floor_char_boundary(MAX_DETAIL_BYTES));
        text
    }

    /// What it keeps allocated, bytes, where that can be known.
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

/// A limit that a job exceeded, and by how much.
struct LimitExceeded {
    limit: ExceededLimit,
    detail: String,
}

/// Looks after a job under way.
struct Watchdog {
    pid: u32,
    limits: JobLimits,
    started: Instant,
    /// What the child had used when the job began; none where the system does not tell.
    before: Option<ResourceUsage>,
}

impl Watchdog {
    fn new(pid: u32, limits: &JobLimits) -> Self {
        Self { pid, limits: *limits, started: Instant::now(), before: resource_usage(pid) }
    }

    /// Waits until the job exceeds a limit.
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

/// What a process uses.
#[derive(Debug, Clone, Copy)]
struct ResourceUsage {
    /// Processor time, user and system.
    time: Duration,
    /// Resident memory that no file backs, bytes.
    memory: u64,
}

/// What a process uses; none where the system does not tell.
fn resource_usage(pid: u32) -> Option<ResourceUsage> {
    // The second field is the program's name, in brackets, and may hold anything; 14 and 15 are times in ticks.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = ticks.next()?.ok()? + ticks.next()?.ok()?;
    let time = Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1));
    // Pages: all, resident, resident and shared or of files.
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = statm.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
    let memory = resident.saturating_sub(shared) * rustix::param::page_size() as u64;
    Some(ResourceUsage { time, memory })
}

type StartRequest = (Command, oneshot::Sender<io::Result<Child>>);

/// The thread that starts every child. A child is told to end with the *thread* that started it, so that is one which
/// ends with the process.
static STARTER: LazyLock<mpsc::Sender<StartRequest>> = LazyLock::new(|| {
    let (sender, receiver) = mpsc::channel::<StartRequest>();
    on_a_thread("sandbox-start", move || {
        for (mut command, tell) in receiver {
            let child = command.spawn();
            // It holds the child's end of the connection.
            drop(command);
            if let Err(Ok(child)) = tell.send(child) {
                reap(child, None);
            }
        }
    });
    sender
});

type ReapRequest = (Child, Option<oneshot::Sender<io::Result<ExitStatus>>>);

/// The thread that waits for killed children, so that none is left as a zombie.
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

/// Runs this on a thread. Without one, whoever sends to it finds that nobody listens.
fn on_a_thread(name: &str, run: impl FnOnce() + Send + 'static) {
    let _ = thread::Builder::new().name(name.into()).spawn(run);
}

async fn start(command: Command) -> io::Result<Child> {
    let (tell, told) = oneshot::channel();
    STARTER.send((command, tell)).map_err(|_| io::Error::other("no thread to start processes"))?;
    told.await.map_err(io::Error::other)?
}

/// Kills a child and has it waited for.
fn reap(mut child: Child, tell: Option<oneshot::Sender<io::Result<ExitStatus>>>) {
    // An error is that it has ended already.
    let _ = child.kill();
    let _ = REAPER.send((child, tell));
}
