//! What publishers may write into the records, and on which terms: snapshots, blocks, collections.
//!
//! The same rules hold for the write API (`admin.rs`) and for a program that seeds its own host. What makes a snapshot,
//! a block or a record valid is core's to say; what may follow on what is said here, and checked inside the transaction
//! that writes.

use cid::Cid;
use iridule_records::block;
use iridule_records::{
    collection::{self, Collection},
    record_keys,
    signed::{RecordRefused, TrustedKeys},
    snapshot::Snapshot,
    token::{TokenRecord, Tokens},
};
use iridule_style::{manifest::Manifest, package};
use redb::{ReadableTable as _, Table};

use super::records::{Records, TABLE, broken};
use crate::error::{Refused, StoreError};

/// What became of a record that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is written, and on the disk.
    Written,
    /// The same bytes were there already.
    Known,
}

impl Records {
    /// Takes a signed snapshot, when a trusted key signed it, it is not over and its sequence is above the one in
    /// force; keeps the one it replaces. `now_ms` is Unix time.
    ///
    /// # Errors
    /// [`Refused::Signed`], [`Refused::Store`].
    pub async fn put_snapshot(
        &self,
        bytes: Vec<u8>,
        keys: &TrustedKeys,
        now_ms: u64,
    ) -> Result<Accepted, Refused> {
        let offered = match Snapshot::open(&bytes, keys, now_ms) {
            Ok(snapshot) if snapshot.expires <= now_ms => {
                return self.counted(Err(RecordRefused::Expired(now_ms - snapshot.expires).into()));
            }
            Ok(snapshot) => snapshot.sequence,
            Err(why) => return self.counted(Err(why.into())),
        };
        let keys = keys.clone();
        let changed = self.write(move |write| {
            let mut table = write.open_table(TABLE).map_err(broken)?;
            let current = get(&table, record_keys::SNAPSHOT)?;
            if let Some(current) = &current {
                if *current == bytes {
                    return Ok(false);
                }
                // One that is there and cannot be read any more, because its key is no longer trusted or its format
                // is from another version, must not stand in the way of a good one.
                if let Ok(current) = Snapshot::open(current, &keys, u64::MAX)
                    && offered <= current.sequence
                {
                    return Err(RecordRefused::NotNewer { offered, known: current.sequence }.into());
                }
                put(&mut table, record_keys::PREVIOUS_SNAPSHOT, current)?;
            }
            put(&mut table, record_keys::SNAPSHOT, &bytes)?;
            Ok::<_, Refused>(true)
        });
        self.counted(changed.await)
    }

    /// The signed snapshot in force.
    ///
    /// # Errors
    /// [`StoreError::Records`].
    pub fn snapshot(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(record_keys::SNAPSHOT)
    }

    /// Takes a block of a style, when its bytes are those that its name says.
    ///
    /// # Errors
    /// [`Refused::Block`], [`Refused::Store`].
    pub async fn put_block(&self, cid: Cid, bytes: Vec<u8>) -> Result<Accepted, Refused> {
        if let Err(why) = block::verify(&cid, &bytes) {
            return self.counted(Err(Refused::Block(why)));
        }
        let key = record_keys::block(&cid);
        if self.exists(&key)? {
            // Verified blocks under one name are the same bytes.
            return Ok(Accepted::Known);
        }
        let changed = self.write(move |write| {
            let mut table = write.open_table(TABLE).map_err(broken)?;
            put(&mut table, &key, &bytes)?;
            Ok::<_, Refused>(true)
        });
        self.counted(changed.await)
    }

    /// Takes a collection's signed record, when a trusted publisher signed it, its sequence is above the one in force
    /// and its styles are here, whole and sound; lists its slug.
    ///
    /// # Errors
    /// [`Refused::Signed`], [`Refused::Collection`], [`Refused::Package`], [`Refused::Store`].
    pub async fn put_collection(
        &self,
        bytes: Vec<u8>,
        publishers: &TrustedKeys,
    ) -> Result<Accepted, Refused> {
        let record = match Collection::open(&bytes, publishers) {
            Ok(record) => record,
            Err(why) => return self.counted(Err(why.into())),
        };
        let publishers = publishers.clone();
        let changed = self.write(move |write| {
            let mut table = write.open_table(TABLE).map_err(broken)?;
            let canary = record.canary.as_ref().map(|canary| &canary.style);
            for style in canary.into_iter().chain([&record.style]) {
                package::open(style, |cid| Ok::<_, Refused>(get(&table, &record_keys::block(cid))?))?;
            }
            let mut slugs = slugs(get(&table, record_keys::COLLECTIONS)?)?;
            let key = record_keys::collection(&record.slug);
            if let Some(current) = get(&table, &key)?.filter(|_| slugs.contains(&record.slug)) {
                if current == bytes {
                    return Ok(false);
                }
                // As with snapshots, one that is no longer believed does not stand in the way.
                if let Ok(current) = Collection::open(&current, &publishers)
                    && record.sequence <= current.sequence
                {
                    let (offered, known) = (record.sequence, current.sequence);
                    return Err(RecordRefused::NotNewer { offered, known }.into());
                }
            }
            slugs.push(record.slug);
            let index = collection::encode_index(slugs).map_err(Refused::Collection)?;
            put(&mut table, record_keys::COLLECTIONS, &index)?;
            put(&mut table, &key, &bytes)?;
            Ok(true)
        });
        self.counted(changed.await)
    }

