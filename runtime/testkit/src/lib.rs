//! For tests and benches: a host of edge functions in this very process. Records and renders are kept in memory, the painter
//! is called directly, and nothing is fetched from outside.
//!
//! This is no part of what ships.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use iridule_edge::platform::{Platform, block_on};
//! use iridule_testkit::InProcess;
//!
//! let host = InProcess::new(BTreeMap::new());
//! host.publish("collections".into(), vec![1]);
//! assert_eq!(block_on(host.record("collections")).unwrap(), Some(vec![1]));
//! ```

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::Rc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, Response};
use iridule_edge::{
    fault::Short,
    platform::{Level, Platform, Task, UnixMicros, block_on},
};
use iridule_records::render_key::RenderKey;
use iridule_scene::{
    scene::{Canvas, Scene},
    variant::Variant,
};

/// A [`Platform`] without IO. Clones share records and renders.
#[derive(Debug, Clone)]
pub struct InProcess {
    records: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    renders: Rc<RefCell<BTreeMap<RenderKey, Bytes>>>,
    nonce: Rc<Cell<u64>>,
}

impl InProcess {
    /// A host with these records and no renders.
    #[must_use]
    pub fn new(records: BTreeMap<String, Vec<u8>>) -> Self {
        Self { records: Rc::new(RefCell::new(records)), renders: Rc::default(), nonce: Rc::default() }
    }

    /// Adds or replaces a record.
    pub fn publish(&self, key: String, record: Vec<u8>) {
        self.records.borrow_mut().insert(key, record);
    }
}

impl Platform for InProcess {
    fn now(&self) -> UnixMicros {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMicros(since.as_micros().try_into().unwrap_or(u64::MAX))
    }

    async fn record(&self, key: &str) -> Result<Option<Vec<u8>>, Short> {
        Ok(self.records.borrow().get(key).cloned())
    }

    async fn recall(&self, key: &RenderKey) -> Option<Bytes> {
        self.renders.borrow().get(key).cloned()
    }

    fn keep(&self, key: &RenderKey, stored: Bytes) {
        self.renders.borrow_mut().insert(*key, stored);
    }

    async fn fetch(&self, _: Request<Bytes>, _: u64) -> Result<Response<Bytes>, String> {
        Err("nothing is outside this process".into())
    }

    async fn sleep(&self, _: u64) {}

    fn defer(&self, task: Task) {
        block_on(task);
    }

    fn nonce(&self) -> u64 {
        self.nonce.replace(self.nonce.get() + 1)
    }

    fn paint(&self, scene: &Scene, variant: &Variant) -> Result<Vec<u8>, String> {
        iridule_raster::paint(scene, variant).map_err(|e| e.to_string())
    }

    fn derive(&self, master: &[u8], canvas: &Canvas, variant: &Variant) -> Result<Vec<u8>, String> {
        iridule_raster::derive(master, canvas, variant).map_err(|why| why.to_string())
    }

    fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        eprintln!("{level:?} {message}");
    }
}
