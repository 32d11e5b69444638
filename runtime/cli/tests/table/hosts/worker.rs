//! The Worker under `wrangler dev`: workerd, and its KV on this machine, which is published to as Cloudflare's is.

use std::{
    fs::File,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use iridule_publish::{Address, Place};
use iridule_records::record_keys;
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
    client: Client,
    /// Where its records are published.
    pub address: Address,
    state: TempDir,
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
            .args(["--var", &format!("edge_key:{}", world.edge_secret())])
            .args(["--var", &format!("origins:{}", world.origin.as_deref().unwrap_or_default())])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|e| format!("node: {e}"))?;
        let client = Client::new(format!("http://127.0.0.1:{port}"));
        let address = Address::Wrangler(format!("127.0.0.1:{port}"));
        let mut worker = Self { dev, client, address, state };
        worker.wait_until_ready();
        worker.publish(world.records());
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
            let log = || std::fs::read_to_string(self.state.path().join("dev.log")).unwrap_or_default();
            assert!(self.dev.try_wait().unwrap().is_none(), "wrangler dev ended:\n{}", log());
            assert!(started.elapsed() < START, "wrangler dev does not answer:\n{}", log());
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn publish(&self, all: impl IntoIterator<Item = (String, Vec<u8>)>) {
        self.client.block_on(async {
            let place = Place::open(&self.address, "").await.unwrap();
            let Place::Shelf(shelf) = place else { panic!("wrangler dev has a KV") };
            for (key, value) in all {
                shelf.put(&key, &value).await.unwrap();
            }
        });
    }
}

impl Host for Worker {
    fn name(&self) -> &'static str {
        "worker"
    }

    fn publish_snapshot(&mut self, signed: Vec<u8>, _good: bool) {
        self.publish([(record_keys::SNAPSHOT.to_owned(), signed)]);
    }

    fn ask(&mut self, ask: &Ask) -> Answer {
        self.client.ask(ask).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(self.state.path().join("dev.log")).unwrap_or_default());
        }
        // The whole group: wrangler starts workerd, and a workerd without its parent would stay.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.dev.id())]).status();
        let _ = self.dev.wait();
    }
}

fn node() -> Command {
    let mut node = Command::new("node");
    node.current_dir(root()).env("WRANGLER_SEND_METRICS", "false").env("NO_COLOR", "1").env("CI", "1");
    node
}
