//! Small records that must last: snapshots, blocks of styles, collections. One redb file.
//!
//! Reads run where they are asked for: they are lookups in a page cache, at worst one read of the file. Writes run on a
//! blocking thread and return once the data is on the disk. Which records a publisher may write is `publish.rs`.

use std::{path::Path, sync::Arc};

use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction,
};

use super::check_key;
use crate::{error::StoreError, metrics::Metrics};

/// Largest value, bytes: a block of a style.
pub(super) const VALUE_BYTES: usize = iridule_core::limits::BLOCK_BYTES;

pub(super) const TABLE: TableDefinition<&str, &[u8]> = TableDefinition::new("records");

/// The store of small records. Clones are the same store.
#[derive(Clone)]
pub struct Records {
    db: Arc<Database>,
    pub(super) metrics: Arc<Metrics>,
}

impl Records {
    /// Opens the store in a file, for seeding or looking at it without a host. The folder must be there; the file is
    /// made if it is not. One process at a time has it open.
    ///
    /// # Errors
    /// [`StoreError::Records`].
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        Self::open_with(file, 16 << 20, Metrics::new())
    }

    pub(crate) fn open_with(file: &Path, cache: usize, metrics: Arc<Metrics>) -> Result<Self, StoreError> {
        let db = Database::builder().set_cache_size(cache).create(file).map_err(broken)?;
        let write = db.begin_write().map_err(broken)?;
        write.open_table(TABLE).map_err(broken)?;
        write.commit().map_err(broken)?;
        Ok(Self { db: Arc::new(db), metrics })
    }

    /// The value under a key.
    ///
    /// # Errors
    /// [`StoreError::Records`].
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.read()?;
        let table = read.open_table(TABLE).map_err(broken)?;
        let value = table.get(key).map_err(broken)?.map(|value| value.value().to_vec());
        self.metrics.records.read(value.as_ref().map(Vec::len));
        Ok(value)
    }

    /// Whether there is a value under a key.
    ///
    /// # Errors
    /// [`StoreError::Records`].
    pub fn exists(&self, key: &str) -> Result<bool, StoreError> {
        let read = self.read()?;
        let table = read.open_table(TABLE).map_err(broken)?;
        Ok(table.get(key).map_err(broken)?.is_some())
    }

    /// All keys, in order.
    ///
    /// # Errors
    /// [`StoreError::Records`].
    pub fn keys(&self) -> Result<Vec<String>, StoreError> {
        let read = self.read()?;
        let table = read.open_table(TABLE).map_err(broken)?;
        let keys = table.iter().map_err(broken)?.map(|entry| entry.map(|(key, _)| key.value().to_owned()));
        keys.collect::<Result<_, _>>().map_err(broken)
    }

    /// Writes a value under a key of at most 256 bytes; on return it is on the disk.
    ///
    /// # Errors
    /// [`StoreError::KeyTooLong`], [`StoreError::ValueTooLarge`], [`StoreError::Records`].
    pub async fn set(&self, key: String, value: Vec<u8>) -> Result<(), StoreError> {
        check_key(&key)?;
        if value.len() > VALUE_BYTES {
            return Err(StoreError::ValueTooLarge { size: value.len(), most: VALUE_BYTES });
        }
        let size = value.len();
        self.write(move |write| {
            let mut table = write.open_table(TABLE).map_err(broken)?;
            table.insert(&*key, &*value).map_err(broken)?;
            Ok::<_, StoreError>(true)
        })
        .await?;
        self.metrics.records.wrote(size);
        Ok(())
    }

    /// Removes a key, whether it is there or not.
    ///
    /// # Errors
    /// [`StoreError::Records`].
    pub async fn delete(&self, key: String) -> Result<(), StoreError> {
        self.write(move |write| {
            let mut table = write.open_table(TABLE).map_err(broken)?;
            let was_there = table.remove(&*key).map_err(broken)?.is_some();
            Ok::<_, StoreError>(was_there)
        })
        .await?;
        Ok(())
    }

    fn read(&self) -> Result<ReadTransaction, StoreError> {
        self.db.begin_read().map_err(broken)
    }

    /// Runs `change` in a transaction of its own; commits it when `change` says that it changed something.
    pub(super) async fn write<E>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<bool, E> + Send + 'static,
    ) -> Result<bool, E>
    where
        E: From<StoreError> + Send + 'static,
    {
        let db = self.db.clone();
        let work = move || {
            let write = db.begin_write().map_err(broken)?;
            let changed = change(&write)?;
            if changed {
                write.commit().map_err(broken)?;
            } else {
                write.abort().map_err(broken)?;
            }
            Ok(changed)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Closed.into()),
        }
    }
}

/// Any of redb's errors as ours.
pub(super) fn broken(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Records(Box::new(error.into()))
}
