//! Reading answers over HTTP that may be of any length, from places that may mean harm.

use std::{net::SocketAddr, sync::Arc};

use iridule_core::address::is_inner;
use iridule_publish::root_cause;
use reqwest::{
    RequestBuilder, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// It could not be reached, broke off or took too long.
    Network(String),
    /// It sent more than it may.
    TooLong,
}

/// Sends a request and reads at most so many bytes of the answer.
pub(crate) async fn read(request: RequestBuilder, most: usize) -> Result<(StatusCode, Vec<u8>), Unanswered> {
    let network = |why: reqwest::Error| Unanswered::Network(root_cause(&why));
    let mut answer = request.send().await.map_err(network)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(network)? {
        if body.len() + chunk.len() > most {
            return Err(Unanswered::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((answer.status(), body))
}

/// Looks names up and leaves out the addresses of this machine and its network.
pub(crate) struct Outward;

impl Resolve for Outward {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let outer: Vec<SocketAddr> = found.filter(|address| !is_inner(address.ip())).collect();
            if outer.is_empty() {
                return Err(format!("{} is not on the public network", name.as_str()).into());
            }
            Ok::<Addrs, Box<dyn std::error::Error + Send + Sync>>(Box::new(outer.into_iter()))
        })
    }
}

/// The resolver for sources that are not the operator's own.
pub(crate) fn outward() -> Arc<Outward> {
    Arc::new(Outward)
}
