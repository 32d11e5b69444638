//! The pool in a storm: the real `serve` on virtual time, origins that fail in every way, and what must hold all the same.
//!
//! `SEEDS=5000 cargo test --release -p iridule-edge --features author --test pool` runs as many worlds; `SEED=n` runs one of them
//! again, to the same end. A world is a few edges and origins, a minute of faults and epoch changes, and time to recover.
#![cfg(feature = "author")]
#![allow(clippy::unwrap_used, missing_docs, reason = "what a test cannot go on without, it stops at")]

mod clock;
mod edge;
#[path = "../../../origin-api/tests/files/mod.rs"]
mod files;
mod origin;
#[path = "../probe/mod.rs"]
mod probe;
mod random;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use http::Response;
use iridule_edge::{isolate::Isolate, settings::Settings};
use iridule_records::{collection::encode_index, record_keys, render_key::RenderKey, signed::TrustedKeys};
use iridule_style::author;

use clock::Clock;
use edge::{Edge, World};
use origin::{MOODS, Mood, Origin, is_picture, origin_key};
use probe::{COLLECTION, START_MS, public, publisher, relay, style};
use random::Random;

const SECOND: u64 = 1_000_000;
const PATIENCE_MS: u64 = 300;
/// What a visitor waits for beside an origin: records and stores of half a millisecond each.
const STORES_US: u64 = 20_000;
/// How long faults go on, and when all must be well again: the longest ejection and a half-open attempt later.
const FAULTS: u64 = 60 * SECOND;
const WELL: u64 = FAULTS + 100 * SECOND;
const END: u64 = WELL + 20 * SECOND;

fn edge_key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn isolate(origins: usize) -> Isolate {
    let member = |n| format!("http://origin-{n};key={}", public(&origin_key(n)));
    let list: Vec<String> = (0..origins).map(member).collect();
    let secret = alloy_primitives::hex::encode(edge_key().to_bytes());
    let get = |name: &str| match name {
        "trusted_keys" => Some(public(&relay())),
        "publisher_keys" => Some(public(&publisher())),
        "origins" => Some(list.join(",")),
        "edge_key" => Some(secret.clone()),
        "patience_ms" => Some(PATIENCE_MS.to_string()),
        _ => None,
    };
    Isolate::new(Settings::parse(get).unwrap())
}

