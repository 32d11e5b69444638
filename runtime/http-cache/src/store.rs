//! Where responses lie: memory over disk, both bounded in bytes.
//!
//! Every record goes to the disk when it is written, behind the client's back; a burst that the disk cannot keep up with
//! is not all written. Opening reads where things lie, not the things; what was torn or flipped fails its checksum and is
//! not there.

use std::{path::PathBuf, sync::Arc};

use foyer::{
    BlockEngineConfig, DeviceBuilder as _, Error, FsDeviceBuilder, HybridCache, HybridCacheBuilder,
    HybridCachePolicy, PsyncIoEngineConfig, RecoverMode, S3FifoConfig,
};

use crate::entry::{Record, Stored};

/// Room that an entry's header, key and alignment take beside it on disk, bytes.
const OVERHEAD: usize = 64 << 10;
/// What an entry takes in memory beside its key and record, bytes, about.
const ENTRY: usize = 128;
/// Least disk that is worth it, bytes.
const LEAST_DISK: usize = 16 << 20;

/// How much is kept where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Memory for responses, bytes of keys, fields and bodies; and as much again for those that are still coming.
    pub memory: usize,
    /// A folder, and the bytes of disk to take there: at least 16 MiB. `None`: memory only.
    pub disk: Option<(PathBuf, usize)>,
    /// Largest body that is kept, bytes; at most 32 MiB.
    pub largest: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self { memory: 128 << 20, disk: None, largest: 32 << 20 }
    }
}

/// Why the store did not open.
#[derive(Debug, thiserror::Error)]
#[error("the cache's store: {0}")]
pub struct StoreError(pub(crate) String);

/// The store.
pub(crate) struct Store {
    cache: HybridCache<String, Stored>,
    disk: bool,
}

impl Store {
    pub(crate) async fn open(policy: &Policy) -> Result<Self, StoreError> {
        let builder = HybridCacheBuilder::new()
            .with_name("responses")
            .with_policy(HybridCachePolicy::WriteOnInsertion)
            .with_flush_on_close(false)
            .memory(policy.memory)
            .with_eviction_config(S3FifoConfig::default())
            .with_weighter(|key: &String, stored: &Stored| ENTRY + key.len() + stored.0.weight())
            .storage()
            .with_recover_mode(RecoverMode::Quiet);
        let failed = |error: Error| StoreError(error.to_string());
        let cache = match &policy.disk {
            None => builder.build().await.map_err(failed)?,
            Some((_, bytes)) if *bytes < LEAST_DISK => {
                return Err(StoreError(format!("{bytes} bytes of disk; at least {LEAST_DISK}")));
            }
            Some((folder, bytes)) => {
                std::fs::create_dir_all(folder)
                    .map_err(|why| StoreError(format!("{}: {why}", folder.display())))?;
                let device = FsDeviceBuilder::new(folder).with_capacity(*bytes).build().map_err(failed)?;
                // A block is the unit of eviction and bounds an entry; a larger one stays in memory.
                let block = (policy.largest + OVERHEAD).min(bytes / 8);
                let engine = BlockEngineConfig::new(device)
                    .with_block_size(block)
                    .with_buffer_pool_size(block + OVERHEAD)
                    .with_submit_queue_size_threshold(block * 2)
                    .with_indexer_shards(16)
                    .with_recover_concurrency(4);
                builder
                    .with_io_engine_config(PsyncIoEngineConfig::new())
                    .with_engine_config(engine)
                    .build()
                    .await
                    .map_err(failed)?
            }
        };
        Ok(Self { cache, disk: policy.disk.is_some() })
    }

    /// What lies under a key in memory.
    pub(crate) fn at_hand(&self, key: &str) -> Option<Arc<Record>> {
        self.cache.memory().get(key).map(|found| found.value().0.clone())
    }

    /// What lies under a key: at once from memory, else from the disk. What cannot be read is not there.
    pub(crate) async fn find(&self, key: &str) -> Option<Arc<Record>> {
        if let Some(found) = self.at_hand(key) {
            return Some(found);
        }
        if !self.disk {
            return None;
        }
        match self.cache.get(key).await {
            Ok(found) => found.map(|found| found.value().0.clone()),
            Err(why) => {
                tracing::warn!(%why, "a stored response could not be read");
                None
            }
        }
    }

    pub(crate) fn put(&self, key: String, record: Arc<Record>) {
        self.cache.insert(key, Stored(record));
    }

    /// Takes away what lies under a key.
    pub(crate) async fn remove(&self, key: &str) {
        if self.find(key).await.is_some_and(|record| !matches!(*record, Record::Nothing)) {
            if self.disk {
                self.put(key.to_owned(), Arc::new(Record::Nothing));
            } else {
                self.cache.memory().remove(key);
            }
        }
    }

    /// Waits until everything written is on the disk.
    pub(crate) async fn close(&self) {
        if let Err(why) = self.cache.close().await {
            tracing::warn!(%why, "the cache's store did not close well; some responses may be fetched again");
        }
    }
}
