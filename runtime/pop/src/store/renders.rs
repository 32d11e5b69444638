//! Renders that may go: a cache in memory over a cache on disk, both bounded in bytes.
//!
//! Every value goes to the disk when it is written, not when memory drops it, so that what was rendered before a crash
//! is there after it, as far as the writer behind had come. A burst of writes that the disk cannot keep up with is not
//! all written; what is left out is painted again one day. On opening, the disk is scanned; a torn or flipped entry
//! fails its checksum and is a miss.

use std::{
    io::{Read, Write},
    path::Path,
};

use bytes::Bytes;
use foyer::{
    BlockEngineConfig, Code, DefaultHasher, DeviceBuilder as _, Error, FsDeviceBuilder, HybridCache,
    HybridCacheBuilder, HybridCacheBuilderPhaseMemory, HybridCachePolicy, PsyncIoEngineConfig, RecoverMode,
};

use super::{KEY_BYTES, check_key};
use crate::{config::Limits, error::StoreError, metrics::StoreMetrics};

/// Largest value, bytes.
pub(crate) const VALUE_BYTES: usize = 32 << 20;
/// Room that an entry's header, key and alignment take beside its value on disk, bytes.
const ENTRY_OVERHEAD: usize = 64 << 10;

/// What lies under a key: a value, or the mark that one was removed.
///
/// Removing writes a mark over the value, and does not merely forget where the value lies: what is forgotten only in
/// memory is found again when the disk is scanned.
struct Entry(Option<Bytes>);

impl Code for Entry {
    fn encode(&self, writer: &mut impl Write) -> foyer::Result<()> {
        writer.write_all(&[u8::from(self.0.is_some())]).map_err(Error::io_error)?;
        match &self.0 {
            Some(value) => writer.write_all(value).map_err(Error::io_error),
            None => Ok(()),
        }
    }

    fn decode(reader: &mut impl Read) -> foyer::Result<Self> {
        let mut kind = [0];
        reader.read_exact(&mut kind).map_err(Error::io_error)?;
        if kind == [0] {
            return Ok(Self(None));
        }
        let mut value = Vec::new();
        reader.take(VALUE_BYTES as u64).read_to_end(&mut value).map_err(Error::io_error)?;
        Ok(Self(Some(value.into())))
    }

    fn estimated_size(&self) -> usize {
        1 + self.0.as_ref().map_or(0, Bytes::len)
    }
}

/// The store of renders.
pub(crate) struct Renders {
    cache: HybridCache<String, Entry>,
    metrics: StoreMetrics,
}

impl Renders {
    /// Opens the store over a folder and scans what is there.
    pub(crate) async fn open(
        folder: &Path,
        limits: &Limits,
        metrics: StoreMetrics,
    ) -> Result<Self, StoreError> {
        let cache = match Self::on_disk(folder, limits).await {
            Ok(Some(cache)) => cache,
            Ok(None) => builder(limits).storage().build().await.map_err(failed)?,
            Err(why) => {
                // Renders can be painted again: that they cannot be kept is no reason to serve nobody.
                tracing::error!(%why, folder = %folder.display(), "renders are kept in memory only until the next start");
                builder(limits).storage().build().await.map_err(failed)?
            }
        };
        Ok(Self { cache, metrics })
    }

    /// The cache over a folder; `None` where none is wanted.
    async fn on_disk(
        folder: &Path,
        limits: &Limits,
    ) -> Result<Option<HybridCache<String, Entry>>, StoreError> {
        if limits.renders_disk == 0 {
            return Ok(None);
        }
        std::fs::create_dir_all(folder).map_err(|e| StoreError::Renders(e.to_string()))?;
        let device =
            FsDeviceBuilder::new(folder).with_capacity(limits.renders_disk).build().map_err(failed)?;
        let block = block(limits);
        let engine = BlockEngineConfig::new(device)
            .with_block_size(block)
            .with_buffer_pool_size(block + ENTRY_OVERHEAD)
            .with_submit_queue_size_threshold(block + ENTRY_OVERHEAD)
            .with_indexer_shards(16)
            .with_recover_concurrency(4);
        let storage = builder(limits).storage().with_recover_mode(RecoverMode::Quiet);
        let cache =
            storage.with_io_engine_config(PsyncIoEngineConfig::new()).with_engine_config(engine).build();
        cache.await.map(Some).map_err(failed)
    }

