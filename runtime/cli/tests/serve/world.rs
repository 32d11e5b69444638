//! Running binaries, and what is asked of them.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
};

use reqwest::{Client, Response, StatusCode};

/// A running `iridule serve` with the demo collections.
pub struct Serve {
    child: Child,
    pub here: String,
    pub admin: String,
}

impl Serve {
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    pub fn start_with(data: &Path, more: &[&str]) -> Self {
        let mut child = iridule()
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut address = |word: &str| {
            let line = lines.find(|line| line.contains(word)).expect("the binary says where it serves");
            let start = line.find("http://").unwrap();
            line[start..].split([' ', ';']).next().unwrap().to_owned()
        };
        let (here, admin) = (address("serves on"), address("write API"));
        thread::spawn(move || lines.for_each(drop));
        Self { child, here, admin }
    }

    pub fn push(&self, data: &Path, value: &str) -> Output {
        let mut command = iridule();
        command.args(["oracle", "push", "--to", &self.admin, "--set", value, "--data"]).arg(data);
        command.output().unwrap()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn terminate(mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn iridule() -> Command {
    Command::new(env!("CARGO_BIN_EXE_iridule"))
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// A field's lines as one.
pub fn header(response: &Response, name: &str) -> String {
    let lines = response.headers().get_all(name).iter().map(|value| value.to_str().unwrap());
    lines.collect::<Vec<_>>().join(", ")
}

/// A picture: its ETag, what Cache-Status says, its bytes.
pub async fn picture(url: &str) -> (String, String, Vec<u8>) {
    let answer = Client::new().get(url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{url}");
    let (etag, status) = (header(&answer, "etag"), header(&answer, "cache-status"));
    (etag, status, answer.bytes().await.unwrap().into())
}

pub async fn pinned_url(here: &str) -> String {
    let metadata: serde_json::Value =
        Client::new().get(format!("{here}/t/orbits/1")).send().await.unwrap().json().await.unwrap();
    metadata["image"].as_str().unwrap().to_owned()
}
