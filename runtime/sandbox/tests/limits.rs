//! Workers that loop, eat memory, crash, or lose their parent: each is ended, says why, and leaves the next job alone.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod jobs;

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use iridule_sandbox::{
    ExceededLimit, Job, JobLimits, RegisteredJob, Sandbox, SandboxConfig, SandboxError, SandboxUnavailable,
    WorkerProgram, serve_if_asked,
};
use jobs::{JOBS, Misbehave, Order, Remember};
use rustix::process::{Pid, Signal, kill_process};

const MIB: u64 = 1 << 20;

#[test]
fn sandbox_worker() {
    serve_if_asked(JOBS.iter().copied());
}

fn config() -> SandboxConfig {
    SandboxConfig {
        program: WorkerProgram::this_test("sandbox_worker"),
        limits: JobLimits::new(Duration::from_millis(300), 128 * MIB),
        ..SandboxConfig::default()
    }
}

type Outcome = Result<String, SandboxError<String>>;

async fn run(sandbox: &Sandbox, order: Order) -> Outcome {
    sandbox.run::<Misbehave>(&order).await
}

fn limit(outcome: &Outcome) -> ExceededLimit {
    match outcome {
        Err(SandboxError::Killed(ended)) => ended.limit,
        other => panic!("it was not ended: {other:?}"),
    }
}

