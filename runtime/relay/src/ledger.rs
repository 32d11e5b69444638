//! The ledger: everything that happened, in order, in one file that survives a crash.
//!
//! Entries are only ever added, a step's all together or not at all. One process at a time has the file open: of two
//! relays on one ledger the one that has it leads, and the other waits until the file is free, which the system sees to
//! even when the leader is killed. What waits then continues where the ledger ends, so that no sequence goes back.

use std::{fs, path::Path, sync::Arc};

use cid::Cid;
use iridule_records::{block::Block, gauge::Band, token::TokenRecord};
use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    book::{Event, Moved},
    limits,
};

/// DAG-CBOR of [`Entry`], by its place.
const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("entries");
/// The newest signed snapshot, under its sequence; one row.
const SEALED: TableDefinition<u64, &[u8]> = TableDefinition::new("sealed");

/// What whom was told last: states as DAG-CBOR, by sink.
const TOLD: TableDefinition<&str, &[u8]> = TableDefinition::new("told");

/// DAG-CBOR of [`Kept`], by `slug/number`.
const TOKENS: TableDefinition<&str, &[u8]> = TableDefinition::new("tokens");
/// Which token's record is the newest but so many: `slug/number`, by [`Kept::place`].
const TOKEN_ORDER: TableDefinition<u64, &str> = TableDefinition::new("token-order");
/// DAG-CBOR of [`Unrecorded`], by `slug/number`.
const UNRECORDED: TableDefinition<&str, &[u8]> = TableDefinition::new("unrecorded");
/// Records that a sink did not take, by sink and `slug/number`; the place of the record.
const SET_ASIDE: TableDefinition<(&str, &str), u64> = TableDefinition::new("set-aside");
/// Up to which block a collection's events are known, by slug.
const SCANNED: TableDefinition<&str, u64> = TableDefinition::new("scanned");

/// The file's name in its folder.
const FILE: &str = "ledger.redb";

/// What the ledger holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// Something happened.
    Event(Event),
    /// What followed from the events since the last of these: a gauge moved.
    Moved(Moved),
    /// A snapshot was signed that says so.
    Sealed(Sealed),
}

/// What a snapshot said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Its sequence.
    pub sequence: u64,
    /// When it was made, Unix milliseconds.
    pub issued: u64,
    /// The key that signed it, by id.
    pub key: String,
    /// Every gauge's band.
    pub gauges: std::collections::BTreeMap<String, Band>,
}

/// Some entries of a ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The entries, each with its place.
    pub entries: Vec<(u64, Entry)>,
    /// The place of the next one, if there are more.
    pub next: Option<u64>,
}

/// A token's newest record, as it is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// Its place among all records: higher than that of every record before.
    pub(crate) place: u64,
    /// What it says.
    pub(crate) record: TokenRecord,
    /// The same, signed.
    pub(crate) signed: ByteBuf,
    /// The blocks of the style that is the token's own.
    pub(crate) blocks: Vec<KeptBlock>,
}

/// A token without a record of what its contract says now, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Unrecorded {
    /// What the contract says cannot be shown.
    Refused {
        /// Names the document and the bounds that it was worked on under.
        digest: ByteBuf,
        /// Why.
        why: String,
    },
    /// What the contract says could not be read yet.
    Unread,
}

/// What one look at a collection's tokens writes down.
#[derive(Debug, Default)]
pub(crate) struct TokenWrites {
    /// Records, each with its signature and the blocks of its style.
    pub(crate) records: Vec<(TokenRecord, Vec<u8>, Vec<Block>)>,
    /// Numbers that have no record, or had none and need none any more.
    pub(crate) unrecorded: Vec<(u64, Option<Unrecorded>)>,
    /// Up to which block the collection's events are known.
    pub(crate) scanned: Option<u64>,
}

/// A block of a style.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptBlock {
    /// Its name.
    pub(crate) cid: Cid,
    /// Its bytes.
    pub(crate) bytes: ByteBuf,
}

/// Why the ledger does not do its part.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process has it open.
    #[error("the ledger in {0} is open elsewhere: a relay runs on it")]
    InUse(String),
    /// There is none.
    #[error("there is no ledger in {0}; `iridule oracle run` makes one")]
    Missing(String),
    /// It cannot be read or written.
    #[error("the ledger: {0}")]
    Broken(String),
}

