//! The child: confines itself, then answers calls until its parent is gone.

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

/// The variable that makes a worker of an executable: the parent's process id and the confinement.
pub(crate) const VARIABLE: &str = "IRIDULE_SANDBOX_WORKER";
/// The job's stack, bytes: what the main thread of a process usually has.
const STACK_BYTES: usize = 8 << 20;
/// Descriptors that a worker may have open when it only computes.
const MAX_DESCRIPTORS: u64 = 16;
/// Most bytes of a panic's message.
const MAX_MESSAGE_BYTES: usize = 400;
/// Processor time that a job may take beyond its own before the system ends it. The parent ends it earlier.
const EXTRA_CPU_TIME: Duration = Duration::from_secs(2);

/// Whether this executable can be started as a worker.
static SERVES_WORKERS: AtomicBool = AtomicBool::new(false);
/// Where answers go; none outside of a worker.
static PARENT: Mutex<Option<UnixStream>> = Mutex::new(None);
/// What the last panic said.
static PANIC_MESSAGE: Mutex<String> = Mutex::new(String::new());

/// Whether [`serve_if_asked`] was called in this process.
pub(crate) fn is_served() -> bool {
    SERVES_WORKERS.load(Ordering::Relaxed)
}

/// Whether this process is itself a worker, which must not start workers.
pub(crate) fn is_worker() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// Makes this process a worker if a parent started it as one, and then never returns. Otherwise returns at once.
///
/// Call it first in `main`, with every job that the executable's sandboxes run: before arguments are read, files are
/// opened and threads are started.
pub fn serve_if_asked(jobs: impl IntoIterator<Item = RegisteredJob>) {
    let Ok(asked) = env::var(VARIABLE) else {
        SERVES_WORKERS.store(true, Ordering::Relaxed);
        return;
    };
    let jobs: Vec<RegisteredJob> = jobs.into_iter().collect();
    // Whatever fails here, the parent sees that the connection ends, and says that no worker could be started.
    let _ = serve(&asked, &jobs);
    process::exit(1);
}

/// Says, in a job, what it works on now: a file, a token. Should the job be ended there, the error names it. At most a few
/// hundred bytes are told on; outside of a worker nothing happens.
pub fn report_activity(text: &str) {
    let text = &text[..text.floor_char_boundary(MAX_MESSAGE_BYTES)];
    // A parent that cannot be told is gone.
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
    // When the parent ends, however it ends, this connection does, and a job under way ends with it.
    while let Ok(call) = JobCall::read(&mut calls) {
        if sender.send(call).is_err() {
            break;
        }
    }
    end()
}

/// Answers one call after the other.
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

/// Ends this process when its parent ends, and at once if that has happened already.
fn end_with_parent(parent: &str) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let now = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    if parent.parse() == Ok(now) { Ok(()) } else { Err(io::Error::other("the parent has ended")) }
}

/// Closes what the parent itself inherited and passed on; all that the parent opened closes by itself.
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

/// Takes away what no job needs.
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

/// Whether memory and processor time are limited by the system.
static LIMITED_BY_SYSTEM: AtomicBool = AtomicBool::new(false);

/// Sets the limits of a call: the system's, which hold even when the parent is stopped. A limit that cannot be set leaves
/// the parent's, which come first anyway.
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

/// Ends this process at once. `exit` would run what libraries have registered, while a job is still under way.
fn end() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    process::abort()
}
