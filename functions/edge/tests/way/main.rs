//! The way of a request on a simulated platform: virtual time, records that can be broken, a store that can lie.
//!
//! What is asked here is what `serve` decides: which tier answers, what is refused, what stays in force. Real pixels on
//! real hosts are the table's in `runtime/cli/tests`; the painter here writes down the scene it was given, so that
//! different pictures are different bytes and paints can be counted.
#![cfg(feature = "author")]
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without, it stops at")]

#[path = "../probe/mod.rs"]
mod probe;
mod styles;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Deref,
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use http::{Request, Response};
use iridule_edge::{
    fault::Short,
    isolate::Isolate,
    limits,
    platform::{Level, Platform, Task, UnixMicros, block_on},
    reply::DEPENDS_ON,
    serve::serve,
    settings::Settings,
};
use iridule_records::{
    collection::{Canary, Collection, encode_index},
    gauge::State,
    record_keys,
    render_key::RenderKey,
    snapshot::Snapshot,
    token::{self, RecordedAttribute, RecordedValue, TokenRecord, Tokens},
};
use iridule_scene::{
    scene::{Canvas, Scene},
    variant::Variant,
};
use iridule_style::{
    author::{self, Package},
    manifest::Manifest,
};
use probe::{COLLECTION, START_MS, STYLE, SVG, public, publisher, relay, style};
use proptest::prelude::*;

#[derive(Clone, Default)]
struct Sim(Rc<Host>);

impl Deref for Sim {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.0
    }
}

/// Records in memory, a clock that stands where it is put, and a count of what was done.
#[derive(Default)]
struct Host {
    now_ms: Cell<u64>,
    records: RefCell<BTreeMap<String, Vec<u8>>>,
    renders: RefCell<BTreeMap<RenderKey, Bytes>>,
    deaf: Cell<bool>,
    reads: Cell<usize>,
    recalls: Cell<usize>,
    paints: Cell<usize>,
    /// Scenes with this in them cannot be painted.
    unpaintable: Cell<Option<&'static str>>,
    derived: Cell<usize>,
    /// Work that ended an instance a short while ago.
    crashed: RefCell<BTreeSet<String>>,
    /// Work that has begun, and whether it has ended.
    risks: RefCell<BTreeMap<String, bool>>,
    logged: RefCell<Vec<String>>,
}

impl Platform for Sim {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.now_ms.get() * 1000)
    }

    async fn record(&self, key: &str) -> Result<Option<Vec<u8>>, Short> {
        self.reads.set(self.reads.get() + 1);
        if self.deaf.get() {
            Err(Short::Store("deaf".into()))
        } else {
            Ok(self.records.borrow().get(key).cloned())
        }
    }

    async fn recall(&self, key: &RenderKey) -> Option<Bytes> {
        self.recalls.set(self.recalls.get() + 1);
        self.renders.borrow().get(key).cloned()
    }

    fn keep(&self, key: &RenderKey, stored: Bytes) {
        self.renders.borrow_mut().insert(*key, stored);
    }

    async fn fetch(&self, _: Request<Bytes>, _: u64) -> Result<Response<Bytes>, String> {
        Err("there is no origin".into())
    }

    async fn sleep(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
    }

    fn defer(&self, task: Task) {
        block_on(task);
    }

    fn nonce(&self) -> u64 {
        0
    }

    fn paint(&self, scene: &Scene, variant: &Variant) -> Result<Vec<u8>, String> {
        self.paints.set(self.paints.get() + 1);
        let painted = format!("{scene:?} {variant:?}");
        match self.unpaintable.get() {
            Some(part) if painted.contains(part) => Err(format!("{part} cannot be painted")),
            _ => Ok(painted.into_bytes()),
        }
    }

    fn derive(&self, master: &[u8], _: &Canvas, variant: &Variant) -> Result<Vec<u8>, String> {
        self.derived.set(self.derived.get() + 1);
        Ok(format!("{variant:?} of {}", String::from_utf8_lossy(master)).into_bytes())
    }

    async fn begin_risk(&self, name: &str) -> bool {
        let refused = self.crashed.borrow().contains(name);
        if !refused {
            self.risks.borrow_mut().insert(name.into(), false);
        }
        !refused
    }

    async fn end_risk(&self, name: &str) {
        self.risks.borrow_mut().insert(name.into(), true);
    }

    fn log(&self, _: Level, message: fmt::Arguments<'_>) {
        self.logged.borrow_mut().push(message.to_string());
    }
}