/// The ledger. Clones are the same.
#[derive(Clone)]
pub struct Ledger {
    db: Arc<Database>,
}

impl Ledger {
    /// Opens the ledger in a folder; both are made when they are not there.
    ///
    /// # Errors
    /// [`LedgerError::InUse`], [`LedgerError::Broken`].
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        fs::create_dir_all(folder).map_err(broken)?;
        let opened = Database::builder().set_cache_size(16 << 20).create(folder.join(FILE));
        let db = match opened {
            Ok(db) => db,
            Err(DatabaseError::DatabaseAlreadyOpen) => {
                return Err(LedgerError::InUse(folder.display().to_string()));
            }
            Err(why) => return Err(broken(why)),
        };
        let write = db.begin_write().map_err(broken)?;
        write.open_table(ENTRIES).map_err(broken)?;
        write.open_table(SEALED).map_err(broken)?;
        write.open_table(TOLD).map_err(broken)?;
        write.open_table(TOKENS).map_err(broken)?;
        write.open_table(TOKEN_ORDER).map_err(broken)?;
        write.open_table(SCANNED).map_err(broken)?;
        write.open_table(UNRECORDED).map_err(broken)?;
        write.open_table(SET_ASIDE).map_err(broken)?;
        write.commit().map_err(broken)?;
        Ok(Self { db: Arc::new(db) })
    }

    /// Opens the ledger in a folder if there is one.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn existing(folder: &Path) -> Result<Self, LedgerError> {
        if !folder.join(FILE).is_file() {
            return Err(LedgerError::Missing(folder.display().to_string()));
        }
        Self::open(folder)
    }

    /// Adds entries, and the newest signed snapshot with its sequence if they made one. When this returns, they are on
    /// the disk; before, none of them is.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub fn append(&self, entries: &[Entry], sealed: Option<(u64, &[u8])>) -> Result<(), LedgerError> {
        let write = self.db.begin_write().map_err(broken)?;
        {
            let mut table = write.open_table(ENTRIES).map_err(broken)?;
            let last = table.last().map_err(broken)?.map(|(place, _)| place.value());
            for (place, entry) in (last.map_or(0, |last| last + 1)..).zip(entries) {
                let bytes = serde_ipld_dagcbor::to_vec(entry).map_err(broken)?;
                if bytes.len() > limits::ENTRY_BYTES {
                    return Err(LedgerError::Broken(format!("an entry of {} bytes", bytes.len())));
                }
                table.insert(place, &*bytes).map_err(broken)?;
            }
            if let Some((sequence, bytes)) = sealed {
                let mut table = write.open_table(SEALED).map_err(broken)?;
                table.retain(|_, _| false).map_err(broken)?;
                table.insert(sequence, bytes).map_err(broken)?;
            }
        }
        write.commit().map_err(broken)
    }

    /// What a sink was told last.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn told(&self, sink: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(TOLD).map_err(broken)?;
        Ok(table.get(sink).map_err(broken)?.map(|told| told.value().to_vec()))
    }

    /// Remembers what a sink was told.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn tell(&self, sink: &str, told: &[u8]) -> Result<(), LedgerError> {
        let write = self.db.begin_write().map_err(broken)?;
        write.open_table(TOLD).map_err(broken)?.insert(sink, told).map_err(broken)?;
        write.commit().map_err(broken)
    }

    /// The newest signed snapshot and its sequence.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub fn sealed(&self) -> Result<Option<(u64, Vec<u8>)>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(SEALED).map_err(broken)?;
        let last = table.last().map_err(broken)?;
        Ok(last.map(|(sequence, bytes)| (sequence.value(), bytes.value().to_vec())))
    }

    /// A token's newest record.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn token(&self, name: &str) -> Result<Option<Kept>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(TOKENS).map_err(broken)?;
        let bytes = table.get(name).map_err(broken)?;
        bytes.map(|bytes| serde_ipld_dagcbor::from_slice(bytes.value()).map_err(broken)).transpose()
    }

    /// The first token whose record has a place above this one.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn token_after(&self, place: u64) -> Result<Option<(u64, String)>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(TOKEN_ORDER).map_err(broken)?;
        let mut range = table.range(place.saturating_add(1)..).map_err(broken)?;
        let first = range.next().transpose().map_err(broken)?;
        Ok(first.map(|(place, name)| (place.value(), name.value().to_owned())))
    }

    /// Writes down what a look at a collection's tokens gave, all of it or nothing. Gives the highest place of a record.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn keep_tokens(&self, slug: &str, writes: TokenWrites) -> Result<u64, LedgerError> {
        let write = self.db.begin_write().map_err(broken)?;
        let highest = {
            let mut tokens = write.open_table(TOKENS).map_err(broken)?;
            let mut order = write.open_table(TOKEN_ORDER).map_err(broken)?;
            let mut place = order.last().map_err(broken)?.map_or(0, |(place, _)| place.value());
            for (record, signed, blocks) in writes.records {
                let name = format!("{}/{}", record.slug, record.number);
                let before = tokens.get(&*name).map_err(broken)?.map(|bytes| bytes.value().to_vec());
                if let Some(before) = before {
                    let before: Kept = serde_ipld_dagcbor::from_slice(&before).map_err(broken)?;
                    order.remove(before.place).map_err(broken)?;
                }
                place += 1;
                let kept = |block: Block| KeptBlock { cid: block.cid, bytes: ByteBuf::from(block.bytes) };
                let blocks = blocks.into_iter().map(kept).collect();
                let kept = Kept { place, record, signed: ByteBuf::from(signed), blocks };
                tokens
                    .insert(&*name, &*serde_ipld_dagcbor::to_vec(&kept).map_err(broken)?)
                    .map_err(broken)?;
                order.insert(place, &*name).map_err(broken)?;
            }
            let mut unrecorded = write.open_table(UNRECORDED).map_err(broken)?;
            for (number, why) in writes.unrecorded {
                let name = format!("{slug}/{number}");
                match why {
                    Some(why) => {
                        let bytes = serde_ipld_dagcbor::to_vec(&why).map_err(broken)?;
                        unrecorded.insert(&*name, &*bytes).map_err(broken)?;
                    }
                    None => drop(unrecorded.remove(&*name).map_err(broken)?),
                }
            }
            if let Some(scanned) = writes.scanned {
                write.open_table(SCANNED).map_err(broken)?.insert(slug, scanned).map_err(broken)?;
            }
            place
        };
        write.commit().map_err(broken)?;
        Ok(highest)
    }

    /// The tokens of a collection that have no record of what their contract says now, by number.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn unrecorded(&self, slug: &str) -> Result<Vec<(u64, Unrecorded)>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(UNRECORDED).map_err(broken)?;
        // '0' comes after '/'.
        let (from, to) = (format!("{slug}/"), format!("{slug}0"));
        let rows = table.range(&*from..&*to).map_err(broken)?;
        rows.map(|row| {
            let (name, bytes) = row.map_err(broken)?;
            let number = name.value()[from.len()..].parse().map_err(broken)?;
            Ok((number, serde_ipld_dagcbor::from_slice(bytes.value()).map_err(broken)?))
        })
        .collect()
    }

    /// Why a token has no record of what its contract says now, if it has none.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn why_unrecorded(&self, slug: &str, number: u64) -> Result<Option<Unrecorded>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(UNRECORDED).map_err(broken)?;
        let bytes = table.get(&*format!("{slug}/{number}")).map_err(broken)?;
        bytes.map(|bytes| serde_ipld_dagcbor::from_slice(bytes.value()).map_err(broken)).transpose()
    }

    /// Sets a record aside for a sink that did not take it, and remembers that the sink was given everything up to there.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn set_aside(
        &self,
        sink: &str,
        cursor: &str,
        place: u64,
        name: &str,
    ) -> Result<(), LedgerError> {
        let write = self.db.begin_write().map_err(broken)?;
        write.open_table(SET_ASIDE).map_err(broken)?.insert((sink, name), place).map_err(broken)?;
        write.open_table(TOLD).map_err(broken)?.insert(cursor, &place.to_be_bytes()[..]).map_err(broken)?;
        write.commit().map_err(broken)
    }

    /// The records that are set aside for a sink, after this name, at most so many: names and places.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn aside(
        &self,
        sink: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<(String, u64)>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(SET_ASIDE).map_err(broken)?;
        let mut found = Vec::new();
        for row in table.range((sink, after)..).map_err(broken)? {
            let (key, place) = row.map_err(broken)?;
            let (of, name) = key.value();
            if of != sink || found.len() >= most {
                break;
            }
            if name > after {
                found.push((name.to_owned(), place.value()));
            }
        }
        Ok(found)
    }

    /// Forgets that a record was set aside.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn not_aside(&self, sink: &str, name: &str) -> Result<(), LedgerError> {
        let write = self.db.begin_write().map_err(broken)?;
        write.open_table(SET_ASIDE).map_err(broken)?.remove((sink, name)).map_err(broken)?;
        write.commit().map_err(broken)
    }

    /// Up to which block a collection's events are known.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn scanned(&self, slug: &str) -> Result<Option<u64>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(SCANNED).map_err(broken)?;
        Ok(table.get(slug).map_err(broken)?.map(|block| block.value()))
    }

    /// The entries from a place on, at most so many, each with its place.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub fn entries(&self, from: u64, most: usize) -> Result<Vec<(u64, Entry)>, LedgerError> {
        Ok(self.page(from, most, usize::MAX)?.entries)
    }

    /// Makes the entry at a place one that does not decode.
    #[cfg(test)]
    pub(crate) fn spoil(&self, place: u64) {
        let write = self.db.begin_write().unwrap();
        write.open_table(ENTRIES).unwrap().insert(place, &b"\xff"[..]).unwrap();
        write.commit().unwrap();
    }

    /// The entries from a place on: at most so many, and no further one once they have so many bytes.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub fn page(&self, from: u64, most: usize, bytes: usize) -> Result<Page, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(ENTRIES).map_err(broken)?;
        let (mut entries, mut taken) = (Vec::new(), 0);
        for row in table.range(from..).map_err(broken)? {
            let (place, row) = row.map_err(broken)?;
            let (place, row) = (place.value(), row.value());
            if entries.len() >= most || taken >= bytes {
                return Ok(Page { entries, next: Some(place) });
            }
            if row.len() > limits::ENTRY_BYTES {
                return Err(LedgerError::Broken(format!("entry {place} has {} bytes", row.len())));
            }
            let entry = serde_ipld_dagcbor::from_slice(row)
                .map_err(|why| LedgerError::Broken(format!("entry {place} does not decode: {why}")))?;
            taken += row.len();
            entries.push((place, entry));
        }
        Ok(Page { entries, next: None })
    }
}

