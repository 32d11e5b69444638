//! One request is one thing to everybody, and a client takes its turn: the reproductions, over real connections.

use std::{
    convert::Infallible,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use iridule_pop::{CacheLimits, Limits, Proxy, ProxyConfig};
use tokio::net::TcpListener;

use super::support::start;

/// Sends a head as it stands and reads the answer: its status, its head and its body.
fn send(address: SocketAddr, head: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(head.replace('\n', "\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
}

async fn ask(address: SocketAddr, head: &str) -> (u16, String, String) {
    let head = head.to_owned();
    tokio::task::spawn_blocking(move || send(address, &head)).await.unwrap()
}

/// Heads of requests that name no single resource.
const MALFORMED: [&str; 9] = [
    "GET /echo HTTP/1.1\nConnection: close\n\n",
    "GET /echo HTTP/1.0\n\n",
    "GET /echo HTTP/1.1\nHost: a\nHost: a\nConnection: close\n\n",
    "GET /echo HTTP/1.1\nHost: a\nHost: b\nConnection: close\n\n",
    "GET /echo HTTP/1.1\nHost:\nConnection: close\n\n",
    "GET /echo HTTP/1.1\nHost: \u{e4}.example\nConnection: close\n\n",
    "GET /echo HTTP/1.1\nHost: a b\nConnection: close\n\n",
    "GET http://b/echo HTTP/1.1\nHost: a\nConnection: close\n\n",
    "GET http://u@a/echo HTTP/1.1\nHost: u@a\nConnection: close\n\n",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_functions_see_the_url_that_is_the_key() {
    let pop = start(|config| config.cache = Some(CacheLimits::new(config.data.join("cache")))).await;
    let address = pop.pop.address();
    for head in [
        "GET /x/../echo?b=2&a=1 HTTP/1.1\nHost: Img.Example:80\nConnection: close\n\n",
        "GET /%2e/%65cho?a=1&b=2 HTTP/1.1\nHost: img.example\nConnection: close, host\n\n",
        "GET http://img.example/./echo?a=1&b=2 HTTP/1.1\nHost: img.example\nConnection: close\n\n",
        "GET /echo?a=1&b=2 HTTP/1.1\nHost: img.example\nX-Forwarded-Host: evil\nForwarded: host=evil\nConnection: close\n\n",
    ] {
        let (status, _, body) = ask(address, head).await;
        assert_eq!(status, 200, "{head}");
        assert!(body.starts_with("GET http://img.example/echo?a=1&b=2 "), "{head}{body}");
    }
    for head in MALFORMED {
        let (status, head_of_answer, body) = ask(address, head).await;
        assert_eq!(status, 400, "{head}");
        assert!(
            head_of_answer.contains("application/problem+json") && body.contains("\"status\":400"),
            "{head}"
        );
    }
    let refused = http2().request(authority_against_host(address)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

fn http2() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

/// A request whose `:authority` is the address, and whose `host` is another.
fn authority_against_host(address: SocketAddr) -> Request<Full<Bytes>> {
    let request = Request::get(format!("http://{address}/echo")).version(Version::HTTP_2);
    request.header("host", "other.example").body(Full::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_trusted_proxy_says_holds_and_what_others_say_does_not() {
    let head = "GET /echo HTTP/1.1\nHost: inner\nX-Forwarded-Proto: https\nX-Forwarded-Host: img.example\n\
                X-Forwarded-For: 198.51.100.7\nConnection: close\n\n";
    let pop = start(|config| config.limits.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let (_, _, body) = ask(pop.pop.address(), head).await;
    assert!(body.starts_with("GET https://img.example/echo "), "{body}");
    let contradicting = head.replace("Host: inner", "Host: inner\nForwarded: for=1.1.1.1;host=evil");
    assert_eq!(ask(pop.pop.address(), &contradicting).await.0, 400);
    let pop = start(|config| config.limits.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()]).await;
    let (_, _, body) = ask(pop.pop.address(), head).await;
    assert!(body.starts_with("GET http://inner/echo "), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_counted_by_the_address_that_a_trusted_proxy_names() {
    let pop = start(|config| {
        config.limits.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.limits.requests_per_second = 1;
    })
    .await;
    let as_client = |last: u32| {
        format!("GET /echo HTTP/1.1\nHost: a\nX-Forwarded-For: 198.51.100.{last}\nConnection: close\n\n")
    };
    for last in 1..8 {
        assert_eq!(ask(pop.pop.address(), &as_client(last)).await.0, 200);
    }
    let mut refused = 0;
    for _ in 0..5 {
        refused += u32::from(ask(pop.pop.address(), &as_client(9)).await.0 == 429);
    }
    assert!(refused >= 2, "{refused}");
}

/// An origin that lets everything be kept, refuses ranges and expectations, and says which URL and host it saw.
async fn origin() -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
    let asked = count.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asked = asked.clone();
            let answer = service_fn(move |request: Request<Incoming>| {
                asked.fetch_add(1, Ordering::SeqCst);
                let field =
                    |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                let status = match () {
                    () if field("range").is_some() => 416,
                    () if field("expect").is_some() => 417,
                    () => 200,
                };
                let hosts = request.headers().get_all("host").iter().count();
                let said = format!(
                    "{} {} {} {hosts}",
                    field("x-forwarded-proto").unwrap_or_default(),
                    field("host").unwrap_or_default(),
                    request.uri(),
                );
                let answer = Response::builder().status(status).header("cache-control", "max-age=60");
                async move { Ok::<_, Infallible>(answer.body(Full::new(Bytes::from(said))).unwrap()) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    (address, count)
}

async fn proxy(data: &tempfile::TempDir) -> (Proxy, Arc<AtomicU32>) {
    let (behind, asked) = origin().await;
    let proxy = Proxy::start(ProxyConfig {
        origin: format!("http://{behind}").parse().unwrap(),
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        cache: CacheLimits::new(data.path()),
        limits: Limits::default(),
    });
    (proxy.await.unwrap(), asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_sees_the_url_that_is_the_key() {
    let data = tempfile::tempdir().unwrap();
    let (proxy, asked) = proxy(&data).await;
    for head in [
        "GET /x/../a%7eb?z&a=1 HTTP/1.1\nHost: A.Example:80\nConnection: close\n\n",
        "GET /a~b?z&a=1 HTTP/1.1\nHost: a.example\nConnection: close, host\nX-Original-Url: /admin\n\n",
        "GET http://a.example/./a~b?z&a=1 HTTP/1.1\nHost: a.example\nConnection: close\nX-Forwarded-Host: evil\n\n",
    ] {
        let (status, _, body) = ask(proxy.address(), head).await;
        assert_eq!((status, &*body), (200, "http a.example /a~b?z&a=1 1"), "{head}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // Order and presence of parameters are the origin's to understand.
    for (number, path) in ["/a~b?a=1&z", "/a~b?", "/a~b", "/a%2Fb"].into_iter().enumerate() {
        let head = format!("GET {path} HTTP/1.1\nHost: a.example\nConnection: close\n\n");
        assert_eq!(ask(proxy.address(), &head).await.2, format!("http a.example {path} 1"));
        assert_eq!(asked.load(Ordering::SeqCst), 2 + u32::try_from(number).unwrap());
    }
    for head in MALFORMED {
        assert_eq!(ask(proxy.address(), head).await.0, 400, "{head}");
    }
    let refused = http2().request(authority_against_host(proxy.address())).await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_client_asks_for_in_vain_is_no_answer_to_the_next() {
    let data = tempfile::tempdir().unwrap();
    let (proxy, _) = proxy(&data).await;
    for (path, field, status) in [
        ("/a", "Range: bytes=5-", 416),
        ("/b", "Range: bytes=9-\nIf-Range: \"x\"", 416),
        ("/c", "Expect: 200-ok", 200),
    ] {
        let head =
            |field: &str| format!("GET {path} HTTP/1.1\nHost: a.example\n{field}\nConnection: close\n\n");
        assert_eq!(ask(proxy.address(), &head(field)).await.0, status, "{field}");
        let (status, _, body) = ask(proxy.address(), &head("Accept: */*")).await;
        assert_eq!((status, &*body), (200, &*format!("http a.example {path} 1")), "{field}");
    }
}

/// A client that asks from this address.
fn client_from(address: [u8; 4]) -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_local_address(Some(IpAddr::V4(Ipv4Addr::from(address))));
    Client::builder(TokioExecutor::new()).build(connector)
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_heavy_requests_of_one_client_hold_up_nobody_else() {
    let pop = start(|config| config.limits.instances = 8).await;
    let url = |path: &str| -> http::Uri { format!("http://{}{path}", pop.pop.address()).parse().unwrap() };
    let heavy = client_from([127, 0, 0, 2]);
    let flood: Vec<_> = (0..100).map(|_| tokio::spawn(heavy.get(url("/slow/500")))).collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let mut longest = Duration::ZERO;
    for last in 3..10 {
        let start = Instant::now();
        let answer = client_from([127, 0, 0, last]).get(url("/echo")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body().collect().await.unwrap();
        longest = longest.max(start.elapsed());
    }
    assert!(!flood.iter().all(tokio::task::JoinHandle::is_finished), "the flood is over too soon");
    flood.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}
