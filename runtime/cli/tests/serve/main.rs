//! The binary as an operator meets it: first start, pushes, restarts, and a kill in the middle of load; a relay that reads
//! a real chain.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without, it stops at")]

mod relay;
mod tokens;
mod world;

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use reqwest::Client;
use tempfile::TempDir;

use crate::world::{Serve, header, picture, pinned_url, runtime};

#[test]
fn a_push_across_a_band_changes_the_picture_and_a_return_brings_it_back() {
    let data = TempDir::new().unwrap();
    let serve = Serve::start(data.path());
    let url = format!("{}/t/orbits/1.png?w=128", serve.here);
    runtime().block_on(async {
        let (etag, status, first) = picture(&url).await;
        assert!(status.starts_with("iridule; fwd=miss"), "{status}");
        assert!(picture(&url).await.1.contains("iridule-pop;hit;ttl="), "the second time no function runs");
        let pinned = pinned_url(&serve.here).await;
        let old = picture(&format!("{pinned}&w=128")).await;
        assert_eq!((&old.0, &old.2), (&etag, &first), "the pinned picture of now is the live one");

        assert!(serve.push(data.path(), "eth-usd=2500.5").status.success());
        assert_eq!(picture(&url).await.0, etag, "inside the band");

        let said = serve.push(data.path(), "eth-usd=3900");
        assert!(String::from_utf8_lossy(&said.stdout).contains("moves from band"), "{said:?}");
        let (other, _, second) = picture(&url).await;
        assert_ne!(other, etag);
        assert_ne!(second, first);
        assert_ne!(pinned_url(&serve.here).await, pinned, "metadata names the new state");
        assert_eq!(picture(&format!("{pinned}&w=128")).await.2, first, "the old pinned URL keeps its bytes");

        assert!(serve.push(data.path(), "eth-usd=2500").status.success());
        let back = picture(&url).await;
        assert_eq!((&back.0, &back.2), (&etag, &first));
        assert!(back.1.starts_with("iridule; hit"), "{}", back.1);
    });
}

