//! Providers that misbehave: each passes questions on to a real node, and does something to the answers.

use std::{sync::Arc, time::Duration};

use alloy::{
    primitives::{Bytes, I256},
    sol_types::SolValue as _,
};
use axum::{Json, Router, extract::State, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What is wrong with a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// Every round's answer is twice the true one.
    Lies,
    /// It takes questions and never answers.
    Hangs,
    /// It knows nothing of the newest blocks: so many.
    Lags(u64),
    /// What it sends is longer than any answer should be.
    Floods,
}

/// Starts such a provider in front of a node. It runs until the runtime ends.
///
/// # Errors
/// When it cannot listen.
pub async fn troubled(node: &str, trouble: Trouble) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let state = Arc::new((node.to_owned(), trouble, reqwest::Client::new()));
    let router = Router::new().route("/", post(answer)).with_state(state);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

type Shared = State<Arc<(String, Trouble, reqwest::Client)>>;

async fn answer(State(shared): Shared, Json(asked): Json<Value>) -> Json<Value> {
    let (node, trouble, client) = &*shared;
    let passed_on = async {
        let answer = client.post(node).json(&asked).send().await.ok()?;
        answer.json::<Value>().await.ok()
    };
    let mut answer = passed_on.await.unwrap_or_default();
    let method = asked["method"].as_str().unwrap_or_default();
    match trouble {
        Trouble::None => {}
        Trouble::Hangs => tokio::time::sleep(Duration::from_secs(3600)).await,
        Trouble::Floods => answer["result"] = json!("0".repeat(8 << 20)),
        Trouble::Lies if method == "eth_call" => {
            if let Some(lie) = lie(&answer["result"]) {
                answer["result"] = lie;
            }
        }
        Trouble::Lies => {}
        Trouble::Lags(blocks) => {
            let number = |value: &Value| u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok();
            if method == "eth_blockNumber" {
                let head = number(&answer["result"]).unwrap_or_default().saturating_sub(*blocks);
                answer["result"] = json!(format!("{head:#x}"));
            }
        }
    }
    Json(answer)
}

/// The five words of a round with twice its answer.
fn lie(result: &Value) -> Option<Value> {
    let bytes: Bytes = result.as_str()?.parse().ok()?;
    let mut words = bytes.to_vec();
    let answer = answer_of(&words).filter(|_| words.len() == 5 * 32)?;
    words[32..64].copy_from_slice(&(answer * I256::try_from(2).ok()?).abi_encode());
    Some(json!(Bytes::from(words)))
}

/// The words of a call's answer as they are on the wire, to lie about.
fn answer_of(words: &[u8]) -> Option<I256> {
    I256::abi_decode(words.get(32..64)?).ok()
}
