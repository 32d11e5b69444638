//! Recorders on a chain whose calls fail for some tokens, with documents that never end.
//!
//! The chain is a JSON-RPC service in the test: a real node cannot be told to fail for one token and answer for the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, hex},
    sol_types::{SolCall as _, SolValue as _},
};
use axum::{Json, Router, extract::State, routing::post};
use iridule_publish::keys;
use iridule_sandbox::{Job, RegisteredJob, WorkerProgram};
use reqwest::Url;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::{
    Contract, Documents, DocumentsFile, Needs, Reading, Recorder,
    document::{Document, MirrorDocument, Mirrored},
};
use crate::{
    chain::{Chain, Head},
    config::Config,
    ledger::{Ledger, Unrecorded},
    metrics::Metrics,
    quorum::Quorum,
    relay::Relay,
    rpc::Provider,
    status::{self, Role, TokensStatus},
};

mod abi {
    alloy::sol! {
        function tokenURI(uint256 id) external view returns (string uri);
    }
}

/// [`MirrorDocument`], save for documents that say that they never end, or never have enough.
struct Trouble;

impl Job for Trouble {
    const NAME: &'static str = MirrorDocument::NAME;
    type State = ();
    type Request = Document;
    type Reply = Mirrored;
    type Error = String;

    fn run((): &mut (), document: Document) -> Result<Mirrored, String> {
        if document.uri.contains("loops") {
            loop {
                std::hint::spin_loop();
            }
        }
        let mut all = Vec::new();
        while document.uri.contains("eats") {
            all.push(std::hint::black_box(vec![1_u8; 1 << 20]));
        }
        MirrorDocument::run(&mut (), document)
    }
}

#[test]
fn sandbox_worker() {
    iridule_sandbox::serve_if_asked([RegisteredJob::of::<Trouble>()]);
}

/// What a contract answers, with this SVG in it.
fn uri(svg: &str) -> String {
    format!("data:application/json,{}", json!({"name": "N", "image": svg}))
}

/// A picture of one color.
fn plain(color: &str) -> String {
    let rect = format!("<rect width='9' height='9' fill='{color}'/>");
    uri(&format!("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'>{rect}</svg>"))
}

/// A chain with one contract.
#[derive(Default)]
struct World {
    block: u64,
    uris: BTreeMap<u64, String>,
    /// Tokens whose calls fail.
    failing: BTreeSet<u64>,
}

type Shared = Arc<Mutex<World>>;

async fn answer(State(world): State<Shared>, Json(asked): Json<Value>) -> Json<Value> {
    let world = world.lock().unwrap();
    let block = |number: u64| {
        let hash = format!("{:#066x}", number + 1);
        let zero = format!("{:#066x}", 0);
        json!({
            "number": format!("{number:#x}"), "hash": hash, "timestamp": format!("{:#x}", 1_700_000_000 + number),
            "parentHash": zero, "sha3Uncles": zero, "miner": format!("{:#042x}", 0), "stateRoot": zero,
            "transactionsRoot": zero, "receiptsRoot": zero, "logsBloom": format!("0x{}", "00".repeat(256)),
            "difficulty": "0x0", "gasLimit": "0x1", "gasUsed": "0x0", "extraData": "0x", "mixHash": zero,
            "nonce": "0x0000000000000000", "size": "0x1", "uncles": [], "transactions": [],
        })
    };
    let result = match asked["method"].as_str().unwrap() {
        "eth_chainId" => Ok(json!("0x1")),
        "eth_blockNumber" => Ok(json!(format!("{:#x}", world.block))),
        "eth_getBlockByNumber" => Ok(block(world.block)),
        "eth_getLogs" => Ok(json!([])),
        "eth_call" => {
            let call = &asked["params"][0];
            let input = call["input"].as_str().or(call["data"].as_str()).unwrap();
            let input = hex::decode(input).unwrap();
            let number = abi::tokenURICall::abi_decode(&input).unwrap().id.to::<u64>();
            if world.failing.contains(&number) {
                Err(json!({"code": -32000, "message": "overloaded"}))
            } else if let Some(uri) = world.uris.get(&number) {
                Ok(json!(hex::encode_prefixed((uri.clone(),).abi_encode_params())))
            } else {
                Err(json!({"code": 3, "message": "execution reverted"}))
            }
        }
        other => panic!("{other}"),
    };
    Json(match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": asked["id"], "error": error}),
    })
}

