//! What a hit costs in instructions, counted by callgrind: the whole server's, outside the kernel, for one request more.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use crate::{
    hosts::Client,
    peers::{Bench, static_file, wrk::needs},
    report::{Bound, Row, Section, Unit},
};

/// Requests of the shorter and of the longer run; what differs is the cost of those between.
const RUNS: (u32, u32) = (500, 2500);
const OURS: &str = "iridule";
const THEIRS: &str = "nginx";

pub fn section(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section {
        title: "A cached picture: instructions of a request".into(),
        about: format!(
            "Instructions outside the kernel that the whole server runs for one request more, over one kept connection: callgrind \
             of {} requests less callgrind of {}, over the difference. Ours vary from run to run.",
            RUNS.1, RUNS.0
        ),
        unit: Unit::Instructions,
        ..Section::default()
    };
    if let Err(why) = ["valgrind", "nginx"].into_iter().try_for_each(needs) {
        section.skipped.push(format!("all of it: {why}"));
        return Ok(section);
    }
    let home = bench.scratch.path().join("instructions");
    fs::create_dir_all(&home)?;
    static_file::picture(&home)?;
    let origin = port()?;
    let _origin = static_file::nginx(&home, origin, "")?;
    let each = |name: &str, answer: &str| {
        let counted = |requests| {
            let (port, data) = (port()?, tempfile::tempdir_in(&home)?);
            let words = match name {
                OURS => static_file::edge_words(&bench.binary, data.path(), origin, port)?,
                _ => static_file::nginx_words(&home, port, "master_process off;", "")?,
            };
            count(&home, &words, &static_file::url(port), answer == "304", requests)
        };
        anyhow::Ok((counted(RUNS.1)? - counted(RUNS.0)?) / f64::from(RUNS.1 - RUNS.0))
    };
    let cases = [(OURS, "200"), (THEIRS, "200"), (OURS, "304"), (THEIRS, "304")];
    let mut seen: [Vec<f64>; 4] = Default::default();
    for _ in 0..bench.rounds {
        for ((name, answer), seen) in cases.iter().zip(&mut seen) {
            seen.push(each(name, answer)?);
        }
    }
    for ((name, answer), seen) in cases.iter().zip(seen) {
        section.rows.push(Row::new(format!("{name}, {answer}"), seen));
    }
    for answer in ["200", "304"] {
        let (ours, theirs) = (format!("{OURS}, {answer}"), format!("{THEIRS}, {answer}"));
        section.hold(
            &format!("A {answer} beside nginx"),
            (&ours, &theirs),
            Bound::AtMost(1.0),
            static_file::SPREAD,
        );
    }
    Ok(section)
}

fn port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The instructions of a server from its start to its end, with so many requests between.
fn count(home: &Path, words: &[String], url: &str, validates: bool, requests: u32) -> anyhow::Result<f64> {
    let out = home.join("callgrind.out");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet", &format!("--callgrind-out-file={}", out.display())]);
    command.args(words).env("RUST_LOG", "off").stdout(Stdio::null()).stderr(Stdio::null());
    let server = Counted(command.spawn().context("starting valgrind")?);
    let client = Client::new()?;
    let mut tries = 0;
    let tag = loop {
        match client.get(url, &[]) {
            Ok(answer) => break answer.etag,
            Err(why) => ensure!(tries < 600, "{} does not answer: {why:#}", words[0]),
        }
        tries += 1;
        sleep(Duration::from_millis(50));
    };
    let headers: &[(&str, &str)] = if validates { &[("if-none-match", &tag)] } else { &[] };
    for _ in 0..requests {
        ensure!(client.get(url, headers)?.body.is_empty() == validates, "another answer than expected");
    }
    server.stop()?;
    let said = fs::read_to_string(&out).with_context(|| out.display().to_string())?;
    fs::remove_file(&out)?;
    let total =
        said.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    total.and_then(|total| total.trim().parse().ok()).context("callgrind counted nothing")
}

/// A server under valgrind, which ends with the bench.
struct Counted(Child);

impl Counted {
    fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // Nothing is left to do when it has stopped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
