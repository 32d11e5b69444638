//! The write API of a PoP, as a publisher sees it.

use std::time::Duration;

use iridule_core::gauge::Gauge;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A PoP's write API.
#[derive(Debug, Clone)]
pub struct Node {
    base: String,
    token: String,
    client: reqwest::Client,
}

/// Why a node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It could not be reached, or broke off.
    #[error("{url}: {why}; is `iridule serve` running there?")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// It refused.
    #[error("{url} answered {status}: {detail}")]
    Refused {
        /// What was asked for.
        url: String,
        /// Its status.
        status: u16,
        /// Its explanation.
        detail: String,
    },
    /// It answered something else than the write API does.
    #[error("{url}: not the answer of a PoP's write API: {why}")]
    Malformed {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        why: String,
    },
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
    quantiser: iridule_core::gauge::Quantiser,
    rest: iridule_core::gauge::Band,
}

impl Node {
    /// A node whose write API is at `base` (`http://127.0.0.1:3001`) and takes this bearer token.
    ///
    /// # Errors
    /// [`NodeError::Unreachable`] when no client can be made.
    pub fn new(base: &str, token: &str) -> Result<Self, NodeError> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build();
        let client = client.map_err(|e| NodeError::Unreachable { url: base.into(), why: e.to_string() })?;
        Ok(Self { base: base.trim_end_matches('/').into(), token: token.into(), client })
    }

    /// The signed snapshot in force there, if any.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn snapshot(&self) -> Result<Option<Vec<u8>>, NodeError> {
        match self.ask(Method::GET, "/v1/snapshot", None).await {
            Err(NodeError::Refused { status: 404, .. }) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Publishes a signed snapshot.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn put_snapshot(&self, signed: Vec<u8>) -> Result<(), NodeError> {
        self.ask(Method::PUT, "/v1/snapshot", Some(signed)).await.map(|_| ())
    }

    /// The collections there, with their gauges.
    ///
    /// # Errors
    /// [`NodeError`]; [`NodeError::Malformed`] also when a gauge's identity is not the one that this code gives it,
    /// for then the two sides would speak of different gauges.
    pub async fn collections(&self) -> Result<Vec<(String, Vec<Gauge>)>, NodeError> {
        const PATH: &str = "/v1/collections";
        let body = self.ask(Method::GET, PATH, None).await?;
        let malformed = |why: String| NodeError::Malformed { url: format!("{}{PATH}", self.base), why };
        let listed: Vec<Listed> = serde_json::from_slice(&body).map_err(|e| malformed(e.to_string()))?;
        let known = |gauge: ListedGauge| {
            let ListedGauge { id, name, label, feed, quantiser, rest } = gauge;
            let gauge = Gauge { name, label, feed, quantiser, rest };
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

    async fn ask(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Vec<u8>, NodeError> {
        let url = format!("{}{path}", self.base);
        let unreachable =
            |e: reqwest::Error| NodeError::Unreachable { url: url.clone(), why: root_cause(&e) };
        let mut request = self.client.request(method, &url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(body.into());
        }
        Err(NodeError::Refused { url, status: status.as_u16(), detail: detail(status, &body) })
    }
}

/// The `detail` of a problem, or whatever stands there instead.
fn detail(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    let problem = serde_json::from_slice(body).map(|problem: Problem| problem.detail);
    problem.unwrap_or_else(|_| status.canonical_reason().unwrap_or("no reason given").into())
}

/// The innermost reason of a failed request: the outer ones only repeat the address.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
