//! Which style a token is shown in: published ones, broken ones, those that end an instance, and those on trial.

use super::*;

#[test]
fn a_published_style_shows_at_once_and_a_rollback_finds_the_old_pictures() {
    let edge = Edge::new();
    edge.publish(1, &[7]);
    let first = edge.get("/t/probe/1.png");
    let other = style("Another circle.");
    edge.put_blocks(&other);
    let published = edge.collection.succeeded_by(other.cid, None);
    edge.put_collection(&published);
    let second = edge.get("/t/probe/1.png");
    assert_ne!(header(&first, "etag"), header(&second, "etag"));
    let old = format!("/t/probe/1@{}.png?style=", State(vec![7]).token());
    let pinned = edge.get(&format!("{old}{}", edge.collection.style));
    assert_eq!((header(&pinned, "etag"), pinned.body()), (header(&first, "etag"), first.body()));
    assert_eq!(edge.get(&format!("{old}{}", style("Never published.").cid)).status(), 404);
    let back = published.succeeded_by(edge.collection.style, None);
    assert_eq!((back.sequence, &back.history[..]), (3, &[other.cid][..]));
    edge.put_collection(&back);
    let again = edge.get("/t/probe/1.png");
    assert_eq!(header(&again, "etag"), header(&first, "etag"));
    assert_eq!(header(&again, "cache-status"), "iridule; hit; detail=memory");
}

#[test]
fn records_of_strangers_and_of_yesterday_change_nothing() {
    let edge = Edge::new();
    edge.publish(1, &[7]);
    let other = style("Another circle.");
    edge.put_blocks(&other);
    edge.put_collection(&edge.collection.succeeded_by(other.cid, None));
    let good = header(&edge.get("/t/probe/1.png"), "etag").to_owned();
    let key = record_keys::collection("probe");
    let newer = Collection { sequence: 9, ..edge.collection.clone() };
    for (bytes, why) in [
        (edge.collection.seal(&publisher()).unwrap(), "not above 2"),
        (newer.seal(&edge.relay).unwrap(), "not trusted"),
        (newer.encode().unwrap(), "malformed"),
        (Collection { slug: "other".into(), ..newer }.seal(&publisher()).unwrap(), "it is of other"),
    ] {
        edge.sim.logged.borrow_mut().clear();
        edge.put(&key, bytes);
        assert_eq!(header(&edge.get("/t/probe/1.png"), "etag"), good);
        assert!(edge.sim.logged.borrow().join("\n").contains(why), "{why}: {:?}", edge.sim.logged.borrow());
    }
}

#[test]
fn a_recorded_token_is_what_its_relay_says_and_no_stranger() {
    let edge = Edge::new();
    edge.publish(1, &[7]);
    let tokens = Tokens::Recorded;
    edge.put_collection(&Collection { sequence: 2, tokens, ..edge.collection.clone() });
    assert_eq!(edge.get("/t/probe/1.png").status(), 404, "no relay has read it");
    assert_eq!(edge.get("/t/probe/11.png").status(), 404, "it is outside the supply");
    let key = record_keys::token("probe", 1);
    let record = |sequence, seed| TokenRecord {
        version: token::VERSION,
        slug: "probe".into(),
        number: 1,
        sequence,
        block: 5,
        seed: [seed; 32].into(),
        styles: vec![],
        name: Some("Own".into()),
        description: None,
        attributes: vec![RecordedAttribute { trait_type: "Age".into(), value: RecordedValue::Number(7.0) }],
    };
    edge.put(&key, record(3, 1).seal(&edge.relay).unwrap());
    let first = header(&edge.get("/t/probe/1.png"), "etag").to_owned();
    let metadata = edge.get_with("/t/probe/1", "host", "img.example");
    let metadata: serde_json::Value = serde_json::from_slice(metadata.body()).unwrap();
    assert_eq!((&metadata["name"], &metadata["description"]), (&"Own".into(), &"A probe.".into()));
    assert_eq!(metadata["attributes"][0]["value"], 7.0);

    let stranger = SigningKey::from_bytes(&[9; 32]);
    for (bytes, why) in [
        (record(4, 2).seal(&stranger).unwrap(), "not trusted"),
        (record(2, 2).seal(&edge.relay).unwrap(), "not above 3"),
        (TokenRecord { number: 2, ..record(4, 2) }.seal(&edge.relay).unwrap(), "it is of probe/2"),
        (b"rubbish".to_vec(), "malformed"),
    ] {
        edge.sim.logged.borrow_mut().clear();
        edge.put(&key, bytes);
        assert_eq!(header(&edge.get("/t/probe/1.png"), "etag"), first);
        assert!(edge.sim.logged.borrow().join("\n").contains(why), "{why}: {:?}", edge.sim.logged.borrow());
    }
    edge.put(&key, record(4, 2).seal(&edge.relay).unwrap());
    let second = header(&edge.get("/t/probe/1.png"), "etag").to_owned();
    assert_ne!(first, second, "another seed");

    // A style of its own goes before the collection's; one that is not there gives way to it.
    let own = style("Its own circle.");
    edge.put(&key, TokenRecord { styles: vec![own.cid], ..record(5, 2) }.seal(&edge.relay).unwrap());
    assert_eq!(header(&edge.get("/t/probe/1.png"), "etag"), second);
    edge.put_blocks(&own);
    edge.sim.now_ms.set(START_MS + limits::BROKEN_STYLE_MS + 1);
    let third = header(&edge.get("/t/probe/1.png"), "etag").to_owned();
    assert_ne!(second, third);
    let pinned = format!("/t/probe/1@{}.png?style={}", State(vec![7]).token(), own.cid);
    assert_eq!(header(&edge.get(&pinned), "etag"), third);
}

