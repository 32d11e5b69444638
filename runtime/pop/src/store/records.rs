//! Small records that must last: snapshots, blocks of styles, collections. One redb file.
//!
//! Reads run where they are asked for: they are lookups in a page cache, at worst one read of the file. Writes run on a
//! blocking thread and return once the data is on the disk. Which records a publisher may write is `publish.rs`.
//!
//! **Recovery.** After any error of the file (a full disk, a quota, a failed sync) redb refuses all that follows until the
//! file is opened again, reads included. So the file is opened again at once: what was committed is there, and what failed
//! was not acknowledged. Until a write succeeds, the store counts as failing: readiness says why, and the store is tried
//! again in the background and by every write, after a look whether there is room at all.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError,
    WriteTransaction,
};
use tokio_util::sync::CancellationToken;

use super::check_key;
use crate::{
    error::{AsStoreError, StoreError},
    metrics::Metrics,
    readiness::Readiness,
};

/// Largest value, bytes: a block of a style.
pub(super) const VALUE_BYTES: usize = iridule_records::limits::BLOCK_BYTES;

pub(super) const TABLE: TableDefinition<&str, &[u8]> = TableDefinition::new("records");

/// How often a failing store is tried again in the background.
const RETRY: Duration = Duration::from_secs(2);
/// How long a failed attempt to open the file stands, before a request makes the next.
const REOPEN: Duration = Duration::from_millis(500);
/// What is written and removed again to see whether there is room: a value as large as the largest record.
const PROBE: &str = "probe";
/// The part that readiness names.
const PART: &str = "records";

/// The store of small records. Clones are the same store.
#[derive(Clone)]
pub struct Records {
    file: Arc<File>,
    pub(super) metrics: Arc<Metrics>,
    readiness: Readiness,
}

/// The file, and whether it works.
struct File {
    path: PathBuf,
    cache: usize,
    /// `None` while it cannot be opened.
    db: RwLock<Option<Database>>,
    /// How often it was opened again.
    generation: AtomicU64,
    /// A write failed, and none has succeeded since.
    failing: AtomicBool,
    /// When it last could not be opened.
    tried: Mutex<Option<Instant>>,
}

