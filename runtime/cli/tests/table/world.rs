//! What all hosts are given: the shipped styles as packages, their collections, and a relay with a fixed key.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use ed25519_dalek::SigningKey;
use iridule_publish::keys;
use iridule_records::{
    collection::{Collection, encode_index},
    gauge::Gauge,
    record_keys,
    snapshot::Snapshot,
};
use iridule_relay::statement;
use iridule_studio::{BuiltStyle, StyleFolder};
use iridule_style::author::Package;
use sha2::{Digest as _, Sha256};

use crate::script::{Bad, Published};

/// The host that documents name pictures under, the same wherever they are served.
pub const PUBLIC_URL: &str = "https://img.example";

pub struct World {
    pub collections: Vec<(Collection, Package)>,
    relay: SigningKey,
    publisher: SigningKey,
    /// Where the origin is that edges send to, if there is one.
    pub origin: Option<String>,
    last: Option<Snapshot>,
    first: Option<Snapshot>,
}

impl World {
    pub fn new() -> Self {
        let folder = root().join("functions/styles");
        let mut slugs: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        slugs.sort();
        let collections = slugs.iter().map(|folder| {
            let BuiltStyle { collection, package } = StyleFolder::open(folder).unwrap().build().unwrap();
            (collection, package)
        });
        Self {
            collections: collections.collect(),
            relay: SigningKey::from_bytes(&[7; 32]),
            publisher: SigningKey::from_bytes(&[9; 32]),
            origin: None,
            last: None,
            first: None,
        }
    }

    /// Every record but the snapshot.
    pub fn records(&self) -> BTreeMap<String, Vec<u8>> {
        let mut all = BTreeMap::new();
        for (collection, package) in &self.collections {
            all.insert(record_keys::collection(&collection.slug), self.signed(collection));
            for block in &package.blocks {
                all.insert(record_keys::block(&block.cid), block.bytes.clone());
            }
        }
        let slugs = self.collections.iter().map(|(collection, _)| collection.slug.clone()).collect();
        all.insert(record_keys::COLLECTIONS.into(), encode_index(slugs).unwrap());
        all
    }

    /// A collection's record, signed.
    pub fn signed(&self, collection: &Collection) -> Vec<u8> {
        collection.seal(&self.publisher).unwrap()
    }

    /// The relay's secret, as its key file holds it.
    pub fn relay_secret(&self) -> String {
        alloy_primitives::hex::encode(self.relay.to_bytes())
    }

    /// The relay's public key, as `trusted_keys` takes it.
    /// The key that edges sign orders with.
    pub fn edge_secret(&self) -> String {
        alloy_primitives::hex::encode([11; 32])
    }

    pub fn edge_public(&self) -> String {
        keys::public(&SigningKey::from_bytes(&[11; 32]))
    }

    pub fn trusted_keys(&self) -> String {
        keys::public(&self.relay)
    }

    /// The publisher's public key, as `publisher_keys` takes it.
    pub fn publisher_keys(&self) -> String {
        keys::public(&self.publisher)
    }

    /// The publisher's secret, as its key file holds it.
    pub fn publisher_secret(&self) -> String {
        alloy_primitives::hex::encode(self.publisher.to_bytes())
    }

    /// The next snapshot, signed, or a bad one in its place.
    pub fn snapshot(&mut self, published: &Published) -> Vec<u8> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap();
        let panels: Vec<Vec<Gauge>> =
            self.collections.iter().map(|(_, package)| package.manifest.gauges.clone()).collect();
        let next = |values| statement::next(self.last.as_ref(), &panels, values, now_ms, 3_600_000);
        let nothing = BTreeMap::new();
        match published {
            Published::Values(values) => {
                let next = next(values);
                self.first.get_or_insert_with(|| next.clone());
                let signed = next.seal(&self.relay).unwrap();
                self.last = Some(next);
                signed
            }
            Published::Bad(Bad::Torn) => {
                let mut signed = next(&nothing).seal(&self.relay).unwrap();
                let middle = signed.len() / 2;
                signed[middle] ^= 1;
                signed
            }
            Published::Bad(Bad::Stranger) => next(&nothing).seal(&SigningKey::from_bytes(&[8; 32])).unwrap(),
            Published::Bad(Bad::Expired) => {
                let values = BTreeMap::from([("eth-usd".to_owned(), 9000.0)]);
                let over = Snapshot { issued: now_ms - 2000, expires: now_ms - 1000, ..next(&values) };
                over.seal(&self.relay).unwrap()
            }
            Published::Bad(Bad::Older) => self.first.as_ref().unwrap().seal(&self.relay).unwrap(),
        }
    }

    /// The state that a collection is in now.
    pub fn state(&self, slug: &str) -> String {
        self.state_in(self.last.as_ref(), slug)
    }

    /// The state that the first snapshot put it in.
    pub fn first_state(&self, slug: &str) -> String {
        self.state_in(self.first.as_ref(), slug)
    }

    fn state_in(&self, snapshot: Option<&Snapshot>, slug: &str) -> String {
        let (_, package) = self.collections.iter().find(|(collection, _)| collection.slug == slug).unwrap();
        let state = snapshot.and_then(|snapshot| snapshot.state(&package.manifest.gauges));
        state.unwrap_or_else(|| package.manifest.rest()).token()
    }
}

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The start of a body's SHA-256, in hexadecimal.
pub fn digest(body: &[u8]) -> String {
    alloy_primitives::hex::encode(&Sha256::digest(body)[..12])
}