/// One edge: a platform, an isolate on it, and the relay's key.
struct Edge {
    sim: Sim,
    isolate: Arc<Isolate>,
    relay: SigningKey,
    manifest: Manifest,
    collection: Collection,
}

impl Edge {
    fn new() -> Self {
        let sim = Sim::default();
        sim.now_ms.set(START_MS);
        let package = style("One circle.");
        let collection = author::collection("probe", COLLECTION, package.cid).unwrap();
        sim.records
            .borrow_mut()
            .insert(record_keys::COLLECTIONS.into(), encode_index(vec!["probe".into()]).unwrap());
        let relay = relay();
        let isolate = Self::isolate(&relay, 0);
        let edge = Self { sim, isolate, relay, manifest: package.manifest.clone(), collection };
        edge.put_blocks(&package);
        edge.put_collection(&edge.collection);
        edge
    }

    fn put_blocks(&self, package: &Package) {
        for block in &package.blocks {
            self.put(&record_keys::block(&block.cid), block.bytes.clone());
        }
    }

    fn put_collection(&self, collection: &Collection) {
        self.put(&record_keys::collection("probe"), collection.seal(&publisher()).unwrap());
    }

    fn isolate(relay: &SigningKey, refresh_ms: u64) -> Arc<Isolate> {
        let get = |name: &str| match name {
            "trusted_keys" => Some(public(relay)),
            "publisher_keys" => Some(public(&publisher())),
            "refresh_ms" => Some(refresh_ms.to_string()),
            _ => None,
        };
        Arc::new(Isolate::new(Settings::parse(get).unwrap()))
    }

    fn restart(&mut self) {
        self.isolate = Self::isolate(&self.relay, 0);
    }

    fn snapshot(&self, sequence: u64, bands: &[i16]) -> Snapshot {
        probe::snapshot(&self.manifest, sequence, bands, START_MS + 60_000)
    }

    fn publish(&self, sequence: u64, bands: &[i16]) {
        self.put(record_keys::SNAPSHOT, self.snapshot(sequence, bands).seal(&self.relay).unwrap());
    }

    fn put(&self, key: &str, bytes: Vec<u8>) {
        self.sim.records.borrow_mut().insert(key.into(), bytes);
    }

    fn ask(&self, request: Request<()>) -> Response<Bytes> {
        block_on(serve(&self.isolate, &self.sim, &request))
    }

    fn get(&self, uri: &str) -> Response<Bytes> {
        self.ask(Request::builder().uri(uri).body(()).unwrap())
    }

