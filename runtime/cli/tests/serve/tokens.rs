//! Tokens that a relay reads on their chain: pictures that a contract keeps, and seeds that it gives.

use std::{
    fs,
    time::{Duration, Instant},
};

use alloy_primitives::U256;
use iridule_node::{Feed, abi};
use iridule_publish::{Pop, keys};
use iridule_records::{signed::TrustedKeys, token::TokenRecord};
use iridule_relay::status::Status;
use reqwest::Client;
use tempfile::TempDir;

use crate::{
    relay::{Relay, configure, on_a_node, pop_sink},
    world::{Serve, iridule, picture},
};

/// The colour of a picture's first pixel.
fn first_pixel(png: &[u8]) -> [u8; 3] {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    pixels[..3].try_into().unwrap()
}

#[test]
fn pictures_that_a_contract_keeps_are_mirrored() {
    on_a_node(async |node| {
        let data = TempDir::new().unwrap();
        let serve = Serve::start(data.path());
        let feed = Feed::deploy(&node, 8).await.unwrap();
        feed.push(&node, 250_000_000_000, 1_700_000_000).await.unwrap();
        let art = node.deploy("OnChainArt", abi::OnChainArt::constructorCall {}).await.unwrap();
        let mint = async |number: u64, colour: &str| {
            let call = abi::OnChainArt::mintCall { tokenId: U256::from(number), colour: colour.into() };
            node.transact(art, call).await.unwrap();
        };
        mint(1, "#f00").await;
        mint(2, "#0f0").await;
        // Three collections of the same tokens: their pictures, and a style of ours by their hashes, called and heard.
        for (slug, kind) in [("fields", "mirror"), ("hashes", "svg"), ("events", "svg")] {
            let folder = data.path().join(slug);
            let run = |arguments: &[&str]| {
                let done = iridule().args(arguments).arg(&folder).output().unwrap();
                assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            };
            run(&["style", "new", "--kind", kind]);
            let text = fs::read_to_string(folder.join("collection.toml")).unwrap();
            let text = text
                .replace("chain_id = 1", "chain_id = 31337")
                .replace(&"0".repeat(40), &art.to_string()[2..])
                .replace("supply = 1000", "supply = 80")
                .replace("tokens = \"recorded\"", "");
            fs::write(folder.join("collection.toml"), text + "\ntokens = \"recorded\"\n").unwrap();
            let data = data.path().to_str().unwrap();
            run(&["style", "publish", "--to", &serve.admin, "--data", data]);
        }
        let tokens = |slug: &str, read: &str| {
            format!(
                "[[tokens]]\ncollection = \"{slug}\"\nchain = 31337\ncontract = \"{art}\"\nread = \"{read}\"\n\
                 first = 1\nsupply = 80\nevery = \"50ms\"\n"
            )
        };
        let more = pop_sink(&serve)
            + &tokens("fields", "art")
            + &tokens("hashes", "hash")
            + &tokens("events", "event\"\nevent = \"Minted(uint256,bytes32)");
        let config = configure(data.path(), &[&node.url], &feed, &more);
        let relay = Relay::start(&config);
        let url = |path: &str| format!("{}/t/{path}", serve.here);
        let status_of = async |path: &str| reqwest::get(url(path)).await.unwrap().status().as_u16();
        let comes = async |path: &str| {
            for _ in 0..200 {
                if status_of(path).await == 200 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            panic!("{path} does not come: {}", relay.status().await);
        };
        for path in ["fields/1.png", "fields/2.png", "hashes/1.png", "hashes/2.png"] {
            comes(path).await;
        }
        assert_eq!(status_of("fields/3.png").await, 404, "it is not minted");
        let (red, _, bytes) = picture(&url("fields/1.png?w=64")).await;
        assert_eq!(first_pixel(&bytes), [255, 0, 0]);
        let (green, _, other) = picture(&url("fields/2.png?w=64")).await;
        assert_eq!(first_pixel(&other), [0, 255, 0]);
        let again =
            Client::new().get(url("fields/1.png?w=64")).header("if-none-match", &red).send().await.unwrap();
        assert_eq!(again.status(), 304);
        let metadata = async |path: &str| -> serde_json::Value {
            reqwest::get(url(path)).await.unwrap().json().await.unwrap()
        };
        let told = metadata("fields/1").await;
        assert_eq!((&told["name"], &told["attributes"][0]["value"]), (&"Field".into(), &"#f00".into()));
        let pinned = told["image"].as_str().unwrap().to_owned();

        // The contract says that a picture changed, and that there is another.
        let repaint = abi::OnChainArt::repaintCall { tokenId: U256::from(1), colour: "#00f".into() };
        node.transact(art, repaint).await.unwrap();
        mint(3, "#fff").await;
        comes("fields/3.png").await;
        comes("hashes/3.png").await;
        let started = Instant::now();
        let blue = loop {
            let (etag, _, bytes) = picture(&url("fields/1.png?w=64")).await;
            if etag != red {
                break bytes;
            }
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "it does not change: {}",
                relay.status().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(first_pixel(&blue), [0, 0, 255]);
        assert_eq!(picture(&url("fields/2.png?w=64")).await.0, green, "the other one is as it was");
        assert_eq!(picture(&format!("{pinned}&w=64")).await.2, bytes, "what was pinned stays");

        // The seeds are the contract's hashes.
        let token = fs::read_to_string(data.path().join("keys/admin.token")).unwrap();
        let pop = Pop::new(&serve.admin, token.trim()).unwrap();
        let trusted = keys::public(&keys::load(&data.path().join("keys/relay.key")).unwrap());
        let trusted = TrustedKeys::parse(&trusted).unwrap();
        comes("events/3.png").await;
        for slug in ["hashes", "events"] {
            let record = TokenRecord::open(&pop.token(slug, 3).await.unwrap().unwrap(), &trusted).unwrap();
            let hash = abi::OnChainArt::tokenIdToHashCall { tokenId: U256::from(3) };
            assert_eq!(record.seed().0, node.call(art, hash).await.unwrap());
        }

        // More than one look can read, all of them twice.
        let colour = "#123".to_owned();
        let (from, to) = (U256::from(4), U256::from(80));
        node.transact(art, abi::OnChainArt::mintAllCall { from, to, colour }).await.unwrap();
        node.transact(art, abi::OnChainArt::refreshCall { from: U256::from(1), to }).await.unwrap();
        comes("fields/80.png").await;
        let all =
            |status: &Status| status.tokens.iter().all(|tokens| tokens.recorded == 80 && tokens.waiting == 0);
        relay.until("all tokens", all).await;
        relay.terminate();
        let signed = pop.token("hashes", 3).await.unwrap();

        // Nothing is read or signed twice.
        let relay = Relay::start(&config);
        relay.until("all tokens", |status| status.tokens.len() == 3 && all(status)).await;
        assert_eq!(pop.token("hashes", 3).await.unwrap(), signed);
        relay.terminate();
    });
}
