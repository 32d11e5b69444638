//! Core's [`Platform`] on Spin: the two key-value stores, the way to origins, the clock, the painter and
//! stderr.
//!
//! How a reply leaves is `reply.rs`; the instance's memory and settings are in `lib.rs`.

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::Write as _,
    pin::pin,
    rc::Rc,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use iridule_edge::{
    fault::Short,
    platform::{Level, Platform, Task, UnixMicros},
};
use iridule_origin_api::limits;
use iridule_records::render_key::RenderKey;
use iridule_scene::{
    scene::{Canvas, Scene},
    variant::Variant,
};
use spin_sdk::{
    http::send,
    key_value::{Error, Store},
    wasip3::clocks::monotonic_clock,
};

/// Snapshots, collections, blocks of styles.
static RECORDS: Shelf = Shelf::new("default");
/// Finished pictures, under the text of their render key.
static RENDERS: Shelf = Shelf::new("renders");

/// What could end this instance, where the host keeps account of that: ours does, in a label of its own.
static RISKS: Shelf = Shelf::new("risks");

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

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.store().await?.delete(key).await
    }
}

/// One request's view of the host.
#[derive(Clone, Default)]
pub(crate) struct Visit {
    errands: Rc<RefCell<VecDeque<Task>>>,
}

impl Visit {
    /// Does what is left to do once the visitor has been served, and what comes up on the way.
    pub(crate) async fn run_errands(self) {
        loop {
            let errand = self.errands.borrow_mut().pop_front();
            match errand {
                Some(errand) => errand.await,
                None => break,
            }
        }
    }
}

/// Puts a render on its shelf. It can be painted again, so a failure is only told.
async fn shelve(key: RenderKey, stored: Bytes) {
    if let Err(why) = RENDERS.set(&key.token(), &stored).await {
        say("warn", format_args!("render {key} not kept: {why}"));
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
        self.defer(Box::pin(shelve(*key, stored)));
    }

    async fn fetch(&self, request: Request<Bytes>, within_ms: u64) -> Result<Response<Bytes>, String> {
        let answer = pin!(async {
            let answer = send(request.map(Full::new)).await.map_err(|why| format!("{why}"))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, limits::ORIGIN_BYTES).collect().await;
            let body = body.map_err(|why| format!("the answer is cut or too long: {why}"))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        });
        match select(answer, pin!(self.sleep(within_ms))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(format!("no answer within {within_ms} ms")),
        }
    }

    async fn sleep(&self, ms: u64) {
        monotonic_clock::wait_for(ms.saturating_mul(1_000_000)).await;
    }

    fn defer(&self, task: Task) {
        self.errands.borrow_mut().push_back(task);
    }

    fn nonce(&self) -> u64 {
        // The standard library's hash keys come from the host's random numbers.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(self.now().0);
        hasher.finish()
    }

    fn paint(&self, scene: &Scene, variant: &Variant) -> Result<Vec<u8>, String> {
        iridule_raster::paint(scene, variant).map_err(|why| why.to_string())
    }

    fn derive(&self, master: &[u8], canvas: &Canvas, variant: &Variant) -> Result<Vec<u8>, String> {
        iridule_raster::derive(master, canvas, variant).map_err(|why| why.to_string())
    }

    async fn begin_risk(&self, name: &str) -> bool {
        // A host without this label does not tell, and everything may begin.
        let refused = matches!(RISKS.get(name).await, Ok(Some(_)));
        if !refused {
            let _ = RISKS.set(name, &[]).await;
        }
        !refused
    }

    async fn end_risk(&self, name: &str) {
        let _ = RISKS.delete(name).await;
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
