//! A host's life: start, code cache, streams, slow clients, leaving.

use std::time::{Duration, Instant};

use http::Request;
use http_body_util::{BodyExt as _, Full};
use iridule_pop::{Config, Pop, PopError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Running, config, lend_code, start, start_in};

/// Sends raw bytes, and reads until the host closes or `patience` is over.
async fn raw(pop: &Running, request: &str, patience: Duration) -> (String, bool) {
    let mut stream = TcpStream::connect(pop.pop.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(patience, stream.read_to_end(&mut answer)).await.is_ok();
    (String::from_utf8_lossy(&answer).into_owned(), closed)
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_code_on_disk_is_compiled_anew() {
    let data = tempfile::tempdir().unwrap();
    lend_code(data.path());
    let file = std::fs::read_dir(data.path().join("code")).unwrap().next().unwrap().unwrap().path();
    let good = std::fs::read(&file).unwrap();
    let middle = good.len() / 2;
    let flip = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    let mut data = data;
    for broken in
        [flip(middle), flip(10), good[..middle].to_vec(), Vec::new(), b"irdlcod1 and not more".to_vec()]
    {
        std::fs::write(&file, broken).unwrap();
        let pop = start_in(data, |_| {}).await;
        assert_eq!(pop.get("/echo").await.status, 200);
        data = pop.data;
        pop.pop.shutdown().await;
        assert!(std::fs::read(&file).unwrap().len() == good.len(), "the file was not made anew");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_is_refused_at_the_start() {
    let data = tempfile::tempdir().unwrap();
    let with = |change: fn(&mut Config)| {
        let mut config = config(data.path());
        change(&mut config);
        Pop::start(config)
    };
    assert!(matches!(
        with(|c| c.component = b"\0asm nonsense".to_vec().into()).await,
        Err(PopError::Component(_))
    ));
    assert!(matches!(with(|c| c.limits.instances = 0).await, Err(PopError::Config(_))));
    assert!(matches!(with(|c| c.admin_token = Some("short".into())).await, Err(PopError::Config(_))));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(data.path());
    config.listen = taken.local_addr().unwrap();
    assert!(matches!(Pop::start(config).await, Err(PopError::Listen { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_leaves_when_its_requests_are_done() {
    let pop = start(|_| {}).await;
    let address = pop.pop.address();
    let request = format!("GET /slow/400 HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    let leaving = tokio::spawn(pop.pop.shutdown());
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("slept 400 ms"), "{answer}");
    leaving.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_flow_share_instances_and_end_in_time() {
    let pop = start(|config| {
        config.limits.max_streams = 4;
        config.limits.stream_lifetime = Duration::from_millis(600);
    })
    .await;
    let open = || async {
        let url = format!("http://{}/events/live", pop.pop.address());
        let request = Request::get(url).header("accept", "text/event-stream").body(Full::default()).unwrap();
        pop.open(request).await
    };
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut stream = open().await;
        assert_eq!(stream.status(), 200);
        let first = stream.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&*first, b"data: tick\n\n");
        streams.push(stream);
    }
    pop.metric_becomes("iridule_pop_streams", 4.0).await;
    pop.metric_becomes("iridule_pop_instances", 1.0).await;
    let refused = open().await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "30");
    // Others are served beside them.
    assert_eq!(pop.get("/echo").await.status, 200);
    for stream in streams {
        let body = stream.into_body().collect().await.unwrap().to_bytes();
        assert!(body.len() < 30 * 12, "a stream of {} bytes went on too long", body.len());
    }
    pop.metric_becomes("iridule_pop_streams", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_ends_streams() {
    let pop = start(|_| {}).await;
    let url = format!("http://{}/events/live", pop.pop.address());
    let request = Request::get(url).header("accept", "text/event-stream").body(Full::default()).unwrap();
    let stream = pop.open(request).await;
    let begun = Instant::now();
    let (body, ()) = tokio::join!(stream.into_body().collect(), pop.pop.shutdown());
    assert!(body.is_ok());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_dawdle_or_overdo_are_cut_off() {
    let pop = start(|config| config.limits.header_timeout = Duration::from_millis(300)).await;
    let patience = Duration::from_secs(3);
    let (answer, closed) = raw(&pop, "GET /echo HTTP/1.1\r\nHost: a\r\nX-Slow: ", patience).await;
    assert!(closed && !answer.contains(" 200 "), "{answer}");
    let long = format!("GET /echo HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(40_000));
    let (answer, closed) = raw(&pop, &long, patience).await;
    assert!(closed && answer.starts_with("HTTP/1.1 431"), "{answer}");
    let (answer, closed) = raw(&pop, "nonsense\r\n\r\n", patience).await;
    assert!(closed && answer.starts_with("HTTP/1.1 400"), "{answer}");
    // Two requests on one connection, which is then closed for its silence.
    let twice = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
    let (answer, closed) = raw(&pop, &twice, patience).await;
    assert!(closed);
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_cut_off() {
    let pop = start(|config| config.limits.stall_timeout = Duration::from_millis(300)).await;
    let mut stream = TcpStream::connect(pop.pop.address()).await.unwrap();
    stream.write_all(b"GET /size/30000000 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(pop.metric("iridule_pop_connections").await, 1.0, "only the one that asks for the metrics");
    // It did not hold a guest either.
    assert_eq!(pop.metric("iridule_pop_in_flight").await, 0.0);
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_can_be_seeded_before_the_first_request() {
    let data = tempfile::tempdir().unwrap();
    lend_code(data.path());
    let seed = async |records: &iridule_pop::Records| records.set("greeting".into(), b"hello".to_vec()).await;
    let pop =
        Pop::start_with(config(data.path()), async |records| seed(records).await.map_err(PopError::from))
            .await;
    let pop = Running::around(pop.unwrap());
    assert_eq!(pop.get("/kv/default/greeting").await.text(), "hello");
    assert_eq!(pop.get("/say/hello").await.text(), "said");
}
