//! The child process: restricts itself, then runs jobs until its parent ends.

use std::{
    any::Any,
    collections::HashMap,
    env, fs,
    io::{self, BufReader},
    os::{
        fd::{BorrowedFd, RawFd},
        unix::net::UnixStream,
    },
    panic::{self, AssertUnwindSafe},
    process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit};

use crate::{
    job::{JobInstance, RegisteredJob},
    limits::Confinement,
    wire::{JobCall, MessageKind, WorkerMessage},
};

/// The environment variable that makes an executable a worker. It holds the parent's process id and the confinement.
pub(crate) const VARIABLE: &str = "IRIDULE_SANDBOX_WORKER";
/// The stack of a job, bytes: as much as the main thread of a process usually has.
const STACK_BYTES: usize = 8 << 20;
/// Maximum number of open files of a worker that only computes.
const MAX_DESCRIPTORS: u64 = 16;
/// Maximum length of a panic's message, bytes.
const MAX_MESSAGE_BYTES: usize = 400;
/// Extra processor time before the system ends the process. The parent's own check is earlier.
const EXTRA_CPU_TIME: Duration = Duration::from_secs(2);

/// Whether this executable can be started as a worker.
static SERVES_WORKERS: AtomicBool = AtomicBool::new(false);
/// The connection to the parent. `None` in a process that is not a worker.
static PARENT: Mutex<Option<UnixStream>> = Mutex::new(None);
/// The message of the last panic.
static PANIC_MESSAGE: Mutex<String> = Mutex::new(String::new());

/// Whether [`serve_if_asked`] was called in this process.
pub(crate) fn is_served() -> bool {
    SERVES_WORKERS.load(Ordering::Relaxed)
}

/// Whether this process is a worker. A worker must not start workers.
pub(crate) fn is_worker() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// Runs this process as a worker, and never returns, if a parent started it as one. Otherwise returns at once.
///
/// Call it first in `main`, before anything reads arguments, opens files or starts threads, and pass every job that the
/// executable's sandboxes run.
pub fn serve_if_asked(jobs: impl IntoIterator<Item = RegisteredJob>) {
    let Ok(asked) = env::var(VARIABLE) else {
        SERVES_WORKERS.store(true, Ordering::Relaxed);
        return;
    };
    let jobs: Vec<RegisteredJob> = jobs.into_iter().collect();
    // On any failure the connection closes, and the parent reports that no worker could be started.
    let _ = serve(&asked, &jobs);
    process::exit(1);
}

/// Reports what the job works on now, such as a file or a token. If the job is killed, the error contains the last report.
/// Longer texts are cut to 400 bytes. Does nothing outside of a worker.
pub fn report_activity(text: &str) {
    let text = &text[..text.floor_char_boundary(MAX_MESSAGE_BYTES)];
    // Fails only when the parent has ended.
    let _ = send(&WorkerMessage::new(MessageKind::Note, text.as_bytes().to_vec()));
}

fn send(message: &WorkerMessage) -> io::Result<()> {
    let mut parent = PARENT.lock().unwrap_or_else(PoisonError::into_inner);
    parent.as_mut().map_or(Ok(()), |parent| message.write(parent))
}

fn serve(asked: &str, jobs: &[RegisteredJob]) -> io::Result<()> {
    let (parent, confinement) = asked.split_once(' ').unwrap_or((asked, ""));
    end_with_parent(parent)?;
    close_inherited();
    confine(confinement == Confinement::Compute.name())?;
    panic::set_hook(Box::new(|panic| {
        let mut message = panic.payload_as_str().unwrap_or("a panic").to_owned();
        if let Some(place) = panic.location() {
            message = format!("{place}: {message}");
        }
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        *PANIC_MESSAGE.lock().unwrap_or_else(PoisonError::into_inner) = message;
    }));
    let calls = UnixStream::from(rustix::stdio::stdin().try_clone_to_owned()?);
    *PARENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(calls.try_clone()?);
    let mut calls = BufReader::new(calls);
    let (sender, receiver) = mpsc::channel();
    let jobs = jobs.to_vec();
    let worker = move || work(&jobs, &receiver);
    thread::Builder::new().name("job".into()).stack_size(STACK_BYTES).spawn(worker)?;
    // The connection closes when the parent ends, in whatever way. Then this process ends too, with any running job.
    while let Ok(call) = JobCall::read(&mut calls) {
        if sender.send(call).is_err() {
            break;
        }
    }
    end()
}

