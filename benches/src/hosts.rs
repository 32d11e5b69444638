//! The hosts that are measured: a PoP, workerd with the Worker, an origin; each with a data folder of its own.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::running::Running;

/// How long workerd may take to answer for the first time.
const START: Duration = Duration::from_secs(120);

/// `iridule`, and the folder of its keys and data.
pub struct Home {
    pub binary: PathBuf,
    pub folder: TempDir,
}

impl Home {
    /// A new folder for this `iridule`.
    pub fn new(binary: &Path) -> anyhow::Result<Self> {
        Ok(Self { binary: binary.into(), folder: TempDir::new()? })
    }

    /// Another folder with the same keys, and with what is compiled already.
    pub fn sibling(&self) -> anyhow::Result<Self> {
        let home = Self::new(&self.binary)?;
        for part in ["keys", "code"] {
            copy(&self.folder.path().join(part), &home.folder.path().join(part))?;
        }
        Ok(home)
    }

    /// Has it make its keys, and compile the component.
    pub fn make_keys(&self) -> anyhow::Result<()> {
        Pop::start(self, &["--no-demo", "--no-origin"]).map(drop)
    }

    /// A command of it on this folder.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(words).arg("--data").arg(self.folder.path());
        command
    }

    /// Publishes the style of a folder, as the collection of the folder's name.
    pub fn publish(&self, style: &Path, to: &str) -> anyhow::Result<()> {
        let style = style.to_str().context("the path is not UTF-8")?;
        let mut command = self.command(&["style", "publish", style, "--to", to]);
        let said = command.stdin(Stdio::null()).output().context("starting iridule")?;
        ensure!(said.status.success(), "publishing {style}: {}", String::from_utf8_lossy(&said.stderr));
        Ok(())
    }

    /// The public half of a key of this folder, made where there is none.
    pub fn public(&self, key: &str) -> anyhow::Result<String> {
        let file = self.folder.path().join("keys").join(format!("{key}.key"));
        Ok(iridule_publish::keys::public(&iridule_publish::keys::load_or_create(&file)?))
    }
}

/// Copies the files of a folder, where there is one.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let file = entry?.path();
        if file.is_dir() {
            copy(&file, &to.join(file.file_name().unwrap_or_default()))?;
        } else {
            fs::copy(&file, to.join(file.file_name().unwrap_or_default()))?;
        }
    }
    Ok(())
}

/// A PoP.
pub struct Pop {
    pub running: Running,
    pub url: String,
    pub admin: String,
}

impl Pop {
    /// Starts one on this data folder; with these further arguments of `iridule serve`.
    pub fn start(home: &Home, more: &[&str]) -> anyhow::Result<Self> {
        let words = [&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], more].concat();
        let (running, [url, admin]) = Running::start(home.command(&words), ["serves on", "write API"])?;
        Ok(Self { running, url, admin })
    }
}

/// The Worker under `wrangler dev`: workerd, behind a proxy of wrangler's own.
pub struct Worker {
    pub running: Running,
    pub url: String,
    _state: TempDir,
}

impl Worker {
    /// Starts it, with the keys of this folder. The Worker must have been built.
    pub fn start(home: &Home, origins: &str) -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let wrangler = root.join("node_modules/wrangler/bin/wrangler.js");
        for (file, how) in [
            (&wrangler, "npm ci --ignore-scripts"),
            (&root.join("functions/worker/build/index_bg.wasm"), "cargo xtask build worker"),
        ] {
            ensure!(file.is_file(), "{} is missing; `{how}` makes it", file.display());
        }
        let state = TempDir::new()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = state.path().join("dev.log");
        let edge = fs::read_to_string(home.folder.path().join("keys/edge.key")).unwrap_or_default();
        let mut command = Command::new("node");
        command
            .current_dir(&root)
            .envs([("WRANGLER_SEND_METRICS", "false"), ("NO_COLOR", "1"), ("CI", "1")])
            .arg(&wrangler)
            .args(["dev", "--local", "--ip", "127.0.0.1", "--show-interactive-dev-session=false"])
            .args(["--port", &port.to_string(), "--inspector-port", "0", "--persist-to"])
            .arg(state.path());
        for (name, value) in [
            ("trusted_keys", home.public("relay")?),
            ("publisher_keys", home.public("publisher")?),
            ("edge_key", edge.trim().to_owned()),
            ("origins", origins.to_owned()),
            // A visitor waits for the origin, and not for what may stand in for it.
            ("patience_ms", "10000".to_owned()),
        ] {
            command.args(["--var", &format!("{name}:{value}")]);
        }
        command.stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?);
        let mut running = Running::group(command)?;
        let url = format!("http://127.0.0.1:{port}");
        let (client, started) = (Client::new()?, Instant::now());
        while client.get(&format!("{url}/healthz"), &[]).is_err() {
            let said = || fs::read_to_string(&log).unwrap_or_default();
            ensure!(running.runs(), "wrangler dev ended:\n{}", said());
            ensure!(started.elapsed() < START, "wrangler dev does not answer:\n{}", said());
            thread::sleep(Duration::from_millis(200));
        }
        Ok(Self { running, url, _state: state })
    }

    /// Where its records are published.
    pub fn place(&self) -> String {
        self.url.replacen("http://", "wrangler:", 1)
    }
}

/// One visitor, on a connection that is kept.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

/// A good answer, whole.
pub struct Answer {
    pub took: Duration,
    pub cache_status: String,
    pub etag: String,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Servers close connections that nobody used for long; one that is closed right now would fail its request.
        let client = reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(1)).build()?;
        Ok(Self { runtime, client })
    }

    /// Asks for a picture and waits for its last byte.
    ///
    /// # Errors
    /// When the answer is neither a 200 nor a 304.
    pub fn get(&self, url: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let mut request = self.client.get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.runtime.block_on(async {
            let started = Instant::now();
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            let all = |name: &str| {
                let values = answer.headers().get_all(name).iter().filter_map(|value| value.to_str().ok());
                values.collect::<Vec<_>>().join(", ")
            };
            let (cache_status, etag) = (all("cache-status"), all("etag"));
            let body = answer.bytes().await?.to_vec();
            let took = started.elapsed();
            ensure!(matches!(status, 200 | 304), "{url}: {status}: {}", String::from_utf8_lossy(&body));
            Ok(Answer { took, cache_status, etag, body })
        })
    }
}
