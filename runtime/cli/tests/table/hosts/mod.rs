//! The hosts that the questions are put to, each as a way to publish and to ask.

pub mod native;
pub mod pop;
pub mod worker;

use std::{collections::BTreeMap, env};

use crate::script::Ask;

/// An answer as it came over the wire.
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

pub trait Host {
    fn name(&self) -> &'static str;

    /// Publishes a snapshot by the host's own way in. Where that way checks it, `good` says what it must find.
    fn publish_snapshot(&mut self, signed: Vec<u8>, good: bool);

    fn ask(&mut self, ask: &Ask) -> Answer;
}

/// Says that a host was left out and why, or fails where it must not be.
pub fn skip(name: &str, why: &str) {
    let required = env::var("IRIDULE_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|one| one == name), "{name} is required and cannot be had: {why}");
    eprintln!("skipped {name}: {why}");
}

/// A client over real sockets. It follows nothing, adds nothing and undoes nothing.
pub struct Client {
    base: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    pub fn new(base: String) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { base, http, runtime }
    }

    pub fn ask(&self, ask: &Ask) -> Result<Answer, String> {
        let method = ask.method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}{}", self.base, ask.path));
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        self.runtime.block_on(async {
            let answer = request.send().await.map_err(|e| format!("{e:?}"))?;
            let text = |value: &http::HeaderValue| value.to_str().unwrap_or("not text").to_owned();
            let headers =
                answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            let status = answer.status().as_u16();
            let body = answer.bytes().await.map_err(|e| format!("{e:?}"))?.into();
            Ok(Answer { status, headers, body })
        })
    }

    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub fn put(&self, path: &str, token: &str, body: Vec<u8>) -> u16 {
        let request = self.http.put(format!("{}{path}", self.base)).bearer_auth(token).body(body);
        self.runtime.block_on(async { request.send().await.unwrap().status().as_u16() })
    }
}
