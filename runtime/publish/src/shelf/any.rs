//! A key-value store that edges read records from: Workers KV, the Redis of a Spin application, or a folder.

use iridule_records::block;
use iridule_records::{
    collection::{self, Collection},
    gauge::Gauge,
    record_keys,
    signed::TrustedKeys,
};
use iridule_style::manifest::Manifest;

use super::{folder::Folder, kv::Kv, redis::Redis};
use crate::error::PlaceError;

/// A key-value store that edges read.
#[derive(Debug, Clone)]
pub enum Shelf {
    /// A Worker's KV namespace.
    Kv(Kv),
    /// The Redis of a Spin application, which keeps a record under its own key.
    Redis(Redis),
    /// A folder, to look at or to carry elsewhere.
    Folder(Folder),
}

impl Shelf {
    /// A record.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PlaceError> {
        match self {
            Self::Kv(kv) => kv.get(key).await,
            Self::Redis(redis) => redis.get(key).await,
            Self::Folder(folder) => folder.get(key),
        }
    }

    /// Writes a record over whatever is there.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn put(&self, key: &str, value: &[u8]) -> Result<(), PlaceError> {
        match self {
            Self::Kv(kv) => kv.put(key, value).await,
            Self::Redis(redis) => redis.put(key, value).await,
            Self::Folder(folder) => folder.put(key, value),
        }
    }

    /// Writes a record unless it is there already. Gives whether it was not.
    pub(crate) async fn put_new(&self, key: &str, value: &[u8]) -> Result<bool, PlaceError> {
        if self.get(key).await?.as_deref() == Some(value) {
            return Ok(false);
        }
        self.put(key, value).await.map(|()| true)
    }

    /// The collections of publishers who are believed, each with its style's gauges.
    pub(crate) async fn panels(
        &self,
        publishers: &TrustedKeys,
    ) -> Result<Vec<(String, Vec<Gauge>)>, PlaceError> {
        let mut panels = Vec::new();
        for slug in self.slugs().await? {
            let record = self.get(&record_keys::collection(&slug)).await?.unwrap_or_default();
            let Ok(collection) = Collection::open(&record, publishers) else { continue };
            let key = record_keys::block(&collection.style);
            let block = self.get(&key).await?.unwrap_or_default();
            let malformed = |why| PlaceError::Malformed { at: key.clone(), why };
            block::verify(&collection.style, &block).map_err(malformed)?;
            panels.push((slug, Manifest::decode(&block).map_err(malformed)?.gauges));
        }
        Ok(panels)
    }

    /// The slugs that are listed.
    pub(crate) async fn slugs(&self) -> Result<Vec<String>, PlaceError> {
        let index = self.get(record_keys::COLLECTIONS).await?;
        index.map_or(Ok(Vec::new()), |index| collection::decode_index(&index).map_err(index_fault))
    }

    /// Lists a slug.
    pub(crate) async fn list(&self, slug: &str) -> Result<(), PlaceError> {
        let mut slugs = self.slugs().await?;
        if slugs.iter().any(|known| known == slug) {
            return Ok(());
        }
        slugs.push(slug.into());
        self.put(record_keys::COLLECTIONS, &collection::encode_index(slugs).map_err(index_fault)?).await
    }
}

fn index_fault(why: String) -> PlaceError {
    PlaceError::Malformed { at: record_keys::COLLECTIONS.into(), why }
}
