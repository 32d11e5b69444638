//! The write API of a PoP, as a publisher sees it.

use iridule_records::{block::Block, gauge::Gauge, limits};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use crate::{error::PlaceError, http};

/// A PoP's write API.
#[derive(Debug, Clone)]
pub struct Pop {
    base: String,
    token: String,
    client: reqwest::Client,
}

/// A collection, as far as a relay cares.
#[derive(Debug, Clone, Deserialize)]
pub struct Listed {
    /// Its slug.
    pub slug: String,
    /// Its style's gauges, in manifest order.
    pub gauges: Vec<ListedGauge>,
}

/// A gauge with the identity that the node computed for it.
#[derive(Debug, Clone, Deserialize)]
pub struct ListedGauge {
    id: String,
    name: String,
    label: String,
    feed: String,
    quantiser: iridule_records::gauge::Quantiser,
    rest: iridule_records::gauge::Band,
    #[serde(default)]
    names: Vec<String>,
}

impl Pop {
    /// A PoP whose write API is at `base` (`http://127.0.0.1:3001`) and takes this bearer token.
    ///
    /// # Errors
    /// [`PlaceError::Unreachable`] when no client can be made.
    pub fn new(base: &str, token: &str) -> Result<Self, PlaceError> {
        let client = http::client(base)?;
        Ok(Self { base: base.trim_end_matches('/').into(), token: token.into(), client })
    }

    /// The signed snapshot in force there, if any.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn snapshot(&self) -> Result<Option<Vec<u8>>, PlaceError> {
        self.find("/v1/snapshot").await
    }

    /// Publishes a signed snapshot.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn put_snapshot(&self, signed: Vec<u8>) -> Result<(), PlaceError> {
        self.ask(Method::PUT, "/v1/snapshot", Some(signed)).await.map(|_| ())
    }

    /// The collections there, with their gauges.
    ///
    /// # Errors
    /// [`PlaceError`]; [`PlaceError::Malformed`] also when a gauge's identity is not the one that this code gives it,
    /// for then the two sides would speak of different gauges.
    pub async fn collections(&self) -> Result<Vec<(String, Vec<Gauge>)>, PlaceError> {
        const PATH: &str = "/v1/collections";
        let (_, body) = self.ask_for(Method::GET, PATH, None, http::LIST_BYTES).await?;
        let malformed = |why: String| PlaceError::Malformed { at: format!("{}{PATH}", self.base), why };
        let listed: Vec<Listed> = serde_json::from_slice(&body).map_err(|e| malformed(e.to_string()))?;
        if listed.len() > limits::COLLECTIONS || listed.iter().any(|one| one.gauges.len() > limits::GAUGES) {
            let (collections, gauges) = (limits::COLLECTIONS, limits::GAUGES);
            return Err(malformed(format!("more than {collections} collections, or {gauges} gauges of one")));
        }
        let known = |gauge: ListedGauge| {
            let ListedGauge { id, name, label, feed, quantiser, rest, names } = gauge;
            let gauge = Gauge { name, label, feed, quantiser, rest, names };
            gauge.check().map_err(&malformed)?;
            if gauge.id() == id {
                Ok(gauge)
            } else {
                Err(malformed(format!("gauge {id} is {} here", gauge.id())))
            }
        };
        let panel =
            |one: Listed| Ok((one.slug, one.gauges.into_iter().map(known).collect::<Result<_, _>>()?));
        listed.into_iter().map(panel).collect()
    }

    /// A collection's signed record, if there is one.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn collection(&self, slug: &str) -> Result<Option<Vec<u8>>, PlaceError> {
        self.find(&format!("/v1/collections/{slug}")).await
    }

    /// Publishes a block of a style. Gives whether it was new there.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn put_block(&self, block: &Block) -> Result<bool, PlaceError> {
        let path = format!("/v1/blocks/{}", block.cid);
        let (status, _) = self.ask(Method::PUT, &path, Some(block.bytes.clone())).await?;
        Ok(status == StatusCode::CREATED)
    }

    /// Publishes a collection's signed record.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn put_collection(&self, slug: &str, signed: &[u8]) -> Result<(), PlaceError> {
        let path = format!("/v1/collections/{slug}");
        self.ask(Method::PUT, &path, Some(signed.to_vec())).await.map(|_| ())
    }

    /// A token's signed record, if there is one.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn token(&self, slug: &str, number: u64) -> Result<Option<Vec<u8>>, PlaceError> {
        self.find(&format!("/v1/tokens/{slug}/{number}")).await
    }

    /// Publishes a token's signed record.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn put_token(&self, slug: &str, number: u64, signed: &[u8]) -> Result<(), PlaceError> {
        let path = format!("/v1/tokens/{slug}/{number}");
        self.ask(Method::PUT, &path, Some(signed.to_vec())).await.map(|_| ())
    }

    /// What is there, if anything.
    async fn find(&self, path: &str) -> Result<Option<Vec<u8>>, PlaceError> {
        match self.ask(Method::GET, path, None).await {
            Err(PlaceError::Refused { status: 404, .. }) => Ok(None),
            result => result.map(|(_, body)| Some(body)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Vec<u8>), PlaceError> {
        self.ask_for(method, path, body, http::RECORD_BYTES).await
    }

    /// Sends a request whose answer may have `limit` bytes.
    async fn ask_for(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<(StatusCode, Vec<u8>), PlaceError> {
        let at = format!("{}{path}", self.base);
        let mut request = self.client.request(method, &at).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.body(body);
        }
        let (status, body) = http::send(request, &at, limit).await.map_err(|why| match why {
            PlaceError::Unreachable { at, why } => {
                PlaceError::Unreachable { at, why: format!("{why}; is `iridule serve` running there?") }
            }
            why => why,
        })?;
        Ok((status, http::success(&at, status, body)?))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use super::*;

    /// A server that answers every request with this head and then with zeros for as long as they are taken. Gives its URL
    /// and how many requests it got.
    fn server(head: String) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                counted.fetch_add(1, Ordering::SeqCst);
                let zeros = vec![b'0'; 1 << 16];
                let mut sent = stream.write_all(head.as_bytes());
                while sent.is_ok() {
                    sent = stream.write_all(&zeros);
                }
            }
        });
        (url, count)
    }

    #[tokio::test]
    async fn a_place_that_redirects_has_neither_token_nor_record_sent_elsewhere() {
        let (elsewhere, got) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".into());
        for status in [301, 302, 307, 308] {
            let head = format!("HTTP/1.1 {status} R\r\nlocation: {elsewhere}/\r\nconnection: close\r\n\r\n");
            let pop = Pop::new(&server(head).0, "secret").unwrap();
            let why = pop.put_snapshot(vec![1]).await.unwrap_err().to_string();
            assert!(why.contains("redirects are not followed"), "{why}");
            assert!(pop.snapshot().await.is_err());
        }
        assert_eq!(got.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn an_answer_without_end_is_given_up_at_its_limit() {
        let (endless, _) = server("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".into());
        let pop = Pop::new(&endless, "").unwrap();
        for why in [pop.snapshot().await.map(drop), pop.collections().await.map(drop)] {
            let why = why.unwrap_err().to_string();
            assert!(why.contains("longer than the"), "{why}");
        }
    }
}
