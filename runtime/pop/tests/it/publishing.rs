//! The write API: who may write, what is taken, what is refused and how.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use http::Method;
use iridule_pop::Accepted;
use iridule_records::{
    block::{Block, DAG_CBOR, RAW},
    collection::{self, Collection},
    record_keys,
    snapshot::{self, Snapshot},
    token::{self, TokenRecord, Tokens},
};
use iridule_scene::scene::Blend;
use iridule_style::{
    expression::Number,
    manifest::{self, CanvasSpec, ContentSpec, LayerSpec, Manifest, SvgSpec},
    package,
};

use crate::support::{start, trusting};

/// The only file of the style.
const LEAF: &[u8] = br#"<svg xmlns="http://www.w3.org/2000/svg"/>"#;

/// A time that these tests do not see, Unix milliseconds.
const FAR: u64 = 1 << 50;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn snapshot(sequence: u64, issued: u64) -> Snapshot {
    Snapshot {
        version: snapshot::VERSION,
        chain: 1,
        sequence,
        issued,
        expires: issued.max(FAR) + 1000,
        gauges: BTreeMap::new(),
        published: BTreeMap::new(),
    }
}

fn record(slug: &str, style: cid::Cid) -> Collection {
    Collection {
        version: collection::VERSION,
        slug: slug.into(),
        name: "Test".into(),
        description: String::new(),
        chain_id: 1,
        contract: [7; 20].into(),
        first: 1,
        supply: 10,
        tokens: Tokens::Derived,
        sequence: 1,
        style,
        canary: None,
        history: Vec::new(),
    }
}