    fn get_with(&self, uri: &str, name: &str, value: &str) -> Response<Bytes> {
        self.ask(Request::builder().uri(uri).header(name, value).body(()).unwrap())
    }
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

#[test]
fn memory_answers_before_the_store_and_the_store_before_paint() {
    let mut edge = Edge::new();
    edge.publish(1, &[7]);
    let painted = edge.get("/t/probe/1.png");
    assert_eq!(header(&painted, "cache-status"), "iridule; fwd=miss; stored; detail=painted");
    let memory = edge.get("/t/probe/1.png");
    assert_eq!(header(&memory, "cache-status"), "iridule; hit; detail=memory");
    edge.restart();
    let store = edge.get("/t/probe/1.png");
    assert_eq!(header(&store, "cache-status"), "iridule; hit; detail=store");
    assert_eq!(edge.sim.paints.get(), 1);
    assert!(painted.body() == memory.body() && memory.body() == store.body());
}

#[test]
fn if_none_match_is_answered_before_any_tier_or_pixel() {
    let edge = Edge::new();
    edge.publish(1, &[7]);
    let etag = header(&edge.get("/t/probe/1.png"), "etag").to_owned();
    let (paints, recalls) = (edge.sim.paints.get(), edge.sim.recalls.get());
    let fresh = Edge::new();
    fresh.publish(1, &[7]);
    let unchanged = fresh.get_with("/t/probe/1.png", "if-none-match", &etag);
    assert_eq!((unchanged.status().as_u16(), unchanged.body().len()), (304, 0));
    assert_eq!(header(&unchanged, "etag"), etag);
    assert_eq!((fresh.sim.paints.get(), fresh.sim.recalls.get()), (0, 0));
    assert_eq!((paints, recalls), (1, 1));
}

#[test]
fn a_band_that_returns_brings_its_etag_and_picture_back() {
    let edge = Edge::new();
    edge.publish(1, &[7]);
    let first = edge.get("/t/probe/1.png");
    edge.publish(2, &[7, 8]);
    let second = edge.get("/t/probe/1.png");
    assert_ne!(header(&first, "etag"), header(&second, "etag"));
    edge.publish(3, &[7, 8, 7]);
    let back = edge.get("/t/probe/1.png");
    assert_eq!(header(&first, "etag"), header(&back, "etag"));
    assert_eq!(header(&back, "cache-status"), "iridule; hit; detail=memory");
    let old = format!("/t/probe/1@{}.png", State(vec![8]).token());
    let pinned = edge.get(&old);
    assert_eq!(pinned.body(), second.body());
    assert_eq!(header(&pinned, "cache-control"), header(&second, "cache-control"), "another style may come");
    let pinned = edge.get(&format!("{old}?style={}", edge.collection.style));
    assert_eq!(pinned.body(), second.body());
    assert_eq!(header(&pinned, "cache-control"), "public, max-age=31536000, immutable");
}

#[test]
fn a_state_that_was_never_published_is_not_there() {
    let edge = Edge::new();
    edge.publish(1, &[7]);
    let pinned = |band| format!("/t/probe/1@{}.png", State(vec![band]).token());
    assert_eq!(edge.get(&pinned(7)).status(), 200);
    assert_eq!(edge.get(&pinned(3)).status(), 200, "the rest state always is");
    assert_eq!(edge.get(&pinned(8)).status(), 404);
    assert_eq!(edge.get("/t/probe/1@.png").status(), 404, "a vector of another length");
}

#[test]
fn bad_snapshots_leave_the_last_good_one_in_force() {
    let mut edge = Edge::new();
    edge.publish(5, &[7]);
    let good = header(&edge.get("/t/probe/1.png"), "etag").to_owned();
    let stranger = SigningKey::from_bytes(&[2; 32]);
    let mut torn = edge.snapshot(6, &[8]).seal(&edge.relay).unwrap();
    let middle = torn.len() / 2;
    torn[middle] ^= 1;
    for (bytes, why) in [
        (torn.clone(), "refused"),
        (edge.snapshot(6, &[8]).seal(&stranger).unwrap(), "not trusted"),
        (edge.snapshot(4, &[8]).seal(&edge.relay).unwrap(), "not above 5"),
        (
            Snapshot { issued: 1, expires: START_MS, ..edge.snapshot(6, &[8]) }.seal(&edge.relay).unwrap(),
            "expired",
        ),
        (b"rubbish".to_vec(), "malformed"),
        (Vec::new(), ""),
    ] {
        edge.sim.logged.borrow_mut().clear();
        edge.put(record_keys::SNAPSHOT, bytes);
        let answer = edge.get("/t/probe/1.png");
        assert_eq!((header(&answer, "etag"), answer.status().as_u16()), (&*good, 200));
        assert!(edge.sim.logged.borrow().join("\n").contains(why), "{why}: {:?}", edge.sim.logged.borrow());
    }
    let previous = edge.snapshot(5, &[7]).seal(&edge.relay).unwrap();
    edge.put(record_keys::PREVIOUS_SNAPSHOT, previous);
    edge.put(record_keys::SNAPSHOT, torn);
    edge.restart();
    assert_eq!(
        header(&edge.get("/t/probe/1.png"), "etag"),
        good,
        "a fresh isolate falls back to the one before"
    );
}

#[test]
fn stale_is_served_and_said_so() {
    let edge = Edge::new();
    let rest = edge.get("/t/probe/1.png");
    assert_eq!(header(&rest, "cache-status"), "iridule; fwd=miss; stored; detail=painted-unpublished");
    assert_eq!(header(&rest, "cache-control"), "public, max-age=5");
    edge.publish(1, &[7]);
    assert!(header(&edge.get("/t/probe/1.png"), "cache-control").contains("stale-while-revalidate"));
    edge.sim.now_ms.set(START_MS + 60_000);
    let expired = edge.get("/t/probe/1.png");
    assert_eq!(header(&expired, "cache-status"), "iridule; hit; detail=memory-expired");
    assert_eq!(expired.status(), 200);
}

#[test]
fn a_corrupt_render_is_a_miss_and_is_replaced() {
    let mut edge = Edge::new();
    edge.publish(1, &[7]);
    let good = edge.get("/t/probe/1.png");
    edge.restart();
    for stored in edge.sim.renders.borrow_mut().values_mut() {
        let mut bytes = stored.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        *stored = bytes.into();
    }
    let again = edge.get("/t/probe/1.png");
    assert_eq!(again.body(), good.body());
    assert!(header(&again, "cache-status").contains("painted"));
    assert!(edge.sim.logged.borrow().iter().any(|line| line.contains("corrupt")));
}

#[test]
fn a_deaf_store_is_survived_once_records_are_known() {
    let mut edge = Edge::new();
    edge.publish(1, &[7]);
    edge.isolate = Edge::isolate(&edge.relay, 1000);
    let good = edge.get("/t/probe/1.png");
    let reads = edge.sim.reads.get();
    edge.sim.deaf.set(true);
    edge.sim.now_ms.set(START_MS + 999);
    assert_eq!(edge.get("/t/probe/1.png").body(), good.body());
    assert_eq!(edge.sim.reads.get(), reads, "within refresh_ms no record is read again");
    edge.restart();
    let answer = edge.get("/t/probe/1.png");
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, "1"));
}