    /// The value under a key: at once from memory, else from the disk.
    pub(crate) async fn get(&self, key: &String) -> Result<Option<Bytes>, StoreError> {
        let found = match self.cache.get(key).try_unwrap() {
            Ok(entry) => entry.value().0.clone(),
            Err(looking) => looking.await.map_err(failed)?.and_then(|entry| entry.value().0.clone()),
        };
        self.metrics.read(found.as_ref().map(Bytes::len));
        Ok(found)
    }

    /// Keeps a value; it reaches the disk a little later.
    pub(crate) fn set(&self, key: String, value: Bytes) -> Result<(), StoreError> {
        check_key(&key)?;
        if value.len() > VALUE_BYTES {
            return Err(StoreError::ValueTooLarge { size: value.len(), most: VALUE_BYTES });
        }
        self.metrics.wrote(value.len());
        self.cache.insert(key, Entry(Some(value)));
        Ok(())
    }

    /// Removes a key.
    pub(crate) fn delete(&self, key: String) {
        if key.len() <= KEY_BYTES && self.cache.contains(&key) {
            self.cache.insert(key, Entry(None));
        }
    }

    /// Waits until everything written is on the disk, and closes.
    pub(crate) async fn close(&self) {
        if let Err(why) = self.cache.close().await {
            tracing::warn!(%why, "the renders store did not close well; some renders may be painted again");
        }
    }
}

fn builder(limits: &Limits) -> HybridCacheBuilderPhaseMemory<String, Entry, DefaultHasher> {
    HybridCacheBuilder::new()
        .with_name("renders")
        .with_policy(HybridCachePolicy::WriteOnInsertion)
        .with_flush_on_close(false)
        .memory(limits.renders_memory)
        .with_weighter(|key: &String, entry: &Entry| key.len() + entry.estimated_size())
}

/// A block is the unit of eviction and bounds an entry. Where the disk is too small to have eight blocks that take the
/// largest value, larger values stay in memory only.
fn block(limits: &Limits) -> usize {
    (VALUE_BYTES + ENTRY_OVERHEAD).min(limits.renders_disk / 8)
}

/// Memory that the way to the disk takes at most, bytes: what is being written, and what waits for it.
pub(crate) fn buffers(limits: &Limits) -> usize {
    2 * block(limits)
}

fn failed(error: Error) -> StoreError {
    StoreError::Renders(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test(flavor = "multi_thread")]
    async fn values_of_every_size_reach_the_disk_and_removed_ones_stay_removed() {
        let data = tempfile::tempdir().unwrap();
        let limits = Limits { renders_disk: 512 << 20, ..Limits::default() };
        let metrics = Metrics::new();
        let open = async || Renders::open(data.path(), &limits, metrics.renders.clone()).await.unwrap();
        for size in [0, 1, 4095, 4096, 1 << 20, VALUE_BYTES] {
            let renders = open().await;
            renders.set("key".into(), vec![7; size].into()).unwrap();
            renders.close().await;
            drop(renders);
            let renders = open().await;
            assert_eq!(renders.get(&"key".into()).await.unwrap().unwrap(), vec![7; size]);
            renders.delete("key".into());
            assert!(renders.get(&"key".into()).await.unwrap().is_none());
            renders.close().await;
            drop(renders);
            assert!(open().await.get(&"key".into()).await.unwrap().is_none());
        }
        assert!(open().await.set("key".into(), vec![7; VALUE_BYTES + 1].into()).is_err());
    }
}
