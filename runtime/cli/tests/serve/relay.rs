//! `iridule oracle run` on a real chain: anvil with our contracts, the relay as a process that is killed, the PoP as its
//! sink.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{U256, keccak256};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::Signature;
use iridule_node::{Feed, Node, Outside, Trouble, abi, troubled};
use iridule_publish::{Pop, keys};
use iridule_records::{
    dial::Dial,
    gauge::{Gauge, State},
    render_key::{Painter, RenderKey},
    seed::Seed,
    signed::TrustedKeys,
    snapshot::Snapshot,
};
use iridule_relay::{
    book::Event,
    ledger::{Entry, Ledger},
    replay,
    round::{Round, RoundId},
    status::{self, Staleness, Status},
};
use iridule_scene::variant::{Fit, Format, Variant};
use tempfile::TempDir;

use crate::world::{Serve, iridule, picture, pinned_url, runtime};

/// Runs a test on a node, or says why there is none; where one is required, that is a failure.
pub fn on_a_node(test: impl AsyncFnOnce(Node)) {
    runtime().block_on(async {
        match Node::start().await {
            Ok(node) => test(node).await,
            Err(why) => {
                let required = env::var("IRIDULE_REQUIRE").unwrap_or_default();
                assert!(!required.split(',').any(|one| one == "chain"), "a chain is required: {why:#}");
                eprintln!("skipped: {why:#}");
            }
        }
    });
}

/// A running `iridule oracle run`.
pub struct Relay {
    child: Child,
    service: String,
}

impl Relay {
    pub fn start(config: &Path) -> Self {
        let mut command = iridule();
        command.args(["oracle", "run", "--config"]).arg(config);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.next().expect("the relay says where its service is");
        let service = line[line.find("http://").unwrap()..].split(';').next().unwrap().to_owned();
        thread::spawn(move || lines.for_each(drop));
        Self { child, service }
    }

    pub async fn status(&self) -> Status {
        status::ask(&self.service).await.unwrap()
    }

