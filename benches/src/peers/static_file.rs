//! A cached picture, against nginx serving the same file: requests per second and the slowest hundredth, over HTTP/1.1 with
//! kept connections, one worker on one core each and wrk on another.
//!
//! nginx is as it comes, without its log; with `open_file_cache` it need not open the file each time, which stands in the
//! table too.

use std::{fs, path::Path};

use anyhow::Context as _;

use crate::{
    hosts::Client,
    peers::{
        Bench,
        wrk::{SECONDS, Seen, Server, needs, wrk},
    },
    report::{Bound, Row, Section, Unit},
};

/// Bytes of the picture: what a 512 px card of few colours has.
const BYTES: usize = 14_000;
const CONNECTIONS: [u32; 2] = [16, 256];
/// What a profile of a hit says of its time outside the kernel.
pub const SPREAD: &str = "it is spread over hyper, tokio and header maps, no part above 3 %";
const ORIGIN: u16 = 8380;
const SERVERS: [(&str, u16); 3] = [("nginx", 8381), ("nginx, open_file_cache", 8382), ("iridule", 8383)];

/// The rates, and the slowest hundredth, of 200s and 304s.
pub fn sections(bench: &Bench) -> anyhow::Result<Vec<Section>> {
    let about = format!(
        "{BYTES} bytes over HTTP/1.1 with kept connections, one worker on one core each, wrk on the other, {SECONDS} s a round. Ours \
         is `iridule serve --proxy` with the picture in memory; nginx serves the file, without an access log."
    );
    let section =
        |title: &str, unit| Section { title: title.into(), about: about.clone(), unit, ..Section::default() };
    let mut rates = section("A cached picture: requests per second", Unit::RequestsPerSecond);
    let mut slowest = section("A cached picture: all but the slowest hundredth, at most", Unit::Milliseconds);
    if let Err(why) = ["nginx", "wrk", "taskset"].into_iter().try_for_each(needs) {
        rates.skipped.push(format!("all of it: {why}"));
        return Ok(vec![rates]);
    }
    let home = bench.scratch.path().join("static");
    fs::create_dir_all(&home)?;
    picture(&home)?;
    let _origin = nginx(&home, ORIGIN, "")?;
    let _nginx = nginx(&home, SERVERS[0].1, "")?;
    let _open = nginx(&home, SERVERS[1].1, "open_file_cache max=100;")?;
    let edge = edge_words(&bench.binary, &home.join("data"), ORIGIN, SERVERS[2].1)?;
    let _edge = Server::ready(&edge, &url(SERVERS[2].1))?;
    let tag = Client::new()?.get(&url(SERVERS[2].1), &[])?.etag;
    for (answer, header) in [("200", None), ("304", Some(("If-None-Match", &*tag)))] {
        for connections in CONNECTIONS {
            let mut seen: [Vec<Seen>; SERVERS.len()] = Default::default();
            for _ in 0..bench.rounds {
                for ((_, port), seen) in SERVERS.iter().zip(&mut seen) {
                    seen.push(wrk(&home, &url(*port), connections, header)?);
                }
            }
            let case = |who: &str| format!("{who}, {answer}, {connections} connections");
            for ((name, _), seen) in SERVERS.iter().zip(&seen) {
                rates.rows.push(Row::new(case(name), seen.iter().map(|seen| seen.rate).collect()));
                slowest.rows.push(Row::new(case(name), seen.iter().map(|seen| seen.p99).collect()));
            }
            let (ours, theirs) = (case("iridule"), case("nginx"));
            let says = format!("{answer} over {connections} connections beside nginx");
            rates.hold(&says, (&ours, &theirs), Bound::AtLeast(1.0), SPREAD);
            slowest.hold(&says, (&ours, &theirs), Bound::AtMost(1.0), SPREAD);
        }
    }
    Ok(vec![rates, slowest])
}

/// Writes the picture: bytes of no pattern, as a picture has.
pub fn picture(home: &Path) -> anyhow::Result<()> {
    let mut state = 1u32;
    let picture = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    Ok(fs::write(home.join("picture.png"), picture.take(BYTES).collect::<Vec<u8>>())?)
}

pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/picture.png")
}

/// An nginx with the picture.
pub fn nginx(home: &Path, port: u16, more: &str) -> anyhow::Result<Server> {
    Server::ready(&nginx_words(home, port, "", more)?, &url(port))
}

/// The command of such an nginx, with further directives outside and inside of `http`.
pub fn nginx_words(home: &Path, port: u16, outside: &str, inside: &str) -> anyhow::Result<Vec<String>> {
    let home = home.display();
    let config = format!(
        "worker_processes 1; daemon off; pid {home}/{port}.pid; error_log stderr crit; {outside}\n\
         events {{ worker_connections 2048; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; {inside}\n\
         types {{ image/png png; }}\n\
         server {{ listen 127.0.0.1:{port}; root {home}; add_header Cache-Control 'public, max-age=3600'; }} }}\n"
    );
    let path = format!("{home}/{port}.conf");
    fs::write(&path, config)?;
    Ok(["nginx", "-c", &path].map(str::to_owned).into())
}

/// The command of our cache before an origin.
pub fn edge_words(binary: &Path, data: &Path, origin: u16, port: u16) -> anyhow::Result<Vec<String>> {
    let text =
        |path: &Path| Ok::<_, anyhow::Error>(path.to_str().context("the path is not UTF-8")?.to_owned());
    let (origin, listen) = (format!("http://127.0.0.1:{origin}"), format!("127.0.0.1:{port}"));
    let fixed =
        ["serve", "--workers", "1", "--proxy", &origin, "--listen", &listen, "--data"].map(str::to_owned);
    Ok([&[text(binary)?], &fixed[..], &[text(data)?]].concat())
}
