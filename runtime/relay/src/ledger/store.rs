//! The file: opened by one process at a time, entries appended, entries read in pages.

use std::{fs, path::Path, sync::Arc};

use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _};

use super::{
    entry::{Entry, Page},
    error::{LedgerError, broken},
    tables::{self, ENTRIES, SEALED, TOLD},
};
use crate::limits;

/// The file's name in its folder.
const FILE: &str = "ledger.redb";

/// The ledger. Clones are the same.
#[derive(Clone)]
pub struct Ledger {
    pub(super) db: Arc<Database>,
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
        tables::create(&write)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Event;

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
