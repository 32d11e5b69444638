//! From a round on a chain to the picture at an edge: a real node, a relay, a PoP.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use iridule_node::{Feed, Node};
use reqwest::Client;
use tempfile::TempDir;

use crate::running::Running;

/// Changes of the epoch.
const CHANGES: u32 = 100;
/// How often the relay looks.
const INTERVAL: &str = "100ms";
/// A relative change that is a new band of the style.
const STEP: f64 = 1.04;

/// Prints how long a round takes to be a picture: half of the states new, half of them a return.
pub fn run(binary: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (new, returns) = runtime.block_on(measure(binary))?;
    println!(
        "{CHANGES} rounds, each a change of the epoch; the relay looks every {INTERVAL}; `orbits` at 256 px.\n\
         From the block that holds the round until the PoP serves the picture, asked without pause.\n"
    );
    println!("| state | changes | p50, ms | p99, ms | slowest, ms |\n|---|---|---|---|---|");
    for (name, mut times) in [("new: painted", new), ("a return: cached", returns)] {
        times.sort_unstable();
        let of = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
        println!("| {name} | {} | {:.0} | {:.0} | {:.0} |", times.len(), of(50), of(99), of(100));
    }
    Ok(())
}

async fn measure(binary: &Path) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let home = TempDir::new()?;
    let mut serve = Command::new(binary);
    serve.args(["serve", "--no-origin", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"]);
    serve.arg(home.path());
    let (_serve, [here, admin]) = Running::start(serve, ["serves on", "write API"])?;
    let node = Node::start().await?;
    let feed = Feed::deploy(&node, 8).await?;
    let answer = |step: u32| {
        #[expect(clippy::cast_possible_truncation, reason = "prices are far below 2^63")]
        let scaled = (1500e8 * STEP.powi(i32::try_from(step).unwrap_or(0))) as i128;
        scaled
    };
    let mut time = 1_700_000_000;
    feed.push(&node, answer(0), time).await?;
    let config = home.path().join("relay.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\ninterval = \"{INTERVAL}\"\nkey = \"keys/relay.key\"\nledger = \"ledger\"\n\
         [[chain]]\nid = 31337\nproviders = [\"{}\"]\nconfirmations = 0\n\
         [feed.eth-usd]\nchain = 31337\nproxy = \"{}\"\n\
         [[sink]]\nto = \"{admin}\"\ntoken_file = \"keys/admin.token\"\n",
        node.url, feed.proxy
    );
    fs::write(&config, text)?;
    let mut relay = Command::new(binary);
    relay.args(["oracle", "run", "--config"]).arg(config);
    let (_relay, [_]) = Running::start(relay, ["shows how it does"])?;

    let client = Client::new();
    let url = format!("{here}/t/orbits/1.png?w=256");
    let ask = async || {
        let answer = client.get(&url).send().await?;
        ensure!(answer.status() == 200, "{}", answer.status());
        let etag = answer.headers().get("etag").context("no ETag")?.to_str()?.to_owned();
        answer.bytes().await?;
        anyhow::Ok(etag)
    };
    // The demo's first snapshot stands until the relay's.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut last = ask().await?;
    let (mut new, mut returns) = (Vec::new(), Vec::new());
    let half = CHANGES / 2;
    for step in (1..=half).chain((0..half).rev()) {
        time += 1;
        // Rounds come at any moment between two looks.
        tokio::time::sleep(Duration::from_millis(u64::from(step * 37 % 100))).await;
        feed.push(&node, answer(step), time).await?;
        let started = Instant::now();
        loop {
            let now = ask().await?;
            if now != last {
                last = now;
                break;
            }
            ensure!(started.elapsed() < Duration::from_secs(20), "the picture does not change");
        }
        if new.len() < half as usize { &mut new } else { &mut returns }.push(started.elapsed());
    }
    Ok((new, returns))
}