fn broken(why: impl std::fmt::Display) -> LedgerError {
    LedgerError::Broken(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_there_in_order_and_one_has_it_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Ledger::existing(folder.path()), Err(LedgerError::Missing(_))));
        let ledger = Ledger::open(folder.path()).unwrap();
        assert!(matches!(Ledger::open(folder.path()), Err(LedgerError::InUse(_))));
        let entries: Vec<Entry> =
            (0..10).map(|until| Entry::Event(Event::Passed { feed: "f".into(), until })).collect();
        ledger.append(&entries[..4], Some((1, b"one"))).unwrap();
        ledger.append(&entries[4..], Some((2, b"two"))).unwrap();
        drop(ledger);
        let ledger = Ledger::existing(folder.path()).unwrap();
        assert_eq!(ledger.sealed().unwrap(), Some((2, b"two".to_vec())));
        let all = ledger.entries(0, 100).unwrap();
        assert_eq!(all, (0..).zip(entries).collect::<Vec<_>>());
        assert_eq!(ledger.entries(8, 100).unwrap().len(), 2);
        assert_eq!(ledger.entries(0, 3).unwrap().len(), 3);
        let page = ledger.page(2, 3, usize::MAX).unwrap();
        assert_eq!((page.entries.len(), page.next), (3, Some(5)));
        assert_eq!(ledger.page(9, 3, usize::MAX).unwrap().next, None);
        // One entry at least, so that whoever reads goes on.
        let page = ledger.page(2, 100, 1).unwrap();
        assert_eq!((page.entries.len(), page.next), (1, Some(3)));
    }
}
