//! Feeds that are a number in a JSON document: weather, sentiment, whatever an operator trusts.
//!
//! The document is bounded in size and time, redirects in number, and no request goes to this machine or its network
//! unless the feed is marked `private`.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use reqwest::{Client, Url};
use serde_json::Value;

use crate::{
    book::Book,
    http::{self, Reach},
    round::{Round, RoundId, scaled},
    source::{Look, News, Source},
};

/// Largest document, bytes.
const BYTES: usize = 1 << 20;
/// Most redirects.
const REDIRECTS: usize = 3;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A feed that is a number in a document.
pub struct Json {
    feed: String,
    url: Url,
    pointer: String,
    decimals: u8,
    every: Duration,
    client: Client,
    looked: Option<Instant>,
}

impl Json {
    /// A feed at a URL: the number (or the text of one) that the JSON pointer (RFC 6901) leads to, kept to so many
    /// decimals. It is read once in `every`.
    ///
    /// # Errors
    /// A sentence, for a URL that is not to be asked.
    pub fn new(
        feed: &str,
        url: Url,
        pointer: &str,
        decimals: u8,
        every: Duration,
        private: bool,
    ) -> Result<Self, String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{url}: http or https"));
        }
        if !private && http::names_inner(&url) {
            return Err(format!(
                "{url} leads to this machine or its network; say private = true if it is meant"
            ));
        }
        if !(pointer.is_empty() || pointer.starts_with('/')) {
            return Err(format!("{pointer:?} is no JSON pointer: it begins with /"));
        }
        let reach = if private { Reach::All } else { Reach::Public };
        let client = http::client(reach, REDIRECTS, PATIENCE)?;
        let (feed, pointer) = (feed.to_owned(), pointer.to_owned());
        Ok(Self { feed, url, pointer, decimals, every, client, looked: None })
    }

    async fn read(&self) -> Result<i128, String> {
        let request = self.client.get(self.url.clone()).header("accept", "application/json");
        let (status, body) = http::read(request, BYTES).await.map_err(|why| why.to_string())?;
        if !status.is_success() {
            return Err(format!("status {status}"));
        }
        let document: Value = serde_json::from_slice(&body).map_err(|why| format!("no JSON: {why}"))?;
        let value =
            document.pointer(&self.pointer).ok_or_else(|| format!("nothing at {:?}", self.pointer))?;
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| format!("no number at {:?}", self.pointer))?;
        scaled(number, self.decimals).ok_or_else(|| format!("{number} is out of range"))
    }
}

impl Source for Json {
    fn look<'a>(&'a mut self, book: &'a Book) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let mut feeds = BTreeMap::new();
            if self.looked.is_none_or(|looked| looked.elapsed() >= self.every) {
                self.looked = Some(Instant::now());
                let known = book.newest(&self.feed);
                let number = known.map_or(1, |known| known.id.number + 1);
                let news = self.read().await.map(|answer| {
                    let id = RoundId { phase: 0, number };
                    let round = Round { id, answer, decimals: self.decimals, updated: now };
                    News { rounds: vec![round], ..News::default() }
                });
                feeds.insert(self.feed.clone(), news);
            }
            Look { time: Some(now), feeds }
        })
    }

    fn resume(&mut self, _: &BTreeMap<u64, u64>) {}

    fn keeps_its_past(&self) -> bool {
        false
    }

    fn feeds(&self) -> Vec<String> {
        vec![self.feed.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_addresses_are_refused_unless_they_are_meant() {
        let json = |url: &str, private| {
            Json::new("f", url.parse().unwrap(), "/a", 2, Duration::from_secs(1), private).map(|_| ())
        };
        for inner in [
            "http://127.0.0.1/x",
            "http://[::1]/",
            "http://localhost:80/",
            "http://10.1.2.3",
            "http://0x7f.1/",
            "http://[::ffff:0:10.1.2.3]/",
        ] {
            assert!(json(inner, false).is_err(), "{inner}");
            assert!(json(inner, true).is_ok(), "{inner}");
        }
        assert!(json("https://example.org/x", false).is_ok());
        assert!(json("ftp://example.org/x", false).is_err());
    }
}
