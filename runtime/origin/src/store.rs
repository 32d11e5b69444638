//! The persistent store of an origin: blocks of styles by CID, renders by key.
//!
//! It uses an object store: a folder, or a bucket of any service with the S3 protocol. Writes are atomic. An object that
//! does not verify when it is read counts as missing.

use iridule_records::block;
use std::{num::NonZeroUsize, path::Path, sync::Mutex};

use bytes::Bytes;
use cid::Cid;
use iridule_origin_api::limits;
use iridule_records::{render_key::RenderKey, stored_render};

use iridule_scene::variant::Format;
use lru::LruCache;
use object_store::{
    ObjectStore, ObjectStoreExt as _, PutPayload, local::LocalFileSystem, path, prefix::PrefixStore,
};
use url::Url;

use crate::lock::lock;

/// Maximum number of blocks in memory, of at most 1 MiB each.
const CACHED_BLOCKS: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");
/// Maximum size of the finished pictures in memory, bytes.
const CACHED_RENDER_BYTES: usize = 64 << 20;
/// Maximum size of a stored picture with its header, bytes.
const MAX_RENDER_BYTES: usize = limits::ORIGIN_BYTES + 64;

/// An error of the object store.
#[derive(Debug, thiserror::Error)]
#[error("the object store: {0}")]
pub struct OriginStoreError(String);

impl From<object_store::Error> for OriginStoreError {
    fn from(why: object_store::Error) -> Self {
        Self(why.to_string())
    }
}

/// Blocks and renders.
#[derive(Debug)]
pub struct OriginStore {
    objects: Box<dyn ObjectStore>,
    blocks: Mutex<LruCache<Cid, Bytes>>,
    renders: Mutex<RenderCache>,
}

/// The pictures that were made or read last.
#[derive(Debug)]
struct RenderCache {
    pictures: LruCache<RenderKey, Bytes>,
    bytes: usize,
}

