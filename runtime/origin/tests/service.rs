//! The service as edges and strangers meet it: over HTTP, with real styles, painted by whatever device is there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot go on without, it stops at")]

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{U256, hex};
use cid::Cid;
use ed25519_dalek::SigningKey;
use iridule_origin::{ConnectionLimits, Origin, OriginConfig, OriginStore, PaintingLimits, paint_job};
use iridule_origin_api::{
    limits,
    order::{self, Errand, Order, Priority, Render, answer::Answer, answer::SIGNATURE},
    picture_file,
};
use iridule_records::{
    block::{Block, RAW},
    signed::{TrustedKeys, key_id},
};
use iridule_sandbox::{WorkerProgram, serve_if_asked};
use iridule_scene::variant::{Asked, Format, Variant};
use iridule_studio::{BuiltStyle, StyleFolder};
use reqwest::{Client, Response, StatusCode};
use tempfile::TempDir;

static NONCE: AtomicU64 = AtomicU64::new(0);

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

fn edge() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn other_edge() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn origin_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn style(slug: &str) -> BuiltStyle {
    let styles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/styles");
    StyleFolder::open(styles.join(slug)).unwrap().build().unwrap()
}

/// No test: the children of the others begin here.
#[test]
fn sandbox_worker() {
    serve_if_asked(paint_job::SANDBOX_JOBS.iter().copied());
}

/// An order as an edge sends it.
fn order(errand: Errand, within_ms: u64) -> Order {
    let nonce = NONCE.fetch_add(1, Ordering::Relaxed);
    let now = now_ms();
    let origins = vec![key_id(&origin_key().verifying_key())];
    Order { errand, origins, sent_ms: now, clock_ms: now, within_ms, nonce }
}

/// An origin and a client of it.
struct Met {
    origin: Option<Origin>,
    base: String,
    client: Client,
    data: TempDir,
}

impl Met {
    async fn start() -> Self {
        Self::start_in(TempDir::new().unwrap(), 64).await
    }

    async fn start_in(data: TempDir, queue: usize) -> Self {
        Self::start_with(data, |config| config.queue = queue).await
    }

    async fn start_with(data: TempDir, change: impl FnOnce(&mut OriginConfig)) -> Self {
        let public = |key: SigningKey| hex::encode(key.verifying_key().as_bytes());
        let edges = TrustedKeys::parse(&[public(edge()), public(other_edge())].join(",")).unwrap();
        let mut config = OriginConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            store: OriginStore::folder(data.path()).unwrap(),
            edges,
            key: origin_key(),
            workers: 2,
            queue: 64,
            memory: 1 << 30,
            devices: true,
            software: true,
            connections: ConnectionLimits::default(),
            painting: PaintingLimits {
                program: WorkerProgram::this_test("sandbox_worker"),
                ..Default::default()
            },
        };
        change(&mut config);
        let origin = Origin::start(config).await.unwrap();
        let base = format!("http://{}", origin.address());
        let client = Client::new();
        // It answers once orders of an earlier process are too old.
        assert!(client.get(format!("{base}/readyz")).send().await.unwrap().status().is_success());
        Self { origin: Some(origin), base, client, data }
    }

    fn order(errand: Errand, within_ms: u64) -> String {
        order(errand, within_ms).seal(&edge()).unwrap()
    }

    async fn render(&self, order: String) -> Response {
        let request = self.client.post(format!("{}{}", self.base, order::RENDER_PATH));
        request.header("authorization", order).send().await.unwrap()
    }

    async fn ask(&self, render: &Render) -> Response {
        self.render(Self::order(Errand::Render(render.clone(), Priority::Visitor), 30_000)).await
    }

    async fn put(&self, cid: &Cid, bytes: Vec<u8>) -> StatusCode {
        let request = self.client.put(format!("{}{}{cid}", self.base, order::BLOCKS_PATH));
        let request = request.header("authorization", Self::order(Errand::Block(*cid), 5_000)).body(bytes);
        request.send().await.unwrap().status()
    }

    /// Asks, with the blocks that are wanted, as an edge does.
    async fn picture(&self, built: &BuiltStyle, render: &Render) -> Response {
        for _ in 0..limits::BLOCK_ROUNDS {
            let answer = self.ask(render).await;
            if answer.status() != StatusCode::PRECONDITION_REQUIRED {
                return answer;
            }
            for cid in order::wanted(&answer.bytes().await.unwrap()).unwrap() {
                let block = built.package.blocks.iter().find(|block| block.cid == cid).unwrap();
                assert_eq!(self.put(&cid, block.bytes.clone()).await, StatusCode::CREATED);
            }
        }
        panic!("it wants blocks again and again");
    }

    async fn metric(&self, name: &str) -> f64 {
        let text =
            self.client.get(format!("{}/metrics", self.base)).send().await.unwrap().text().await.unwrap();
        let line = text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
        line.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}

