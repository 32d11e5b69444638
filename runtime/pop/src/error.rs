//! What can go wrong in the host, sorted by whose fault it is.
//!
//! - [`PopError`]: the host could not start or stop; the operator reads it.
//! - [`StoreError`]: a store did not do what it was told; the log and the guest read it.
//! - [`Refused`]: somebody offered a record that is not taken; they read it, and `admin.rs` gives it a status.
//!
//! What a visitor sees of a failed request is made in `problem.rs`.

use std::{io, net::SocketAddr, path::PathBuf};

use iridule_records::signed::RecordRefused;
use iridule_style::package::PackageRefused;

/// Why the host could not start.
#[derive(Debug, thiserror::Error)]
pub enum PopError {
    /// The configuration contradicts itself.
    #[error("configuration: {0}")]
    Config(String),
    /// The data folder cannot be used.
    #[error("data folder {path}: {source}")]
    Data {
        /// The folder or file at fault.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A listener could not be bound.
    #[error("listening on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The component does not compile, or imports what this host does not offer.
    #[error("component: {0}")]
    Component(String),
    /// A store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cache could not be opened.
    #[error(transparent)]
    Cache(#[from] iridule_http_cache::StoreError),
}

/// Why a store did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A key longer than the store takes.
    #[error("a key of {0} bytes; {max} is the most", max = crate::store::KEY_BYTES)]
    KeyTooLong(usize),
    /// A value larger than the store takes.
    #[error("a value of {size} bytes; {most} is the most")]
    ValueTooLarge {
        /// Bytes offered.
        size: usize,
        /// Bytes that the store takes.
        most: usize,
    },
    /// The store cannot list its keys.
    #[error("this store does not list its keys")]
    Unlisted,
    /// The file under the records store failed.
    #[error("records store: {0}")]
    Records(#[from] Box<redb::Error>),
    /// The records store failed a moment ago, and is tried again.
    #[error("records store: it cannot be written just now: {0}")]
    Failing(String),
    /// The cache under the renders store failed.
    #[error("renders store: {0}")]
    Renders(String),
    /// A stored record does not decode.
    #[error("record {key}: {why}")]
    Broken {
        /// Its key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The runtime is going down.
    #[error("the host is shutting down")]
    Closed,
}

impl StoreError {
    /// Whether the file under the records store failed, so that it must be opened again.
    pub(crate) fn is_of_the_file(&self) -> bool {
        matches!(self, Self::Records(_))
    }
}

/// Errors that may hold one of a store.
pub(crate) trait AsStoreError {
    /// The store's error, where it is one.
    fn as_store_error(&self) -> Option<&StoreError>;
}

impl AsStoreError for StoreError {
    fn as_store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl AsStoreError for Refused {
    fn as_store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(why) => Some(why),
            _ => None,
        }
    }
}

/// Why a record was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A signed record is not believed, or is not newer than the one there is.
    #[error(transparent)]
    Signed(#[from] RecordRefused),
    /// The block is not what its name says.
    #[error("{0}")]
    Block(String),
    /// The collection record is not valid.
    #[error("{0}")]
    Collection(String),
    /// The record's slug, or token, is not the one it is offered under.
    #[error("the record is of {found:?}, offered as {wanted:?}")]
    OtherSlug {
        /// What the address says.
        wanted: String,
        /// What the record says.
        found: String,
    },
    /// A style that the record names is not here, or not sound.
    #[error("{0}; a style's blocks are sent before the collection that shows it")]
    Package(#[from] PackageRefused),
    /// Not the record's fault: the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
