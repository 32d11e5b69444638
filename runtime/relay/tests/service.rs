//! The relay's own listener before clients that mean harm, and a relay that is told to stop while others keep it waiting.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without, it stops at")]

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use axum::{Router, routing::any};
use iridule_relay::{
    book::Event,
    config::Config,
    ledger::{Entry, Ledger},
    limits,
    relay::Relay,
    round::{Round, RoundId},
    status,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

/// Rounds of a ledger that takes many pages.
const ROUNDS: u64 = 40_000;

/// A ledger with many rounds, as a relay would have written it.
fn long_ledger(folder: &Path) {
    let ledger = Ledger::open(folder).unwrap();
    let round = |number| {
        let id = RoundId { phase: 1, number };
        let round = Round { id, answer: 190_818_855_732, decimals: 8, updated: 1_680_734_315 + number };
        Entry::Event(Event::Round { feed: "eth-usd".into(), round, block: None })
    };
    ledger.append(&(1..=ROUNDS).map(round).collect::<Vec<_>>(), None).unwrap();
}

/// A relay with this ledger and these lines of configuration, that leads.
async fn relay(folder: &Path, more: &str) -> Relay {
    let text = format!("listen = \"127.0.0.1:0\"\nkey = \"relay.key\"\nledger = \"ledger\"\n{more}");
    let relay = Relay::start(Config::parse(&text, folder).unwrap()).await.unwrap();
    let started = Instant::now();
    while get(relay.address(), "/readyz").await.0 != 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not lead");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    relay
}

async fn get(address: SocketAddr, path: &str) -> (u16, usize) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().len())
}

