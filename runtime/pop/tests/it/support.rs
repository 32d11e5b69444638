//! Starts hosts around the test guest, and asks them things.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use iridule_pop::{Config, Pop};
use iridule_records::signed::TrustedKeys;
use tracing_subscriber::EnvFilter;

pub const TOKEN: &str = "a token for the tests";

/// The guest's component, built the first time.
pub fn guest() -> &'static [u8] {
    static GUEST: OnceLock<Vec<u8>> = OnceLock::new();
    GUEST.get_or_init(|| {
        let target = target_folder().join("guests");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "iridule-pop-guest"])
            .args(["--target", "wasm32-wasip2", "--profile", "edge", "--target-dir"])
            .arg(&target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .status()
            .unwrap();
        assert!(built.success(), "the guest does not build");
        std::fs::read(target.join("wasm32-wasip2/edge/iridule_pop_guest.wasm")).unwrap()
    })
}

/// The folder that cargo builds this test into: `target/release/deps/it-…` is three below it.
fn target_folder() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}

/// A host and its data folder.
pub struct Running {
    pub pop: Pop,
    pub data: tempfile::TempDir,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that this is the host's own problem document, as visitors get it.
    pub fn assert_problem(&self, status: u16) {
        self.assert_any_problem(status);
        assert_eq!(self.header("access-control-allow-origin"), "*");
    }

    /// Asserts that this is a problem document of the second listener, which no script of another origin may read.
    pub fn assert_denied(&self, status: u16) {
        self.assert_any_problem(status);
        assert!(!self.headers.keys().any(|name| name.as_str().starts_with("access-control-")));
    }

    fn assert_any_problem(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(body["status"], status);
    }
}

/// A configuration on free ports with the test guest.
pub fn config(data: &Path) -> Config {
    let mut config = Config::new(guest(), data);
    config.listen.set_port(0);
    config.admin.set_port(0);
    config.admin_token = Some(TOKEN.into());
    config.limits.renders_disk = 64 << 20;
    // These tests look at what is behind the cache.
    config.cache = None;
    config
}

/// Starts a host in a new data folder.
pub async fn start(change: impl FnOnce(&mut Config)) -> Running {
    let data = tempfile::tempdir().unwrap();
    lend_code(data.path());
    start_in(data, change).await
}

/// Starts a host in a data folder.
pub async fn start_in(data: tempfile::TempDir, change: impl FnOnce(&mut Config)) -> Running {
    // `RUST_LOG=iridule_pop=debug` shows what the host says.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
    let mut config = config(data.path());
    change(&mut config);
    let pop = Pop::start(config).await.unwrap();
    Running { pop, data, client: Client::builder(TokioExecutor::new()).build_http() }
}

/// Copies the guest's compiled code into a data folder, so that not every test compiles it.
pub fn lend_code(data: &Path) {
    static COMPILED: OnceLock<tempfile::TempDir> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().to_owned();
        let compile = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async { Pop::start(config(&folder)).await.unwrap().shutdown().await });
        };
        // A test's own runtime cannot be blocked on.
        std::thread::spawn(compile).join().unwrap();
        data
    });
    std::fs::create_dir_all(data.join("code")).unwrap();
    for file in std::fs::read_dir(compiled.path().join("code")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), data.join("code").join(file.file_name())).unwrap();
    }
}

impl Running {
    /// A host that somebody else started; its folder is theirs.
    pub fn around(pop: Pop) -> Self {
        let data = tempfile::tempdir().unwrap();
        Self { pop, data, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path).await
    }

    pub async fn ask(&self, method: Method, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.pop.address());
        self.send(Request::builder().method(method).uri(url).body(Full::default()).unwrap()).await
    }

    /// Asks the second listener, with the token.
    pub async fn admin(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        self.admin_as(Some(TOKEN), method, path, body).await
    }

    pub async fn admin_as(
        &self,
        token: Option<&str>,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        let url = format!("http://{}{path}", self.pop.admin_address());
        let mut request = Request::builder().method(method).uri(url);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(Full::new(body.into())).unwrap()).await
    }

    /// An answer whose body is still to come.
    pub async fn open(&self, request: Request<Full<Bytes>>) -> http::Response<hyper::body::Incoming> {
        self.client.request(request).await.unwrap()
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// A series of `/metrics`, by its full name.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.admin_as(None, Method::GET, "/metrics", "").await.text();
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Waits until a series has this value. What happens to a guest is counted on the guests' threads, which may be
    /// after its client has the answer.
    pub async fn metric_becomes(&self, name: &str, value: f64) {
        for _ in 0..100 {
            if self.metric(name).await == value {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(self.metric(name).await, value, "{name}");
    }

    pub async fn restart(self, change: impl FnOnce(&mut Config)) -> Running {
        let Running { pop, data, client } = self;
        drop(client);
        pop.shutdown().await;
        start_in(data, change).await
    }
}

/// Keys that trust one signer.
pub fn trusting(key: &ed25519_dalek::SigningKey) -> TrustedKeys {
    let hex: String = key.verifying_key().as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    TrustedKeys::parse(&hex).unwrap()
}