fn wide(width: u32) -> Asked {
    Asked { width: Some(width), ..Asked::default() }
}

fn render(built: &BuiltStyle, token: u64, asked: Asked, format: Format) -> Render {
    let canvas = built.package.manifest.canvas.canvas();
    let variant = Variant::resolve(&asked, format, &canvas).unwrap();
    Render {
        style: built.package.cid,
        seed: built.collection.seed(U256::from(token)).unwrap(),
        state: built.package.manifest.rest(),
        variant,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_comes_with_its_key_and_digest_in_every_format() {
    let met = Met::start().await;
    let built = style("cppn");
    for (format, quality, at, magic) in [
        (Format::Png, None, 0, &b"\x89PNG"[..]),
        (Format::WebP, None, 8, b"WEBPVP8L"),
        (Format::WebP, Some(75), 8, b"WEBPVP8 "),
        (Format::Jpeg, None, 0, b"\xff\xd8\xff"),
        (Format::Avif, None, 4, b"ftypavif"),
    ] {
        let wanted = render(&built, 1, Asked { width: Some(128), quality, ..Asked::default() }, format);
        let last = NONCE.load(Ordering::Relaxed);
        let answer = met.picture(&built, &wanted).await;
        assert_eq!(answer.status(), StatusCode::OK, "{format:?}");
        let headers = answer.headers().clone();
        let body = answer.bytes().await.unwrap();
        let opened = (last..NONCE.load(Ordering::Relaxed)).rev().find_map(|nonce| {
            let mut answer = http::Response::new(body.clone());
            *answer.headers_mut() = headers.clone();
            Answer::open(answer, nonce, &[origin_key().verifying_key()]).ok()
        });
        assert!(opened.unwrap().is_picture(&wanted.key().unwrap()), "{format:?}: {headers:?}");
        assert_eq!(picture_file::check(&body, &wanted.variant), Ok(()), "{format:?}");
        assert!(body[at..].starts_with(magic), "{format:?}");
        assert_eq!(headers[http::header::CONTENT_TYPE], format.media_type());
        let by = &headers[order::PAINTED_BY];
        assert!(by == "gpu" || by == "cpu", "{by:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_replays_and_forgeries_are_refused_and_cost_nothing() {
    let met = Met::start().await;
    let built = style("orbits");
    let wanted = render(&built, 1, wide(64), Format::Png);
    let errand = Errand::Render(wanted.clone(), Priority::Visitor);
    let stranger = order(errand.clone(), 5_000).seal(&SigningKey::from_bytes(&[2; 32])).unwrap();
    for order in [stranger, "Iridule AAAA".into(), "Bearer x".into()] {
        let answer = met.render(order).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(!answer.headers().contains_key(SIGNATURE), "no work for strangers");
    }
    let elsewhere = Order { origins: vec!["0123456789abcdef".into()], ..order(errand.clone(), 5_000) };
    assert_eq!(met.render(elsewhere.seal(&edge()).unwrap()).await.status(), StatusCode::UNAUTHORIZED);
    assert!(met.picture(&built, &wanted).await.status().is_success());
    let once = Met::order(errand, 5_000);
    assert_eq!(met.render(once.clone()).await.status(), StatusCode::OK);
    assert_eq!(met.render(once).await.status(), StatusCode::UNAUTHORIZED, "an order holds once");
    let refused = met.metric("iridule_origin_refused_total").await;
    let made = met.metric("iridule_origin_renders_total").await;
    assert!((refused - 5.0).abs() < 0.5 && (made - 1.0).abs() < 0.5, "{refused} {made}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_taken_under_its_own_name_only() {
    let met = Met::start().await;
    let (one, other) = (Block::new(RAW, vec![1; 9]).unwrap(), Block::new(RAW, vec![2; 9]).unwrap());
    assert_eq!(met.put(&one.cid, other.bytes.clone()).await, StatusCode::UNPROCESSABLE_ENTITY);
    let too_large = vec![0; limits::BLOCK_BYTES + 1];
    assert_eq!(met.put(&one.cid, too_large).await, StatusCode::PAYLOAD_TOO_LARGE);
    let elsewhere = met.client.put(format!("{}{}{}", met.base, order::BLOCKS_PATH, other.cid));
    let elsewhere = elsewhere.header("authorization", Met::order(Errand::Block(one.cid), 5_000));
    assert_eq!(elsewhere.body(one.bytes.clone()).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(met.put(&one.cid, one.bytes).await, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_painted_says_why() {
    let met = Met::start().await;
    let built = style("orbits");
    let mut wanted = render(&built, 1, wide(64), Format::Png);
    wanted.state.0.push(1);
    let answer = met.picture(&built, &wanted).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().await.unwrap().contains("gauges"));
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_ask_a_render_is_made_once_and_outlives_the_origin() {
    let mut met = Met::start().await;
    let built = style("cppn");
    let other = render(&built, 1, wide(64), Format::Png);
    assert!(met.picture(&built, &other).await.status().is_success(), "the blocks are there now");
    let before = met.metric("iridule_origin_renders_total").await;
    let wanted = render(&built, 2, wide(1024), Format::Png);
    let bodies = futures(&met, &wanted, 40).await;
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
    let made = met.metric("iridule_origin_renders_total").await - before;
    assert!((made - 1.0).abs() < 0.5, "{made} renders");

    met.origin.take().unwrap().shutdown().await;
    let again = Met::start_in(met.data, 64).await;
    let answer = again.ask(&wanted).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.bytes().await.unwrap(), bodies[0]);
    assert!(again.metric("iridule_origin_stored_total").await > 0.5);
}

async fn futures(met: &Met, wanted: &Render, count: usize) -> Vec<bytes::Bytes> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let errand = Errand::Render(wanted.clone(), Priority::Visitor);
        let request = met.client.post(format!("{}{}", met.base, order::RENDER_PATH));
        let request = request.header("authorization", Met::order(errand, 30_000));
        tasks.spawn(async move {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            answer.bytes().await.unwrap()
        });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_or_time_an_edge_is_told_at_once() {
    let met = Met::start_in(TempDir::new().unwrap(), 2).await;
    let built = style("cppn");
    assert!(met.picture(&built, &render(&built, 1, wide(64), Format::Png)).await.status().is_success());
    let late = Errand::Render(render(&built, 1, wide(4096), Format::Png), Priority::Visitor);
    assert_eq!(met.render(Met::order(late, 100)).await.status(), StatusCode::GATEWAY_TIMEOUT);
    let mut tasks = tokio::task::JoinSet::new();
    for token in 2..10 {
        let errand = Errand::Render(render(&built, token, wide(2048), Format::Png), Priority::Visitor);
        let request = met.client.post(format!("{}{}", met.base, order::RENDER_PATH));
        let request = request.header("authorization", Met::order(errand, 20_000));
        tasks.spawn(async move { request.send().await.unwrap().status() });
    }
    let answers = tasks.join_all().await;
    assert!(answers.contains(&StatusCode::SERVICE_UNAVAILABLE), "{answers:?}");
    assert!(answers.contains(&StatusCode::OK), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_leaves_after_what_is_under_way() {
    let mut met = Met::start().await;
    let built = style("cppn");
    assert!(met.picture(&built, &render(&built, 1, wide(64), Format::Png)).await.status().is_success());
    let ready = |base: &str| met.client.get(format!("{base}/readyz")).send();
    assert_eq!(ready(&met.base).await.unwrap().status(), StatusCode::OK);
    let errand = Errand::Render(render(&built, 2, wide(2048), Format::Png), Priority::Visitor);
    let request = met.client.post(format!("{}{}", met.base, order::RENDER_PATH));
    let request = request.header("authorization", Met::order(errand, 20_000));
    let under_way = tokio::spawn(async move { request.send().await.unwrap().status() });
    tokio::time::sleep(Duration::from_millis(100)).await;
    met.origin.take().unwrap().shutdown().await;
    assert_eq!(under_way.await.unwrap(), StatusCode::OK);
    assert!(ready(&met.base).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nonce_of_one_edge_does_not_refuse_anothers() {
    let met = Met::start().await;
    let built = style("orbits");
    let wanted = render(&built, 1, wide(64), Format::Png);
    assert!(met.picture(&built, &wanted).await.status().is_success());
    let same = order(Errand::Render(wanted, Priority::Visitor), 5_000);
    for key in [edge(), other_edge()] {
        assert_eq!(met.render(same.seal(&key).unwrap()).await.status(), StatusCode::OK);
    }
    assert_eq!(met.render(same.seal(&edge()).unwrap()).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_an_earlier_process_took_is_refused_after_a_restart() {
    let mut met = Met::start().await;
    let built = style("orbits");
    let wanted = render(&built, 1, wide(64), Format::Png);
    assert!(met.picture(&built, &wanted).await.status().is_success());
    let once = Met::order(Errand::Render(wanted.clone(), Priority::Visitor), 30_000);
    assert_eq!(met.render(once.clone()).await.status(), StatusCode::OK);
    met.origin.take().unwrap().shutdown().await;
    let again = Met::start_in(met.data, 64).await;
    let answer = again.render(once).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.text().await.unwrap().contains("before this origin started"));
    assert_eq!(again.ask(&wanted).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_whose_clock_is_wrong_is_told_the_time_and_so_is_whoever_looks() {
    let met = Met::start().await;
    let built = style("orbits");
    let wanted = render(&built, 1, wide(64), Format::Png);
    assert!(met.picture(&built, &wanted).await.status().is_success());
    for off in [-40_000, 5_000i64] {
        let right = order(Errand::Render(wanted.clone(), Priority::Visitor), 5_000);
        let clock_ms = right.clock_ms.saturating_add_signed(off);
        let wrong = Order { sent_ms: clock_ms, clock_ms, nonce: u64::MAX - clock_ms, ..right.clone() };
        let answer = met.render(wrong.seal(&edge()).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{off} ms");
        assert!(answer.headers().contains_key(SIGNATURE), "{off} ms: signed, so that it can be believed");
        let theirs: u64 = answer.headers()[order::answer::TIME].to_str().unwrap().parse().unwrap();
        assert!(theirs.abs_diff(now_ms()) < 2_000);
        let corrected = Order { clock_ms, ..right };
        assert_eq!(met.render(corrected.seal(&edge()).unwrap()).await.status(), StatusCode::OK, "{off} ms");
        let said = met.client.get(format!("{}/readyz", met.base)).send().await.unwrap();
        assert_eq!(said.status(), StatusCode::OK);
        let said = said.text().await.unwrap();
        assert!(said.contains(&key_id(&edge().verifying_key())) && said.contains("ahead"), "{said}");
        let seconds = met.metric("iridule_origin_clock_difference_seconds").await;
        assert!(
            (seconds - Duration::from_millis(off.unsigned_abs()).as_secs_f64() * off.signum() as f64).abs()
                < 1.0,
            "{seconds}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_arrive_is_cut_off_and_delays_nobody() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let met = Met::start_with(TempDir::new().unwrap(), |config| {
        config.connections.head = Duration::from_millis(400);
        config.connections.body = Duration::from_millis(400);
        config.connections.connections = 64;
    })
    .await;
    let address = met.base.strip_prefix("http://").unwrap().to_owned();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let cid = Block::new(RAW, vec![1; 9]).unwrap().cid;
    let block = Met::order(Errand::Block(cid), 30_000);
    let block = format!(
        "PUT {}{cid} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nauthorization: {block}\r\n\r\n1234",
        order::BLOCKS_PATH
    );
    // A head that is cut, and a body that is: neither is open for long.
    for half in ["POST /v1/render HTTP/1.1\r\nhost: a\r\nauthoriz", &block, ""] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(half.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut said)).await;
        assert!(read.is_ok(), "{half:?} is still open: {}", String::from_utf8_lossy(&said));
    }
    // A head without end.
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let field = format!("x-long: {}\r\n", "a".repeat(1000));
    let _ = stream.write_all(format!("GET /healthz HTTP/1.1\r\n{}", field.repeat(40)).as_bytes()).await;
    let mut said = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut said)).await.unwrap();
    assert!(!said.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&said));
    // More connections than there may be: those that ask for nothing give way.
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(tokio::net::TcpStream::connect(&address).await.unwrap());
    }
    let ready = met.client.get(format!("{}/readyz", met.base)).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
    assert!(met.metric("iridule_origin_connections").await <= 64.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_requests_do_not_delay_its_leaving() {
    use tokio::io::AsyncWriteExt as _;
    let mut met = Met::start().await;
    let address = met.base.strip_prefix("http://").unwrap().to_owned();
    assert!(met.client.get(format!("{}/readyz", met.base)).send().await.unwrap().status().is_success());
    let cid = Block::new(RAW, vec![1; 9]).unwrap().cid;
    let block = Met::order(Errand::Block(cid), 30_000);
    let block = format!(
        "PUT {}{cid} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nauthorization: {block}\r\n\r\n1234",
        order::BLOCKS_PATH
    );
    let mut streams = Vec::new();
    for half in ["POST /v1/render HTTP/1.1\r\nhost: a\r\nauthoriz", &block] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(half.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let started = std::time::Instant::now();
    met.origin.take().unwrap().shutdown().await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

/// One edge asks for much at once, and in a hurry; another one's orders are done all the same.
#[tokio::test(flavor = "multi_thread")]
async fn one_edge_in_a_hurry_does_not_starve_another() {
    let met = Met::start_with(TempDir::new().unwrap(), |config| {
        config.workers = 1;
        config.devices = false;
    })
    .await;
    let built = style("cppn");
    assert!(met.picture(&built, &render(&built, 1, wide(64), Format::Png)).await.status().is_success());
    let send = |key: SigningKey, token: u64, within_ms: u64| {
        let wanted = render(&built, token, wide(512), Format::Png);
        let order = order(Errand::Render(wanted, Priority::Visitor), within_ms).seal(&key).unwrap();
        let request = met.client.post(format!("{}{}", met.base, order::RENDER_PATH));
        let request = request.header("authorization", order);
        async move { request.send().await.unwrap().status() }
    };
    let (mut hasty, mut calm) = (tokio::task::JoinSet::new(), tokio::task::JoinSet::new());
    for token in 0..120 {
        hasty.spawn(send(edge(), 100 + token, 2_000));
        if token % 12 == 0 {
            calm.spawn(send(other_edge(), 500 + token, 20_000));
        }
    }
    let calm = calm.join_all().await;
    assert!(calm.iter().all(|status| *status == StatusCode::OK), "{calm:?}");
    let hasty = hasty.join_all().await;
    let late = hasty.iter().filter(|status| **status == StatusCode::GATEWAY_TIMEOUT).count();
    assert!(late * 10 <= hasty.len(), "{late} of {} were begun in vain", hasty.len());
    assert!(hasty.contains(&StatusCode::OK), "{hasty:?}");
}

/// A picture that takes too much time or memory ends its painter and nothing else: it is a fault of this machine, it is not
/// tried again at once, and what comes after it is painted.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_over_its_bounds_ends_its_painter_and_nothing_else() {
    let bounds: [fn(&mut PaintingLimits); 2] =
        [|limits| limits.time = Duration::from_millis(900), |limits| limits.memory = 160 << 20];
    for (bound, what) in bounds.into_iter().zip(["time", "memory"]) {
        let met = Met::start_with(TempDir::new().unwrap(), |config| {
            config.workers = 1;
            config.devices = false;
            bound(&mut config.painting);
        })
        .await;
        let built = style("cppn");
        assert_eq!(
            met.picture(&built, &render(&built, 1, wide(64), Format::Png)).await.status(),
            StatusCode::OK
        );
        for _ in 0..2 {
            let answer = met.ask(&render(&built, 1, wide(4096), Format::Avif)).await;
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{what}");
            assert!(answer.headers().contains_key(SIGNATURE));
            let said = answer.text().await.unwrap();
            assert!(said.contains(what), "{what}: {said}");
        }
        let faults = met.metric("iridule_origin_faults_total").await;
        assert!((faults - 1.0).abs() < 0.5, "{what}: {faults}");
        assert_eq!(
            met.ask(&render(&built, 2, wide(64), Format::Png)).await.status(),
            StatusCode::OK,
            "{what}"
        );
    }
}