    /// Waits until its status is as it should be.
    pub async fn until(&self, what: &str, is: impl Fn(&Status) -> bool) -> Status {
        let started = Instant::now();
        loop {
            let status = self.status().await;
            if is(&status) {
                return status;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{what} does not come: {status}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn terminate(mut self) {
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "it leaves in order");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A relay's configuration in a folder.
pub fn configure(folder: &Path, providers: &[&str], feed: &Feed, more: &str) -> PathBuf {
    let file = folder.join("relay.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\ninterval = \"50ms\"\nkey = \"keys/relay.key\"\nledger = \"ledger\"\n\
         [[chain]]\nid = 31337\nproviders = {providers:?}\nconfirmations = 0\npatience = \"400ms\"\n\
         [feed.eth-usd]\nchain = 31337\nproxy = \"{}\"\nheartbeat = \"1h\"\n{more}",
        feed.proxy
    );
    fs::write(&file, text).unwrap();
    file
}

/// The sink that is a PoP whose data lie in the same folder.
pub fn pop_sink(serve: &Serve) -> String {
    format!("[[sink]]\nto = \"{}\"\ntoken_file = \"keys/admin.token\"\n", serve.admin)
}

async fn gauge_of(serve: &Serve, data: &Path, slug: &str) -> Gauge {
    let token = fs::read_to_string(data.join("keys/admin.token")).unwrap();
    let pop = Pop::new(&serve.admin, token.trim()).unwrap();
    let all: BTreeMap<String, Vec<Gauge>> = pop.collections().await.unwrap().into_iter().collect();
    all[slug][0].clone()
}

fn feed_round(status: &Status) -> Option<&str> {
    status.feeds.iter().find(|feed| feed.feed == "eth-usd")?.round.as_deref()
}

/// Numbers that look random and are the same every time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

/// Five hundred rounds: the feed's real ones where they are at hand, else a walk of the same kind.
fn five_hundred() -> Vec<(i128, u64)> {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/eth-usd-rounds.csv");
    if let Ok(text) = fs::read_to_string(real) {
        let rows = text.lines().skip(1).map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[1].parse().unwrap(), fields[2].parse().unwrap())
        });
        return rows.take(500).collect();
    }
    let mut dice = Dice(7);
    let mut price = 190_000_000_000_i128;
    let walk = (0..500).map(|at| {
        price += i128::from(dice.below(4_000_000_000)) - 2_000_000_000;
        // One is missing, as on chain.
        if at == 20 { (0, 0) } else { (price, 1_680_734_315 + 3600 * at) }
    });
    walk.collect()
}

#[test]
fn no_round_is_lost_to_kills_phases_and_reorganisations() {
    on_a_node(async |node| {
        let data = TempDir::new().unwrap();
        let serve = Serve::start(data.path());
        let mut feed = Feed::deploy(&node, 8).await.unwrap();
        let rounds = five_hundred();
        let mut dice = Dice(2026);

        // What stands on the chain, as a reader should see it.
        let (mut phase, mut number) = (1, 0);
        let mut stands: Vec<Round> = Vec::new();
        let note = |stands: &mut Vec<Round>, phase: u16, number: u64, (answer, updated): (i128, u64)| {
            if answer > 0 {
                stands.push(Round { id: RoundId { phase, number }, answer, decimals: 8, updated });
            }
        };
        let first = rounds.iter().position(|(answer, _)| *answer > 0).unwrap();
        feed.push(&node, rounds[first].0, rounds[first].1).await.unwrap();
        number += 1;
        note(&mut stands, phase, number, rounds[first]);

        let config = configure(data.path(), &[&node.url], &feed, &pop_sink(&serve));
        let mut relay = Relay::start(&config);
        relay.until("the first round", |status| feed_round(status) == Some("1.1")).await;

        let trusted =
            TrustedKeys::parse(&keys::public(&keys::load(&data.path().join("keys/relay.key")).unwrap()));
        let trusted = trusted.unwrap();
        let token = fs::read_to_string(data.path().join("keys/admin.token")).unwrap();
        let pop = Pop::new(&serve.admin, token.trim()).unwrap();
        let mut sequence = 0;

        let mut at = first + 1;
        let (mut kills, mut reorganised) = (0, 0);
        while at < rounds.len() {
            let batch = usize::try_from(1 + dice.below(6)).unwrap();
            let next = &rounds[at..(at + batch).min(rounds.len())];
            if dice.below(3) == 0 {
                feed.push_all(&node, next).await.unwrap();
            } else {
                for round in next {
                    feed.push(&node, round.0, round.1).await.unwrap();
                }
            }
            for round in next {
                number += 1;
                note(&mut stands, phase, number, *round);
            }
            at += next.len();
            if phase == 1 && at > 250 {
                feed.turn(&node).await.unwrap();
                (phase, number) = (2, 0);
            }
            if reorganised < 3 && at > 120 * (reorganised + 1) && number > 3 {
                // Two rounds, each in a block of its own, that the relay may have seen and that then never were.
                let detour = [(stands.last().unwrap().answer * 2, stands.last().unwrap().updated + 1); 2];
                for round in detour {
                    feed.push(&node, round.0, round.1).await.unwrap();
                }
                let seen = format!("{phase}.{}", number + 2);
                relay.until("what will be taken back", |status| feed_round(status) == Some(&seen)).await;
                node.reorganise(2).await.unwrap();
                reorganised += 1;
            }
            if dice.below(12) == 0 {
                relay.kill();
                kills += 1;
                relay = Relay::start(&config);
            }
            let signed = pop.snapshot().await.unwrap().unwrap();
            let now = Snapshot::open(&signed, &trusted, u64::MAX).unwrap().sequence;
            assert!(now >= sequence, "no sequence falls: {now} after {sequence}");
            sequence = now;
        }
        assert!(kills >= 5 && reorganised == 3, "{kills} kills, {reorganised} reorganisations");

        let newest = stands.last().unwrap().id.to_string();
        let settled = |status: &Status| {
            feed_round(status) == Some(&newest)
                && status.sinks.iter().all(|sink| sink.why.is_none() && sink.sequence == status.sequence)
        };
        relay.until("the last round", settled).await;
        relay.terminate();

        // The ledger agrees with itself, with the chain, and with what was pushed.
        let proof = iridule().args(["oracle", "replay", "--config"]).arg(&config).output().unwrap();
        assert!(proof.status.success(), "{}", String::from_utf8_lossy(&proof.stderr));
        let said = String::from_utf8_lossy(&proof.stdout).into_owned();
        assert!(said.contains("all follow") && said.contains("are the same at the source"), "{said}");
        let ledger = Ledger::existing(&data.path().join("ledger")).unwrap();
        assert_eq!(replay::rounds(&ledger).unwrap()["eth-usd"], stands);

        // The state is that of an offline replay.
        let gauge = gauge_of(&serve, data.path(), "orbits").await;
        let mut dial = Dial::new(&gauge.quantiser, stands[0].value(), stands[0].updated).unwrap();
        for round in &stands[1..] {
            dial.turn(&gauge.quantiser, round.value(), round.updated);
        }
        let signed = pop.snapshot().await.unwrap().unwrap();
        let snapshot = Snapshot::open(&signed, &trusted, u64::MAX).unwrap();
        assert_eq!(snapshot.gauges[&gauge.id()], dial.band());
        eprintln!("{} rounds, {kills} kills, {reorganised} reorganisations; {said}", stands.len());
    });
}

#[test]
fn providers_that_are_behind_take_nothing_back() {
    on_a_node(async |node| {
        let data = TempDir::new().unwrap();
        let feed = Feed::deploy(&node, 8).await.unwrap();
        for round in 0..3 {
            feed.push(&node, 200_000_000_000, 1_700_000_000 + round).await.unwrap();
        }
        let relay = Relay::start(&configure(data.path(), &[&node.url], &feed, ""));
        relay.until("the newest round", |status| feed_round(status) == Some("1.3")).await;
        relay.terminate();
        let behind = troubled(&node.url, Trouble::Lags(2)).await.unwrap();
        let relay = Relay::start(&configure(data.path(), &[&behind], &feed, ""));
        let why =
            |status: &Status| status.feeds.first().and_then(|feed| feed.why.clone()).unwrap_or_default();
        let status = relay.until("a reason to wait", |status| why(status).contains("was read before")).await;
        assert_eq!(feed_round(&status), Some("1.3"));
        node.mine(2).await.unwrap();
        relay.until("an answer", |status| why(status).is_empty()).await;
        relay.terminate();
        let ledger = Ledger::existing(&data.path().join("ledger")).unwrap();
        let entries = ledger.entries(0, 100).unwrap();
        assert!(!entries.iter().any(|(_, entry)| matches!(entry, Entry::Event(Event::Retract { .. }))));
    });
}

#[test]
fn a_feed_that_cannot_be_relied_on_says_why() {
    on_a_node(async |node| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let data = TempDir::new().unwrap();
        let feed = Feed::deploy(&node, 8).await.unwrap();
        feed.push(&node, 200_000_000_000, now - 7200).await.unwrap();
        let uptime = Feed::deploy(&node, 0).await.unwrap();
        uptime.push(&node, 1, now - 60).await.unwrap();
        let more = "reference = \"spot\"\ndeviation = 0.02\n[feed.spot]\nconstant = 2500.0\n";
        let config = configure(data.path(), &[&node.url], &feed, more);
        let text = fs::read_to_string(&config).unwrap();
        let sequencer = format!("patience = \"400ms\"\nsequencer = \"{}\"\ngrace = \"1h\"", uptime.proxy);
        fs::write(&config, text.replace("patience = \"400ms\"", &sequencer)).unwrap();
        let relay = Relay::start(&config);
        let of = |status: &Status| status.feeds.iter().find(|feed| feed.feed == "eth-usd").cloned();
        let says = |text: &'static str| {
            move |status: &Status| of(status).and_then(|feed| feed.why).is_some_and(|why| why.contains(text))
        };
        let is = |staleness: Staleness| {
            move |status: &Status| {
                of(status).is_some_and(|feed| {
                    feed.staleness == staleness && feed.why.is_none() && feed.round.is_some()
                })
            }
        };
        let status = relay.until("the sequencer's fault", says("sequencer is down")).await;
        assert_eq!(feed_round(&status), None, "nothing is believed meanwhile");
        uptime.push(&node, 0, now - 60).await.unwrap();
        relay.until("its grace", says("up again since")).await;
        uptime.push(&node, 0, now - 7200).await.unwrap();
        relay.until("an old round", is(Staleness::Heartbeat)).await;
        feed.push(&node, 200_000_000_000, now).await.unwrap();
        relay.until("one that is far off", is(Staleness::Deviation)).await;
        // What is no value is passed over.
        for nothing in [0, -5] {
            feed.push(&node, nothing, now + 1).await.unwrap();
        }
        feed.push(&node, 249_000_000_000, now + 2).await.unwrap();
        let status = relay.until("a good one", is(Staleness::Fresh)).await;
        assert_eq!(feed_round(&status), Some("1.5"));
        relay.terminate();
    });
}