impl OriginStore {
    /// Opens a folder, and creates it if it does not exist.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn folder(folder: &Path) -> Result<Self, OriginStoreError> {
        std::fs::create_dir_all(folder)
            .map_err(|why| OriginStoreError(format!("{}: {why}", folder.display())))?;
        Ok(Self::of(Box::new(LocalFileSystem::new_with_prefix(folder)?)))
    }

    /// A bucket, `s3://bucket/prefix`, with credentials and the rest from `AWS_…` variables of the environment, by the
    /// names that Amazon's own tools read (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` …); or a folder, `file:///path`.
    ///
    /// # Errors
    /// The URL or the variables are not valid.
    pub fn open_url(url: &str) -> Result<Self, OriginStoreError> {
        let parsed = Url::parse(url).map_err(|why| OriginStoreError(format!("{url}: {why}")))?;
        if parsed.scheme() == "file" {
            let folder =
                parsed.to_file_path().map_err(|()| OriginStoreError(format!("{url}: not a path")))?;
            return Self::folder(&folder);
        }
        // Fails if another part of the program has installed a provider, which then is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (objects, prefix) = object_store::parse_url_opts(&parsed, std::env::vars())?;
        Ok(Self::of(Box::new(PrefixStore::new(objects, prefix))))
    }

    fn of(objects: Box<dyn ObjectStore>) -> Self {
        let renders = Mutex::new(RenderCache { pictures: LruCache::unbounded(), bytes: 0 });
        Self { objects, blocks: Mutex::new(LruCache::new(CACHED_BLOCKS)), renders }
    }

    /// Reads a block and verifies it against its CID. `None` if it is not in the store.
    ///
    /// # Errors
    /// The store does not respond.
    pub async fn block(&self, cid: &Cid) -> Result<Option<Bytes>, OriginStoreError> {
        if let Some(held) = lock(&self.blocks).get(cid) {
            return Ok(Some(held.clone()));
        }
        let Some(bytes) = self.get(&block_path(cid), limits::BLOCK_BYTES).await? else { return Ok(None) };
        if let Err(why) = block::verify(cid, &bytes) {
            tracing::warn!(%cid, why, "a block in the store is damaged: taken as not there");
            return Ok(None);
        }
        lock(&self.blocks).put(*cid, bytes.clone());
        Ok(Some(bytes))
    }

    /// Whether a block is in the store. It is not read.
    ///
    /// # Errors
    /// The store does not respond.
    pub async fn has_block(&self, cid: &Cid) -> Result<bool, OriginStoreError> {
        if lock(&self.blocks).contains(cid) {
            return Ok(true);
        }
        match self.objects.head(&block_path(cid)).await {
            Ok(found) => Ok(found.size <= limits::BLOCK_BYTES as u64),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(why) => Err(why.into()),
        }
    }

    /// Stores a block that was verified against its CID.
    ///
    /// # Errors
    /// The store does not accept it.
    pub async fn put_block(&self, cid: &Cid, bytes: Bytes) -> Result<(), OriginStoreError> {
        self.put(&block_path(cid), bytes.clone()).await?;
        lock(&self.blocks).put(*cid, bytes);
        Ok(())
    }

    /// Reads a finished picture. `None` if it is missing or damaged.
    ///
    /// # Errors
    /// The store does not respond.
    pub async fn render(&self, key: &RenderKey, format: Format) -> Result<Option<Bytes>, OriginStoreError> {
        if let Some(held) = self.cached_render(key) {
            return Ok(Some(held));
        }
        let stored = self.get(&render_path(key), MAX_RENDER_BYTES).await?;
        let body = stored.and_then(|stored| stored_render::open(key, format, &stored));
        if let Some(body) = &body {
            self.cache_render(key, body.clone());
        }
        Ok(body)
    }

    /// Returns a finished picture that is in memory.
    #[must_use]
    pub fn cached_render(&self, key: &RenderKey) -> Option<Bytes> {
        lock(&self.renders).pictures.get(key).cloned()
    }

    /// Adds a finished picture to the memory cache.
    pub fn cache_render(&self, key: &RenderKey, body: Bytes) {
        let mut renders = lock(&self.renders);
        renders.bytes += body.len();
        if let Some(old) = renders.pictures.put(*key, body) {
            renders.bytes -= old.len();
        }
        while renders.bytes > CACHED_RENDER_BYTES {
            let Some((_, oldest)) = renders.pictures.pop_lru() else { break };
            renders.bytes -= oldest.len();
        }
    }

    /// Writes a finished picture to the object store.
    ///
    /// # Errors
    /// The store does not accept it.
    pub async fn put_render(
        &self,
        key: &RenderKey,
        format: Format,
        body: &[u8],
    ) -> Result<(), OriginStoreError> {
        self.put(&render_path(key), stored_render::seal(key, format, body)).await
    }

    /// Reads an object. An object of more than `max_bytes` counts as missing and is not read.
    async fn get(&self, path: &path::Path, max_bytes: usize) -> Result<Option<Bytes>, OriginStoreError> {
        match self.objects.get(path).await {
            Ok(found) if found.meta.size > max_bytes as u64 => {
                tracing::warn!(%path, bytes = found.meta.size, max_bytes, "an object in the store is too large: taken as not there");
                Ok(None)
            }
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(why) => Err(why.into()),
        }
    }

    async fn put(&self, path: &path::Path, bytes: Bytes) -> Result<(), OriginStoreError> {
        self.objects.put(path, PutPayload::from(bytes)).await?;
        Ok(())
    }
}

/// Folders of 1/4096 of all renders each, because file systems are slow with very large folders.
fn render_path(key: &RenderKey) -> path::Path {
    let name = key.token();
    path::Path::from_iter(["renders", &name[..2], &name])
}

fn block_path(cid: &Cid) -> path::Path {
    path::Path::from_iter(["blocks".to_owned(), cid.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use iridule_records::block::{Block, RAW};

    #[tokio::test]
    async fn a_file_of_the_store_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = OriginStore::folder(folder.path()).unwrap();
        let block = Block::new(RAW, vec![7; 9]).unwrap();
        let key = RenderKey([1; 32].into());
        for path in [block_path(&block.cid), render_path(&key)] {
            let path = folder.path().join(path.as_ref());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            // A sparse file of 16 GiB.
            std::fs::File::create(path).unwrap().set_len(16 << 30).unwrap();
        }
        assert_eq!(store.block(&block.cid).await.unwrap(), None);
        assert!(!store.has_block(&block.cid).await.unwrap());
        assert_eq!(store.render(&key, Format::Png).await.unwrap(), None);
        store.put_block(&block.cid, block.bytes.clone().into()).await.unwrap();
        assert_eq!(store.block(&block.cid).await.unwrap(), Some(block.bytes.into()));
    }
}