async fn chain(world: &Shared) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let router = Router::new().route("/", post(answer)).with_state(world.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A recorder that runs.
struct Running {
    task: JoinHandle<()>,
    shown: Arc<Mutex<TokensStatus>>,
    newest: watch::Receiver<u64>,
    metrics: Arc<Metrics>,
    ledger: Ledger,
}

impl Running {
    /// Reads this many tokens, from number 0 on.
    fn start(url: &Url, folder: &TempDir, supply: u64) -> Self {
        let metrics = Arc::new(Metrics::new());
        let chain = Chain {
            id: 1,
            providers: vec![Provider::new(url, Duration::from_secs(10), 4 << 20).unwrap()],
            quorum: Quorum::new(None, 1).unwrap(),
            head: Head::Latest,
            confirmations: 0,
            floor: Arc::default(),
            metrics: metrics.clone(),
        };
        let contract = Contract {
            slug: "fields".into(),
            chain,
            address: Address::ZERO,
            reading: Reading::Art,
            mint: None,
            numbers: 0..=supply - 1,
            every: Duration::from_millis(50),
        };
        let file: DocumentsFile =
            serde_json::from_value(json!({"time": "500ms", "memory_mib": 128, "workers": 2})).unwrap();
        let documents =
            Documents::new(&file, WorkerProgram::this_test("tokens::tests::sandbox_worker")).unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let recorder = Recorder::new(contract, documents);
        let shown = recorder.shown();
        let (tell, newest) = watch::channel(0);
        let key = keys::load_or_create(&folder.path().join("relay.key")).unwrap();
        let needs = Needs { ledger: ledger.clone(), key, metrics: metrics.clone(), newest: tell };
        let task = tokio::spawn(async move {
            let ended = recorder.run(needs).await;
            panic!("{ended:?}");
        });
        Self { task, shown, newest, metrics, ledger }
    }

    fn status(&self) -> TokensStatus {
        self.shown.lock().unwrap().clone()
    }

    async fn until(&self, what: &str, is: impl Fn(&TokensStatus) -> bool) {
        let started = Instant::now();
        while !is(&self.status()) {
            assert!(!self.task.is_finished(), "it ended");
            assert!(started.elapsed() < Duration::from_secs(60), "{what} does not come: {:?}", self.status());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_whose_calls_fail_hold_back_no_other_and_are_read_later() {
    let world = Shared::default();
    {
        let mut world = world.lock().unwrap();
        world.uris = (0..70).map(|number| (number, plain("#f00"))).collect();
        // As many as a look reads, and the first of all.
        world.failing = (0..32).collect();
    }
    let (url, folder) = (chain(&world).await, TempDir::new().unwrap());
    let running = Running::start(&url, &folder, 70);
    running.until("the others", |status| status.recorded == 38).await;
    assert_eq!(*running.newest.borrow(), 38, "whoever publishes is told of them");
    running.until("the failing ones", |status| status.failing == 32).await;
    let status = running.status();
    assert!(status.why.unwrap().contains("too few providers answer"), "their reason is shown");
    assert_eq!((status.waiting, status.refused), (32, 0));
    // A restart forgets none of them.
    let ledger = running.ledger.clone();
    running.stop().await;
    assert_eq!(ledger.unrecorded("fields").unwrap().len(), 32);
    drop(ledger);
    world.lock().unwrap().failing.clear();
    let running = Running::start(&url, &folder, 70);
    running.until("all", |status| status.recorded == 70 && status.waiting == 0).await;
    assert!(running.ledger.unrecorded("fields").unwrap().is_empty());
    assert_eq!(running.metrics.documents.get(), 32, "what was read is not read again");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_over_its_bound_is_refused_once_until_it_changes_also_after_a_restart() {
    let world = Shared::default();
    world.lock().unwrap().uris =
        [(0, uri("loops")), (1, plain("#0f0")), (2, uri("eats")), (3, "ipfs://x".into())].into();
    let (url, folder) = (chain(&world).await, TempDir::new().unwrap());
    let running = Running::start(&url, &folder, 4);
    running.until("all", |status| status.recorded == 1 && status.refused == 3).await;
    let tries = running.metrics.documents.get();
    assert_eq!(tries, 4);
    assert_eq!((running.metrics.ended("time").get(), running.metrics.ended("memory").get()), (1, 1));
    let text = running.metrics.text();
    assert!(text.contains("documents_ended_total{limit=\"time\"} 1"), "{text}");
    let why = running.status().why.unwrap();
    assert!(why.contains("token 0") && why.contains("too much time"), "{why}");
    for (number, reason) in [(0, "too much time"), (2, "too much memory"), (3, "not on the chain")] {
        let why = running.ledger.why_unrecorded("fields", number).unwrap();
        let Some(Unrecorded::Refused { why, .. }) = why else { panic!("{why:?}") };
        assert!(why.contains(reason), "{why}");
    }
    running.stop().await;

    let running = Running::start(&url, &folder, 4);
    running.until("the same", |status| status.refused == 3 && status.waiting == 0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(running.metrics.documents.get(), 0, "nothing is tried again");
    assert_eq!(running.status().recorded, 1);
    running.stop().await;

    world.lock().unwrap().uris.insert(0, plain("#00f"));
    let running = Running::start(&url, &folder, 4);
    running.until("the changed one", |status| status.recorded == 2 && status.refused == 2).await;
    assert_eq!(running.metrics.documents.get(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_are_read_and_the_relay_ends_at_once_while_a_document_is_worked_on() {
    let world = Shared::default();
    world.lock().unwrap().uris = (0..40).map(|number| (number, uri(&format!("loops {number}")))).collect();
    let (url, folder) = (chain(&world).await, TempDir::new().unwrap());
    std::fs::write(folder.path().join("rounds.csv"), "round_id,answer,updated_at\n1,200000000,1700000000\n")
        .unwrap();
    let text = format!(
        "listen = \"127.0.0.1:0\"\ninterval = \"20ms\"\nkey = \"relay.key\"\nledger = \"ledger\"\n\
         [documents]\ntime = \"1h\"\nworkers = 2\n\
         [[chain]]\nid = 1\nproviders = [\"{url}\"]\n\
         [feed.eth-usd]\ncsv = \"rounds.csv\"\n\
         [[tokens]]\ncollection = \"fields\"\nchain = 1\ncontract = \"{}\"\nread = \"art\"\nfirst = 0\nsupply = 40\n",
        Address::ZERO
    );
    let config = Config::parse(&text, folder.path()).unwrap();
    let metrics = config.metrics.clone();
    let relay = Relay::start(config).await.unwrap();
    let service = format!("http://{}", relay.address());
    let started = Instant::now();
    while metrics.documents.get() < 2 {
        assert!(started.elapsed() < Duration::from_secs(30), "no document is worked on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let status = status::ask(&service).await.unwrap();
    assert_eq!(status.role, Role::Leads);
    let fed = |status: &status::Status| status.feeds.iter().any(|feed| feed.value == Some(2.0));
    let started = Instant::now();
    while !fed(&status::ask(&service).await.unwrap()) {
        assert!(started.elapsed() < Duration::from_secs(10), "the feed is not read");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(metrics.documents.get(), 2, "the others wait for their turn");
    let started = Instant::now();
    relay.shutdown().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}
