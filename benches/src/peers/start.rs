//! From the start of `iridule serve` to its first answer, with the component compiled before and not.

use std::{
    net::TcpListener,
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::{
    hosts::{Client, Home},
    peers::Bench,
    report::{Bar, Bound, Section},
    rounds::{Case, interleaved},
};

const WARM: &str = "iridule serve, code cache warm";
const COLD: &str = "iridule serve, first start on a new machine";
/// What was promised of a warm start, milliseconds.
const PROMISED: f64 = 300.0;
/// Longest that a first start may take.
const LONGEST: Duration = Duration::from_secs(120);

pub fn section(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section {
        title: "From the start to the first answer".into(),
        about: "From the start of the process to the last byte of a token's metadata, asked for until it is there. Warm, the data \
                folder is that of an earlier start; new, it is empty, so that the component is compiled and the demo collections are \
                built."
            .into(),
        ..Section::default()
    };
    let home = Home::new(&bench.binary)?;
    first_answer(&home)?;
    let mut cases = [
        Case::new(WARM, || first_answer(&home)),
        Case::new(COLD, || first_answer(&Home::new(&bench.binary)?)),
    ];
    let times = interleaved(&mut cases, bench.rounds)?;
    section.rows = times.iter().zip([WARM, COLD]).map(|(times, case)| times.row(case)).collect();
    section.bars.push(Bar {
        says: "A warm start beside 300 ms".into(),
        ratio: times[0].median().as_secs_f64() * 1e3 / PROMISED,
        bound: Bound::AtMost(1.0),
        because: String::new(),
    });
    Ok(section)
}

fn first_answer(home: &Home) -> anyhow::Result<Duration> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let url = format!("http://{address}/t/orbits/1");
    let client = Client::new()?;
    let mut command = home.command(&["serve", "--listen", &address, "--admin", "127.0.0.1:0"]);
    command.env("RUST_LOG", "off").stdout(Stdio::null());
    let started = Instant::now();
    let mut server = command.spawn().context("starting iridule")?;
    let took = loop {
        if client.get(&url, &[]).is_ok() {
            break Ok(started.elapsed());
        }
        if started.elapsed() > LONGEST {
            break Err(anyhow::anyhow!("no answer within {LONGEST:?}"));
        }
        sleep(Duration::from_micros(500));
    };
    server.kill()?;
    server.wait()?;
    took
}
