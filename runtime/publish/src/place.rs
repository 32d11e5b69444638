//! A place where records are published, by its address.

use std::{fmt, path::PathBuf, str::FromStr};

use iridule_records::{block::Block, gauge::Gauge, record_keys, signed::TrustedKeys};

use crate::{
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

/// Why a place did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It could not be reached, or broke off.
    #[error("{at}: {why}")]
    Unreachable {
        /// What was asked for.
        at: String,
        /// What went wrong.
        why: String,
    },
    /// It refused.
    #[error("{at} answered {status}: {detail}")]
    Refused {
        /// What was asked for.
        at: String,
        /// Its HTTP status.
        status: u16,
        /// Its explanation.
        detail: String,
    },
    /// It holds, or answered, something that makes no sense.
    #[error("{at}: {why}")]
    Malformed {
        /// What was asked for.
        at: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Where a place is, as it is written on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `http://HOST:PORT`: a PoP's write API.
    Pop(String),
    /// `kv:ACCOUNT/NAMESPACE`: Workers KV, by the ids that Cloudflare gives them.
    Kv {
        /// The account's id.
        account: String,
        /// The namespace's id.
        namespace: String,
    },
    /// `wrangler:HOST:PORT`: the KV namespace `RECORDS` of a running `wrangler dev`.
    Wrangler(String),
    /// `redis://HOST:PORT/DB`.
    Redis(String),
    /// `file:FOLDER`: a file for each record.
    Folder(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match text.split_once(':') {
            Some(("http" | "https", _)) => Ok(Self::Pop(text.trim_end_matches('/').into())),
            Some(("redis", _)) => Ok(Self::Redis(text.into())),
            Some(("wrangler", host)) if !host.is_empty() => Ok(Self::Wrangler(host.into())),
            Some(("file", folder)) if !folder.is_empty() => Ok(Self::Folder(folder.into())),
            Some(("kv", ids)) => match ids.split_once('/') {
                Some((account, namespace)) if id(account) && id(namespace) => {
                    Ok(Self::Kv { account: account.into(), namespace: namespace.into() })
                }
                _ => Err("write kv:ACCOUNT/NAMESPACE, with the ids of both".into()),
            },
            _ => Err("a place is http://HOST:PORT (a PoP's write API), kv:ACCOUNT/NAMESPACE, \
                      wrangler:HOST:PORT, redis://HOST:PORT/DB or file:FOLDER"
                .into()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pop(url) | Self::Redis(url) => f.write_str(url),
            Self::Kv { account, namespace } => write!(f, "kv:{account}/{namespace}"),
            Self::Wrangler(host) => write!(f, "wrangler:{host}"),
            Self::Folder(folder) => write!(f, "file:{}", folder.display()),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_kind_of_place_it_is() {
        let account = || "0a1b".to_owned();
        for (text, address) in [
            ("http://127.0.0.1:3001/", Address::Pop("http://127.0.0.1:3001".into())),
            ("kv:0a1b/0a1b", Address::Kv { account: account(), namespace: account() }),
            ("wrangler:127.0.0.1:8787", Address::Wrangler("127.0.0.1:8787".into())),
            ("file:records/here", Address::Folder("records/here".into())),
            ("redis://127.0.0.1:6379/2", Address::Redis("redis://127.0.0.1:6379/2".into())),
        ] {
            assert_eq!(text.parse(), Ok(address));
        }
        for bad in ["", "127.0.0.1:3001", "kv:a", "kv:a/", "kv:a/b/../c", "ftp://x", "wrangler:"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