/// A world with these many origins, and the way to say which band it is now.
fn world(origins: usize, seed: u64) -> (Rc<World>, impl Fn(&World, &[i16])) {
    let clock = Clock::starting_at(START_MS);
    let trusted = TrustedKeys::parse(&public(&edge_key())).unwrap();
    let package = style("One circle.");
    let collection = author::collection("probe", COLLECTION, package.cid).unwrap();
    let mut stored = BTreeMap::from([
        (record_keys::COLLECTIONS.to_owned(), encode_index(vec!["probe".into()]).unwrap()),
        (record_keys::collection("probe"), collection.seal(&publisher()).unwrap()),
    ]);
    stored.extend(package.blocks.iter().map(|block| (record_keys::block(&block.cid), block.bytes.clone())));
    let world = World {
        origins: (0..origins).map(|n| (format!("origin-{n}"), Origin::new(&clock, &trusted, n))).collect(),
        clock,
        records: RefCell::new(stored),
        random: RefCell::new(Random(seed)),
        logged: RefCell::default(),
    };
    let manifest = package.manifest;
    let sequence = Cell::new(0);
    let say = move |world: &World, bands: &[i16]| {
        sequence.set(sequence.get() + 1);
        let snapshot = probe::snapshot(&manifest, sequence.get(), bands, u64::MAX >> 1);
        world.records.borrow_mut().insert(record_keys::SNAPSHOT.into(), snapshot.seal(&relay()).unwrap());
    };
    (Rc::new(world), say)
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

/// What a visitor got.
struct Visit {
    edge: usize,
    at_us: u64,
    took_us: u64,
    uri: String,
    status: u16,
    etag: String,
    cache_status: String,
    body: Bytes,
}

impl Visit {
    fn is_interim(&self) -> bool {
        self.cache_status.contains("interim")
    }
}

type Visits = Rc<RefCell<Vec<Visit>>>;

fn send(world: &Rc<World>, edges: &[Edge], edge: usize, at_us: u64, uri: String, visits: &Visits) {
    let (clock, host, visits) = (world.clock.clone(), edges[edge].clone(), visits.clone());
    world.clock.spawn(async move {
        clock.until(at_us).await;
        let response = host.get(&uri).await;
        let visit = Visit {
            edge,
            at_us,
            took_us: clock.now_us() - at_us,
            status: response.status().as_u16(),
            etag: header(&response, "etag").into(),
            cache_status: header(&response, "cache-status").into(),
            body: response.into_body(),
            uri,
        };
        visits.borrow_mut().push(visit);
    });
}

/// A minute of faults, then a calm. Gives all visits.
fn storm(seed: u64) -> (Rc<World>, Vec<Visit>) {
    let mut random = Random(seed);
    let origins = 1 + random.place(4);
    let (world, say) = world(origins, seed ^ 0xabcd);
    let edges: Vec<Edge> =
        (0..1 + random.below(3)).map(|n| Edge::new(&world, isolate(origins), n + 1)).collect();
    let start = world.clock.now_us();
    say(&world, &[7]);
    for name in world.origins.keys() {
        // Clocks that agree, and others that are off by up to ten minutes.
        world.origins[name].ahead_ms.set([0, 0, 90_000, -600_000][random.place(4)]);
        let mut at = start + random.below(5 * SECOND);
        while at < start + FAULTS {
            let refuses = name == "origin-0" && random.below(6) == 0;
            let mood = if refuses { Mood::Refusing } else { MOODS[random.place(MOODS.len())] };
            let (clock, origin) = (world.clock.clone(), world.origins[name].clone());
            let restarts = random.below(3);
            world.clock.spawn(async move {
                clock.until(at).await;
                origin.mood.set(mood);
                match restarts {
                    0 => origin.restart(),
                    1 if mood == Mood::Away => origin.forget(),
                    _ => {}
                }
            });
            at += SECOND + random.below(15 * SECOND);
        }
        let (clock, origin) = (world.clock.clone(), world.origins[name].clone());
        world.clock.spawn(async move {
            clock.until(start + FAULTS).await;
            origin.mood.set(Mood::Well);
        });
    }
    let mut bands = vec![7];
    let say = Rc::new(say);
    let mut at = start;
    while at < start + FAULTS {
        at += SECOND / 2 + random.below(15 * SECOND);
        bands.push(i16::try_from(random.below(12)).unwrap());
        let (clock, world, say, bands) = (world.clock.clone(), world.clone(), say.clone(), bands.clone());
        clock.clone().spawn(async move {
            clock.until(at).await;
            say(&world, &bands);
        });
    }
    let visits = Visits::default();
    let mut at = start;
    while at < start + END {
        // Herds now and then, else one by one.
        let herd = if random.below(30) == 0 { 40 } else { 1 };
        let token = 1 + random.below(5);
        let uri = match random.below(8) {
            0 => format!("/t/probe/{token}.png"),
            1 => format!("/t/probe/{token}.webp?w=4096"),
            _ => format!("/t/probe/{token}.avif"),
        };
        for _ in 0..herd {
            let edge = random.place(edges.len());
            send(&world, &edges, edge, at, uri.clone(), &visits);
        }
        at += 20_000 + random.below(800_000);
    }
    world.clock.run();
    let visits = visits.take();
    (world, visits)
}

fn check(seed: u64) {
    let (world, visits) = storm(seed);
    let start = START_MS * 1000;
    let mut kept: BTreeMap<&str, &Bytes> = BTreeMap::new();
    // When each edge was first asked for each picture after all was well again.
    let mut since: BTreeMap<(usize, &str), u64> = BTreeMap::new();
    for visit in &visits {
        let told =
            format!("seed {seed}: {} at {} us: {}", visit.uri, visit.at_us - start, visit.cache_status);
        assert_eq!(visit.status, 200, "{told}");
        assert!(!visit.body.is_empty(), "{told}");
        assert!(visit.took_us <= PATIENCE_MS * 1000 + STORES_US, "{told}: took {} us", visit.took_us);
        assert_eq!(visit.is_interim(), visit.etag.is_empty(), "{told}");
        if let Some(key) = visit.etag.strip_prefix("W/\"").and_then(|tag| tag.strip_suffix('"')) {
            let bytes: [u8; 32] = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, key)
                .unwrap()
                .try_into()
                .unwrap();
            assert!(is_picture(&visit.body, &RenderKey(bytes.into())), "{told}: another key's picture");
        }
        if !visit.etag.is_empty() {
            let known = kept.entry(&visit.etag).or_insert(&visit.body);
            assert_eq!(**known, visit.body, "{told}: two pictures under one key");
        }
        if visit.at_us > start + WELL {
            let first = *since.entry((visit.edge, &visit.uri)).or_insert(visit.at_us);
            assert!(!visit.is_interim() || visit.at_us < first + 5 * SECOND, "{told}: it is still not there");
        }
    }
    let sent: usize = world.origins.values().map(|origin| origin.orders.get()).sum();
    let escalated = visits.iter().filter(|v| !v.uri.ends_with(".png")).count();
    let most = escalated * 12 / 10 + 3;
    assert!(sent <= most, "seed {seed}: {sent} orders for {escalated} visits, at most {most}");
    assert!(world.origins.values().all(|origin| origin.replays.get() == 0), "seed {seed}: an order twice");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn no_storm_leaves_a_visitor_without_a_picture() {
    if let Some(seed) = number("SEED") {
        return check(seed);
    }
    (0..number("SEEDS").unwrap_or(40)).for_each(check);
}

#[test]
fn the_same_seed_ends_the_same() {
    let told = |seed| -> Vec<(String, u64, String)> {
        storm(seed).1.into_iter().map(|v| (v.uri, v.took_us, v.cache_status)).collect()
    };
    assert_eq!(told(3), told(3));
}

/// Many visitors at an epoch change: each render is made once, and nobody waits longer than the patience.
#[test]
fn a_herd_at_an_epoch_change_costs_one_render_a_key() {
    let (world, say) = world(3, 1);
    say(&world, &[7]);
    let edges: Vec<Edge> = (0..4).map(|n| Edge::new(&world, isolate(3), n + 1)).collect();
    let visits = Visits::default();
    let start = world.clock.now_us();
    let mut random = Random(9);
    for _ in 0..10_000 {
        let (edge, token) = (random.place(4), 1 + random.below(10));
        let at = start + random.below(3 * SECOND);
        send(&world, &edges, edge, at, format!("/t/probe/{token}.avif"), &visits);
    }
    world.clock.run();
    let made: usize = world.origins.values().map(|origin| origin.made.get()).sum();
    assert_eq!(made, 10, "renders of 10 keys");
    let visits = visits.take();
    assert_eq!(visits.len(), 10_000);
    assert!(visits.iter().all(|v| v.status == 200 && v.took_us <= PATIENCE_MS * 1000 + STORES_US));
    let interim = |from, to| {
        let span = visits.iter().filter(|v| (from..to).contains(&(v.at_us - start)));
        (span.clone().filter(|v| v.is_interim()).count(), span.count())
    };
    assert!(interim(0, SECOND).0 > 0);
    assert_eq!(interim(2 * SECOND, 3 * SECOND).0, 0, "the interim share falls to zero");
}

/// A prefetch is nobody's yet: it waits for the picture, and is ordered with less priority.
#[test]
fn a_prefetch_waits_for_the_picture() {
    let (world, say) = world(1, 1);
    say(&world, &[7]);
    let edge = Edge::new(&world, isolate(1), 1);
    let answer = Rc::new(RefCell::new(None));
    let (tell, asker) = (answer.clone(), edge.clone());
    world.clock.spawn(async move { *tell.borrow_mut() = Some(asker.get_ahead("/t/probe/1.avif").await) });
    world.clock.run();
    let answer = answer.take().unwrap();
    assert_eq!(header(&answer, "cache-status"), "iridule; fwd=miss; stored; detail=origin");
    assert_eq!(world.origins["origin-0"].ahead.get(), 1);
}

#[test]
fn what_is_shown_meanwhile_is_the_best_there_is() {
    let (world, say) = world(1, 1);
    say(&world, &[7]);
    let edge = Edge::new(&world, isolate(1), 1);
    let ask = |uri: &'static str| {
        let (edge, answer) = (edge.clone(), Rc::new(RefCell::new(None)));
        let tell = answer.clone();
        world.clock.spawn(async move { *tell.borrow_mut() = Some(edge.get(uri).await) });
        world.clock.run();
        answer.take().unwrap()
    };
    let origin = &world.origins["origin-0"];
    origin.mood.set(Mood::Failing);
    let preview = ask("/t/probe/1.avif");
    assert_eq!(header(&preview, "cache-status"), "iridule; fwd=miss; detail=interim-preview");
    assert_eq!((header(&preview, "content-type"), header(&preview, "etag")), ("image/png", ""));
    assert_eq!(header(&preview, "cache-control"), "public, max-age=1");
    ask("/t/probe/1.png");
    let size = ask("/t/probe/1.avif");
    assert_eq!(header(&size, "cache-status"), "iridule; fwd=miss; detail=interim-size");
    origin.mood.set(Mood::Well);
    world.clock.spawn({
        let clock = world.clock.clone();
        async move { clock.sleep(2 * SECOND).await }
    });
    world.clock.run();
    ask("/t/probe/2.avif");
    let whole = ask("/t/probe/2.avif");
    assert_eq!(header(&whole, "cache-status"), "iridule; hit; detail=memory");
    assert!(header(&whole, "etag").starts_with("W/\""));
    let etag = header(&whole, "etag").to_owned();
    say(&world, &[7, 8]);
    origin.mood.set(Mood::Hanging);
    let state = ask("/t/probe/2.avif");
    assert_eq!(header(&state, "cache-status"), "iridule; fwd=miss; detail=interim-state");
    assert_eq!(state.body(), whole.body(), "the last state's picture, without its ETag");
    assert_eq!(header(&state, "etag"), "");
    origin.mood.set(Mood::Well);
    say(&world, &[7, 8, 7]);
    assert_eq!(header(&ask("/t/probe/2.avif"), "etag"), etag);
    assert!(world.logged.borrow().iter().any(|line| line.contains("origin-0: answers 502")));
}