#[test]
fn of_two_relays_on_one_ledger_one_leads_and_the_other_takes_over() {
    on_a_node(async |node| {
        let data = TempDir::new().unwrap();
        let feed = Feed::deploy(&node, 8).await.unwrap();
        feed.push(&node, 200_000_000_000, 1_700_000_000).await.unwrap();
        let config = configure(data.path(), &[&node.url], &feed, "[[sink]]\nto = \"file:shelf\"\n");
        let first = Relay::start(&config);
        first.until("the round", |status| feed_round(status) == Some("1.1")).await;
        let second = Relay::start(&config);
        assert_eq!(second.status().await.role, status::Role::Waits);
        feed.push(&node, 210_000_000_000, 1_700_000_100).await.unwrap();
        first.until("the round", |status| feed_round(status) == Some("1.2")).await;
        first.kill();
        feed.push(&node, 220_000_000_000, 1_700_000_200).await.unwrap();
        second.until("the round after", |status| feed_round(status) == Some("1.3")).await;
        second.terminate();
        let ledger = Ledger::existing(&data.path().join("ledger")).unwrap();
        assert_eq!(replay::rounds(&ledger).unwrap()["eth-usd"].len(), 3);
    });
}

#[test]
fn a_wrong_answer_is_never_believed_while_a_quorum_is_honest() {
    on_a_node(async |node| {
        let feed = Feed::deploy(&node, 8).await.unwrap();
        feed.push(&node, 200_000_000_000, 1_700_000_000).await.unwrap();
        node.mine(10).await.unwrap();
        use Trouble::{Floods, Hangs, Lags, Lies, None};
        for (troubles, value) in [
            ([None, None, None], Some(2000.0)),
            ([None, Lies, None], Some(2000.0)),
            ([Hangs, None, None], Some(2000.0)),
            ([Lies, Lags(3), None], Some(2000.0)),
            ([Floods, None, Lags(2)], Some(2000.0)),
            // Two that are honest would be needed: no answer, rather than a wrong one.
            ([Lies, Hangs, None], Option::None),
            ([Lies, Lags(3), Hangs], Option::None),
            ([Floods, Hangs, None], Option::None),
            // What no count can tell from the truth; docs/how-to/run-a-relay.md says so.
            ([Lies, Lies, None], Some(4000.0)),
        ] {
            let mut providers = Vec::new();
            for trouble in troubles {
                providers.push(troubled(&node.url, trouble).await.unwrap());
            }
            let providers: Vec<&str> = providers.iter().map(String::as_str).collect();
            let data = TempDir::new().unwrap();
            let relay = Relay::start(&configure(data.path(), &providers, &feed, ""));
            let read = |status: &Status| status.feeds.first().map(|feed| (feed.value, feed.why.clone()));
            let status = relay
                .until("an answer or none", |status| {
                    read(status).is_some_and(|(value, why)| value.is_some() || why.is_some())
                })
                .await;
            let (found, why) = read(&status).unwrap();
            assert_eq!(found, value, "{troubles:?}: {why:?}");
            if value.is_none() {
                // It stays so.
                tokio::time::sleep(Duration::from_millis(600)).await;
                assert_eq!(read(&relay.status().await).unwrap().0, Option::None, "{troubles:?}");
            }
            if troubles.contains(&Lies) && value == Some(2000.0) {
                let url = format!("{}/metrics", relay.service);
                let text = reqwest::get(url).await.unwrap().text().await.unwrap();
                assert!(text.contains("iridule_relay_dissents_total{"), "who lies is named: {troubles:?}");
            }
            relay.terminate();
        }
    });
}

