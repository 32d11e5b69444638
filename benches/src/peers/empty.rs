//! A component that answers at once with nothing: `benches/work/empty` in our host and in `wasmtime serve`.

use anyhow::Context as _;

use crate::{
    peers::{
        Bench,
        wrk::{SECONDS, Seen, Server, needs, wrk},
    },
    report::{Bound, Row, Section, Unit},
};

const CONNECTIONS: u32 = 16;
const OURS: &str = "iridule's host";
const THEIRS: &str = "wasmtime serve";

pub fn section(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section {
        title: "An empty component".into(),
        about: format!(
            "A wasi:http component that answers 200 with an empty body, without a cache before it: {CONNECTIONS} kept connections, \
             the server on one core, wrk on the other, {SECONDS} s a round. Both hosts are of the same wasmtime, and reuse an instance for \
             128 requests."
        ),
        unit: Unit::RequestsPerSecond,
        ..Section::default()
    };
    let tool = |name: &str| {
        let file = bench.tools.join(name);
        anyhow::ensure!(file.is_file(), "{} was not built", file.display());
        anyhow::Ok(file.to_str().context("the path is not UTF-8")?.to_owned())
    };
    let found = ["wrk", "taskset"].into_iter().try_for_each(needs);
    let found = found.and_then(|()| anyhow::Ok((tool("host")?, tool("bin/wasmtime")?, tool("empty.wasm")?)));
    let (host, wasmtime, component) = match found {
        Ok(found) => found,
        Err(why) => {
            section.skipped.push(format!("all of it: {why:#}"));
            return Ok(section);
        }
    };
    let (ours, theirs) = ("127.0.0.1:8385", "127.0.0.1:8386");
    let _ours = Server::ready(&[&host, &component, ours].map(str::to_owned), &format!("http://{ours}/"))?;
    let words = [
        &*wasmtime,
        "serve",
        "-W",
        "component-model-async=y",
        "-S",
        "p3=y,cli=y",
        "--addr",
        theirs,
        &component,
    ];
    let _theirs = Server::ready(&words.map(str::to_owned), &format!("http://{theirs}/"))?;
    let servers = [(OURS, ours), (THEIRS, theirs)];
    let mut seen: [Vec<Seen>; 2] = Default::default();
    for _ in 0..bench.rounds {
        for ((_, address), seen) in servers.iter().zip(&mut seen) {
            seen.push(wrk(bench.scratch.path(), &format!("http://{address}/"), CONNECTIONS, None)?);
        }
    }
    for ((name, _), seen) in servers.iter().zip(&seen) {
        let p99 = Row::new("", seen.iter().map(|seen| seen.p99).collect()).median();
        let row = Row::new(*name, seen.iter().map(|seen| seen.rate).collect());
        section.rows.push(row.with("p99, ms", crate::report::figure(p99)));
    }
    let because =
        "no single part: a quarter more time in the host's code, the guest's, malloc and the kernel alike";
    section.hold("Our host beside wasmtime serve", (OURS, THEIRS), Bound::AtLeast(1.0), because);
    Ok(section)
}
