//! An edge on virtual time: the real `serve`, a store, a way to the origins.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    pin::pin,
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, Response};
use iridule_edge::{
    fault::Short,
    isolate::Isolate,
    platform::{Level, Platform, Task, UnixMicros},
    serve::serve,
};
use iridule_records::render_key::RenderKey;
use iridule_scene::{
    scene::{Canvas, Scene},
    variant::Variant,
};

use crate::{clock::Clock, origin::Origin, random::Random};

/// What all edges share.
pub struct World {
    pub clock: Rc<Clock>,
    pub records: RefCell<BTreeMap<String, Vec<u8>>>,
    /// By host.
    pub origins: BTreeMap<String, Rc<Origin>>,
    pub random: RefCell<Random>,
    /// What an operator would have been told.
    pub logged: RefCell<Vec<String>>,
}

/// One isolate.
#[derive(Clone)]
pub struct Edge {
    pub world: Rc<World>,
    pub isolate: Arc<Isolate>,
    renders: Rc<RefCell<BTreeMap<RenderKey, Bytes>>>,
    nonce: Rc<Cell<u64>>,
}

impl Edge {
    pub fn new(world: &Rc<World>, isolate: Isolate, number: u64) -> Self {
        let nonce = Rc::new(Cell::new(number << 32));
        Self { world: world.clone(), isolate: Arc::new(isolate), renders: Rc::default(), nonce }
    }

    pub async fn get(&self, uri: &str) -> Response<Bytes> {
        serve(&self.isolate, self, &Request::builder().uri(uri).body(()).unwrap()).await
    }
}

impl Edge {
    /// As a host asks for what nobody has asked for yet.
    pub async fn get_ahead(&self, uri: &str) -> Response<Bytes> {
        let request = Request::builder().uri(uri).header("sec-purpose", "prefetch").body(()).unwrap();
        serve(&self.isolate, self, &request).await
    }
}

impl Platform for Edge {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.world.clock.now_us())
    }

    async fn record(&self, key: &str) -> Result<Option<Vec<u8>>, Short> {
        self.world.clock.sleep(500).await;
        Ok(self.world.records.borrow().get(key).cloned())
    }

    async fn recall(&self, key: &RenderKey) -> Option<Bytes> {
        self.world.clock.sleep(500).await;
        self.renders.borrow().get(key).cloned()
    }

    fn keep(&self, key: &RenderKey, stored: Bytes) {
        self.renders.borrow_mut().insert(*key, stored);
    }

    async fn fetch(&self, request: Request<Bytes>, within_ms: u64) -> Result<Response<Bytes>, String> {
        let host = request.uri().host().unwrap().to_owned();
        let random = self.world.random.borrow_mut().next();
        let origin = self.world.origins[&host].clone();
        match select(pin!(origin.answer(request, random)), pin!(self.sleep(within_ms))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err("late".into()),
        }
    }

    async fn sleep(&self, ms: u64) {
        self.world.clock.sleep(ms * 1000).await;
    }

    fn defer(&self, task: Task) {
        self.world.clock.spawn(task);
    }

    fn nonce(&self) -> u64 {
        self.nonce.replace(self.nonce.get() + 1)
    }

    fn paint(&self, scene: &Scene, variant: &Variant) -> Result<Vec<u8>, String> {
        Ok(format!("{scene:?} {variant:?}").into_bytes())
    }

    fn derive(&self, master: &[u8], _: &Canvas, variant: &Variant) -> Result<Vec<u8>, String> {
        Ok(format!("{variant:?} of {}", String::from_utf8_lossy(master)).into_bytes())
    }

    fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        if level != Level::Info {
            self.world.logged.borrow_mut().push(message.to_string());
        }
    }
}