#[test]
fn a_round_on_the_chain_changes_the_picture_at_the_edge() {
    on_a_node(async |node| {
        let data = TempDir::new().unwrap();
        let serve = Serve::start(data.path());
        let feed = Feed::deploy(&node, 8).await.unwrap();
        feed.push(&node, 250_000_000_000, 1_700_000_000).await.unwrap();
        let relay = Relay::start(&configure(data.path(), &[&node.url], &feed, &pop_sink(&serve)));
        let url = format!("{}/t/orbits/1.png?w=64", serve.here);
        let caught_up = |status: &Status| {
            status.sinks.iter().all(|sink| sink.sequence == status.sequence) && status.sequence > 0
        };
        relay
            .until("the first snapshot", |status| feed_round(status) == Some("1.1") && caught_up(status))
            .await;
        let (first, _, bytes) = picture(&url).await;
        for (round, answer) in [(2_u64, 390_000_000_000), (3, 250_000_000_000)] {
            feed.push(&node, answer, 1_700_000_000 + round).await.unwrap();
            let seen = format!("1.{round}");
            relay.until("the round", |status| feed_round(status) == Some(&seen) && caught_up(status)).await;
            let (etag, _, now) = picture(&url).await;
            assert_eq!(answer == 250_000_000_000, etag == first && now == bytes, "round {round}");
        }
        // A contract that reads the feed itself names the same picture.
        let gauge = gauge_of(&serve, data.path(), "orbits").await;
        let range = gauge.quantiser.range().skip(1);
        #[expect(clippy::cast_possible_truncation, reason = "prices are far below 2^63")]
        let edges =
            range.map(|band| ((gauge.quantiser.edges(band).0 * 1e8).ceil() as i64).try_into().unwrap());
        let token = abi::LiveToken::constructorCall {
            feed_: feed.proxy,
            base_: serve.here.clone(),
            collection_: "orbits".into(),
            supply_: 100.try_into().unwrap(),
            lowest_: gauge.quantiser.low,
            edges_: edges.collect(),
        };
        let token = node.deploy("LiveToken", token).await.unwrap();
        let call = abi::LiveToken::imageCall { tokenId: 1.try_into().unwrap() };
        let on_chain = node.call(token, call).await.unwrap();
        let pinned = pinned_url(&serve.here).await;
        assert_eq!(pinned.split('?').next().unwrap(), on_chain);
        assert_eq!(picture(&format!("{on_chain}?w=64")).await.2, bytes);
        let uri = abi::LiveToken::tokenURICall { tokenId: 1.try_into().unwrap() };
        let uri = node.call(token, uri).await.unwrap();
        let json = uri.strip_prefix("data:application/json;utf8,").unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["image"], on_chain);

        // And it computes the same render key as core.
        let bands = node.call(token, abi::LiveToken::bandsCall {}).await.unwrap();
        let epoch = State(bands).epoch();
        for (number, painter) in [(1_u64, Painter::Cpu), (99, Painter::Derived), (100, Painter::Origin)] {
            let style = keccak256(number.to_be_bytes());
            let (width, height) = (u16::try_from(number).unwrap() * 7, 512);
            let (fit, format) = (Fit::Cover, Format::Jpeg);
            let variant = Variant { width, height, fit, format, quality: 75 };
            let seed = Seed::derived(31337, token, U256::from(number));
            let key = RenderKey::of(&style, &seed, &epoch, painter, &variant);
            let call = abi::LiveToken::renderKeyCall {
                style,
                tokenId: U256::from(number),
                painter: painter as u8,
                variant: variant.word(),
            };
            assert_eq!(node.call(token, call).await.unwrap(), key.0);
        }
        relay.terminate();
    });
}

