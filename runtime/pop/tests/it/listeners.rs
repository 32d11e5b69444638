//! What clients may speak, and how much of it: HTTP/1.1 and HTTP/2, in clear and over TLS, with bounds for one address.

use std::{
    convert::Infallible,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::{server::conn::http1, service::service_fn};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use iridule_pop::{CacheLimits, Limits, Proxy, ProxyConfig, Tls};
use tokio::net::TcpListener;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::support::start;

fn certificate(folder: &Path) -> (Tls, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = Tls { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&tls.certificate, made.cert.pem()).unwrap();
    std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (tls, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_in_clear_and_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, trusting) = certificate(folder.path());
    for tls in [None, Some(tls)] {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let running = start(|config| config.tls = tls).await;
        let url = format!("{scheme}://localhost:{}/echo", running.pop.address().port());
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let connector = HttpsConnectorBuilder::new().with_tls_config(trusting.clone()).https_or_http();
            let (mut client, connector) = (
                Client::builder(TokioExecutor::new()),
                match version {
                    Version::HTTP_2 => connector.enable_http2().build(),
                    _ => connector.enable_http1().build(),
                },
            );
            let client: Client<_, Full<Bytes>> =
                client.http2_only(version == Version::HTTP_2).build(connector);
            for _ in 0..3 {
                let answer = client.get(url.parse().unwrap()).await.unwrap();
                assert_eq!((answer.status(), answer.version()), (StatusCode::OK, version), "{scheme}");
                let body: Bytes = answer.into_body().collect().await.unwrap().to_bytes();
                let body = String::from_utf8_lossy(&body).into_owned();
                assert!(body.starts_with(&format!("GET {url} ")), "{body}");
            }
        }
        running.pop.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_none_is_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (mut tls, _) = certificate(folder.path());
    tls.key = folder.path().join("none.pem");
    let mut config = super::support::config(folder.path());
    config.tls = Some(tls);
    let why = iridule_pop::Pop::start(config).await.err().unwrap().to_string();
    assert!(why.contains("none.pem"), "{why}");
}

/// Whether the other side has closed.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    matches!(stream.read(&mut [0; 1]), Ok(0)) || stream.write_all(b"x").is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_holds_so_many_connections_and_asks_so_often() {
    let running = start(|config| {
        config.limits.connections_per_address = 3;
        config.limits.requests_per_second = 4;
    })
    .await;
    let address = running.pop.address();
    let held: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(is_closed(&TcpStream::connect(address).unwrap()));
    drop(held);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut refused = 0;
    for _ in 0..12 {
        let answer = running.get("/echo").await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            answer.assert_problem(429);
            assert_eq!(answer.header("retry-after"), "1");
            refused += 1;
        }
    }
    assert!((1..=4).contains(&refused), "8 at once and 4 a second: {refused} of 12 refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_too_little_is_not_waited_for() {
    let running = start(|config| config.limits.header_timeout = Duration::from_millis(200)).await;
    for beginning in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut stream = TcpStream::connect(running.pop.address()).unwrap();
        stream.write_all(beginning).unwrap();
        let started = std::time::Instant::now();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(started.elapsed() < Duration::from_secs(4), "{beginning:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_window_stays_closed_is_reset() {
    let running = start(|config| config.limits.stall_timeout = Duration::from_millis(300)).await;
    for window in [0, 1, 99_999] {
        let stream = tokio::net::TcpStream::connect(running.pop.address()).await.unwrap();
        let (client, connection) = h2::client::Builder::new()
            .initial_window_size(window)
            .handshake::<_, Bytes>(stream)
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = Request::get("http://a/size/100000").version(Version::HTTP_2).body(()).unwrap();
        let (answer, _) = client.ready().await.unwrap().send_request(request, true).unwrap();
        let mut body = answer.await.unwrap().into_body();
        let end = tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                match body.data().await {
                    Some(Ok(_)) => {}
                    end => break end,
                }
            }
        });
        let why = end.await.expect("it is reset").expect("it does not end by itself").unwrap_err();
        assert_eq!(why.reason(), Some(h2::Reason::CANCEL), "{window}");
    }
}

/// An origin on the loopback that counts what it is asked.
async fn origin(fields: &'static [(&'static str, &'static str)]) -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
    let asked = count.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asked = asked.clone();
            let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
                let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
                let mut answer = Response::builder().header("x-via", request.headers()["via"].clone());
                for (name, value) in fields {
                    answer = answer.header(*name, *value);
                }
                let said =
                    format!("{number} {} {}", request.method(), request.headers()["host"].to_str().unwrap());
                async move { Ok::<_, Infallible>(answer.body(Full::new(Bytes::from(said))).unwrap()) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    (address, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_before_another_origin() {
    let (behind, asked) =
        origin(&[("cache-control", "max-age=60"), ("connection", "x-hop"), ("x-hop", "1")]).await;
    let data = tempfile::tempdir().unwrap();
    let config = |origin: SocketAddr| ProxyConfig {
        origin: format!("http://{origin}").parse().unwrap(),
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        cache: CacheLimits { disk: 16 << 20, ..CacheLimits::new(data.path()) },
        limits: Limits::default(),
    };
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let ask = async |proxy: &Proxy, method: Method| {
        let request = Request::builder().method(method).uri(format!("http://{}/a?b", proxy.address()));
        let request = request.header("host", "img.example").body(Full::default()).unwrap();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        (head, String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap())
    };
    let proxy = Proxy::start(config(behind)).await.unwrap();
    for _ in 0..2 {
        let (head, body) = ask(&proxy, Method::GET).await;
        assert_eq!(body, "1 GET img.example");
        assert_eq!(head.headers["x-via"], "1.1 iridule");
        assert!(!head.headers.contains_key("x-hop"));
    }
    assert_eq!(ask(&proxy, Method::POST).await.1, "2 POST img.example");
    assert_eq!(ask(&proxy, Method::GET).await.1, "3 GET img.example");
    proxy.shutdown().await;

    // Nobody is behind it any more, and what is stored is.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = Proxy::start(config(nobody)).await.unwrap();
    assert_eq!(ask(&proxy, Method::GET).await.1, "3 GET img.example");
    assert_eq!(ask(&proxy, Method::POST).await.0.status, StatusCode::BAD_GATEWAY);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}
