//! What the tests of `serve` serve: one style with a circle in it, whose place follows a price.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses its part of it, and stops where it cannot go on"
)]

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use iridule_records::snapshot::{self, Snapshot};
use iridule_style::{
    author::{self, Package},
    manifest::Manifest,
};

pub const STYLE: &str = r##"
name = "Probe"
description = "One circle."
[canvas]
width = 64
height = 64
[trait.size]
kind = "integer"
min = 1
max = 30
label = "Size"
[gauge.price]
feed = "eth-usd"
label = "ETH/USD"
linear = { from = 0.0, step = 100.0 }
bands = [0, 50]
hysteresis = 0.25
rest = 3
[[layer]]
kind = "svg"
source = "a.svg"
elements = 4
overdraw = 1
"##;

pub const SVG: &str =
    r#"<svg xmlns="http://www.w3.org/2000/svg"><circle r="{{ size }}" cx="{{ price.band }}"/></svg>"#;

pub const COLLECTION: &str = r#"
name = "Probe"
description = "A probe."
chain_id = 1
contract = "0x00000000000000000000000000000000000000aa"
first = 1
supply = 10
"#;

/// Who publishes collections.
pub fn publisher() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

/// The probe, with this description, so that another one is another style.
pub fn style(description: &str) -> Package {
    let toml = STYLE.replace("One circle.", description);
    author::build(&toml, None, &author::ByHand, |_| Ok(SVG.into())).unwrap()
}

/// When it all begins, Unix milliseconds.
pub const START_MS: u64 = 1_700_000_000_000;

/// The relay's key.
pub fn relay() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

/// A snapshot that says these bands one after the other, the last of them now.
pub fn snapshot(manifest: &Manifest, sequence: u64, bands: &[i16], expires: u64) -> Snapshot {
    let mut snapshot = Snapshot {
        version: snapshot::VERSION,
        chain: 1,
        sequence,
        issued: START_MS,
        expires,
        gauges: BTreeMap::new(),
        published: BTreeMap::new(),
    };
    for band in bands {
        snapshot.gauges.insert(manifest.gauges[0].id(), *band);
        snapshot.note_published(&manifest.gauges);
    }
    snapshot
}

/// A public key as settings have it.
pub fn public(key: &SigningKey) -> String {
    alloy_primitives::hex::encode(key.verifying_key().as_bytes())
}