#[test]
fn whoever_wants_to_know_is_told() {
    on_a_node(async |node| {
        let data = TempDir::new().unwrap();
        let serve = Serve::start(data.path());
        let feed = Feed::deploy(&node, 8).await.unwrap();
        feed.push(&node, 250_000_000_000, 1_700_000_000).await.unwrap();
        let token = abi::LiveToken::constructorCall {
            feed_: feed.proxy,
            base_: serve.here.clone(),
            collection_: "orbits".into(),
            supply_: U256::from(100),
            lowest_: 0,
            edges_: vec![],
        };
        let token = node.deploy("LiveToken", token).await.unwrap();
        let secret = "07".repeat(32);
        node.fund(&secret).await.unwrap();
        let mut outside = Outside::start("").await.unwrap();
        let more = format!(
            "{}[[webhook]]\nurl = \"{}\"\n[[announce]]\ncollection = \"orbits\"\nchain = 31337\n\
             contract = \"{token}\"\nkey = \"{secret}\"\nmax_fee_gwei = 1000\nevery = \"1s\"\n",
            pop_sink(&serve),
            outside.url
        );
        let config = configure(data.path(), &[&node.url], &feed, &more);
        let relay = Relay::start(&config);
        let all_told = |round: &'static str| {
            move |status: &Status| {
                let told = |sink: &status::SinkStatus| sink.sequence == status.sequence && sink.why.is_none();
                feed_round(status) == Some(round)
                    && status.collections.len() > 1
                    && status.sinks.iter().all(told)
            }
        };
        relay.until("everybody", all_told("1.1")).await;
        let announced = || node.events::<abi::LiveToken::BatchMetadataUpdate>(token);
        let before = announced().await.unwrap();
        assert!(before >= 1);
        feed.push(&node, 390_000_000_000, 1_700_000_100).await.unwrap();
        relay.until("everybody", all_told("1.2")).await;
        assert_eq!(announced().await.unwrap(), before + 1);
        relay.terminate();

        let key = keys::load(&data.path().join("keys/relay.key")).unwrap().verifying_key();
        let mut states = Vec::new();
        while let Ok((headers, body)) = outside.posted.try_recv() {
            let field = |name: &str| headers[name].to_str().unwrap().to_owned();
            let signature =
                BASE64_STANDARD.decode(field("webhook-signature").strip_prefix("v1a,").unwrap()).unwrap();
            let mut signed = format!("{}.{}.", field("webhook-id"), field("webhook-timestamp")).into_bytes();
            signed.extend_from_slice(&body);
            key.verify_strict(&signed, &Signature::from_slice(&signature).unwrap()).unwrap();
            let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let of_orbits = |one: &&serde_json::Value| one["collection"] == "orbits";
            states.extend(told["data"]["collections"].as_array().unwrap().iter().find(of_orbits).cloned());
        }
        states.dedup();
        assert_eq!(states.len(), 2, "{states:?}");
        let pinned = pinned_url(&serve.here).await;
        assert!(pinned.contains(&format!("@{}.png", states[1]["state"].as_str().unwrap())), "{pinned}");

        // Who was told is not told again after a restart, and nobody pays twice.
        let relay = Relay::start(&config);
        relay.until("everybody", all_told("1.2")).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(announced().await.unwrap(), before + 1);
        assert!(outside.posted.try_recv().is_err());
        relay.terminate();
    });
}