/// An edge, a way to ask it, and to let time pass.
struct Asked {
    world: Rc<World>,
    edge: Edge,
}

impl Asked {
    fn with(origins: usize) -> Self {
        let (world, say) = world(origins, 1);
        say(&world, &[7]);
        let edge = Edge::new(&world, isolate(origins), 1);
        Self { world, edge }
    }

    /// Asks, and waits for all that follows.
    fn get(&self, uri: &str) -> Response<Bytes> {
        let (edge, answer, uri) = (self.edge.clone(), Rc::new(RefCell::new(None)), uri.to_owned());
        let tell = answer.clone();
        self.world.clock.spawn(async move { *tell.borrow_mut() = Some(edge.get(&uri).await) });
        self.world.clock.run();
        answer.take().unwrap()
    }

    /// What is shown after the origins have had their time.
    fn shown(&self, uri: &str) -> String {
        self.get(uri);
        self.pause(2);
        header(&self.get(uri), "cache-status").to_owned()
    }

    fn pause(&self, seconds: u64) {
        let clock = self.world.clock.clone();
        self.world.clock.spawn(async move { clock.sleep(seconds * SECOND).await });
        self.world.clock.run();
    }

    fn origin(&self, number: usize) -> &Origin {
        &self.world.origins[&format!("origin-{number}")]
    }