/// After each of these the next job succeeds.
async fn ends_and_the_next_succeeds(order: Order, expected: ExceededLimit, detail: &str) {
    let sandbox = Sandbox::new(config());
    let started = Instant::now();
    let outcome = run(&sandbox, order).await;
    assert_eq!(limit(&outcome), expected, "{outcome:?}");
    let said = outcome.unwrap_err().to_string();
    assert!(said.contains(detail), "{said}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(run(&sandbox, Order::Echo("next".into())).await.unwrap(), "next");
}

#[tokio::test]
async fn a_job_that_loops_is_ended_at_its_deadline() {
    ends_and_the_next_succeeds(Order::Loop, ExceededLimit::Time, "processor time").await;
}

#[tokio::test]
async fn a_job_that_is_ended_is_named_by_what_it_worked_on() {
    ends_and_the_next_succeeds(
        Order::LoopAt("sky.svg".into()),
        ExceededLimit::Time,
        "sky.svg: it took too much time",
    )
    .await;
}

#[tokio::test]
async fn a_job_that_waits_for_ever_is_ended_by_the_clock() {
    ends_and_the_next_succeeds(Order::Sleep(3_600_000), ExceededLimit::Time, "too much time").await;
}

#[tokio::test]
async fn a_job_that_allocates_without_end_is_ended() {
    for piece in [100, 4 << 10, 1 << 20, 1 << 30] {
        ends_and_the_next_succeeds(Order::Allocate(piece), ExceededLimit::Memory, "too much memory").await;
    }
}

#[tokio::test]
async fn a_job_within_its_memory_is_left_alone() {
    let sandbox = Sandbox::new(config());
    assert_eq!(run(&sandbox, Order::Touch(64 << 20)).await.unwrap(), (64 << 20).to_string());
}

#[tokio::test]
async fn a_job_that_panics_or_aborts_says_so() {
    ends_and_the_next_succeeds(Order::Panic, ExceededLimit::Crashed, "as it was told").await;
    ends_and_the_next_succeeds(Order::Abort, ExceededLimit::Crashed, "signal").await;
    ends_and_the_next_succeeds(Order::Exit, ExceededLimit::Crashed, "exit").await;
}

#[tokio::test]
async fn a_stack_that_overflows_ends_the_child_only() {
    ends_and_the_next_succeeds(Order::Recurse(10_000_000), ExceededLimit::Crashed, "stack overflow").await;
}

#[tokio::test]
async fn requests_and_replies_have_a_largest_size() {
    let sandbox = Sandbox::new(SandboxConfig { max_request_bytes: 1000, ..config() });
    assert_eq!(limit(&run(&sandbox, Order::Echo("x".repeat(1001))).await), ExceededLimit::Size);
    let limits = JobLimits { reply_bytes: 1000, ..sandbox.limits() };
    let outcome = sandbox.run_with_limits::<Misbehave>(&Order::Reply(1001), limits).await;
    assert_eq!(limit(&outcome), ExceededLimit::Size);
    assert_eq!(run(&sandbox, Order::Reply(2_000_000)).await.unwrap().len(), 2_000_000);
}

#[tokio::test]
async fn an_error_of_the_job_is_the_jobs() {
    let sandbox = Sandbox::new(config());
    let outcome = run(&sandbox, Order::Fail("no".into())).await;
    assert!(matches!(outcome, Err(SandboxError::Job(why)) if why == "no"));
}

#[tokio::test]
async fn what_a_job_prints_is_no_answer_and_blocks_nothing() {
    let sandbox = Sandbox::new(config());
    for _ in 0..3 {
        assert_eq!(run(&sandbox, Order::Print(20_000)).await.unwrap(), "printed");
    }
}

#[tokio::test]
async fn a_worker_has_no_environment_no_descriptors_and_writes_no_files() {
    // Not closed on exec: as if a shell had passed it on.
    let file = fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    let sandbox = Sandbox::new(config());
    let seen = run(&sandbox, Order::Look).await.unwrap();
    // Standard input, output and error, two clones of the connection, and the folder that is read.
    assert_eq!(seen, "IRIDULE_SANDBOX_WORKER,MIMALLOC_ARENA_EAGER_COMMIT 6", "{seen}");
    assert_eq!(limit(&run(&sandbox, Order::Write).await), ExceededLimit::Crashed);
}

#[tokio::test]
async fn workers_are_used_again_and_replaced_only_when_ended() {
    let sandbox = Sandbox::new(config());
    let first = run(&sandbox, Order::Pid).await.unwrap();
    assert_eq!(run(&sandbox, Order::Pid).await.unwrap(), first);
    assert_eq!(limit(&run(&sandbox, Order::Loop).await), ExceededLimit::Time);
    assert_ne!(run(&sandbox, Order::Pid).await.unwrap(), first);
}

#[tokio::test]
async fn a_session_keeps_its_state_until_a_job_is_ended() {
    let sandbox = Sandbox::new(SandboxConfig { workers: 2, ..config() });
    let limits = sandbox.limits();
    let (mut one, mut other) = (sandbox.session().await.unwrap(), sandbox.session().await.unwrap());
    assert!(one.is_fresh());
    for sum in 1..=3 {
        assert_eq!(one.run::<Remember>(&1, limits).await.unwrap(), sum);
    }
    assert_eq!(other.run::<Remember>(&10, limits).await.unwrap(), 10);
    assert!(!one.is_fresh());
    assert_eq!(limit(&one.run::<Misbehave>(&Order::Loop, limits).await), ExceededLimit::Time);
    assert!(one.is_fresh());
    assert_eq!(one.run::<Remember>(&1, limits).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_jobs_share_few_workers_and_too_many_are_told_so() {
    let sandbox = Sandbox::new(SandboxConfig { workers: 2, max_waiting: 30, ..config() });
    let started = Instant::now();
    let tasks: Vec<_> = (0..60)
        .map(|number| {
            let sandbox = sandbox.clone();
            tokio::spawn(async move {
                let order = if number % 10 == 0 { Order::Panic } else { Order::Echo(number.to_string()) };
                (number, run(&sandbox, order).await)
            })
        })
        .collect();
    let (mut echoed, mut panicked, mut busy) = (0, 0, 0);
    for task in tasks {
        match task.await.unwrap() {
            (number, Ok(text)) => {
                assert_eq!(text, number.to_string());
                echoed += 1;
            }
            (_, Err(SandboxError::Unavailable(SandboxUnavailable::Busy))) => busy += 1,
            (number, outcome) => {
                assert_eq!((limit(&outcome), number % 10), (ExceededLimit::Crashed, 0));
                panicked += 1;
            }
        }
    }
    assert!(echoed >= 20 && panicked >= 2 && busy <= 28, "{echoed} {panicked} {busy}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn a_caller_that_leaves_frees_its_worker_and_ends_its_job() {
    let sandbox = Sandbox::new(SandboxConfig {
        limits: JobLimits::new(Duration::from_secs(3600), 128 * MIB),
        ..config()
    });
    let left = tokio::time::timeout(Duration::from_millis(200), run(&sandbox, Order::Loop)).await;
    assert!(left.is_err());
    assert_eq!(run(&sandbox, Order::Echo("next".into())).await.unwrap(), "next");
}

#[tokio::test]
async fn a_worker_that_somebody_else_kills_is_not_the_jobs_fault() {
    let sandbox = Sandbox::new(SandboxConfig {
        limits: JobLimits::new(Duration::from_secs(3600), 128 * MIB),
        ..config()
    });
    let pid = run(&sandbox, Order::Pid).await.unwrap().parse().unwrap();
    let (outcome, ()) = tokio::join!(run(&sandbox, Order::Sleep(60_000)), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    });
    assert!(matches!(outcome, Err(SandboxError::Unavailable(SandboxUnavailable::Killed(9)))), "{outcome:?}");
    assert_eq!(run(&sandbox, Order::Echo("next".into())).await.unwrap(), "next");
}

/// A job that no worker serves.
struct Unknown;

impl Job for Unknown {
    const NAME: &'static str = "unknown";
    type State = ();
    type Request = ();
    type Reply = ();
    type Error = ();

    fn run((): &mut (), (): ()) -> Result<(), ()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_executable_that_does_not_serve_a_job_says_so() {
    let _ = RegisteredJob::of::<Unknown>();
    let outcome = Sandbox::new(config()).run::<Unknown>(&()).await;
    assert!(matches!(outcome, Err(SandboxError::Unavailable(SandboxUnavailable::NotServed("unknown")))));
    let elsewhere = SandboxConfig { program: WorkerProgram::this_test("no_such_test_at_all"), ..config() };
    let outcome = Sandbox::new(elsewhere).run::<Misbehave>(&Order::Pid).await;
    assert!(matches!(outcome, Err(SandboxError::Unavailable(SandboxUnavailable::Start(_)))), "{outcome:?}");
}

/// Is a parent, when the test below starts it as one: says who its child is, then has it work for ever.
#[tokio::test]
async fn parent_for_the_test_below() {
    if env::var_os("PARENT").is_none() {
        return;
    }
    let sandbox = Sandbox::new(SandboxConfig {
        limits: JobLimits {
            wall_time: Duration::from_secs(3600),
            ..JobLimits::new(Duration::from_secs(3), 128 * MIB)
        },
        ..config()
    });
    println!("child {}", run(&sandbox, Order::Pid).await.unwrap());
    std::io::stdout().flush().unwrap();
    let order = if env::var("PARENT").unwrap() == "waits" { Order::Sleep(3_600_000) } else { Order::Loop };
    let _ = run(&sandbox, order).await;
}

fn is_there(pid: i32) -> bool {
    // A zombie is gone; whoever adopts orphans here may be slow to bury them.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X'])))
}

/// The processor time that a process has used, in the system's ticks.
fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(11).unwrap().parse().unwrap()
}

#[test]
fn a_child_ends_when_its_parent_is_killed_or_stopped() {
    for (kind, signal, patience) in
        [("waits", Signal::KILL, 5), ("loops", Signal::KILL, 5), ("loops", Signal::STOP, 60)]
    {
        let mut parent = Command::new(env::current_exe().unwrap())
            .args(["parent_for_the_test_below", "--nocapture"])
            .env("PARENT", kind)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
        let child = lines.map_while(Result::ok).find_map(|line| {
            let (_, pid) = line.split_once("child ")?;
            pid.trim().parse::<i32>().ok()
        });
        let child = child.unwrap();
        assert!(is_there(child));
        while kind == "loops" && ticks(child) < 10 {
            thread::sleep(Duration::from_millis(10));
        }
        kill_process(Pid::from_child(&parent), signal).unwrap();
        let started = Instant::now();
        while is_there(child) {
            assert!(
                started.elapsed() < Duration::from_secs(patience),
                "{kind} {signal:?}: it is there still"
            );
            thread::sleep(Duration::from_millis(20));
        }
        parent.kill().unwrap();
        parent.wait().unwrap();
    }
}