fn manifest() -> Manifest {
    Manifest {
        version: manifest::VERSION,
        name: "Test".into(),
        description: String::new(),
        canvas: CanvasSpec { width: 64, height: 64, background: None },
        traits: Vec::new(),
        exclusions: Vec::new(),
        overrides: Vec::new(),
        gauges: Vec::new(),
        layers: vec![LayerSpec {
            name: "a.svg".into(),
            when: None,
            blend: Blend::Normal,
            opacity: Number::Literal(1.0),
            transform: None,
            mask: None,
            content: ContentSpec::Svg(SvgSpec {
                source: "a.svg".into(),
                steps: 999,
                bytes: 999,
                elements: 8,
                overdraw: 1,
            }),
        }],
        masks: Vec::new(),
        files: vec![package::split("a.svg", LEAF).unwrap().0],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_bearer_of_the_token_writes() {
    let pop = start(|_| {}).await;
    for token in [None, Some(""), Some("another token, as long"), Some("a token for the test")] {
        for path in ["/v1/snapshot", "/v1/collections", "/v1/nothing"] {
            let answer = pop.admin_as(token, Method::GET, path, "").await;
            answer.assert_denied(401);
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    assert_eq!(pop.admin_as(None, Method::GET, "/healthz", "").await.text(), "ok\n");
    assert_eq!(pop.admin_as(None, Method::GET, "/metrics", "").await.status, 200);
    pop.admin(Method::GET, "/v1/snapshot", "").await.assert_denied(404);
    pop.admin(Method::GET, "/v1/nothing", "").await.assert_denied(404);
    pop.admin(Method::DELETE, "/v1/snapshot", "").await.assert_denied(405);
    pop.admin(Method::POST, "/healthz", "").await.assert_denied(405);
    let ready = pop.admin_as(None, Method::GET, "/readyz", "").await;
    assert_eq!((ready.status.as_u16(), ready.text()), (200, "ready\n".to_owned()));
    pop.admin(Method::POST, "/readyz", "").await.assert_denied(405);

    let closed = start(|config| config.admin_token = None).await;
    closed.admin(Method::GET, "/v1/snapshot", "").await.assert_denied(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_only_move_forward() {
    let signer = key(1);
    let pop = start(|config| config.trusted = trusting(&signer)).await;
    let put = async |bytes: Vec<u8>| pop.admin(Method::PUT, "/v1/snapshot", bytes).await;
    let (first, second) =
        (snapshot(5, 1000).seal(&signer).unwrap(), snapshot(6, 2000).seal(&signer).unwrap());

    assert_eq!(put(first.clone()).await.status, 201);
    assert_eq!(put(first.clone()).await.status, 200);
    put(snapshot(5, 1001).seal(&signer).unwrap()).await.assert_denied(409);
    put(snapshot(4, 9000).seal(&signer).unwrap()).await.assert_denied(409);
    assert_eq!(pop.admin(Method::GET, "/v1/snapshot", "").await.body, first);
    assert_eq!(put(second.clone()).await.status, 201);
    assert_eq!(pop.admin(Method::GET, "/v1/snapshot", "").await.body, second);
    assert_eq!(pop.pop.records().get(record_keys::PREVIOUS_SNAPSHOT).unwrap().unwrap(), first);
    // Guests see it under its key.
    assert_eq!(pop.get("/kv/default/snapshot").await.body, second);

    put(snapshot(7, 1000).seal(&key(2)).unwrap()).await.assert_denied(403);
    let mut flipped = snapshot(7, 1000).seal(&signer).unwrap();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    put(flipped).await.assert_denied(403);
    put(b"nonsense".to_vec()).await.assert_denied(422);
    put(snapshot(7, u64::MAX - 1000).seal(&signer).unwrap()).await.assert_denied(422);
    put(Snapshot { expires: 2000, ..snapshot(7, 1000) }.seal(&signer).unwrap()).await.assert_denied(422);
    put(vec![0; (1 << 20) + 1]).await.assert_denied(413);
    assert_eq!(pop.admin(Method::GET, "/v1/snapshot", "").await.body, second);
    assert_eq!(pop.metric("iridule_pop_writes_refused_total").await, 7.0);
    // The host's own methods keep the same rules.
    let known = pop.pop.records().put_snapshot(second.clone(), &trusting(&signer), 3000).await;
    assert_eq!(known.unwrap(), Accepted::Known);
    assert!(pop.pop.records().put_snapshot(first, &trusting(&signer), 3000).await.is_err());

    // A new key takes over, whatever the sequence of the old one was.
    let heir = key(3);
    let pop = pop.restart(|config| config.trusted = trusting(&heir)).await;
    let fresh = snapshot(1, 3000).seal(&heir).unwrap();
    assert_eq!(pop.admin(Method::PUT, "/v1/snapshot", fresh.clone()).await.status, 201);
    assert_eq!(pop.pop.records().get(record_keys::PREVIOUS_SNAPSHOT).unwrap().unwrap(), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_need_their_publisher_and_their_style() {
    let publisher = key(5);
    let pop = start(|config| config.publishers = trusting(&publisher)).await;
    let leaf = Block::new(RAW, LEAF.to_vec()).unwrap();
    let manifest = Block::new(DAG_CBOR, manifest().encode().unwrap()).unwrap();
    let empty = Block::new(DAG_CBOR, b"\xa0".to_vec()).unwrap();
    let put_block = async |cid: &str, bytes: &[u8]| {
        pop.admin(Method::PUT, &format!("/v1/blocks/{cid}"), bytes.to_vec()).await
    };
    let put = async |slug: &str, record: &Collection| {
        pop.admin(Method::PUT, &format!("/v1/collections/{slug}"), record.seal(&publisher).unwrap()).await
    };
    put_block(&leaf.cid.to_string(), b"another leaf").await.assert_denied(422);
    put_block("bafynonsense", LEAF).await.assert_denied(400);
    put_block(&leaf.cid.to_string(), &vec![0; (1 << 20) + 1]).await.assert_denied(413);

    let orbits = record("orbits", manifest.cid);
    put("orbits", &orbits).await.assert_denied(409);
    assert_eq!(put_block(&manifest.cid.to_string(), &manifest.bytes).await.status, 201);
    put("orbits", &orbits).await.assert_denied(409);
    assert_eq!(put_block(&leaf.cid.to_string(), &leaf.bytes).await.status, 201);
    assert_eq!(put_block(&leaf.cid.to_string(), &leaf.bytes).await.status, 200);
    assert_eq!(put("orbits", &orbits).await.status, 201);
    assert_eq!(put("orbits", &orbits).await.status, 200);
    assert_eq!(put_block(&empty.cid.to_string(), &empty.bytes).await.status, 201);
    put("broken", &record("broken", empty.cid)).await.assert_denied(422);
    put("other", &orbits).await.assert_denied(400);
    assert_eq!(put("auroras", &record("auroras", manifest.cid)).await.status, 201);
    let mut renamed = orbits.clone();
    renamed.name = "Orbits".into();
    put("orbits", &renamed).await.assert_denied(409);
    renamed.sequence = 2;
    let stranger = renamed.seal(&key(6)).unwrap();
    pop.admin(Method::PUT, "/v1/collections/orbits", stranger).await.assert_denied(403);
    assert_eq!(put("orbits", &renamed).await.status, 201);
    pop.admin(Method::PUT, "/v1/collections/orbits", "nonsense").await.assert_denied(422);

    let signed = renamed.seal(&publisher).unwrap();
    assert_eq!(pop.admin(Method::GET, "/v1/collections/orbits", "").await.body, signed);
    pop.admin(Method::GET, "/v1/collections/nobody", "").await.assert_denied(404);

    let listed: serde_json::Value =
        serde_json::from_str(&pop.admin(Method::GET, "/v1/collections", "").await.text()).unwrap();
    assert_eq!((&listed[0]["slug"], &listed[1]["slug"]), (&"auroras".into(), &"orbits".into()));
    let pop = pop.restart(|config| config.publishers = trusting(&publisher)).await;
    let slugs: Vec<_> = pop
        .pop
        .records()
        .collections(&trusting(&publisher))
        .unwrap()
        .into_iter()
        .map(|(one, _)| one.slug)
        .collect();
    assert_eq!(slugs, ["auroras", "orbits"]);
    assert_eq!(pop.pop.records().get("collection/orbits").unwrap().unwrap(), signed);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_need_their_relay_their_collection_and_their_style() {
    let (publisher, relay) = (key(5), key(1));
    let pop = start(|config| {
        config.publishers = trusting(&publisher);
        config.trusted = trusting(&relay);
    })
    .await;
    let leaf = Block::new(RAW, LEAF.to_vec()).unwrap();
    let manifest = Block::new(DAG_CBOR, manifest().encode().unwrap()).unwrap();
    let put_block = async |block: &Block| {
        let path = format!("/v1/blocks/{}", block.cid);
        assert_eq!(pop.admin(Method::PUT, &path, block.bytes.clone()).await.status, 201);
    };
    let put_at = async |path: &str, record: &TokenRecord| {
        pop.admin(Method::PUT, path, record.seal(&relay).unwrap()).await
    };
    let put = async |record: &TokenRecord| put_at("/v1/tokens/recorded/3", record).await;
    let token = TokenRecord {
        version: token::VERSION,
        slug: "recorded".into(),
        number: 3,
        sequence: 1,
        block: 7,
        seed: [9; 32].into(),
        styles: vec![],
        name: None,
        description: None,
        attributes: vec![],
    };
    put(&token).await.assert_denied(422);
    put_block(&leaf).await;
    put_block(&manifest).await;
    for (slug, tokens) in [("recorded", Tokens::Recorded), ("derived", Tokens::Derived)] {
        let signed = Collection { tokens, ..record(slug, manifest.cid) }.seal(&publisher).unwrap();
        let path = format!("/v1/collections/{slug}");
        assert_eq!(pop.admin(Method::PUT, &path, signed).await.status, 201);
    }
    assert_eq!(put(&token).await.status, 201);
    assert_eq!(put(&token).await.status, 200);
    put(&TokenRecord { block: 8, ..token.clone() }).await.assert_denied(409);
    put_at("/v1/tokens/recorded/4", &token).await.assert_denied(400);
    put_at("/v1/tokens/recorded/x", &token).await.assert_denied(400);
    put_at("/v1/tokens/recorded", &token).await.assert_denied(405);
    let derived = TokenRecord { slug: "derived".into(), ..token.clone() };
    put_at("/v1/tokens/derived/3", &derived).await.assert_denied(422);
    let outside = TokenRecord { number: 11, ..token.clone() };
    put_at("/v1/tokens/recorded/11", &outside).await.assert_denied(422);
    let stranger = TokenRecord { sequence: 2, ..token.clone() }.seal(&key(2)).unwrap();
    pop.admin(Method::PUT, "/v1/tokens/recorded/3", stranger).await.assert_denied(403);
    let nowhere = Block::new(DAG_CBOR, b"\xa0".to_vec()).unwrap().cid;
    put(&TokenRecord { sequence: 2, styles: vec![nowhere], ..token.clone() }).await.assert_denied(409);
    let next = TokenRecord { sequence: 2, styles: vec![manifest.cid], ..token.clone() };
    assert_eq!(put(&next).await.status, 201);
    let there = pop.admin(Method::GET, "/v1/tokens/recorded/3", "").await;
    assert_eq!(there.body, next.seal(&relay).unwrap());
    pop.admin(Method::GET, "/v1/tokens/recorded/4", "").await.assert_denied(404);
}
