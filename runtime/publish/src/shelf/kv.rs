//! Workers KV by its REST API: of Cloudflare, and of a running `wrangler dev`, which offers the same on this machine.
//!
//! A write is seen everywhere within about a minute (KV is eventually consistent); a Worker reads anew after
//! `refresh_ms`. Shape: <https://developers.cloudflare.com/api/resources/kv/subresources/namespaces/subresources/values/>.

use std::{env, time::Duration};

use reqwest::{Method, StatusCode};
use serde::Deserialize;

use crate::{error::PlaceError, http};

/// Where Cloudflare's API is, unless `CLOUDFLARE_API_BASE_URL` says otherwise, as for wrangler.
const CLOUDFLARE: &str = "https://api.cloudflare.com/client/v4";
/// Where `wrangler dev` has its own.
const WRANGLER: &str = "/cdn-cgi/explorer/api";
/// The binding's name in wrangler.toml.
const BINDING: &str = "RECORDS";
/// Waits before each new try. KV takes one write a second of one key, and answers 429 beyond.
const AGAIN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// A KV namespace.
#[derive(Debug, Clone)]
pub struct Kv {
    /// The URL that ends with the namespace.
    namespace: String,
    token: String,
    client: reqwest::Client,
}

#[derive(Deserialize)]
struct Listed {
    result: Vec<Namespace>,
}

#[derive(Deserialize)]
struct Namespace {
    id: String,
    title: String,
}

impl Kv {
    /// A namespace of an account. The token needs the permission `Workers KV Storage: Edit`.
    pub(crate) fn of_account(account: &str, namespace: &str, token: &str) -> Result<Self, PlaceError> {
        let base = env::var("CLOUDFLARE_API_BASE_URL").unwrap_or_else(|_| CLOUDFLARE.into());
        let base = base.trim_end_matches('/');
        let namespace = format!("{base}/accounts/{account}/storage/kv/namespaces/{namespace}");
        Ok(Self { namespace, token: token.into(), client: http::client(CLOUDFLARE)? })
    }

    /// The namespace that a `wrangler dev` at `host` (`127.0.0.1:8787`) keeps its records in.
    pub(crate) async fn of_wrangler(host: &str) -> Result<Self, PlaceError> {
        let all = format!("http://{host}{WRANGLER}/storage/kv/namespaces");
        let client = http::client(&all)?;
        let (status, body) = http::send(client.get(&all), &all, http::LIST_BYTES).await?;
        let body = http::success(&all, status, body)?;
        let malformed = |why: String| PlaceError::Malformed { at: all.clone(), why };
        let listed: Listed = serde_json::from_slice(&body)
            .map_err(|e| malformed(format!("not what `wrangler dev` answers there: {e}")))?;
        let ours = listed.result.into_iter().find(|one| one.title == BINDING);
        let id = ours.ok_or_else(|| malformed(format!("it has no namespace {BINDING}")))?.id;
        Ok(Self { namespace: format!("{all}/{id}"), token: String::new(), client })
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PlaceError> {
        match self.ask(Method::GET, key, None).await? {
            (_, StatusCode::NOT_FOUND, _) => Ok(None),
            (at, status, body) => http::success(&at, status, body).map(Some),
        }
    }

    pub(crate) async fn put(&self, key: &str, value: &[u8]) -> Result<(), PlaceError> {
        let (at, status, body) = self.ask(Method::PUT, key, Some(value)).await?;
        http::success(&at, status, body).map(|_| ())
    }

    /// Asks, and asks again where that may help.
    async fn ask(
        &self,
        method: Method,
        key: &str,
        value: Option<&[u8]>,
    ) -> Result<(String, StatusCode, Vec<u8>), PlaceError> {
        let at = format!("{}/values/{}", self.namespace, key.replace('/', "%2F"));
        let mut waits = AGAIN.into_iter();
        loop {
            let mut request = self.client.request(method.clone(), &at);
            if !self.token.is_empty() {
                request = request.bearer_auth(&self.token);
            }
            if let Some(value) = value {
                request = request.header("content-type", "application/octet-stream").body(value.to_vec());
            }
            let answer = http::send(request, &at, http::RECORD_BYTES).await;
            let passing = match &answer {
                Ok((status, _)) => *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
                Err(_) => true,
            };
            match waits.next() {
                Some(wait) if passing => tokio::time::sleep(wait).await,
                _ => return answer.map(|(status, body)| (at, status, body)),
            }
        }
    }
}
