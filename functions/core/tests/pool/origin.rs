//! Origins that do as they are told: fail, hang, lie, be slow, be away, forget.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use iridule_core::{
    key::RenderKey,
    order::{self, Errand, Order, Priority},
    package,
    signed::TrustedKeys,
};

use crate::{clock::Clock, random::Random};

/// How an origin behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Everything takes twenty times as long.
    Slow,
    /// 500.
    Failing,
    /// No answer.
    Hanging,
    /// Another picture, or half of one.
    Lying,
    /// No connection.
    Away,
    /// No room.
    Full,
}

pub const MOODS: [Mood; 7] =
    [Mood::Well, Mood::Slow, Mood::Failing, Mood::Hanging, Mood::Lying, Mood::Away, Mood::Full];

/// An origin.
pub struct Origin {
    clock: Rc<Clock>,
    edges: TrustedKeys,
    pub mood: Cell<Mood>,
    blocks: RefCell<BTreeSet<String>>,
    nonces: RefCell<BTreeSet<u64>>,
    renders: RefCell<BTreeSet<RenderKey>>,
    /// Until when each render that is being made is made.
    making: RefCell<BTreeMap<RenderKey, u64>>,
    /// Renders made.
    pub made: Cell<usize>,
    /// Orders for renders that were taken up, after the style's blocks were there.
    pub orders: Cell<usize>,
    pub replays: Cell<usize>,
    /// Orders for what nobody waits for.
    pub ahead: Cell<usize>,
}

/// The picture of a key, the same wherever it is made.
pub fn picture(key: &RenderKey) -> Bytes {
    format!("an origin's {key}").into()
}

impl Origin {
    pub fn new(clock: &Rc<Clock>, edges: &TrustedKeys) -> Rc<Self> {
        Rc::new(Self {
            clock: clock.clone(),
            edges: edges.clone(),
            mood: Cell::new(Mood::Well),
            blocks: RefCell::default(),
            nonces: RefCell::default(),
            renders: RefCell::default(),
            making: RefCell::default(),
            made: Cell::new(0),
            orders: Cell::new(0),
            replays: Cell::new(0),
            ahead: Cell::new(0),
        })
    }

    /// Starts again with nothing in memory; the store stays.
    pub fn restart(&self) {
        self.making.borrow_mut().clear();
        self.nonces.borrow_mut().clear();
    }

    /// Starts again with nothing at all.
    pub fn forget(&self) {
        self.restart();
        self.blocks.borrow_mut().clear();
        self.renders.borrow_mut().clear();
    }

    pub async fn answer(&self, request: Request<Bytes>, random: u64) -> Result<Response<Bytes>, String> {
        let mut random = Random(random);
        let mood = self.mood.get();
        let times = if mood == Mood::Slow { 20 } else { 1 };
        self.clock.sleep((2_000 + random.below(3_000)) * times).await;
        match mood {
            Mood::Away => return Err("no connection".into()),
            Mood::Hanging => std::future::pending().await,
            Mood::Failing => return Ok(status(500)),
            Mood::Full => return Ok(status(503)),
            Mood::Well | Mood::Slow | Mood::Lying => {}
        }
        let opened = Order::open(request.headers(), &self.edges, self.clock.now_us() / 1000);
        let Ok(order) = opened else { return Ok(status(401)) };
        if !self.nonces.borrow_mut().insert(order.nonce) {
            self.replays.set(self.replays.get() + 1);
            return Ok(status(401));
        }
        match order.errand {
            Errand::Block(cid) => {
                package::verify(&cid, request.body()).unwrap();
                self.blocks.borrow_mut().insert(cid.to_string());
                Ok(status(201))
            }
            Errand::Render(render, _) if !self.blocks.borrow().contains(&render.style.to_string()) => {
                let mut answer = status(428);
                *answer.body_mut() = order::want(&[render.style]).unwrap().into();
                Ok(answer)
            }
            Errand::Render(render, priority) => {
                self.ahead.set(self.ahead.get() + usize::from(priority == Priority::Ahead));
                let key = render.key().unwrap();
                self.orders.set(self.orders.get() + 1);
                self.render(&key, (30_000 + random.below(900_000)) * times).await;
                let mut body = picture(&key);
                if mood == Mood::Lying && random.below(2) == 0 {
                    body = body.slice(..body.len() / 2);
                }
                let digest = order::digest(&picture(&key));
                let stated = if mood == Mood::Lying { RenderKey([7; 32].into()) } else { key };
                let mut answer = Response::new(body);
                let headers = answer.headers_mut();
                headers.insert(order::KEY, HeaderValue::from_str(&stated.token()).unwrap());
                headers.insert(order::DIGEST, HeaderValue::from_str(&digest).unwrap());
                Ok(answer)
            }
        }
    }

    /// Makes a render, or waits for whoever makes it.
    async fn render(&self, key: &RenderKey, takes_us: u64) {
        if self.renders.borrow().contains(key) {
            return;
        }
        let until = self.making.borrow().get(key).copied();
        let until = until.unwrap_or_else(|| {
            let until = self.clock.now_us() + takes_us;
            self.making.borrow_mut().insert(*key, until);
            self.made.set(self.made.get() + 1);
            until
        });
        self.clock.until(until).await;
        self.making.borrow_mut().remove(key);
        self.renders.borrow_mut().insert(*key);
    }
}

fn status(code: u16) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = http::StatusCode::from_u16(code).unwrap();
    answer
}
