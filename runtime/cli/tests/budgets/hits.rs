//! What a hit allocates: in core, natively, and in the whole of the PoP's front, HTTP included.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, mpsc},
    thread,
};

use allocation_counter::measure;
use http::Request;
use iridule_edge::{isolate::Isolate, platform::block_on, serve::serve, settings::Settings};
use iridule_pop::{CacheLimits, Limits, Proxy, ProxyConfig};
use iridule_publish::keys;
use iridule_records::{collection::encode_index, record_keys};
use iridule_studio::StyleFolder;

use iridule_testkit::InProcess;

use crate::{hold, root};

const PATH: &str = "/t/orbits/1.png?w=512";
/// Requests after which everything that grows once has grown.
const WARM: u64 = 200;
/// Requests that are counted.
const COUNTED: u64 = 1000;

#[test]
fn core_allocates_little_for_a_hit() {
    let publisher = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let built = StyleFolder::open(root().join("functions/styles/orbits")).unwrap().build().unwrap();
    let mut all =
        BTreeMap::from([(record_keys::COLLECTIONS.to_owned(), encode_index(vec!["orbits".into()]).unwrap())]);
    all.insert(record_keys::collection("orbits"), built.collection.seal(&publisher).unwrap());
    for block in built.blocks() {
        all.insert(record_keys::block(&block.cid), block.bytes.clone());
    }
    let public = keys::public(&publisher);
    let settings = Settings::parse(|name| match name {
        "publisher_keys" | "trusted_keys" => Some(public.clone()),
        _ => None,
    });
    let (isolate, platform) = (Arc::new(Isolate::new(settings.unwrap())), InProcess::new(all));
    let ask = |tag: &str| {
        let request = Request::get(PATH).header("if-none-match", tag).body(()).unwrap();
        let mut answer = None;
        let seen = measure(|| answer = Some(block_on(serve(&isolate, &platform, &request))));
        (answer.unwrap(), seen.count_total)
    };
    let tag = ask("").0.headers()["etag"].to_str().unwrap().to_owned();
    for (what, tag, status) in [("core_memory", "", 200), ("core_304", &*tag, 304)] {
        for _ in 0..WARM {
            assert_eq!(ask(tag).0.status(), status);
        }
        hold("allocations", what, ask(tag).1);
    }
}

#[test]
fn the_pop_s_front_allocates_little_for_a_hit() {
    let origin = origin();
    for (what, validates) in [("front_memory", false), ("front_304", true)] {
        // What starting costs falls out of the difference, and what a timer takes now and then out of the rounding.
        let (few, many) = (served(origin, WARM, validates), served(origin, WARM + COUNTED, validates));
        hold("allocations", what, (many.saturating_sub(few) + COUNTED / 2) / COUNTED);
    }
}

/// Allocations of a PoP's front on this thread, from its start to its end, while another thread asks it so often.
fn served(origin: SocketAddr, requests: u64, validates: bool) -> u64 {
    let data = tempfile::tempdir().unwrap();
    let config = |data: &Path| ProxyConfig {
        origin: format!("http://{origin}").parse().unwrap(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: None,
        cache: CacheLimits::new(data),
        limits: Limits::default(),
    };
    let (started, address) = mpsc::channel();
    let (done, ended) = tokio::sync::oneshot::channel();
    let visitor = thread::spawn(move || {
        visit(address.recv().unwrap(), requests, validates);
        done.send(()).unwrap();
    });
    let seen = measure(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let proxy = Proxy::start(config(data.path())).await.unwrap();
            started.send(proxy.address()).unwrap();
            ended.await.unwrap();
        });
    });
    visitor.join().unwrap();
    seen.count_total
}

/// Asks for one picture over one connection.
fn visit(address: SocketAddr, requests: u64, validates: bool) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    for number in 0..requests {
        let known = if validates && number > 0 { "if-none-match: \"a picture\"\r\n" } else { "" };
        stream.write_all(format!("GET /a.png HTTP/1.1\r\nhost: a\r\n{known}\r\n").as_bytes()).unwrap();
        let (mut status, mut length, mut line) = (0, 0, String::new());
        loop {
            line.clear();
            answers.read_line(&mut line).unwrap();
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().unwrap();
            }
            if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let expected = if known.is_empty() { (200, 14_000) } else { (304, 0) };
        let length = if status == 304 { 0 } else { length };
        assert_eq!((status, length), expected);
        std::io::copy(&mut std::io::Read::take(&mut answers, length), &mut std::io::sink()).unwrap();
    }
}

/// An origin with one picture.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let asks = BufReader::new(stream.try_clone().unwrap());
                for line in asks.lines().map_while(Result::ok) {
                    if line.is_empty() {
                        let head = "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 14000\r\n\
                                    etag: \"a picture\"\r\ncache-control: public, max-age=3600\r\n\r\n";
                        stream.write_all(&[head.as_bytes(), &[7; 14_000]].concat()).unwrap();
                    }
                }
            });
        }
    });
    address
}
