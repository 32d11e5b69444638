//! The cache before another origin, on real sockets: what comes through, in which order, and who waits for whom.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use iridule_pop::{CacheLimits, Limits, Proxy, ProxyConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

/// How long a client may take nothing in these tests.
const STALL: Duration = Duration::from_millis(600);
const LONG: Duration = Duration::from_secs(20);

/// An origin that hands each request head, with its number on its connection and among all, to a function that answers it.
/// The connection stays open while that says so.
struct Raw {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Raw {
    async fn new<F, R>(answer: F) -> Self
    where
        F: Fn(TcpStream, String, usize, usize) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Option<TcpStream>> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, count) = (answer.clone(), count.clone());
                tokio::spawn(async move {
                    for number in 1.. {
                        let Some(head) = head(&mut stream).await else { return };
                        let of_all = count.fetch_add(1, Ordering::SeqCst) + 1;
                        match answer(stream, head, number, of_all).await {
                            Some(open) => stream = open,
                            None => return,
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads up to the empty line.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

struct Running {
    proxy: Proxy,
    _data: tempfile::TempDir,
}

async fn before(origin: SocketAddr) -> Running {
    before_with(origin, |_| {}).await
}

async fn before_with(origin: SocketAddr, change: impl FnOnce(&mut ProxyConfig)) -> Running {
    let data = tempfile::tempdir().unwrap();
    let mut config = ProxyConfig {
        origin: format!("http://{origin}").parse().unwrap(),
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        cache: CacheLimits::new(data.path()),
        limits: Limits { stall_timeout: STALL, ..Limits::default() },
    };
    change(&mut config);
    Running { proxy: Proxy::start(config).await.unwrap(), _data: data }
}

/// Sends bytes and reads until the other side closes.
async fn exchange(proxy: &Proxy, bytes: &str) -> String {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut all = String::new();
    timeout(LONG, stream.read_to_string(&mut all)).await.unwrap().unwrap();
    all
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n")
}

const CLOSE: &str = "Connection: close\r\n";

async fn write(mut stream: TcpStream, text: &str) -> Option<TcpStream> {
    stream.write_all(text.as_bytes()).await.unwrap();
    Some(stream)
}

fn response(control: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nCache-Control: {control}\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// The start lines and bodies of what was read, without fields.
fn outline(text: &str) -> Vec<&str> {
    text.split("\r\n").filter(|line| !line.is_empty() && !line.contains(": ")).collect()
}

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nX-Hint: 1\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn informational_responses_are_passed_on_before_the_answer_and_not_stored() {
    let origin = Raw::new(async |stream, _, _, _| {
        let first = write(stream, &format!("HTTP/1.1 102 Processing\r\n\r\n{HINTS}")).await?;
        // Once on its own, and once together with the answer.
        sleep(Duration::from_millis(30)).await;
        write(first, &format!("{HINTS}{}", response("max-age=60", "picture"))).await
    })
    .await;
    let running = before(origin.address).await;
    let first = exchange(&running.proxy, &get("/a", CLOSE)).await;
    let hints = "HTTP/1.1 103 Early Hints";
    assert_eq!(
        outline(&first),
        ["HTTP/1.1 102 Processing", hints, hints, "HTTP/1.1 200 OK", "picture"],
        "{first}"
    );
    assert!(first.contains("link: </style.css>; rel=preload\r\nx-hint: 1\r\n\r\n"), "{first}");
    let last = first.split("HTTP/1.1 200 OK").last().unwrap();
    assert!(!last.contains("x-hint"), "{first}");
    let second = exchange(&running.proxy, &get("/a", CLOSE)).await;
    assert_eq!(outline(&second), ["HTTP/1.1 200 OK", "picture"], "{second}");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_keep_their_order_with_informational_responses_between() {
    let origin = Raw::new(async |stream, head: String, _, _| {
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let body = path.repeat(if path == "/2" { 100_000 } else { 1 });
        let hints = if path == "/3" { "" } else { HINTS };
        write(stream, &format!("{hints}{}", response("private", &body))).await
    })
    .await;
    let running = before(origin.address).await;
    let requests = [get("/1", ""), get("/2", ""), get("/3", ""), get("/4", CLOSE)].concat();
    let all = exchange(&running.proxy, &requests).await;
    let two = "/2".repeat(100_000);
    let (hints, ok) = ("HTTP/1.1 103 Early Hints", "HTTP/1.1 200 OK");
    let expected =
        [hints, ok, &format!("/1{hints}"), ok, &format!("{two}{ok}"), &format!("/3{hints}"), ok, "/4"];
    assert_eq!(outline(&all).concat(), expected.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_http_1_0_gets_no_informational_response_and_nobody_gets_100_twice_or_101() {
    let origin = Raw::new(async |mut stream, head: String, _, _| {
        if head.starts_with("POST") {
            let mut body = [0; 4];
            stream.read_exact(&mut body).await.ok()?;
        }
        let more = "HTTP/1.1 100 Continue\r\n\r\n".repeat(3);
        write(stream, &format!("{more}{HINTS}{}", response("private", "x"))).await
    })
    .await;
    let running = before(origin.address).await;
    let old = exchange(&running.proxy, "GET /a HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert_eq!(outline(&old).len(), 2, "{old}");
    let post = "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody";
    let posted = exchange(&running.proxy, post).await;
    assert_eq!(posted.matches("HTTP/1.1 100").count(), 1, "{posted}");
    assert_eq!(posted.matches("HTTP/1.1 103").count(), 1, "{posted}");
    let got = exchange(&running.proxy, &get("/b", CLOSE)).await;
    assert_eq!(got.matches("HTTP/1.1 100").count(), 0, "{got}");
}

#[tokio::test(flavor = "multi_thread")]
async fn informational_responses_without_end_are_not_all_passed_on() {
    let origin = Raw::new(async |stream, _, _, _| {
        write(stream, &format!("{}{}", HINTS.repeat(1000), response("private", "x"))).await
    })
    .await;
    let running = before(origin.address).await;
    let got = exchange(&running.proxy, &get("/a", CLOSE)).await;
    assert_eq!(got.matches("HTTP/1.1 103").count(), 16);
    assert!(got.ends_with("\r\n\r\nx"), "{got}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_is_sent_again_once_when_a_kept_connection_is_closed_under_it() {
    // Answers the first request of each connection, and closes under the second.
    let origin = Raw::new(async |stream, _, number, of_all| match number {
        1 => write(stream, &response("private", &of_all.to_string())).await,
        _ => None,
    })
    .await;
    let running = before(origin.address).await;
    let bodies = async |method: &str| {
        let got = exchange(&running.proxy, &get("/a", CLOSE).replace("GET", method)).await;
        got.split("\r\n").next().unwrap().to_owned() + got.split("\r\n\r\n").last().unwrap()
    };
    assert_eq!(bodies("GET").await, "HTTP/1.1 200 OK1");
    assert_eq!(bodies("GET").await, "HTTP/1.1 200 OK3", "the second was closed under, and sent again");
    // One that may do something twice is not.
    assert!(bodies("POST").await.starts_with("HTTP/1.1 502"));
    assert_eq!(origin.requests(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_is_not_sent_again_when_something_of_an_answer_has_come_or_the_connection_was_new() {
    for first in ["", "HTTP/1.1 2"] {
        let origin = Raw::new(move |stream, _, number, of_all| async move {
            if of_all == 1 && !first.is_empty() {
                return write(stream, &response("private", "x")).await;
            }
            assert!(number <= 2);
            write(stream, first).await?;
            None
        })
        .await;
        let running = before(origin.address).await;
        if !first.is_empty() {
            exchange(&running.proxy, &get("/a", CLOSE)).await;
        }
        let got = exchange(&running.proxy, &get("/a", CLOSE)).await;
        assert!(got.starts_with("HTTP/1.1 502"), "{got}");
        assert_eq!(origin.requests(), if first.is_empty() { 1 } else { 2 });
    }
}

/// A client of HTTP/2 that gives each stream this window, and opens none of it further by itself.
async fn http2(address: SocketAddr, window: u32) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(window)
        .initial_connection_window_size(1 << 30)
        .handshake::<_, Bytes>(stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

fn request(path: &str) -> Request<()> {
    Request::get(format!("http://a{path}")).version(Version::HTTP_2).body(()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_whose_window_stays_closed_are_reset_and_others_of_the_connection_go_on() {
    for control in ["max-age=60", "private"] {
        for length in [1usize, 300, 100_000, 1_000_000] {
            let origin = Raw::new(move |stream, _, _, _| async move {
                write(stream, &response(control, &"x".repeat(length))).await
            })
            .await;
            let running = before(origin.address).await;
            // Nothing, one byte, and all but one.
            for window in [0, 1, u32::try_from(length).unwrap() - 1] {
                if window as usize >= length {
                    continue;
                }
                let mut client = http2(running.proxy.address(), window).await;
                let (answer, _) = client.send_request(request("/a"), true).unwrap();
                let answer = timeout(LONG, answer).await.unwrap().unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                let (start, mut body) = (Instant::now(), answer.into_body());
                let mut got = 0;
                let end = loop {
                    match timeout(LONG, body.data()).await.expect("the stream is reset") {
                        Some(Ok(data)) => got += data.len(),
                        end => break end,
                    }
                };
                let why = end.expect("an end by itself").unwrap_err();
                assert_eq!(why.reason(), Some(h2::Reason::CANCEL), "{control} {length} {window}");
                assert!(got <= window as usize && start.elapsed() >= STALL / 2);
                // The connection serves on.
                let head = Request::head("http://a/a").version(Version::HTTP_2).body(()).unwrap();
                let mut client = client.ready().await.unwrap();
                let (answer, _) = client.send_request(head, true).unwrap();
                assert_eq!(timeout(LONG, answer).await.unwrap().unwrap().status(), StatusCode::OK);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_that_does_read_gets_everything() {
    const LENGTH: usize = 100_000;
    let origin =
        Raw::new(async |stream, _, _, _| write(stream, &response("max-age=60", &"x".repeat(LENGTH))).await)
            .await;
    let running = before(origin.address).await;
    let mut client = http2(running.proxy.address(), 40_000).await;
    let (answer, _) = client.send_request(request("/a"), true).unwrap();
    let mut body = timeout(LONG, answer).await.unwrap().unwrap().into_body();
    let mut got = 0;
    while let Some(data) = timeout(LONG, body.data()).await.unwrap() {
        let length = data.unwrap_or_else(|why| panic!("{why} after {got} bytes")).len();
        got += length;
        // All of it together takes longer than a stream may stand still.
        sleep(STALL / 8).await;
        body.flow_control().release_capacity(length).unwrap();
    }
    assert_eq!(got, LENGTH);
}

/// An origin of a body without a length, larger than what the cache keeps for bodies under way.
async fn unbounded(chunks: usize) -> Raw {
    Raw::new(move |mut stream, _, _, _| async move {
        let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.ok()?;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        for _ in 0..chunks {
            stream.write_all(chunk.as_bytes()).await.ok()?;
        }
        write(stream, "0\r\n\r\n").await
    })
    .await
}

/// Reads an answer on HTTP/1.1 to its end: how many bytes, and whether it is whole.
async fn read_all(proxy: &Proxy, path: &str) -> (usize, bool) {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(get(path, CLOSE).as_bytes()).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    (all.len(), all.ends_with(b"0\r\n\r\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_the_fetch_of_a_client_that_takes_nothing_is_answered_in_time() {
    const CHUNKS: usize = 320;
    for first_is_http2 in [true, false] {
        // 20 MiB, of which 1 MiB is kept: the body flows through for all who read it.
        let origin = unbounded(CHUNKS).await;
        let running = before_with(origin.address, |config| {
            config.cache.memory = 1 << 20;
            config.limits.stall_timeout = LONG * 2;
        })
        .await;
        let address = running.proxy.address();
        // The first asks and reads nothing.
        let mut http1 = TcpStream::connect(address).await.unwrap();
        let mut client = http2(address, 0).await;
        let held = if first_is_http2 {
            let (answer, _) = client.send_request(request("/a"), true).unwrap();
            Some(timeout(LONG, answer).await.unwrap().unwrap().into_body())
        } else {
            http1.write_all(get("/a", "").as_bytes()).await.unwrap();
            None
        };
        let start = Instant::now();
        let one = || read_all(&running.proxy, "/a");
        let others = async { <[_; 3]>::from(tokio::join!(one(), one(), one())) };
        for (length, whole) in timeout(LONG, others).await.expect("they do not wait for the first") {
            assert!(whole && length > CHUNKS * 0x10000, "{length}");
        }
        assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
        drop((held, http1));
    }
}
