//! Origins that do as they are told: fail, hang, lie, be slow, be away, forget.

use iridule_records::block;
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use iridule_origin_api::order::{self, Errand, Order, OrderRefused, Priority, Render, answer};
use iridule_records::{
    render_key::RenderKey,
    signed::{TrustedKeys, key_id},
};

use crate::{clock::Clock, files, random::Random};

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
    /// Another picture, half of one, or a page in place of it.
    Lying,
    /// The right answers, signed by another.
    Unsigned,
    /// Says that nothing can be painted.
    Refusing,
    /// Its painter crashes.
    Crashing,
    /// Wants a block again and again.
    Greedy,
    /// No connection.
    Away,
    /// No room.
    Full,
}

/// How any number of origins may behave at once. Two that refuse a picture would be believed.
pub const MOODS: [Mood; 10] = [
    Mood::Well,
    Mood::Slow,
    Mood::Failing,
    Mood::Hanging,
    Mood::Lying,
    Mood::Unsigned,
    Mood::Crashing,
    Mood::Greedy,
    Mood::Away,
    Mood::Full,
];

/// An origin.
pub struct Origin {
    clock: Rc<Clock>,
    edges: TrustedKeys,
    key: SigningKey,
    /// By how much its clock is ahead of everyone else's, milliseconds.
    pub ahead_ms: Cell<i64>,
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
    /// Orders that were dated by a wrong clock.
    pub misdated: Cell<usize>,
    /// Blocks that edges have sent.
    pub uploads: Cell<usize>,
}

/// The picture of a render, the same wherever it is made.
fn picture(render: &Render) -> Bytes {
    files::file(&render.variant, format!("an origin's {}", render.key().unwrap()).as_bytes()).into()
}

/// Whether a file is a picture with this key.
pub fn is_picture(file: &[u8], key: &RenderKey) -> bool {
    let mark = format!("an origin's {key}");
    file.windows(mark.len()).any(|part| part == mark.as_bytes())
}

/// The key of the origin with this number.
pub fn origin_key(number: usize) -> SigningKey {
    SigningKey::from_bytes(&[u8::try_from(number + 10).unwrap(); 32])
}

impl Origin {
    pub fn new(clock: &Rc<Clock>, edges: &TrustedKeys, number: usize) -> Rc<Self> {
        Rc::new(Self {
            clock: clock.clone(),
            edges: edges.clone(),
            key: origin_key(number),
            ahead_ms: Cell::new(0),
            mood: Cell::new(Mood::Well),
            blocks: RefCell::default(),
            nonces: RefCell::default(),
            renders: RefCell::default(),
            making: RefCell::default(),
            made: Cell::new(0),
            orders: Cell::new(0),
            replays: Cell::new(0),
            ahead: Cell::new(0),
            misdated: Cell::new(0),
            uploads: Cell::new(0),
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
            Mood::Failing => return Ok(status(502)),
            _ => {}
        }
        let Ok(signed) = Order::open(request.headers(), &self.edges) else { return Ok(status(401)) };
        let nonce = signed.order.nonce;
        let mut answer = self.carry_out(signed.order, &request, mood, times, &mut random).await;
        answer.headers_mut().insert(answer::TIME, self.now_ms().into());
        let stranger = SigningKey::from_bytes(&[99; 32]);
        answer::sign(&mut answer, nonce, if mood == Mood::Unsigned { &stranger } else { &self.key });
        Ok(answer)
    }

    fn now_ms(&self) -> u64 {
        (self.clock.now_us() / 1000).saturating_add_signed(self.ahead_ms.get())
    }

    async fn carry_out(
        &self,
        order: Order,
        request: &Request<Bytes>,
        mood: Mood,
        times: u64,
        random: &mut Random,
    ) -> Response<Bytes> {
        match order.check(&key_id(&self.key.verifying_key()), self.now_ms()) {
            Ok(()) => {}
            Err(OrderRefused::Clock(_)) => {
                self.misdated.set(self.misdated.get() + 1);
                return status(401);
            }
            Err(why) => unreachable!("{why}"),
        }
        if !self.nonces.borrow_mut().insert(order.nonce) {
            self.replays.set(self.replays.get() + 1);
            return status(401);
        }
        match (order.errand, mood) {
            (_, Mood::Full) => {
                let mut answer = status(503);
                answer.headers_mut().insert(header::RETRY_AFTER, 1.into());
                answer
            }
            (Errand::Block(cid), _) => {
                self.uploads.set(self.uploads.get() + 1);
                block::verify(&cid, request.body()).unwrap();
                self.blocks.borrow_mut().insert(cid.to_string());
                status(201)
            }
            (Errand::Render(render, _), _)
                if mood == Mood::Greedy || !self.blocks.borrow().contains(&render.style.to_string()) =>
            {
                let mut answer = status(428);
                let wanted = if mood == Mood::Greedy { vec![render.style; 64] } else { vec![render.style] };
                *answer.body_mut() = order::want(&wanted).unwrap().into();
                answer
            }
            (Errand::Render(..), Mood::Refusing) => status(422),
            (Errand::Render(..), Mood::Crashing) => status(500),
            (Errand::Render(render, priority), _) => {
                self.ahead.set(self.ahead.get() + usize::from(priority == Priority::Ahead));
                self.orders.set(self.orders.get() + 1);
                self.render(&render.key().unwrap(), (30_000 + random.below(900_000)) * times).await;
                self.picture(&render, mood == Mood::Lying, random)
            }
        }
    }

    fn picture(&self, render: &Render, lies: bool, random: &mut Random) -> Response<Bytes> {
        let (mut body, mut key) = (picture(render), render.key().unwrap());
        match random.below(4) {
            _ if !lies => {}
            0 => key = RenderKey([7; 32].into()),
            1 => body = body.slice(..body.len() / 2),
            2 => body = "<html><script>alert(1)</script></html>".into(),
            _ => {
                let variant = iridule_scene::variant::Variant { width: 16, ..render.variant };
                body = picture(&Render { variant, ..render.clone() });
            }
        }
        let mut answer = Response::new(body);
        let digest = answer::digest(answer.body());
        let headers: &mut HeaderMap = answer.headers_mut();
        headers.insert(order::KEY, HeaderValue::from_str(&key.token()).unwrap());
        headers.insert(order::DIGEST, HeaderValue::from_str(&digest).unwrap());
        let media_type = HeaderValue::from_static(render.variant.format.media_type());
        headers.insert(header::CONTENT_TYPE, media_type);
        answer
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