/// Runs calls one after the other.
fn work(jobs: &[RegisteredJob], calls: &mpsc::Receiver<JobCall>) {
    let mut started: HashMap<&str, Box<dyn JobInstance>> = HashMap::new();
    let write = |message: &WorkerMessage| {
        if send(message).is_err() || message.kind == MessageKind::Panicked {
            end();
        }
    };
    write(&WorkerMessage::new(MessageKind::Ready, Vec::new()));
    for call in calls {
        let Some(job) = jobs.iter().find(|job| job.name == call.name) else {
            write(&WorkerMessage::new(MessageKind::Unknown, Vec::new()));
            continue;
        };
        let running = started.entry(job.name).or_insert_with(job.start);
        set_limits(&call);
        let answer = panic::catch_unwind(AssertUnwindSafe(|| running.answer(&call.body, call.reply_bytes)));
        write(&answer.unwrap_or_else(panicked));
    }
}

fn panicked(_: Box<dyn Any + Send>) -> WorkerMessage {
    let message = PANIC_MESSAGE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    WorkerMessage::new(MessageKind::Panicked, message.into_bytes())
}

/// Makes this process end when its parent ends. Fails if the parent has ended already.
fn end_with_parent(parent: &str) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let now = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    if parent.parse() == Ok(now) { Ok(()) } else { Err(io::Error::other("the parent has ended")) }
}

/// Closes descriptors that the parent inherited and passed on. Descriptors that the parent opened close by themselves.
#[expect(unsafe_code, reason = "closing descriptors by number; see below")]
fn close_inherited() {
    let Ok(entries) = fs::read_dir("/dev/fd") else { return };
    let number = |entry: fs::DirEntry| entry.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok());
    let open: Vec<RawFd> =
        entries.flatten().filter_map(number).filter(|descriptor| *descriptor > 2).collect();
    for descriptor in open {
        // SAFETY: this process has just begun and has opened nothing above 2 that it will use: `serve_if_asked` is to be
        // called first, and a test's harness that comes before it holds no file. So no owner is left with a descriptor
        // that now is closed. The folder that was read above is closed already, hence the question; no other thread opens
        // files between question and closing.
        unsafe {
            if rustix::io::fcntl_getfd(BorrowedFd::borrow_raw(descriptor)).is_ok() {
                rustix::io::close(descriptor);
            }
        }
    }
}

/// Gives up permissions that no job needs.
fn confine(compute_only: bool) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::thread::set_no_new_privs(true)?;
    let limit = |value| Rlimit { current: Some(value), maximum: Some(value) };
    rustix::process::setrlimit(Resource::Core, limit(0))?;
    if compute_only {
        rustix::process::setrlimit(Resource::Fsize, limit(0))?;
        rustix::process::setrlimit(Resource::Nofile, limit(MAX_DESCRIPTORS))?;
    }
    LIMITED_BY_SYSTEM.store(compute_only, Ordering::Relaxed);
    Ok(())
}

/// Whether the system limits memory and processor time.
static LIMITED_BY_SYSTEM: AtomicBool = AtomicBool::new(false);

/// Sets the system's limits for a call. They hold even when the parent is stopped. A limit that cannot be set is left to
/// the parent, whose checks are earlier anyway.
fn set_limits(call: &JobCall) {
    if !LIMITED_BY_SYSTEM.load(Ordering::Relaxed) {
        return;
    }
    let set_soft_limit = |resource, value| {
        let maximum = rustix::process::getrlimit(resource).maximum;
        let _ = rustix::process::setrlimit(resource, Rlimit { current: Some(value), maximum });
    };
    set_soft_limit(Resource::Data, call.memory);
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let used = Duration::from_secs(u64::try_from(used.tv_sec).unwrap_or_default());
    set_soft_limit(Resource::Cpu, (used + call.time + EXTRA_CPU_TIME).as_secs());
}

/// Ends this process at once. `exit` would run handlers of libraries while a job is still running.
fn end() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    process::abort()
}
