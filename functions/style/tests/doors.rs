//! Every door of core that takes records from outside: whatever the bytes, an answer and never a panic.
//!
//! Bytes are random, or a valid record with some bytes changed, cut or doubled, which gets further. What reads back must
//! write back to the same bytes: a record has one form.
#![cfg(feature = "author")]
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without, it stops at")]

use iridule_records::block;
use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use iridule_records::{
    collection::{self, Collection},
    signed::TrustedKeys,
    snapshot::{self, Snapshot},
    stored_render,
};
use iridule_scene::variant::Format;
use iridule_style::{author, manifest::Manifest};
use proptest::prelude::*;

fn relay() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn keys() -> TrustedKeys {
    TrustedKeys::parse(&alloy_primitives::hex::encode(relay().verifying_key().as_bytes())).unwrap()
}

fn style() -> author::Package {
    let toml = r##"
        name = "Door"
        description = "A door."
        canvas = { width = 64, height = 64, background = "#010203" }
        trait.a = { kind = "float", min = 0.0, max = 1.0 }
        trait.b = { kind = "choice", label = "B", options = [{ value = "x", weight = 1 }] }
        trait.c = { kind = "colour", lightness = [0.1, 0.2], chroma = [0.0, 0.1], hue = [0.0, 90.0] }
        trait.d = { kind = "palette", options = [{ value = "p", weight = 2, colours = ["oklch(0.5 0.1 20)"] }] }
        trait.e = { kind = "derived", value = "a * 2" }
        exclude = [{ when = "a > 0.9 and b == 'x'", redraw = "a" }]
        gauge.g = { feed = "f", edges = [1.0, 2.0], hysteresis = 0.1 }
        layer = [
            { kind = "svg", source = "a.svg", elements = 3, overdraw = 1, mask = "m" },
            { kind = "fill", fill = { linear = [0, 0, 0, "64 * a"], stops = [[0, "#000000"], [1, "c"]] } },
            { kind = "text", text = "{{ b }}", size = 8, colour = "d.colours[0]", when = "g.unit > 0.5" },
        ]
        mask = [{ name = "m", kind = "fill", fill = "#ffffff", radius = 4, transform = { rotate = 5 } }]
    "##;
    let read = |_: &str| Ok(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec());
    author::build(toml, None, &author::ByHand, read).unwrap()
}

fn manifest() -> Vec<u8> {
    style().manifest.encode().unwrap()
}

fn record() -> Vec<u8> {
    let toml = r#"
        name = "Door"
        description = ""
        chain_id = 1
        contract = "0x00000000000000000000000000000000000000aa"
        first = 0
        supply = 3
    "#;
    author::collection("door", toml, style().cid).unwrap().encode().unwrap()
}

fn signed() -> Vec<u8> {
    let mut snapshot = Snapshot {
        version: snapshot::VERSION,
        chain: 1,
        sequence: 1,
        issued: 1000,
        expires: 2000,
        gauges: BTreeMap::from([(style().manifest.gauges[0].id(), 1)]),
        published: BTreeMap::new(),
    };
    snapshot.note_published(&style().manifest.gauges);
    snapshot.seal(&relay()).unwrap()
}

/// Bytes near to valid ones.
fn near(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..4);
    edits.prop_map(move |edits| {
        let mut bytes = valid.clone();
        for (at, value, kind) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = value,
                1 => bytes.truncate(at),
                _ => bytes.insert(at, value),
            }
        }
        bytes
    })
}

fn bytes(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..200), 9 => near(valid)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn manifests(bytes in bytes(manifest())) {
        if let Ok(manifest) = Manifest::decode(&bytes) {
            prop_assert_eq!(manifest.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn collections(bytes in bytes(record())) {
        if let Ok(record) = Collection::decode(&bytes) {
            prop_assert_eq!(record.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn collections_open_only_as_they_were_signed(bytes in bytes(Collection::decode(&record()).unwrap().seal(&relay()).unwrap())) {
        if let Ok(opened) = Collection::open(&bytes, &keys()) {
            prop_assert_eq!(opened.encode().unwrap(), record());
        }
    }

    #[test]
    fn lists_of_slugs(bytes in bytes(collection::encode_index(vec!["a".into(), "b-c".into()]).unwrap())) {
        let _ = collection::decode_index(&bytes);
    }

    #[test]
    fn snapshots_open_only_as_they_were_signed(bytes in bytes(signed())) {
        if Snapshot::open(&bytes, &keys(), 1000).is_ok() {
            prop_assert_eq!(bytes, signed());
        }
    }

    #[test]
    fn blocks_verify_only_under_their_name(bytes in near(manifest())) {
        prop_assert_eq!(block::verify(&style().cid, &bytes).is_ok(), bytes == manifest());
    }

    #[test]
    fn stored_renders(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let key = iridule_records::render_key::RenderKey([1; 32].into());
        prop_assert!(stored_render::open(&key, Format::Png, &bytes.into()).is_none());
    }

    #[test]
    fn styles_as_artists_write_them(text in "[a-z.=\\[\\]{}\"0-9 \n#-]{0,120}") {
        let _ = author::build(&text, None, &author::ByHand, |_| Err("no file".into()));
    }
}

#[test]
fn a_claim_of_gigabytes_costs_nothing() {
    // CBOR heads that claim 2⁶³ bytes, items and pairs.
    for head in [0x5b_u8, 0x7b, 0x9b, 0xbb] {
        let mut bytes = vec![head];
        bytes.extend_from_slice(&(1u64 << 63).to_be_bytes());
        assert!(Manifest::decode(&bytes).is_err());
        assert!(Collection::decode(&bytes).is_err());
        assert!(Snapshot::open(&bytes, &keys(), 0).is_err());
    }
}
