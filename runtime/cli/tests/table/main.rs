//! What every host must do alike. One table of requests, run through each: same status, same bytes, same headers; and
//! the release of a style, by the command that people release with (`live.rs`), and what an origin paints for an edge
//! (`escalation.rs`).
//!
//! `table.toml` says what is asked and `expected.txt` what is answered; `hosts/` holds one way to put the questions per
//! host. A host that is not to be had is skipped by name, unless `IRIDULE_REQUIRE` names it (`pop,worker`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot go on without, it stops at")]

mod escalation;
mod expected;
mod hosts;
mod live;
mod script;
mod world;

use std::{collections::BTreeMap, thread, time::Duration};

use crate::{
    expected::Expected,
    hosts::{Answer, Host, native::Native, pop::Pop, worker::Worker},
    script::{Act, Ask, Script},
    world::World,
};

/// Headers that every host must send alike. The others are the transport's, or times.
const SAME: [&str; 15] = [
    "accept-ranges",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "allow",
    "cache-control",
    "cache-tag",
    "cdn-cache-control",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "retry-after",
    "vary",
    "x-content-type-options",
];

#[test]
fn native_core_answers_as_the_table_says() {
    let world = World::new();
    run(&mut Native::new(&world), world);
}

#[test]
fn the_pop_answers_as_the_table_says() {
    let world = World::new();
    run(&mut Pop::start(&world), world);
}

#[test]
fn workerd_answers_as_the_table_says() {
    let world = World::new();
    match Worker::start(&world) {
        Ok(mut worker) => run(&mut worker, world),
        Err(why) => hosts::skip("worker", &why),
    }
}

fn run(host: &mut dyn Host, mut world: World) {
    let mut expected = Expected::open(host.name());
    let mut etags: BTreeMap<String, String> = BTreeMap::new();
    for act in Script::read().acts {
        if let Some(published) = &act.snapshot {
            let bytes = world.snapshot(published);
            host.publish_snapshot(bytes, published.is_good());
        }
        for ask in &act.asks {
            let answer = play(host, &world, &act, ask, &etags);
            if let Some(etag) = answer.headers.get("etag") {
                etags.insert(ask.name.clone(), etag.clone());
            }
            expected.compare(&act.title, &ask.name, &line(&answer));
        }
    }
    expected.close();
}

fn play(
    host: &mut dyn Host,
    world: &World,
    act: &Act,
    ask: &Ask,
    etags: &BTreeMap<String, String>,
) -> Answer {
    let mut ask = ask.clone();
    ask.path = ask.path.replace("{long}", &"a".repeat(10_000));
    ask.path =
        ask.path.replace("{state}", &world.state("orbits")).replace("{first}", &world.first_state("orbits"));
    if let Some(of) = &ask.etag {
        ask.headers.insert("if-none-match".into(), etags[of].clone());
    }
    let is_hit = |answer: &Answer| {
        answer.headers.get("cache-status").is_some_and(|status| status.starts_with("iridule; hit"))
    };
    let mut answer = host.ask(&ask);
    // A render reaches the store behind its answer, and another instance may be asked next.
    for _ in 0..40 {
        if ask.found.as_deref() != Some("hit") || is_hit(&answer) {
            break;
        }
        thread::sleep(Duration::from_millis(50));
        answer = host.ask(&ask);
    }
    let place = format!("{}: {}: {}", host.name(), act.title, ask.name);
    let status = answer.headers.get("cache-status").map(String::as_str).unwrap_or_default();
    match ask.found.as_deref() {
        Some("hit") => assert!(status.starts_with("iridule; hit"), "{place}: {status:?}"),
        Some("miss") => assert!(status.starts_with("iridule; fwd=miss"), "{place}: {status:?}"),
        Some(other) => panic!("{place}: found is hit or miss, not {other:?}"),
        None => {}
    }
    if answer.status >= 400 {
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{place}");
        assert!(!answer.headers["cache-control"].contains("max-age=31536000"), "{place}");
    }
    assert_eq!(answer.headers["access-control-allow-origin"], "*", "{place}");
    answer
}

/// An answer in one line: status, body, and the headers that must be alike.
fn line(answer: &Answer) -> String {
    // `wrangler dev` passes pages through a rewriter, which forgets their length.
    let page = answer.headers.get("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    let headers: Vec<String> = SAME
        .iter()
        .filter(|name| !(page && **name == "content-length"))
        .filter_map(|name| answer.headers.get(*name).map(|value| format!("{name}={value}")))
        .collect();
    format!("{} {} {}", answer.status, world::digest(&answer.body), headers.join("; "))
}