    /// Takes a token's signed record, when a trusted relay signed it, its collection is here and has its tokens recorded,
    /// its sequence is above the one in force and its styles are here, whole and sound.
    ///
    /// # Errors
    /// [`Refused::Signed`], [`Refused::Collection`], [`Refused::Package`], [`Refused::Store`].
    pub async fn put_token(
        &self,
        bytes: Vec<u8>,
        relays: &TrustedKeys,
        publishers: &TrustedKeys,
    ) -> Result<Accepted, Refused> {
        let record = match TokenRecord::open(&bytes, relays) {
            Ok(record) => record,
            Err(why) => return self.counted(Err(why.into())),
        };
        let (relays, publishers) = (relays.clone(), publishers.clone());
        let changed = self.write(move |write| {
            let mut table = write.open_table(TABLE).map_err(broken)?;
            let collection = get(&table, &record_keys::collection(&record.slug))?.unwrap_or_default();
            let collection = Collection::open(&collection, &publishers)
                .map_err(|_| Refused::Collection(format!("there is no collection {:?}", record.slug)))?;
            if collection.tokens != Tokens::Recorded {
                let why = format!("the tokens of {:?} are not recorded but derived", record.slug);
                return Err(Refused::Collection(why));
            }
            if !collection.holds(record.number) {
                let why = format!("{} is no number of {:?}", record.number, record.slug);
                return Err(Refused::Collection(why));
            }
            for style in &record.styles {
                package::open(style, |cid| Ok::<_, Refused>(get(&table, &record_keys::block(cid))?))?;
            }
            let key = record_keys::token(&record.slug, record.number);
            if let Some(current) = get(&table, &key)? {
                if current == bytes {
                    return Ok(false);
                }
                if let Ok(current) = TokenRecord::open(&current, &relays)
                    && record.sequence <= current.sequence
                {
                    let (offered, known) = (record.sequence, current.sequence);
                    return Err(RecordRefused::NotNewer { offered, known }.into());
                }
            }
            put(&mut table, &key, &bytes)?;
            Ok(true)
        });
        self.counted(changed.await)
    }

    /// The signed record of a token in force.
    ///
    /// # Errors
    /// [`StoreError::Records`].
    pub fn token(&self, slug: &str, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(&record_keys::token(slug, number))
    }

    /// The signed record of a collection in force.
    ///
    /// # Errors
    /// [`StoreError::Records`].
    pub fn collection(&self, slug: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(&record_keys::collection(slug))
    }

    /// All collections by slug, each with its style's manifest. Records of publishers who are no longer trusted are left
    /// out, as edges leave them.
    ///
    /// # Errors
    /// [`StoreError::Records`], [`StoreError::Broken`].
    pub fn collections(&self, publishers: &TrustedKeys) -> Result<Vec<(Collection, Manifest)>, StoreError> {
        let mut all = Vec::new();
        for slug in slugs(self.get(record_keys::COLLECTIONS)?)? {
            match Collection::open(&self.collection(&slug)?.unwrap_or_default(), publishers) {
                Ok(collection) => {
                    let manifest = self.decoded(record_keys::block(&collection.style), Manifest::decode)?;
                    all.push((collection, manifest));
                }
                Err(why) => tracing::warn!(slug, %why, "a collection's record is not believed"),
            }
        }
        Ok(all)
    }

    fn decoded<T>(&self, key: String, decode: fn(&[u8]) -> Result<T, String>) -> Result<T, StoreError> {
        let bytes = self.get(&key)?.unwrap_or_default();
        decode(&bytes).map_err(|why| StoreError::Broken { key, why })
    }

    /// Counts, and logs what was refused. `true` in `result` means that something was written.
    fn counted(&self, result: Result<bool, Refused>) -> Result<Accepted, Refused> {
        match result {
            Ok(changed) => {
                self.metrics.writes.inc();
                Ok(if changed { Accepted::Written } else { Accepted::Known })
            }
            Err(why) => {
                self.metrics.writes_refused.inc();
                tracing::warn!(%why, "a record was refused");
                Err(why)
            }
        }
    }
}

fn slugs(index: Option<Vec<u8>>) -> Result<Vec<String>, StoreError> {
    index.map_or_else(
        || Ok(Vec::new()),
        |index| {
            collection::decode_index(&index)
                .map_err(|why| StoreError::Broken { key: record_keys::COLLECTIONS.to_owned(), why })
        },
    )
}

fn get(table: &Table<'_, &'static str, &'static [u8]>, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(table.get(key).map_err(broken)?.map(|value| value.value().to_vec()))
}

fn put(
    table: &mut Table<'_, &'static str, &'static [u8]>,
    key: &str,
    value: &[u8],
) -> Result<(), StoreError> {
    table.insert(key, value).map_err(broken)?;
    Ok(())
}