    fn has_logged(&self, text: &str) -> bool {
        self.world.logged.borrow().iter().any(|line| line.contains(text))
    }
}

/// Thirty pictures with one bad origin of two: no visitor is refused one, and all of them come.
#[test]
fn one_origin_that_refuses_or_fails_does_not_decide_what_can_be_painted() {
    let uris: Vec<String> =
        (0..30).map(|n| format!("/t/probe/{}.avif?w={}", 1 + n % 10, 64 << (n / 10))).collect();
    for mood in [Mood::Refusing, Mood::Crashing] {
        let asked = Asked::with(2);
        asked.origin(0).mood.set(mood);
        // The budget of retries allows a tenth more: the others come once the bad origin is out of the pool.
        for _ in 0..60 {
            uris.iter().for_each(|uri| assert_eq!(asked.get(uri).status(), 200, "{mood:?}: {uri}"));
            asked.pause(1);
        }
        for uri in &uris {
            let shown = header(&asked.get(uri), "cache-status").to_owned();
            assert_eq!(shown, "iridule; hit; detail=memory", "{mood:?}: {uri}");
        }
    }
}

#[test]
fn what_two_origins_refuse_is_remembered_and_what_one_refuses_only_for_a_while() {
    let asked = Asked::with(2);
    (0..2).for_each(|n| asked.origin(n).mood.set(Mood::Refusing));
    let statuses: Vec<u16> = (0..4).map(|_| asked.get("/t/probe/1.avif").status().as_u16()).collect();
    assert_eq!(statuses.last(), Some(&500), "two agree: {statuses:?}");
    (0..2).for_each(|n| asked.origin(n).mood.set(Mood::Well));
    assert_eq!(asked.get("/t/probe/1.avif").status(), 500, "it is remembered");

    let alone = Asked::with(1);
    alone.origin(0).mood.set(Mood::Refusing);
    let answer = alone.get("/t/probe/1.avif");
    assert_eq!(
        (answer.status(), header(&answer, "cache-status")),
        (200.try_into().unwrap(), "iridule; fwd=miss; detail=interim-preview")
    );
    alone.origin(0).mood.set(Mood::Well);
    let before = alone.origin(0).orders.get();
    assert!(alone.shown("/t/probe/1.avif").contains("interim"), "it is not asked again at once");
    assert_eq!(alone.origin(0).orders.get(), before);
    alone.pause(31);
    assert_eq!(alone.shown("/t/probe/1.avif"), "iridule; hit; detail=memory");
}

