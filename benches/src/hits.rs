//! A cached picture, against nginx serving the same file: requests per second and the slowest hundredth, over HTTP/1.1 with
//! kept connections, one worker on one core each and wrk on another.
//!
//! Needs `nginx`, `wrk`, `taskset` and `curl` on the path. nginx is as it comes, without its log; with `open_file_cache` it need not
//! open the file each time, which stands in the table too.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

/// Bytes of the picture: what a 512 px card of few colours has.
const BYTES: usize = 14_000;
const CONNECTIONS: [u32; 2] = [16, 256];
/// Seconds of one measurement.
const SECONDS: u32 = 3;
const ORIGIN: u16 = 8380;
const NGINX: u16 = 8381;
const NGINX_OPEN: u16 = 8382;
const EDGE: u16 = 8383;

/// A server that stops with the bench.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is left to do when it is gone already. nginx stops its worker on a signal, not on a kill.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Prints the table.
pub fn run(binary: &Path, rounds: u32) -> anyhow::Result<()> {
    let home = TempDir::new()?;
    // Bytes of no pattern, as a picture has.
    let mut state = 1u32;
    let picture: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(BYTES)
    .collect();
    fs::write(home.path().join("picture.png"), picture)?;
    let _origin = nginx(home.path(), ORIGIN, "")?;
    let _nginx = nginx(home.path(), NGINX, "")?;
    let _open = nginx(home.path(), NGINX_OPEN, "open_file_cache max=100;")?;
    let _edge = edge(binary, home.path())?;
    let servers = [("nginx", NGINX), ("nginx, open_file_cache", NGINX_OPEN), ("iridule", EDGE)];
    let tag = etag(EDGE)?;
    println!("{BYTES} bytes, the median of {rounds} rounds of {SECONDS} s in turn\n");
    println!("| answer | connections | server | requests/s | p99, ms |");
    println!("|---|---|---|---|---|");
    for (answer, script) in
        [("200", String::new()), ("304", format!("wrk.headers['If-None-Match'] = '{tag}'\n"))]
    {
        let path = home.path().join("ask.lua");
        fs::write(&path, script)?;
        for connections in CONNECTIONS {
            let mut seen = servers.map(|_| Vec::new());
            for _ in 0..rounds {
                for ((_, port), seen) in servers.iter().zip(&mut seen) {
                    seen.push(wrk(*port, connections, &path)?);
                }
            }
            for ((name, _), seen) in servers.iter().zip(&mut seen) {
                let mut middle = |of: fn(&(f64, f64)) -> f64| {
                    seen.sort_by(|a, b| of(a).total_cmp(&of(b)));
                    of(&seen[seen.len() / 2])
                };
                let (rate, slow) = (middle(|seen| seen.0), middle(|seen| seen.1));
                println!("| {answer} | {connections} | {name} | {rate:.0} | {slow:.2} |");
            }
        }
    }
    Ok(())
}

fn nginx(home: &Path, port: u16, more: &str) -> anyhow::Result<Server> {
    let home = home.display();
    let config = format!(
        "worker_processes 1; daemon off; pid {home}/{port}.pid; error_log stderr crit;\n\
         events {{ worker_connections 2048; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; {more}\n\
         types {{ image/png png; }}\n\
         server {{ listen 127.0.0.1:{port}; root {home}; add_header Cache-Control 'public, max-age=3600'; }} }}\n"
    );
    let path = format!("{home}/{port}.conf");
    fs::write(&path, config)?;
    let server =
        Command::new("taskset").args(["-c", "0", "nginx", "-c", &path]).spawn().context("starting nginx")?;
    sleep(Duration::from_millis(300));
    Ok(Server(server))
}

fn edge(binary: &Path, home: &Path) -> anyhow::Result<Server> {
    let mut server = Command::new("taskset")
        .args(["-c", "0"])
        .arg(binary)
        .args(["serve", "--workers", "1", "--proxy", &format!("http://127.0.0.1:{ORIGIN}")])
        .args(["--listen", &format!("127.0.0.1:{EDGE}"), "--data"])
        .arg(home.join("data"))
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", binary.display()))?;
    // The first line says that it serves.
    let out = server.stdout.take().context("no output")?;
    BufReader::new(out).lines().next().context("the binary ended at once")??;
    Ok(Server(server))
}

/// The picture's ETag; asking makes it cached.
fn etag(port: u16) -> anyhow::Result<String> {
    let url = format!("http://127.0.0.1:{port}/picture.png");
    let answer = Command::new("curl")
        .args(["-s", "-D", "-", "-o", "/dev/null", &url])
        .output()
        .context("running curl")?;
    let head = String::from_utf8_lossy(&answer.stdout).into_owned();
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ").or(line.strip_prefix("ETag: ")));
    tag.map(|tag| tag.trim().to_owned()).with_context(|| format!("no ETag in\n{head}"))
}

/// Requests per second, and the slowest hundredth in milliseconds.
fn wrk(port: u16, connections: u32, script: &Path) -> anyhow::Result<(f64, f64)> {
    let said = Command::new("taskset")
        .args([
            "-c",
            "1",
            "wrk",
            "-t1",
            "--latency",
            &format!("-c{connections}"),
            &format!("-d{SECONDS}s"),
            "-s",
        ])
        .arg(script)
        .arg(format!("http://127.0.0.1:{port}/picture.png"))
        .output()
        .context("running wrk")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let after =
        |word: &str| said.lines().find_map(|line| Some(line.trim().strip_prefix(word)?.trim().to_owned()));
    let rate = after("Requests/sec:").and_then(|rate| rate.parse().ok());
    let slow = after("99%").and_then(|time| milliseconds(&time));
    ensure!(!said.contains("Socket errors"), "wrk met errors:\n{said}");
    rate.zip(slow).with_context(|| format!("wrk said\n{said}"))
}

fn milliseconds(time: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3)] {
        if let Some(number) = time.strip_suffix(unit) {
            return Some(number.parse::<f64>().ok()? * factor);
        }
    }
    None
}