#[test]
fn a_document_is_a_feed_within_bounds() {
    runtime().block_on(async {
        let data = TempDir::new().unwrap();
        let serve = Serve::start(data.path());
        let outside = Outside::start(r#"{"sky": [{"wind": "12.5"}]}"#).await.unwrap();
        let feed = |name: &str, path: &str, pointer: &str, private: bool| {
            format!(
                "[feed.{name}]\nurl = \"{}{path}\"\npointer = \"{pointer}\"\nevery = \"50ms\"\nprivate = {private}\n",
                outside.url
            )
        };
        let text = [
            "listen = \"127.0.0.1:0\"\ninterval = \"50ms\"\nkey = \"keys/relay.key\"\nledger = \"ledger\"\n",
            &feed("weather", "/", "/sky/0/wind", true),
            &feed("nowhere", "/", "/sea", true),
            &feed("huge", "/huge", "", true),
            &feed("around", "/around", "", true),
            &pop_sink(&serve),
        ]
        .concat();
        let config = data.path().join("relay.toml");
        fs::write(&config, &text).unwrap();
        let relay = Relay::start(&config);
        let of = |status: &Status, name: &str| {
            let feed = status.feeds.iter().find(|feed| feed.feed == name)?;
            Some((feed.value, feed.why.clone().unwrap_or_default()))
        };
        let all = |status: &Status| {
            let known = |name| of(status, name).is_some_and(|(value, why)| value.is_some() || !why.is_empty());
            ["weather", "nowhere", "huge", "around"].into_iter().all(known)
        };
        let status = relay.until("all feeds", all).await;
        assert_eq!(of(&status, "weather").unwrap(), (Some(12.5), String::new()));
        for (name, why) in [("nowhere", "nothing at"), ("huge", "more than"), ("around", "redirects")] {
            let (value, said) = of(&status, name).unwrap();
            assert!(value.is_none() && said.contains(why), "{name}: {said}");
        }
        outside.publish(r#"{"sky": [{"wind": -3}]}"#);
        relay.until("another value", |status| of(status, "weather").unwrap().0 == Some(-3.0)).await;
        outside.publish("gone");
        let status = relay.until("an error", |status| !of(status, "weather").unwrap().1.is_empty()).await;
        assert_eq!(of(&status, "weather").unwrap().0, Some(-3.0), "what was said stays in force");
        relay.terminate();

        fs::write(&config, text.replace("private = true", "private = false")).unwrap();
        let refused = iridule().args(["oracle", "run", "--config"]).arg(&config).output().unwrap();
        assert!(String::from_utf8_lossy(&refused.stderr).contains("private = true"), "{refused:?}");
    });
}

#[test]
fn keys_change_with_an_overlap_and_a_revoked_one_is_worth_nothing() {
    let data = TempDir::new().unwrap();
    let next_key = |name: &str| {
        let file = data.path().join("keys").join(name);
        let made = iridule().args(["oracle", "key", "new"]).arg(&file).output().unwrap();
        assert!(made.status.success());
        let again = iridule().args(["oracle", "key", "new"]).arg(&file).output().unwrap();
        assert!(!again.status.success(), "a key is never written over");
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    fs::create_dir_all(data.path().join("keys")).unwrap();
    let old = next_key("relay.key");
    let new = next_key("next.key");
    let config = data.path().join("relay.toml");
    let configure = |serve: &Serve, key: &str, former: &str, rounds: &str| {
        fs::write(data.path().join("rounds.csv"), format!("round_id,answer,updated_at\n{rounds}")).unwrap();
        let text = format!(
            "listen = \"127.0.0.1:0\"\ninterval = \"50ms\"\nkey = \"keys/{key}\"\nformer_keys = [\"{former}\"]\n\
             ledger = \"ledger\"\n[feed.eth-usd]\ncsv = \"rounds.csv\"\n{}",
            pop_sink(serve)
        );
        fs::write(&config, text).unwrap();
    };
    runtime().block_on(async {
        let run = async |round: &'static str| {
            let relay = Relay::start(&config);
            relay
                .until("the snapshot to be taken", |status| {
                    feed_round(status) == Some(round)
                        && status.sequence > 0
                        && status.sinks.iter().all(|sink| sink.sequence == status.sequence)
                })
                .await;
            relay.terminate();
        };
        let etag = async |serve: &Serve| picture(&format!("{}/t/orbits/1.png?w=64", serve.here)).await.0;
        let serve = Serve::start_with(data.path(), &["--trust", &new]);
        configure(&serve, "relay.key", "", "1,250000000000,1\n");
        run("0.1").await;
        let first = etag(&serve).await;
        configure(&serve, "next.key", &old, "1,250000000000,1\n2,390000000000,2\n");
        run("0.2").await;
        let second = etag(&serve).await;
        assert_ne!(first, second, "the new key is believed beside the old one");
        assert!(serve.terminate());

        // The old key is revoked: what is in force stays, what it signs from now on is refused.
        fs::copy(data.path().join("keys/relay.key"), data.path().join("keys/old.key")).unwrap();
        fs::copy(data.path().join("keys/next.key"), data.path().join("keys/relay.key")).unwrap();
        let serve = Serve::start_with(data.path(), &[]);
        assert_eq!(etag(&serve).await, second);
        configure(&serve, "old.key", &new, "1,250000000000,1\n2,390000000000,2\n3,250000000000,3\n");
        let relay = Relay::start(&config);
        let refused = |status: &Status| {
            status.sinks.iter().any(|sink| sink.why.as_ref().is_some_and(|why| why.contains("not trusted")))
        };
        relay.until("a refusal", refused).await;
        relay.terminate();
        assert_eq!(etag(&serve).await, second);
    });
}