/// What this process holds in memory, KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A client at one of this machine's loopback addresses, with a small window.
async fn client(from: u8, to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 1, from], 0))).unwrap();
    timeout(Duration::from_secs(2), socket.connect(to)).await.ok()?.ok()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_hundred_clients_that_do_not_read_the_ledger_cost_little_and_are_cut_off() {
    let data = TempDir::new().unwrap();
    long_ledger(&data.path().join("ledger"));
    let relay = relay(data.path(), "").await;
    let (status, whole) = get(relay.address(), "/v1/ledger").await;
    assert!(status == 200 && whole > 100 * usize::try_from(ROUNDS).unwrap(), "{status}, {whole} bytes");
    let before = resident();
    let mut clients = Vec::new();
    for at in 0..400_u32 {
        // Of twenty addresses, so that no bound on one of them is all that helps.
        let from = u8::try_from(at % 20).unwrap() + 1;
        let Some(mut client) = client(from, relay.address()).await else { continue };
        let _ = client.write_all(b"GET /v1/ledger HTTP/1.1\r\nhost: relay\r\n\r\n").await;
        clients.push(client);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let grown = resident().saturating_sub(before) / 1024;
    println!("{} clients that do not read: {grown} MiB more, a ledger of {} MiB", clients.len(), whole >> 20);
    assert!(grown < 48, "{grown} MiB more");
    // Those who do not read and those who say nothing are cut off, and a monitor is answered.
    let patience = Duration::from_secs(limits::HEAD_SECONDS + limits::STALL_SECONDS);
    let started = Instant::now();
    let answered = timeout(patience, get(relay.address(), "/healthz")).await;
    assert_eq!(answered.unwrap().0, 200);
    println!("a monitor is answered after {:?}", started.elapsed());
    drop(clients);
    relay.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_clients_read_the_ledger_at_once_than_may() {
    let data = TempDir::new().unwrap();
    long_ledger(&data.path().join("ledger"));
    let relay = relay(data.path(), "").await;
    let mut clients = Vec::new();
    for _ in 0..limits::LEDGER_READERS {
        let mut client = client(1, relay.address()).await.unwrap();
        client.write_all(b"GET /v1/ledger HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
        let mut head = [0; 12];
        client.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        clients.push(client);
    }
    let refused = reqwest::get(format!("http://{}/v1/ledger", relay.address())).await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "5"));
    drop(clients);
    // A place is free once the relay has noticed that they left.
    let started = Instant::now();
    while get(relay.address(), "/v1/ledger").await.0 != 200 {
        assert!(started.elapsed() < Duration::from_secs(10), "no place is freed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    relay.shutdown().await.unwrap();
}

/// Sends a request's beginning, and gives what comes back until the relay closes the connection, and after how long.
async fn until_closed(address: SocketAddr, beginning: &[u8]) -> (String, Duration) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let started = Instant::now();
    stream.write_all(beginning).await.unwrap();
    let mut said = Vec::new();
    let patience = Duration::from_secs(limits::HEAD_SECONDS + 5);
    // A reset is an end as well.
    let _ = timeout(patience, stream.read_to_end(&mut said)).await.expect("the relay closes the connection");
    (String::from_utf8_lossy(&said).into_owned(), started.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_is_bounded_in_time_bytes_and_lines_and_an_idle_connection_in_time() {
    let data = TempDir::new().unwrap();
    let relay = relay(data.path(), "").await;
    let here = relay.address();
    let long = format!("GET /healthz HTTP/1.1\r\nhost: r\r\nx: {}\r\n\r\n", "a".repeat(limits::HEAD_BYTES));
    let many = "x: a\r\n".repeat(limits::HEAD_LINES + 1);
    let many = format!("GET /healthz HTTP/1.1\r\nhost: r\r\n{many}\r\n");
    let (nothing, half, idle, long, many) = tokio::join!(
        until_closed(here, b""),
        until_closed(here, b"GET /healthz HTTP/1.1\r\nhost"),
        until_closed(here, b"GET /healthz HTTP/1.1\r\nhost: r\r\n\r\n"),
        until_closed(here, long.as_bytes()),
        until_closed(here, many.as_bytes()),
    );
    assert!(nothing.0.is_empty() && half.0.is_empty(), "{nothing:?} {half:?}");
    assert!(idle.0.contains("200 OK") && idle.0.ends_with("ok\n"), "{idle:?}");
    assert!(long.0.is_empty() || long.0.starts_with("HTTP/1.1 431"), "{long:?}");
    assert!(many.0.starts_with("HTTP/1.1 431"), "{many:?}");
    // A body that nobody asked for is not waited for.
    let post = b"GET /healthz HTTP/1.1\r\nhost: r\r\ncontent-length: 1000000\r\n\r\n1";
    let (said, _) = until_closed(here, post).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    relay.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_has_so_many_connections_and_another_is_answered() {
    let data = TempDir::new().unwrap();
    let relay = relay(data.path(), "").await;
    // Connections of this test's own that are idle count too, so they are left to end.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut held = Vec::new();
    for _ in 0..limits::CONNECTIONS_PER_ADDRESS {
        held.push(client(2, relay.address()).await.unwrap());
    }
    let mut further = client(2, relay.address()).await.unwrap();
    let mut byte = [0];
    let read = timeout(Duration::from_secs(5), further.read(&mut byte)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "it is closed at once");
    assert_eq!(get(relay.address(), "/healthz").await.0, 200);
    drop(held);
    relay.shutdown().await.unwrap();
}

/// A server that takes requests and never answers.
async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_stops_within_a_bound_whoever_keeps_it_waiting() {
    let data = TempDir::new().unwrap();
    let url = silent().await;
    let more = format!(
        "[[chain]]\nid = 1\nproviders = [\"{url}\"]\npatience = \"1h\"\n\
         [feed.slow]\nurl = \"{url}\"\nprivate = true\n\
         [feed.eth-usd]\nchain = 1\nproxy = \"0x0000000000000000000000000000000000000001\"\n\
         [[webhook]]\nurl = \"{url}\"\n[[sink]]\nto = \"{url}\"\n"
    );
    let text = format!("listen = \"127.0.0.1:0\"\nkey = \"relay.key\"\nledger = \"ledger\"\n{more}");
    let relay = Relay::start(Config::parse(&text, data.path()).unwrap()).await.unwrap();
    // Clients in the middle of a request wait as well.
    let mut half = TcpStream::connect(relay.address()).await.unwrap();
    half.write_all(b"GET /v1/ledger HTTP/1.1\r\nho").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    relay.shutdown().await.unwrap();
    let bound = limits::LEAVE_STEP_MS + limits::LEAVE_SINKS_MS + limits::LEAVE_SERVICE_MS;
    assert!(started.elapsed() < Duration::from_millis(bound + 1000), "{:?}", started.elapsed());
}

/// A provider whose every answer has this many bytes, or so many that it does not say how many.
async fn flooding(bytes: usize, announced: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = move || async move {
        let text = "0".repeat(bytes);
        if announced {
            return axum::body::Body::from(text);
        }
        let piece = Ok::<_, std::convert::Infallible>(text);
        axum::body::Body::from_stream(futures_util::stream::once(async { piece }))
    };
    let router = Router::new().fallback(any(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_a_provider_that_is_too_long_is_named_in_the_status() {
    for (announced, says) in [(true, "6291456 bytes"), (false, "longer than the 2097152 bytes")] {
        let data = TempDir::new().unwrap();
        let url = flooding(6 << 20, announced).await;
        let more = format!(
            "[[chain]]\nid = 1\nproviders = [\"{url}\"]\nanswer_mib = 2\n\
             [feed.eth-usd]\nchain = 1\nproxy = \"0x0000000000000000000000000000000000000001\"\n\
             [[tokens]]\ncollection = \"fields\"\nchain = 1\n\
             contract = \"0x0000000000000000000000000000000000000001\"\nread = \"art\"\nfirst = 1\nsupply = 3\n"
        );
        let relay = relay(data.path(), &more).await;
        let service = format!("http://{}", relay.address());
        let started = Instant::now();
        let (feed, tokens) = loop {
            let status = status::ask(&service).await.unwrap();
            let feed = status.feeds.iter().find(|feed| feed.feed == "eth-usd").unwrap().why.clone();
            if let (Some(feed), Some(tokens)) = (feed, status.tokens[0].why.clone()) {
                break (feed, tokens);
            }
            assert!(started.elapsed() < Duration::from_secs(30), "no reason is given: {status}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        for why in [feed, tokens] {
            assert!(why.contains(says), "how large it is: {why}");
            assert!(why.contains("more than the 2097152") || !announced, "how large it may be: {why}");
            assert!(why.contains("answer_mib of this [[chain]] may be up to 64"), "what to do: {why}");
        }
        relay.shutdown().await.unwrap();
    }
}
