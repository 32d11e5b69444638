//! Cold renders side by side: a picture that no tier holds, on native core, in the PoP and under workerd.
//!
//! `cargo bench -p iridule --bench cold` asks every host for the same tokens, one request at a time, some to one host and
//! then some to the next, and prints the median and spread of the wall time from request to last byte. No picture is
//! asked for twice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench stops at what it cannot go on without, and prints its table"
)]
#![allow(dead_code, reason = "the table's harness, of which a bench needs only the hosts")]

#[path = "../tests/table/hosts/mod.rs"]
mod hosts;
#[path = "../tests/table/script.rs"]
mod script;
#[path = "../tests/table/world.rs"]
mod world;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    hosts::{Host, native::Native, pop::Pop, worker::Worker},
    script::{Ask, Published},
    world::World,
};

/// Requests per host and picture that are counted, after [`WARM`] that are not.
const ROUNDS: u32 = 200;
/// Requests that let code be compiled and instances start.
const WARM: u32 = 40;
/// Requests to one host before it is the next one's turn.
const TURN: u32 = 20;

const PICTURES: [(&str, &str); 4] =
    [("orbits", "png?w=512"), ("skyline", "png?w=512"), ("orbits", "png?w=1024"), ("orbits", "webp?w=512")];

fn main() {
    let mut world = World::new();
    let mut hosts: Vec<Box<dyn Host>> = vec![Box::new(Native::new(&world)), Box::new(Pop::start(&world))];
    match Worker::start(&world) {
        Ok(worker) => hosts.push(Box::new(worker)),
        Err(why) => println!("without workerd: {why}"),
    }
    let snapshot = world.snapshot(&Published::Values(BTreeMap::from([("eth-usd".into(), 2500.0)])));
    for host in &mut hosts {
        host.publish_snapshot(snapshot.clone(), true);
    }
    println!("cold renders, wall time from request to last byte, ms, {ROUNDS} tokens, hosts in turn");
    println!("{:<20} {:<8} {:>8} {:>8} {:>8}", "picture", "host", "median", "p10", "p90");
    for (slug, form) in PICTURES {
        let mut times: Vec<Vec<Duration>> = vec![Vec::new(); hosts.len()];
        for turn in 0..(WARM + ROUNDS) / TURN {
            for (host, times) in hosts.iter_mut().zip(&mut times) {
                for round in turn * TURN..(turn + 1) * TURN {
                    let took = cold(host.as_mut(), &format!("/t/{slug}/{}.{form}", round + 1));
                    if round >= WARM {
                        times.push(took);
                    }
                }
            }
        }
        for (host, mut times) in hosts.iter().zip(times) {
            times.sort();
            let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1000.0;
            let picture = format!("{slug}.{form}");
            println!("{picture:<20} {:<8} {:>8.2} {:>8.2} {:>8.2}", host.name(), at(50), at(10), at(90));
        }
    }
}

/// Asks for a picture that no tier may hold, and says how long the answer took.
fn cold(host: &mut dyn Host, path: &str) -> Duration {
    let ask = Ask {
        name: String::new(),
        method: "GET".into(),
        path: path.into(),
        headers: BTreeMap::new(),
        etag: None,
        found: None,
    };
    let started = Instant::now();
    let answer = host.ask(&ask);
    let took = started.elapsed();
    let status = &answer.headers["cache-status"];
    assert!(answer.status == 200 && status.contains("fwd=miss"), "{}: {path}: {status}", host.name());
    took
}