#[test]
fn a_style_that_cannot_be_loaded_gives_way_to_the_one_before() {
    let mut edge = Edge::new();
    edge.publish(1, &[7]);
    let first = header(&edge.get("/t/probe/1.png"), "etag").to_owned();
    let other = style("Another circle.");
    edge.put_collection(&edge.collection.succeeded_by(other.cid, None));
    for restarted in [false, true] {
        if restarted {
            edge.restart();
        }
        let answer = edge.get("/t/probe/1.png");
        assert_eq!((answer.status().as_u16(), header(&answer, "etag")), (200, &*first));
        assert!(header(&answer, "cache-status").ends_with("-former-style"), "{answer:?}");
        assert_eq!(header(&answer, "cache-control"), "public, max-age=5");
    }
    let reads = edge.sim.reads.get();
    let _ = edge.get("/t/probe/2.png");
    assert_eq!(edge.sim.reads.get() - reads, 2, "the broken style is not looked for again at once");
    edge.put_blocks(&other);
    edge.sim.now_ms.set(START_MS + limits::BROKEN_STYLE_MS);
    let healed = edge.get("/t/probe/1.png");
    assert_ne!(header(&healed, "etag"), first);
    assert!(!header(&healed, "cache-status").contains("former"));
}

#[test]
fn a_style_that_fails_on_a_token_gives_way_to_the_one_before_and_is_not_tried_again() {
    let edge = Edge::new();
    edge.publish(1, &[7]);
    let first = header(&edge.get("/t/probe/1.png"), "etag").to_owned();
    let svg = SVG.replace("circle r", "circle id='kaput' r");
    let newer = author::build(STYLE, None, &author::ByHand, |_| Ok(svg.clone().into())).unwrap();
    edge.put_blocks(&newer);
    edge.put_collection(&edge.collection.succeeded_by(newer.cid, None));

    edge.sim.unpaintable.set(Some("kaput"));
    let paints = edge.sim.paints.get();
    for _ in 0..2 {
        let shown = edge.get("/t/probe/1.png");
        assert_eq!((shown.status().as_u16(), header(&shown, "etag")), (200, &*first));
        assert!(header(&shown, "cache-status").ends_with("-former-style"), "{shown:?}");
        assert_eq!(header(&shown, "cache-control"), "public, max-age=5");
    }
    assert_eq!(edge.sim.paints.get() - paints, 1, "what failed would fail again");
    let told = edge.sim.logged.borrow().iter().filter(|line| line.contains("kaput")).count();
    assert_eq!(told, 1, "{:?}", edge.sim.logged.borrow());

    // A pinned picture is of one style and no other.
    let state = State(vec![7]).token();
    assert_eq!(edge.get(&format!("/t/probe/1@{state}.png?style={}", newer.cid)).status(), 500);
}

#[test]
fn a_picture_that_ended_an_instance_gives_way_to_the_former_style_for_that_picture_alone_and_heals() {
    let mut edge = Edge::new();
    edge.publish(1, &[7]);
    let first = header(&edge.get("/t/probe/1.png"), "etag").to_owned();
    let newer = style("Another circle.");
    edge.put_blocks(&newer);
    edge.put_collection(&edge.collection.succeeded_by(newer.cid, None));
    edge.sim.risks.borrow_mut().clear();
    let second = header(&edge.get("/t/probe/1.png"), "etag").to_owned();
    assert_ne!(first, second);
    // Loading and painting are told to the host, and so is their end.
    let risks: Vec<_> = edge.sim.risks.borrow().clone().into_iter().collect();
    let [(picture, true), (loaded, true)] = &risks[..] else { panic!("{risks:?}") };
    assert!(second.contains(picture.strip_prefix("picture/").unwrap()), "{picture} {second}");
    assert_eq!(*loaded, format!("style/{}", newer.cid));

    // The painting ended an instance, and another one is asked, which knows.
    edge.sim.renders.borrow_mut().clear();
    edge.restart();
    edge.sim.crashed.borrow_mut().insert(picture.clone());
    for _ in 0..2 {
        let shown = edge.get("/t/probe/1.png");
        assert_eq!((shown.status().as_u16(), header(&shown, "etag")), (200, &*first));
        assert!(header(&shown, "cache-status").ends_with("-former-style"), "{shown:?}");
        assert_eq!(header(&shown, "cache-control"), "public, max-age=5");
    }
    for other in ["/t/probe/1.png?w=128", "/t/probe/2.png"] {
        assert!(!header(&edge.get(other), "cache-status").contains("former"), "{other}");
    }
    // The note expires.
    edge.sim.crashed.borrow_mut().clear();
    assert_eq!(header(&edge.get("/t/probe/1.png"), "etag"), second);

    // Loading it ends instances.
    edge.restart();
    edge.sim.crashed.borrow_mut().insert(loaded.clone());
    assert_eq!(header(&edge.get("/t/probe/1.png"), "etag"), first);
    edge.sim.crashed.borrow_mut().clear();
    edge.sim.now_ms.set(START_MS + limits::BROKEN_STYLE_MS);
    assert_eq!(header(&edge.get("/t/probe/1.png"), "etag"), second);
}

