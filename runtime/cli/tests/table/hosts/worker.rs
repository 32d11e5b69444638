//! The Worker under `wrangler dev`: workerd, its KV on this machine, and a publisher that writes there.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Lines, Write as _},
    net::TcpListener,
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use iridule_core::records;
use tempfile::TempDir;

use super::{Answer, Client, Host};
use crate::{
    script::Ask,
    world::{PUBLIC_URL, World, root},
};

/// How long workerd may take to answer for the first time.
const START: Duration = Duration::from_secs(180);

pub struct Worker {
    dev: Child,
    publisher: Child,
    lines: (ChildStdin, Lines<BufReader<ChildStdout>>),
    client: Client,
    _state: TempDir,
}

impl Worker {
    /// Starts it; an error says what is missing on this machine.
    pub fn start(world: &World) -> Result<Self, String> {
        let wrangler = root().join("node_modules/wrangler/bin/wrangler.js");
        for (file, how) in [
            (&wrangler, "npm ci --ignore-scripts"),
            (&root().join("functions/worker/build/index_bg.wasm"), "cargo xtask build worker"),
        ] {
            if !file.is_file() {
                return Err(format!("{} is missing; {how}", file.display()));
            }
        }
        let state = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = File::create(state.path().join("dev.log")).unwrap();
        let dev = node()
            .arg(&wrangler)
            .args(["dev", "--local", "--ip", "127.0.0.1", "--show-interactive-dev-session=false", "--port"])
            .arg(port.to_string())
            .args(["--inspector-port", "0", "--persist-to"])
            .arg(state.path())
            .args(["--var", &format!("public_url:{PUBLIC_URL}")])
            .args(["--var", &format!("trusted_keys:{}", world.trusted_keys())])
            .args(["--var", &format!("publisher_keys:{}", world.publisher_keys())])
            .args(["--var", "refresh_ms:0"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|e| format!("node: {e}"))?;
        let mut publisher = node()
            .arg("functions/worker/records.mjs")
            .arg(state.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|e| format!("node: {e}"))?;
        let lines =
            (publisher.stdin.take().unwrap(), BufReader::new(publisher.stdout.take().unwrap()).lines());
        let client = Client::new(format!("http://127.0.0.1:{port}"));
        let mut worker = Self { dev, publisher, lines, client, _state: state };
        for (key, value) in world.records() {
            worker.put(&key, &value);
        }
        worker.wait_until_ready();
        Ok(worker)
    }

    fn wait_until_ready(&mut self) {
        let ask = Ask {
            name: String::new(),
            method: "GET".into(),
            path: "/healthz".into(),
            headers: Default::default(),
            etag: None,
            found: None,
        };
        let started = Instant::now();
        while self.client.ask(&ask).map_or(true, |answer| answer.status != 200) {
            let log = || std::fs::read_to_string(self._state.path().join("dev.log")).unwrap_or_default();
            assert!(self.dev.try_wait().unwrap().is_none(), "wrangler dev ended:\n{}", log());
            assert!(started.elapsed() < START, "wrangler dev does not answer:\n{}", log());
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Writes a record, and waits until it is there.
    fn put(&mut self, key: &str, value: &[u8]) {
        let (input, output) = &mut self.lines;
        writeln!(input, "{key} {}", BASE64_STANDARD.encode(value)).unwrap();
        let answered = output.next().expect("the publisher answers every line").unwrap();
        assert_eq!(answered, key);
    }
}

impl Host for Worker {
    fn name(&self) -> &'static str {
        "worker"
    }

    fn publish_snapshot(&mut self, signed: Vec<u8>, _good: bool) {
        self.put(records::SNAPSHOT, &signed);
    }

    fn ask(&mut self, ask: &Ask) -> Answer {
        self.client.ask(ask).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        for child in [&mut self.dev, &mut self.publisher] {
            // The whole group: wrangler starts workerd, and a workerd without its parent would stay.
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status();
            let _ = child.wait();
        }
    }
}

fn node() -> Command {
    let mut node = Command::new("node");
    node.current_dir(root()).env("WRANGLER_SEND_METRICS", "false").env("NO_COLOR", "1").env("CI", "1");
    node
}