#[test]
fn records_are_read_again_after_the_clock_was_set_back() {
    const YEAR_MS: u64 = 365 * 24 * 3_600_000;
    let mut edge = Edge::new();
    edge.publish(1, &[7]);
    edge.isolate = Edge::isolate(&edge.relay, 1000);
    edge.sim.now_ms.set(START_MS + YEAR_MS);
    let ahead = header(&edge.get("/t/probe/1.png"), "etag").to_owned();
    edge.sim.now_ms.set(START_MS);
    edge.publish(2, &[3]);
    assert_ne!(header(&edge.get("/t/probe/1.png"), "etag"), ahead);
    // A style that could not be loaded while the clock was ahead is looked for at once.
    let other = style("Another circle.");
    edge.sim.now_ms.set(START_MS + YEAR_MS);
    edge.put_collection(&edge.collection.succeeded_by(other.cid, None));
    assert!(header(&edge.get("/t/probe/1.png"), "cache-status").contains("former"));
    edge.put_blocks(&other);
    edge.sim.now_ms.set(START_MS + 2000);
    assert!(!header(&edge.get("/t/probe/1.png"), "cache-status").contains("former"));
}

#[test]
fn a_broken_record_is_our_fault_and_its_reason_stays_in_the_log() {
    let edge = Edge::new();
    edge.put(&record_keys::collection("probe"), b"rubbish".to_vec());
    let answer = edge.get("/t/probe/1.png");
    assert_eq!((answer.status().as_u16(), header(&answer, "cache-control")), (500, "no-store"));
    assert!(!String::from_utf8_lossy(answer.body()).contains("record"));
    assert!(edge.sim.logged.borrow()[0].contains("malformed"));
}

#[test]
fn metadata_names_the_pinned_picture_of_now() {
    let edge = Edge::new();
    edge.publish(1, &[7]);
    let answer = edge.get_with("/t/probe/2", "host", "img.example");
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    let token = State(vec![7]).token();
    assert!(
        body.contains(&format!(
            "\"image\":\"http://img.example/t/probe/2@{token}.png?style={}\"",
            edge.collection.style
        )),
        "{body}"
    );
    assert!(body.contains("\"trait_type\":\"ETH/USD\",\"value\":\"700 – 800\""), "{body}");
    let etag = header(&answer, "etag").to_owned();
    assert_eq!(edge.get_with("/t/probe/2", "host", "img.example").status(), 200);
    let again =
        Request::builder().uri("/t/probe/2").header("host", "img.example").header("if-none-match", etag);
    assert_eq!(edge.ask(again.body(()).unwrap()).status(), 304);
}

