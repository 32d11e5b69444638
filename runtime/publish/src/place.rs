//! A place where records are published, by its address.

use iridule_records::{block::Block, gauge::Gauge, record_keys, signed::TrustedKeys};

use crate::{
    address::Address,
    error::PlaceError,
    pop::Pop,
    shelf::{Folder, Kv, Redis, Shelf},
};

/// A place where records are published.
#[derive(Debug, Clone)]
pub enum Place {
    /// A PoP's write API, which checks what it is given.
    Pop(Pop),
    /// A key-value store that edges read, which takes anything.
    Shelf(Shelf),
}

impl Place {
    /// The place at an address. `token` is what a PoP's write API or Cloudflare asks for; the others need none.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn open(address: &Address, token: &str) -> Result<Self, PlaceError> {
        Ok(match address {
            Address::Pop(url) => Self::Pop(Pop::new(url, token)?),
            Address::Kv { account, namespace } => {
                Self::Shelf(Shelf::Kv(Kv::of_account(account, namespace, token)?))
            }
            Address::Wrangler(host) => Self::Shelf(Shelf::Kv(Kv::of_wrangler(host).await?)),
            Address::Redis(url) => Self::Shelf(Shelf::Redis(Redis::open(url).await?)),
            Address::Folder(folder) => Self::Shelf(Shelf::Folder(Folder::open(folder)?)),
        })
    }

    /// The slugs of the collections there.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn slugs(&self) -> Result<Vec<String>, PlaceError> {
        match self {
            Self::Pop(pop) => Ok(pop.collections().await?.into_iter().map(|(slug, _)| slug).collect()),
            Self::Shelf(shelf) => shelf.slugs().await,
        }
    }

    /// The collections there, each with the gauges of its style in manifest order. Records of strangers are left out,
    /// as edges leave them; a PoP knows by itself whom it believes.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn panels(&self, publishers: &TrustedKeys) -> Result<Vec<(String, Vec<Gauge>)>, PlaceError> {
        match self {
            Self::Pop(pop) => pop.collections().await,
            Self::Shelf(shelf) => shelf.panels(publishers).await,
        }
    }

    /// The signed snapshot in force there, if any.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn snapshot(&self) -> Result<Option<Vec<u8>>, PlaceError> {
        match self {
            Self::Pop(pop) => pop.snapshot().await,
            Self::Shelf(shelf) => shelf.get(record_keys::SNAPSHOT).await,
        }
    }

    /// Publishes a signed snapshot. A PoP refuses one that is not newer than its own; a shelf takes anything, so it is
    /// the caller's to look first. What was there becomes the one before.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn put_snapshot(&self, signed: &[u8]) -> Result<(), PlaceError> {
        match self {
            Self::Pop(pop) => pop.put_snapshot(signed.to_vec()).await,
            Self::Shelf(shelf) => {
                if let Some(current) =
                    shelf.get(record_keys::SNAPSHOT).await?.filter(|current| current != signed)
                {
                    shelf.put(record_keys::PREVIOUS_SNAPSHOT, &current).await?;
                }
                shelf.put(record_keys::SNAPSHOT, signed).await
            }
        }
    }

    /// A collection's signed record.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn collection(&self, slug: &str) -> Result<Option<Vec<u8>>, PlaceError> {
        match self {
            Self::Pop(pop) => pop.collection(slug).await,
            Self::Shelf(shelf) => shelf.get(&record_keys::collection(slug)).await,
        }
    }

    /// A token's signed record, if there is one.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn token(&self, slug: &str, number: u64) -> Result<Option<Vec<u8>>, PlaceError> {
        match self {
            Self::Pop(pop) => pop.token(slug, number).await,
            Self::Shelf(shelf) => shelf.get(&record_keys::token(slug, number)).await,
        }
    }

    /// Publishes a token's signed record. The blocks of its styles are to be there already.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn put_token(&self, slug: &str, number: u64, signed: &[u8]) -> Result<(), PlaceError> {
        match self {
            Self::Pop(pop) => pop.put_token(slug, number, signed).await,
            Self::Shelf(shelf) => shelf.put(&record_keys::token(slug, number), signed).await,
        }
    }

    /// Publishes a block of a style. Gives whether it was new there.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn put_block(&self, block: &Block) -> Result<bool, PlaceError> {
        match self {
            Self::Pop(pop) => pop.put_block(block).await,
            Self::Shelf(shelf) => shelf.put_new(&record_keys::block(&block.cid), &block.bytes).await,
        }
    }

    /// Publishes a collection's signed record, and lists its slug. The blocks of its styles are to be there already.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn put_collection(&self, slug: &str, signed: &[u8]) -> Result<(), PlaceError> {
        match self {
            Self::Pop(pop) => pop.put_collection(slug, signed).await,
            Self::Shelf(shelf) => {
                shelf.put(&record_keys::collection(slug), signed).await?;
                shelf.list(slug).await
            }
        }
    }
}