/// The picture, once it is there: its ETag and where it came from.
async fn settled(url: &str) -> (String, String) {
    let start = Instant::now();
    loop {
        let answer = Client::new().get(url).send().await.unwrap();
        let (etag, status) = (header(&answer, "etag"), header(&answer, "cache-status"));
        if !status.contains("interim") {
            return (etag, status);
        }
        assert!(start.elapsed() < Duration::from_secs(20), "the picture does not come");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until so many pictures were asked for ahead, and then for them to be made.
async fn made_ahead(serve: &Serve, pictures: u32) {
    let made = async || {
        let text = Client::new().get(format!("{}/metrics", serve.admin)).send().await.unwrap();
        let text = text.text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with("iridule_pop_ahead_total")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()
    };
    while made().await < pictures {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
}

#[test]
fn what_visitors_look_at_is_made_ahead_of_them_when_the_epoch_changes() {
    let data = TempDir::new().unwrap();
    let serve = Serve::start(data.path());
    let url = format!("{}/t/orbits/1.avif?w=64", serve.here);
    runtime().block_on(async {
        let (before, _) = settled(&url).await;
        assert!(before.starts_with("W/"), "an origin's: {before}");
        assert!(serve.push(data.path(), "eth-usd=3900").status.success());
        made_ahead(&serve, 1).await;
        let (after, status) = settled(&url).await;
        assert_ne!(before, after);
        assert!(status.contains("iridule; hit; detail="), "the first visitor finds it: {status}");
    });
}

#[test]
fn what_is_likely_to_follow_is_made_ahead_too() {
    let data = TempDir::new().unwrap();
    let serve = Serve::start(data.path());
    runtime().block_on(async {
        assert!(serve.push(data.path(), "eth-usd=5200").status.success());
        let followed = pinned_url(&serve.here).await;
        let state = &followed[followed.find('@').unwrap()..followed.rfind('.').unwrap()];
        assert!(serve.push(data.path(), "eth-usd=3900").status.success());
        settled(&format!("{}/t/orbits/1.avif?w=64", serve.here)).await;
        // What was first is back, and what followed on it then is likely now. Nobody has looked at that.
        assert!(serve.push(data.path(), "eth-usd=2500").status.success());
        made_ahead(&serve, 2).await;
        let (_, status) = settled(&format!("{}/t/orbits/1{state}.avif?w=64", serve.here)).await;
        assert!(status.contains("iridule; hit; detail="), "{state}: {status}");
    });
}

#[test]
fn an_operator_purges_by_tag_by_url_and_everything() {
    let data = TempDir::new().unwrap();
    let serve = Serve::start(data.path());
    let token = fs::read_to_string(data.path().join("keys/admin.token")).unwrap();
    let url = format!("{}/t/orbits/1.png?w=64", serve.here);
    runtime().block_on(async {
        let purge = async |token: &str, body: String| {
            let request = Client::new().post(format!("{}/v1/purge", serve.admin)).bearer_auth(token);
            let status = request.body(body).send().await.unwrap().status().as_u16();
            // What is asked for within the millisecond of a purge is purged too.
            tokio::time::sleep(Duration::from_millis(2)).await;
            status
        };
        let cached = async || picture(&url).await.1.contains("iridule-pop;hit;");
        for good in [
            r#"{"tag": "orbits"}"#.to_owned(),
            r#"{"tag": "orbits/1"}"#.to_owned(),
            format!(r#"{{"url": "{url}"}}"#),
            r#"{"everything": true}"#.to_owned(),
        ] {
            picture(&url).await;
            assert!(cached().await, "before {good}");
            assert_eq!(purge(token.trim(), good.clone()).await, 200, "{good}");
            assert!(!cached().await, "after {good}");
        }
        assert!(cached().await);
        for (bad, status) in [
            (r#"{"tag": "skyline"}"#, 200),
            (r#"{"tag": "orbits", "everything": true}"#, 400),
            ("{}", 400),
            (r#"{"url": "orbits"}"#, 400),
            ("orbits", 400),
        ] {
            assert_eq!(purge(token.trim(), bad.into()).await, status, "{bad}");
        }
        assert_eq!(purge("another token", r#"{"everything": true}"#.into()).await, 401);
        assert!(cached().await, "none of these names it");
    });
}

#[test]
fn a_push_that_makes_no_sense_says_what_would() {
    let data = TempDir::new().unwrap();
    let serve = Serve::start(data.path());
    for (value, word) in
        [("btc-usd=1", "eth-usd"), ("eth-usd=x", "no number"), ("eth-usd=inf", "finite"), ("x", "FEED=VALUE")]
    {
        let output = serve.push(data.path(), value);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(word), "{value}: {error}");
    }
    let nowhere = TempDir::new().unwrap();
    let output = serve.push(nowhere.path(), "eth-usd=1");
    assert!(String::from_utf8_lossy(&output.stderr).contains("development key"), "{output:?}");
}

#[test]
fn a_termination_signal_ends_it_in_order() {
    let data = TempDir::new().unwrap();
    let serve = Serve::start(data.path());
    runtime().block_on(picture(&format!("{}/t/skyline/1.png?w=64", serve.here)));
    assert!(serve.terminate());
}

#[test]
fn nothing_published_is_lost_to_a_kill_under_load() {
    let data = TempDir::new().unwrap();
    let serve = Serve::start(data.path());
    let runtime = runtime();
    let mut known: BTreeMap<u32, (String, Vec<u8>)> = BTreeMap::new();
    assert!(serve.push(data.path(), "eth-usd=3100").status.success());
    runtime.block_on(async {
        for token in 1..=24 {
            let (etag, _, body) = picture(&format!("{}/t/orbits/{token}.png?w=96", serve.here)).await;
            known.insert(token, (etag, body));
        }
    });
    // Renders reach the disk behind the answers; give them the time that a cache is allowed to take.
    thread::sleep(Duration::from_secs(2));

    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|worker: u32| {
            let (stop, here) = (stop.clone(), serve.here.clone());
            runtime.spawn(async move {
                let client = Client::new();
                let mut token = 1000 * (worker + 1);
                while !stop.load(Ordering::Relaxed) {
                    token = if token % 1000 == 999 { token - 998 } else { token + 1 };
                    if let Ok(answer) =
                        client.get(format!("{here}/t/skyline/{}.png?w=64", token % 4096 + 1)).send().await
                    {
                        let _ = answer.bytes().await;
                    }
                }
            })
        })
        .collect();
    thread::sleep(Duration::from_millis(700));
    serve.kill();
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        for task in load {
            task.await.unwrap();
        }
    });

    let again = Serve::start(data.path());
    runtime.block_on(async {
        let mut hits = 0;
        for (token, (etag, body)) in &known {
            let (now, status, bytes) = picture(&format!("{}/t/orbits/{token}.png?w=96", again.here)).await;
            assert_eq!(
                (&now, &bytes),
                (etag, body),
                "token {token}: the snapshot and the picture are as they were"
            );
            hits += u32::from(status.starts_with("iridule; hit"));
        }
        assert!(hits >= 20, "renders are still there: {hits} of {} are hits", known.len());
    });
}

#[test]
fn a_second_start_is_quick() {
    let data = TempDir::new().unwrap();
    Serve::start(data.path()).kill();
    assert!(fs::read_dir(data.path().join("code")).unwrap().count() > 0, "compiled code is kept");
    let started = Instant::now();
    let serve = Serve::start(data.path());
    runtime().block_on(async { Client::new().get(format!("{}/healthz", serve.here)).send().await.unwrap() });
    // A bound on compiling again, which takes seconds, not a measurement.
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}