#[test]
fn a_master_that_ended_an_instance_is_not_painted_for_its_variants_either() {
    let edge = Edge::new();
    edge.publish(1, &[7]);
    let toml = STYLE.replace("elements = 4", "elements = 4000");
    let heavy = author::build(&toml, None, &author::ByHand, |_| Ok(SVG.into())).unwrap();
    edge.put_blocks(&heavy);
    edge.put_collection(&edge.collection.succeeded_by(heavy.cid, None));
    let master = header(&edge.get("/t/probe/1.png"), "etag").trim_matches('"').to_owned();
    let (paints, _) = (edge.sim.paints.get(), edge.sim.renders.borrow_mut().clear());
    let edge = Edge { isolate: Edge::isolate(&edge.relay, 0), ..edge };
    edge.sim.crashed.borrow_mut().insert(format!("picture/{master}"));
    let shown = edge.get("/t/probe/1.png?w=32");
    assert_eq!(shown.status(), 200);
    assert!(header(&shown, "cache-status").ends_with("-former-style"), "{shown:?}");
    assert_eq!(edge.sim.paints.get() - paints, 1, "of the former style");
}

#[test]
fn a_canary_takes_its_share_of_tokens_and_only_adds_to_it() {
    let edge = Edge::new();
    edge.publish(1, &[7]);
    let other = style("Another circle.");
    edge.put_blocks(&other);
    let mut record = Collection { supply: 400, ..edge.collection.clone() };
    let mut taken: Vec<u64> = Vec::new();
    for share in [0, 1000, 5000, 10_000] {
        let canary = Canary { style: other.cid, share };
        record = record.succeeded_by(edge.collection.style, Some(canary.clone()));
        let seed = |token: u64| record.seed(alloy_primitives::U256::from(token)).unwrap();
        let now: Vec<u64> = (1..=400).filter(|token| canary.takes(&seed(*token))).collect();
        assert!(taken.iter().all(|token| now.contains(token)), "no token leaves as the share grows");
        let expected = usize::from(share) * 400 / 10_000;
        assert!(now.len().abs_diff(expected) <= 40, "{share}: {}", now.len());
        taken = now;
    }
    record = record.succeeded_by(edge.collection.style, Some(Canary { style: other.cid, share: 5000 }));
    edge.put_collection(&record);
    let shows = |token: u64| edge.get(&format!("http://a/t/probe/{token}")).body().clone();
    for token in 1..=40 {
        let seed = record.seed(alloy_primitives::U256::from(token)).unwrap();
        let canary = record.canary.as_ref().unwrap().takes(&seed);
        let body = String::from_utf8_lossy(&shows(token)).into_owned();
        assert_eq!(body.contains(&other.cid.to_string()), canary, "{token}: {body}");
    }
}

#[test]
fn dear_pictures_are_derived_from_one_master() {
    let edge = Edge::new();
    edge.publish(1, &[7]);
    // Many elements cost the same at every size, so all sizes but the master's come from the master.
    let toml = STYLE.replace("elements = 4", "elements = 4000");
    let dear = author::build(&toml, None, &author::ByHand, |_| Ok(SVG.into())).unwrap();
    edge.put_blocks(&dear);
    edge.put_collection(&edge.collection.succeeded_by(dear.cid, None));
    let small = edge.get("/t/probe/1.png?w=32");
    assert_eq!(header(&small, "cache-status"), "iridule; fwd=miss; stored; detail=derived");
    assert_eq!((edge.sim.paints.get(), edge.sim.derived.get()), (1, 1));
    assert_eq!(edge.get("/t/probe/1.webp").status(), 200);
    assert_eq!((edge.sim.paints.get(), edge.sim.derived.get()), (1, 2));
    let master = edge.get("/t/probe/1.png");
    assert_eq!(header(&master, "cache-status"), "iridule; hit; detail=memory");
    assert_eq!(edge.get("/t/probe/1.png?w=128").status(), 200);
    assert_eq!((edge.sim.paints.get(), edge.sim.derived.get()), (2, 2), "nothing is scaled up");
}
