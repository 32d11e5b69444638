//! The hostile client: one address that sends, without pause, what once blanked pictures, stalled streams or filled
//! memory. It reads little and trusts nothing; whether visitors notice is `mod.rs`'s to say.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use http_body_util::Empty;
use hyper::{Request, body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::visitors::HOST;

/// Where the attacker comes from: another address of the loopback network, so that limits by address are tried too.
const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));
/// Pause between two requests of one attack.
const PAUSE: Duration = Duration::from_millis(25);
/// How long a response is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection that says nothing is held.
const HOLD: Duration = Duration::from_secs(20);
/// Streams of one connection whose windows stay 0.
const SHUT_STREAMS: u64 = 20;
/// Connections that send half a request, at once.
const HALF_SENT: usize = 50;

/// Whom the attacker knows.
#[derive(Clone, Copy)]
pub(super) struct Targets {
    pub(super) pop: SocketAddr,
    pub(super) origin: SocketAddr,
}

/// How many requests of an attack were sent.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) sent: u64,
    /// Those whose connection was refused or closed, or that were not answered in time.
    pub(super) failed: u64,
}

#[derive(Default)]
struct Count {
    sent: AtomicU64,
    failed: AtomicU64,
}

/// The attacks, each in as many tasks.
const ATTACKS: [(&str, usize); 10] = [
    ("paths with dot segments, and other spellings", 2),
    ("hosts: none, two, foreign, dropped by `Connection`", 2),
    ("directives, HEAD and credentials of one client", 2),
    ("ranges, expectations, methods and bodies", 1),
    ("cold heavy pictures", 8),
    ("long addresses", 1),
    ("HTTP/2 streams whose window stays 0", 2),
    ("readers that do not read", 8),
    ("half a request, then silence", HALF_SENT),
    ("half a render request to the origin, then silence", HALF_SENT),
];

/// An attack under way.
pub(super) struct Attacker {
    ended: Arc<AtomicBool>,
    counts: Arc<[Count; ATTACKS.len()]>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Attacker {
    pub(super) fn start(targets: Targets) -> anyhow::Result<Self> {
        let (ended, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Default::default()));
        let (end, shared) = (ended.clone(), Arc::clone(&counts));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::spawn(move || runtime.block_on(attack(targets, end, shared)));
        Ok(Self { ended, counts, thread })
    }

    pub(super) fn end(self) -> anyhow::Result<Vec<Line>> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the attacker stopped"))??;
        let lines = ATTACKS.iter().zip(self.counts.iter()).map(|((name, _), count)| Line {
            name,
            sent: count.sent.load(Ordering::Relaxed),
            failed: count.failed.load(Ordering::Relaxed),
        });
        Ok(lines.collect())
    }
}

async fn attack(
    targets: Targets,
    ended: Arc<AtomicBool>,
    counts: Arc<[Count; ATTACKS.len()]>,
) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for (attack, (_, tasks_of_it)) in ATTACKS.iter().enumerate() {
        for task in 0..*tasks_of_it {
            let (ended, counts) = (ended.clone(), counts.clone());
            tasks.spawn(async move {
                // Tasks of one attack take different numbers, so that each asks something of its own.
                let mut number = task as u64;
                while !ended.load(Ordering::Relaxed) {
                    counts[attack].sent.fetch_add(1, Ordering::Relaxed);
                    if once(attack, targets, number).await.is_err() {
                        counts[attack].failed.fetch_add(1, Ordering::Relaxed);
                    }
                    number += *tasks_of_it as u64;
                    sleep(PAUSE).await;
                }
            });
        }
    }
    while !ended.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(100)).await;
    }
    tasks.shutdown().await;
    Ok(())
}

/// Sends one request of an attack.
async fn once(attack: usize, to: Targets, number: u64) -> anyhow::Result<()> {
    let token = 1 + number % 40;
    match attack {
        0 => ask(to.pop, &spelling(number, token)).await,
        1 => ask(to.pop, &host(number, token)).await,
        2 => ask(to.pop, &directives(number, token)).await,
        3 => ask(to.pop, &fields(number, token)).await,
        // Large, of tokens that nobody asked for.
        4 => {
            ask(to.pop, &get(&format!("/t/guilloche/{}.png?w=1024", 100 + number % 900_000), HOST, "")).await
        }
        5 => {
            let query = format!("{number:x}").repeat(7000 / format!("{number:x}").len());
            ask(to.pop, &get(&format!("/t/orbits/{token}.png?x={query}"), HOST, "")).await
        }
        6 => shut_windows(to.pop, token).await,
        7 => unread(to.pop, token).await,
        8 => half(to.pop, &format!("GET /t/orbits/{token}.png HTTP/1.1\r\nHost: {HOST}\r\nX-A:")).await,
        _ => {
            half(to.origin, "POST /v1/render HTTP/1.1\r\nHost: origin\r\nContent-Length: 1000000\r\n\r\nhalf")
                .await
        }
    }
}

fn get(target: &str, host: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")
}

