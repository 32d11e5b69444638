//! Core and the painter in this very process: records and renders in memory.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::Rc,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, Response};
use iridule_core::{
    fault::Short,
    isolate::Isolate,
    key::RenderKey,
    platform::{Level, Platform, Task, UnixMicros, block_on},
    records,
    scene::{Canvas, Scene},
    serve::serve,
    settings::Settings,
    variant::Variant,
};

use super::{Answer, Host};
use crate::{
    script::Ask,
    world::{PUBLIC_URL, World},
};

pub struct Native {
    platform: InProcess,
    isolate: Arc<Isolate>,
}

#[derive(Clone)]
struct InProcess {
    records: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    renders: Rc<RefCell<BTreeMap<RenderKey, Bytes>>>,
    nonce: Rc<Cell<u64>>,
}

impl Native {
    pub fn new(world: &World) -> Self {
        let settings = Settings::parse(|name| match name {
            "trusted_keys" => Some(world.trusted_keys()),
            "publisher_keys" => Some(world.publisher_keys()),
            "public_url" => Some(PUBLIC_URL.into()),
            _ => None,
        });
        let records = Rc::new(RefCell::new(world.records()));
        let platform = InProcess { records, renders: Rc::default(), nonce: Rc::default() };
        Self { platform, isolate: Arc::new(Isolate::new(settings.unwrap())) }
    }
}

impl Host for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn publish_snapshot(&mut self, signed: Vec<u8>, _good: bool) {
        self.platform.records.borrow_mut().insert(records::SNAPSHOT.into(), signed);
    }

    fn ask(&mut self, ask: &Ask) -> Answer {
        let mut request = Request::builder().method(&*ask.method).uri(&ask.path);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let response = block_on(serve(&self.isolate, &self.platform, &request.body(()).unwrap()));
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: response.into_body().into(),
        }
    }
}

impl Platform for InProcess {
    fn now(&self) -> UnixMicros {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        UnixMicros(since.as_micros().try_into().unwrap())
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
