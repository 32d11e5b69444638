//! Core's [`Platform`] on Spin: the two key-value stores, the clock, the painter and stderr.
//!
//! How a reply leaves is `reply.rs`; the instance's memory and settings are in `lib.rs`.

use std::{
    cell::RefCell,
    fmt,
    io::Write as _,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use iridule_core::{
    fault::Short,
    key::RenderKey,
    platform::{Level, Platform, UnixMicros},
    scene::{Canvas, Scene},
    variant::Variant,
};
use spin_sdk::key_value::{Error, Store};

/// Snapshots, collections, blocks of styles.
static RECORDS: Shelf = Shelf::new("default");
/// Finished pictures, under the text of their render key.
static RENDERS: Shelf = Shelf::new("renders");

/// A key-value store, opened at its first use and then kept for as long as the instance lives.
struct Shelf {
    label: &'static str,
    store: OnceLock<Store>,
}

impl Shelf {
    const fn new(label: &'static str) -> Self {
        Self { label, store: OnceLock::new() }
    }

    /// The store. A failure to open it is not remembered: the next request tries again.
    async fn store(&self) -> Result<&Store, Error> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let opened = Store::open(self.label).await?;
        Ok(self.store.get_or_init(|| opened))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.store().await?.get(key).await
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.store().await?.set(key, value).await
    }
}

/// One request's view of the host.
#[derive(Default)]
pub(crate) struct Visit {
    kept: RefCell<Vec<Errand>>,
}

impl Visit {
    /// What is left to do once the visitor has been served.
    pub(crate) fn errands(self) -> Vec<Errand> {
        self.kept.into_inner()
    }
}

/// A render on its way to the store.
pub(crate) struct Errand {
    key: RenderKey,
    stored: Bytes,
}

impl Errand {
    /// Puts the render on its shelf. It can be painted again, so a failure is only told.
    pub(crate) async fn run(self) {
        if let Err(why) = RENDERS.set(&self.key.token(), &self.stored).await {
            say("warn", format_args!("render {} not kept: {why}", self.key));
        }
    }
}

impl Platform for Visit {
    fn now(&self) -> UnixMicros {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMicros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    async fn record(&self, key: &str) -> Result<Option<Vec<u8>>, Short> {
        RECORDS.get(key).await.map_err(|why| Short::Store(format!("{key}: {why}")))
    }

    async fn recall(&self, key: &RenderKey) -> Option<Bytes> {
        match RENDERS.get(&key.token()).await {
            Ok(stored) => stored.map(Bytes::from),
            Err(why) => {
                say("warn", format_args!("render {key} not looked up: {why}"));
                None
            }
        }
    }

    fn keep(&self, key: &RenderKey, stored: Bytes) {
        self.kept.borrow_mut().push(Errand { key: *key, stored });
    }

    fn paint(&self, scene: &Scene, variant: &Variant) -> Result<Vec<u8>, String> {
        iridule_raster::paint(scene, variant).map_err(|why| why.to_string())
    }

    fn derive(&self, master: &[u8], canvas: &Canvas, variant: &Variant) -> Result<Vec<u8>, String> {
        iridule_raster::derive(master, canvas, variant).map_err(|why| why.to_string())
    }

    fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        let level = match level {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
        };
        say(level, message);
    }
}

/// One line to stderr, in one write, so that lines of concurrent requests do not mix. There is nowhere to report that
/// the log cannot be written.
pub(crate) fn say(level: &str, message: fmt::Arguments<'_>) {
    let mut line = format!("{level}: {message}").replace(['\n', '\r'], " ");
    line.push('\n');
    let _ = std::io::stderr().write_all(line.as_bytes());
}