#[test]
fn metadata_never_names_a_picture_without_a_host() {
    let edge = Edge::new();
    for hosts in [&[][..], &["a.example", "b.example"], &["a b"]] {
        let mut request = Request::builder().uri("/t/probe/2");
        for host in hosts {
            request = request.header("host", *host);
        }
        let answer = edge.ask(request.body(()).unwrap());
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "cache-control")),
            (400, "no-store"),
            "{hosts:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a cache before the functions relies on when it lets nothing else through.
    #[test]
    fn a_reply_depends_on_nothing_but_its_url_and_the_fields_that_are_said_to_count(
        path in one_of(
            "/ /t /t/probe/1 /t/probe/1.png /t/probe/1.auto /t/probe/1.auto?w=32 /t/probe/99.auto /t/none/1.png /nothing",
            ' ',
        ),
        method in one_of("GET HEAD POST OPTIONS", ' '),
        counting in prop::collection::vec((0..DEPENDS_ON.len(), one_of(FIELD_VALUES, '|')), 0..4),
        others in prop::collection::vec((one_of(OTHER_FIELDS, ' '), one_of(FIELD_VALUES, '|')), 0..8),
    ) {
        let edge = Edge::new();
        edge.publish(1, &[7]);
        let ask = |all: bool| {
            let url = format!("http://img.example{path}");
            let mut request = Request::builder().method(method).uri(&url);
            for (place, value) in &counting {
                request = request.header(&DEPENDS_ON[*place], *value);
            }
            for (name, value) in others.iter().filter(|_| all) {
                request = request.header(*name, *value);
            }
            let answer = edge.ask(request.body(()).unwrap());
            let (mut head, body) = answer.into_parts();
            // Where it was found, which the first of the two changes for the second.
            head.headers.remove("cache-status");
            (head.status, head.headers, body)
        };
        ask(false);
        prop_assert_eq!(ask(true), ask(false));
    }
}

/// Fields that origins of others are known to heed.
const OTHER_FIELDS: &str = "accept-encoding accept-language authorization cache-control connection cookie expect forwarded \
    host if-match if-modified-since origin user-agent x-forwarded-host x-forwarded-proto x-http-method-override \
    x-original-url x-rewrite-url";

const FIELD_VALUES: &str = "|*|image/webp|image/webp;q=0|text/html, image/webp|bytes=0-1|bytes=9999-|\"x\"|W/\"x\"|\
    evil.example|https|DELETE|/nothing|close, host|no-store|100-continue|a=b";

fn one_of(all: &'static str, separator: char) -> impl Strategy<Value = &'static str> {
    prop::sample::select(all.split(separator).collect::<Vec<_>>())
}

#[test]
fn head_range_and_options() {
    let edge = Edge::new();
    edge.publish(1, &[7]);
    let whole = edge.get("/t/probe/1.png");
    let head = edge.ask(Request::builder().method("HEAD").uri("/t/probe/1.png").body(()).unwrap());
    assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
    assert_eq!(header(&head, "content-length"), header(&whole, "content-length"));
    let part = edge.get_with("/t/probe/1.png", "range", "bytes=2-5");
    assert_eq!((part.status().as_u16(), &part.body()[..]), (206, &whole.body()[2..6]));
    assert_eq!(header(&part, "content-range"), format!("bytes 2-5/{}", whole.body().len()));
    let past = edge.get_with("/t/probe/1.png", "range", "bytes=99999-");
    assert_eq!(
        (past.status().as_u16(), header(&past, "content-range")),
        (416, &*format!("bytes */{}", whole.body().len()))
    );
    let options = edge.ask(Request::builder().method("OPTIONS").uri("/t/probe/1.png").body(()).unwrap());
    assert_eq!((options.status().as_u16(), header(&options, "allow")), (204, "GET, HEAD, OPTIONS"));
    let post = edge.ask(Request::builder().method("POST").uri("/t/probe/1.png").body(()).unwrap());
    assert_eq!((post.status().as_u16(), header(&post, "allow")), (405, "GET, HEAD, OPTIONS"));
}

#[test]
fn what_an_edge_cannot_paint_says_so() {
    let edge = Edge::new();
    let avif = edge.get("/t/probe/1.avif");
    assert_eq!(avif.status(), 501);
    assert!(String::from_utf8_lossy(avif.body()).contains("ask for png, webp or jpg"));
    assert_eq!(edge.get("/t/probe/1.png?w=4096").status(), 501);
    assert_eq!(edge.get("/t/probe/1.webp?q=50").status(), 501);
    assert_eq!(edge.sim.paints.get(), 0);
}

#[test]
fn the_list_of_collections_says_all_that_a_relay_needs() {
    let edge = Edge::new();
    let list: serde_json::Value = serde_json::from_slice(edge.get("/t").body()).unwrap();
    let (one, gauge) = (&list[0], &list[0]["gauges"][0]);
    assert_eq!((&one["slug"], &one["supply"], &one["chainId"]), (&"probe".into(), &10.into(), &1.into()));
    assert_eq!(gauge["id"], edge.manifest.gauges[0].id());
    assert_eq!(gauge["feed"], "eth-usd");
}
