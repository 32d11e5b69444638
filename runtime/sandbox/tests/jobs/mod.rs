//! Jobs that misbehave, for the tests.

use std::{env, fs, hint, process, thread, time::Duration};

use iridule_sandbox::{Job, RegisteredJob};
use serde::{Deserialize, Serialize};

/// All of them.
pub const JOBS: &[RegisteredJob] = &[RegisteredJob::of::<Misbehave>(), RegisteredJob::of::<Remember>()];

/// Does as it is told.
pub struct Misbehave;

/// What there is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Order {
    Echo(String),
    Fail(String),
    Loop,
    Sleep(u64),
    /// Allocates for ever, in pieces of so many bytes, and writes to all of it.
    Allocate(usize),
    /// Allocates so many bytes, writes to them, and gives them back.
    Touch(usize),
    Panic,
    Abort,
    Recurse(u64),
    Exit,
    /// Says that it works on this, then loops.
    LoopAt(String),
    Pid,
    /// Says what the environment holds, and how many descriptors are open.
    Look,
    /// Writes a file.
    Write,
    Reply(usize),
    /// Prints so many lines on standard output and error, then echoes.
    Print(usize),
}

impl Job for Misbehave {
    const NAME: &'static str = "misbehave";
    type State = ();
    type Request = Order;
    type Reply = String;
    type Error = String;

    #[allow(clippy::panic, clippy::print_stdout, reason = "it misbehaves")]
    fn run(_: &mut (), order: Order) -> Result<String, String> {
        match order {
            Order::Echo(text) => Ok(text),
            Order::Fail(text) => Err(text),
            Order::Loop => loop {
                hint::spin_loop();
            },
            Order::Sleep(milliseconds) => {
                thread::sleep(Duration::from_millis(milliseconds));
                Ok(String::new())
            }
            Order::Allocate(piece) => {
                let mut all = Vec::new();
                loop {
                    all.push(hint::black_box(vec![1_u8; piece]));
                }
            }
            Order::Touch(bytes) => Ok(hint::black_box(vec![1_u8; bytes]).len().to_string()),
            Order::Panic => panic!("as it was told"),
            Order::Abort => process::abort(),
            Order::Recurse(depth) => Ok(recurse(depth).to_string()),
            Order::LoopAt(what) => {
                iridule_sandbox::report_activity("something else");
                iridule_sandbox::report_activity(&what);
                loop {
                    hint::spin_loop();
                }
            }
            Order::Exit => process::exit(0),
            Order::Pid => Ok(process::id().to_string()),
            Order::Look => {
                let names: Vec<String> = env::vars().map(|(name, _)| name).collect();
                let open = fs::read_dir("/dev/fd").map_err(|why| why.to_string())?.count();
                Ok(format!("{} {open}", names.join(",")))
            }
            Order::Write => {
                let file = env::temp_dir().join(format!("iridule-sandbox-{}", process::id()));
                Ok(fs::write(file, "x").is_ok().to_string())
            }
            Order::Reply(bytes) => Ok("x".repeat(bytes)),
            Order::Print(lines) => {
                for line in 0..lines {
                    println!("{line}");
                    let _ = std::io::Write::write_all(&mut std::io::stderr(), b"a line of complaints\n");
                }
                Ok("printed".into())
            }
        }
    }
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let room = hint::black_box([depth; 64]);
    if depth == 0 { 0 } else { recurse(depth - 1) + hint::black_box(room[7]) % 2 }
}

/// Adds up what it is given.
pub struct Remember;

impl Job for Remember {
    const NAME: &'static str = "remember";
    type State = u64;
    type Request = u64;
    type Reply = u64;
    type Error = String;

    fn run(sum: &mut u64, number: u64) -> Result<u64, String> {
        *sum += number;
        Ok(*sum)
    }
}
