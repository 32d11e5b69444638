//! Core's [`Platform`] on Workers: a KV namespace for records, the Cache API for renders, `fetch` for origins, the
//! clock, the painter and the console.
//!
//! How requests and replies cross is `exchange.rs`; the isolate's memory and settings are in `lib.rs`.

use std::{fmt, pin::pin, rc::Rc, time::Duration};

use bytes::Bytes;
use futures_util::future::{Either, select};
use iridule_edge::{
    fault::Short,
    platform::{Level, Platform, Task, UnixMicros},
};
use iridule_records::render_key::RenderKey;
use iridule_scene::{
    scene::{Canvas, Scene},
    variant::Variant,
};
use worker::{
    AbortController, Cache, Context, Date, Delay, Env, Error, Response, console_error, console_log,
    console_warn, js_sys::Math,
};

use crate::exchange;

/// The KV namespace that publishers write snapshots, collections and blocks of styles to.
const RECORDS: &str = "RECORDS";
/// Where renders lie in the cache of a data centre. Nothing answers at this address; it is a name and no more.
const RENDERS: &str = "https://renders.iridule/";
/// A render never changes under its key. The cache lets go of it when it needs the room.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// One request's view of the host.
#[derive(Clone)]
pub(crate) struct Visit {
    env: Env,
    context: Rc<Context>,
}

impl Visit {
    pub(crate) fn new(env: Env, context: Context) -> Self {
        Self { env, context: Rc::new(context) }
    }
}

impl Platform for Visit {
    fn now(&self) -> UnixMicros {
        UnixMicros(Date::now().as_millis() * 1000)
    }

    async fn record(&self, key: &str) -> Result<Option<Vec<u8>>, Short> {
        let short = |why: Error| Short::Store(format!("{key}: {why}"));
        let records = self.env.kv(RECORDS).map_err(short)?;
        records.get(key).bytes().await.map_err(|why| short(why.into()))
    }

    async fn recall(&self, key: &RenderKey) -> Option<Bytes> {
        let stored = async {
            let Some(mut stored) = Cache::default().get(address(key), false).await? else { return Ok(None) };
            stored.bytes().await.map(Some)
        };
        match stored.await {
            Ok(stored) => stored.map(Bytes::from),
            Err(why) => {
                console_warn!("render {key} not looked up: {why}");
                None
            }
        }
    }

    fn keep(&self, key: &RenderKey, stored: Bytes) {
        let key = *key;
        self.context.wait_until(async move {
            let kept = async {
                let render = Response::builder()
                    .with_header("cache-control", FOR_EVER)?
                    .with_header("content-type", "application/octet-stream")?
                    .fixed(stored.into());
                Cache::default().put(address(&key), render).await
            };
            if let Err(why) = kept.await {
                console_warn!("render {key} not kept: {why}");
            }
        });
    }

    async fn fetch(
        &self,
        request: http::Request<Bytes>,
        within_ms: u64,
    ) -> Result<http::Response<Bytes>, String> {
        let abort = AbortController::default();
        let signal = abort.signal();
        let answer = pin!(exchange::ask(request, &signal));
        match select(answer, pin!(self.sleep(within_ms))).await {
            Either::Left((answer, _)) => answer.map_err(|why| why.to_string()),
            Either::Right(_) => {
                abort.abort();
                Err(format!("no answer within {within_ms} ms"))
            }
        }
    }

    async fn sleep(&self, ms: u64) {
        Delay::from(Duration::from_millis(ms)).await;
    }

    fn defer(&self, task: Task) {
        self.context.wait_until(task);
    }

    fn nonce(&self) -> u64 {
        // The mantissa of a number from 1 to 2: 52 bits, each as likely as not.
        let part = || (1.0 + Math::random()).to_bits() << 12;
        part() ^ part().rotate_left(20)
    }

    fn paint(&self, scene: &Scene, variant: &Variant) -> Result<Vec<u8>, String> {
        iridule_raster::paint(scene, variant).map_err(|why| why.to_string())
    }

    fn derive(&self, master: &[u8], canvas: &Canvas, variant: &Variant) -> Result<Vec<u8>, String> {
        iridule_raster::derive(master, canvas, variant).map_err(|why| why.to_string())
    }

    fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        match level {
            Level::Error => console_error!("{message}"),
            Level::Warn => console_warn!("{message}"),
            Level::Info => console_log!("{message}"),
        }
    }
}

fn address(key: &RenderKey) -> String {
    format!("{RENDERS}{key}")
}