impl Records {
    /// Opens the store in a file, for seeding or looking at it without a host. The folder must be there; the file is
    /// made if it is not. One process at a time has it open.
    ///
    /// # Errors
    /// [`StoreError::Records`].
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        Self::open_with(file, 16 << 20, Metrics::new(), Readiness::default())
    }

    pub(crate) fn open_with(
        file: &Path,
        cache: usize,
        metrics: Arc<Metrics>,
        readiness: Readiness,
    ) -> Result<Self, StoreError> {
        let db = open(file, cache)?;
        metrics.records_writable.set(1);
        let file = File {
            path: file.to_owned(),
            cache,
            db: RwLock::new(Some(db)),
            generation: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            tried: Mutex::default(),
        };
        Ok(Self { file: Arc::new(file), metrics, readiness })
    }

    /// The value under a key.
    ///
    /// # Errors
    /// [`StoreError::Records`], [`StoreError::Failing`].
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.read(|read| {
            let table = read.open_table(TABLE).map_err(broken)?;
            Ok(table.get(key).map_err(broken)?.map(|value| value.value().to_vec()))
        })?;
        self.metrics.records.read(value.as_ref().map(Vec::len));
        Ok(value)
    }

    /// Whether there is a value under a key.
    ///
    /// # Errors
    /// [`StoreError::Records`], [`StoreError::Failing`].
    pub fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.read(|read| {
            let table = read.open_table(TABLE).map_err(broken)?;
            Ok(table.get(key).map_err(broken)?.is_some())
        })
    }

    /// All keys, in order.
    ///
    /// # Errors
    /// [`StoreError::Records`], [`StoreError::Failing`].
    pub fn keys(&self) -> Result<Vec<String>, StoreError> {
        self.read(|read| {
            let table = read.open_table(TABLE).map_err(broken)?;
            let keys =
                table.iter().map_err(broken)?.map(|entry| entry.map(|(key, _)| key.value().to_owned()));
            keys.collect::<Result<_, _>>().map_err(broken)
        })
    }

    /// Writes a value under a key of at most 256 bytes; on return it is on the disk.
    ///
    /// # Errors
    /// [`StoreError::KeyTooLong`], [`StoreError::ValueTooLarge`], [`StoreError::Records`], [`StoreError::Failing`].
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
    /// [`StoreError::Records`], [`StoreError::Failing`].
    pub async fn delete(&self, key: String) -> Result<(), StoreError> {
        self.write(move |write| {
            let mut table = write.open_table(TABLE).map_err(broken)?;
            let was_there = table.remove(&*key).map_err(broken)?.is_some();
            Ok::<_, StoreError>(was_there)
        })
        .await?;
        Ok(())
    }

    /// Tries a failing store again every few seconds, until the host leaves.
    pub(crate) async fn watch(self, leaving: CancellationToken) {
        loop {
            tokio::select! {
                () = leaving.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
            if self.file.failing.load(Ordering::Relaxed) {
                let records = self.clone();
                // A runtime that goes down ends this loop too.
                let _ = tokio::task::spawn_blocking(move || records.recover()).await;
            }
        }
    }

    /// Writes as much as the largest record, and removes it again, to see whether there is room.
    fn recover(&self) {
        let put = |db: &Database, value: Option<&[u8]>| {
            let write = db.begin_write().map_err(broken)?;
            {
                let mut table = write.open_table(TABLE).map_err(broken)?;
                match value {
                    Some(value) => table.insert(PROBE, value).map_err(broken)?,
                    None => table.remove(PROBE).map_err(broken)?,
                };
            }
            write.commit().map_err(broken)
        };
        let _ = self.write_now(|db| {
            put(db, Some(&vec![0; VALUE_BYTES]))?;
            put(db, None)?;
            Ok::<_, StoreError>(true)
        });
    }

    /// Runs `look` in a transaction of its own. What fails in the file is tried once more, with the file opened again.
    fn read<T>(&self, look: impl Fn(&ReadTransaction) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let seen = self.generation();
        let read = || self.with_db(|db| look(&db.begin_read().map_err(broken)?));
        match read() {
            Err(why) if why.is_of_the_file() => {
                self.open_again(seen);
                read()
            }
            read => read,
        }
    }

    /// Runs `change` in a transaction of its own; commits it when `change` says that it changed something.
    pub(super) async fn write<E>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<bool, E> + Send + 'static,
    ) -> Result<bool, E>
    where
        E: From<StoreError> + AsStoreError + Send + 'static,
    {
        let records = self.clone();
        let work = move || {
            records.write_now(|db| {
                let write = db.begin_write().map_err(broken)?;
                let changed = change(&write)?;
                if changed {
                    write.commit().map_err(broken)?;
                } else {
                    write.abort().map_err(broken)?;
                }
                Ok(changed)
            })
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Closed.into()),
        }
    }

    /// Writes, and keeps account of whether the file takes it. `true` in what `change` gives means that it was written to.
    fn write_now<E>(&self, change: impl FnOnce(&Database) -> Result<bool, E>) -> Result<bool, E>
    where
        E: From<StoreError> + AsStoreError,
    {
        if self.file.failing.load(Ordering::Relaxed)
            && let Err(why) = self.file.try_room()
        {
            // Cheaper to find out than by another failure of the store, and no reader has to wait for it.
            self.failing(&why.to_string());
            return Err(StoreError::Failing(why.to_string()).into());
        }
        let seen = self.generation();
        let written = self.with_db(change);
        match &written {
            Ok(true) => self.works(),
            Ok(false) => {}
            Err(why) => {
                if let Some(why) = why.as_store_error()
                    && why.is_of_the_file()
                {
                    self.failing(&why.to_string());
                    self.open_again(seen);
                }
            }
        }
        written
    }

    /// The open file, which is opened first where that failed before.
    fn with_db<T, E: From<StoreError>>(&self, work: impl FnOnce(&Database) -> Result<T, E>) -> Result<T, E> {
        {
            let db = self.file.db.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(db) = &*db {
                return work(db);
            }
        }
        self.open_again(self.generation());
        let db = self.file.db.read().unwrap_or_else(PoisonError::into_inner);
        match &*db {
            Some(db) => work(db),
            None => Err(StoreError::Failing("it cannot be opened".into()).into()),
        }
    }

    fn generation(&self) -> u64 {
        self.file.generation.load(Ordering::Relaxed)
    }

    /// Closes the file and opens it again, unless somebody did since this generation of it.
    fn open_again(&self, seen: u64) {
        let mut db = self.file.db.write().unwrap_or_else(PoisonError::into_inner);
        let mut tried = self.file.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if self.generation() != seen || tried.is_some_and(|at| at.elapsed() < REOPEN) {
            return;
        }
        // Two must not have the file open.
        *db = None;
        match open(&self.file.path, self.file.cache) {
            Ok(opened) => {
                *db = Some(opened);
                *tried = None;
                self.file.generation.fetch_add(1, Ordering::Relaxed);
                self.metrics.records_reopened.inc();
            }
            Err(why) => {
                *tried = Some(Instant::now());
                self.failing(&format!("it cannot be opened: {why}"));
            }
        }
    }

    /// Notes that nothing can be written just now.
    fn failing(&self, why: &str) {
        self.file.failing.store(true, Ordering::Relaxed);
        self.metrics.records_writable.set(0);
        let every = RETRY.as_secs();
        let plain = format!("nothing can be published here, for the record store cannot be written: {why}");
        if self.readiness.set(PART, format!("{plain}; trying again every {every} s")) {
            tracing::error!(why, "the record store cannot be written; trying again until it can");
        }
    }

    /// Notes that something was written.
    fn works(&self) {
        if self.file.failing.swap(false, Ordering::Relaxed) {
            self.metrics.records_writable.set(1);
            self.readiness.clear(PART);
            tracing::info!("the record store takes writes again");
        }
    }
}

impl File {
    /// Whether another file beside the store's can be written with as much as two of the largest records.
    fn try_room(&self) -> std::io::Result<()> {
        let path = self.path.with_extension("probe");
        let written = std::fs::File::create(&path).and_then(|mut file| {
            file.write_all(&vec![1; 2 * VALUE_BYTES])?;
            file.sync_all()
        });
        let removed = std::fs::remove_file(&path);
        written.and(removed)
    }
}

/// Opens the file, and makes the table where there is none. Nothing is written to one that has it, so that a host also
/// starts on a full disk.
fn open(file: &Path, cache: usize) -> Result<Database, StoreError> {
    let db = Database::builder().set_cache_size(cache).create(file).map_err(broken)?;
    let opened = db.begin_read().map_err(broken)?.open_table(TABLE);
    if matches!(opened, Err(TableError::TableDoesNotExist(_))) {
        let write = db.begin_write().map_err(broken)?;
        write.open_table(TABLE).map_err(broken)?;
        write.commit().map_err(broken)?;
    }
    Ok(db)
}

/// Any of redb's errors as ours.
pub(super) fn broken(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Records(Box::new(error.into()))
}