#[test]
fn a_body_that_is_no_picture_of_the_right_size_is_neither_shown_nor_kept() {
    let asked = Asked::with(1);
    asked.origin(0).mood.set(Mood::Lying);
    for n in 0..20 {
        let uri = format!("/t/probe/{}.avif?w={}", 1 + n % 10, 64 << (n / 10));
        let answer = asked.get(&uri);
        assert!(header(&answer, "cache-status").contains("interim"), "{uri}");
        asked.pause(70);
        let body = asked.get(&uri).into_body();
        assert!(!body.starts_with(b"<html"), "{uri}");
    }
    for text in ["the body is no image/avif file", "were asked for", "not the picture that was asked for"] {
        assert!(asked.has_logged(text), "{text}: {:?}", asked.world.logged.borrow());
    }
}

#[test]
fn an_answer_that_the_origin_did_not_sign_is_refused_and_counts_against_it() {
    let asked = Asked::with(1);
    asked.origin(0).mood.set(Mood::Unsigned);
    for token in 1..=10 {
        assert!(header(&asked.get(&format!("/t/probe/{token}.avif")), "cache-status").contains("interim"));
    }
    assert!(asked.has_logged("the answer's signature is of none of this origin's keys"));
    assert!(asked.origin(0).orders.get() <= 3, "it is ejected after three failures");
}

#[test]
fn one_visit_sends_an_origin_no_block_twice_and_none_of_another_style() {
    let asked = Asked::with(1);
    asked.origin(0).mood.set(Mood::Greedy);
    asked.get("/t/probe/1.avif");
    assert_eq!(asked.origin(0).uploads.get(), 1);
    assert!(asked.has_logged("a second time"));
}

#[test]
fn an_edge_whose_clock_is_wrong_asks_twice_and_then_dates_orders_by_the_origins_clock() {
    for ahead_ms in [-10_000, 9_000, 52_000, -600_000, 3_600_000] {
        let asked = Asked::with(1);
        asked.origin(0).ahead_ms.set(ahead_ms);
        for token in 1..=3 {
            let uri = format!("/t/probe/{token}.avif");
            assert_eq!(asked.shown(&uri), "iridule; hit; detail=memory", "{ahead_ms} ms");
        }
        assert!(asked.origin(0).misdated.get() <= 1, "{ahead_ms} ms");
        assert!(asked.has_logged("this edge's clock is"), "{ahead_ms} ms");
    }
}