/// Other spellings of addresses that visitors ask for.
fn spelling(number: u64, token: u64) -> String {
    let target = match number % 6 {
        0 => format!("/t/./orbits/{token}.png?w=256"),
        1 => format!("/t/skyline/../orbits/{token}.png?w=256"),
        2 => format!("/t/%2e/orbits/{token}"),
        3 => format!("/t/x/%2E%2e/skyline/{token}.webp?w=128"),
        4 => format!("/%74/orbits/{token}"),
        _ => format!("//t/orbits/{token}.png?w=96"),
    };
    get(&target, HOST, "")
}

/// Requests that disagree with themselves on the host.
fn host(number: u64, token: u64) -> String {
    let path = format!("/t/orbits/{token}");
    match number % 7 {
        0 => get(&path, HOST, "Connection: close, host\r\n"),
        1 => get(&path, HOST, "Host: evil.example\r\n"),
        2 => get(&format!("http://{HOST}{path}"), "evil.example", ""),
        3 => get(&path, &HOST.to_uppercase(), "X-Forwarded-Host: evil.example\r\n"),
        4 => get(&path, HOST, "Forwarded: host=evil.example;proto=gopher\r\n"),
        5 => format!("GET {path} HTTP/1.1\r\n\r\n"),
        _ => get(&path, "img.ex\u{e4}mple", ""),
    }
}

/// What one client says of what it wants; nobody else may notice.
fn directives(number: u64, token: u64) -> String {
    let path = format!("/t/skyline/{token}.png?w=256");
    match number % 5 {
        0 => get(&path, HOST, "Cache-Control: no-cache, no-store\r\nPragma: no-cache\r\n"),
        1 => format!("HEAD {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        2 => get(&path, HOST, "Authorization: Basic eDp5\r\n"),
        3 => get(&path, HOST, "Cookie: a=b\r\nAccept: text/event-stream\r\n"),
        _ => get(&path, HOST, "Cache-Control: max-age=0\r\nIf-None-Match: \"nothing\"\r\n"),
    }
}

/// Fields that once made an error of everybody's answer.
fn fields(number: u64, token: u64) -> String {
    let path = format!("/t/creature/{token}.png?w=256");
    match number % 6 {
        0 => get(&path, HOST, "Range: bytes=999999999-\r\n"),
        1 => get(&path, HOST, "Expect: the-unexpected\r\n"),
        2 => get(&path, HOST, "If-Match: \"nothing\"\r\n"),
        3 => format!("POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n"),
        4 => format!("DELETE {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        _ => get(&path, HOST, "Content-Length: 5\r\n\r\nhello"),
    }
}

async fn connect(to: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(FROM, 0))?;
    // A reader that does not read holds as little as it can.
    socket.set_recv_buffer_size(4096)?;
    Ok(timeout(PATIENCE, socket.connect(to)).await??)
}

/// Sends bytes, and reads what comes until the response ends or takes too long.
async fn ask(to: SocketAddr, request: &str) -> anyhow::Result<()> {
    let mut stream = connect(to).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = vec![0; 64 << 10];
    let mut first = true;
    loop {
        // After the first bytes a pause means that the response is over.
        let wait = if first { PATIENCE } else { Duration::from_millis(50) };
        match timeout(wait, stream.read(&mut buffer)).await {
            Ok(Ok(0)) if first => return Err(anyhow!("closed")),
            Ok(Ok(0)) => return Ok(()),
            Ok(Ok(_)) => first = false,
            Ok(Err(why)) => return Err(why.into()),
            Err(_) if first => return Err(anyhow!("no answer")),
            Err(_) => return Ok(()),
        }
    }
}

/// Sends bytes, and holds the connection until the other side closes it.
async fn half(to: SocketAddr, request: &str) -> anyhow::Result<()> {
    let mut stream = connect(to).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut rest = Vec::new();
    timeout(HOLD, stream.read_to_end(&mut rest)).await.context("still open")??;
    Ok(())
}

/// Asks for pictures and reads nothing.
async fn unread(to: SocketAddr, token: u64) -> anyhow::Result<()> {
    let mut stream = connect(to).await?;
    for _ in 0..20 {
        stream.write_all(get(&format!("/t/creature/{token}.png?w=256"), HOST, "").as_bytes()).await?;
    }
    sleep(HOLD).await;
    Ok(())
}

/// Asks over HTTP/2 for pictures that have no room to come.
async fn shut_windows(to: SocketAddr, token: u64) -> anyhow::Result<()> {
    let stream = connect(to).await?;
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake(TokioIo::new(stream))
        .await?;
    let connection = tokio::spawn(connection);
    let mut responses = Vec::new();
    for stream in 0..SHUT_STREAMS {
        let url = format!("http://{HOST}/t/orbits/{}.png?w=256", 1 + (token + stream) % 40);
        sender.ready().await?;
        responses.push(sender.send_request(Request::get(url).body(Empty::<Bytes>::new())?));
    }
    sleep(HOLD).await;
    drop(responses);
    connection.abort();
    Ok(())
}
