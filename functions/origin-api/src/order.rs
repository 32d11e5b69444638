//! Orders: what an edge asks of an origin, and how each can tell that the other is who it should be.
//!
//! ```text
//! edge   → POST /v1/render          Authorization: Iridule <order>     no body
//! origin → 200  picture             signed, as are all answers below ([`answer`])
//!          428  CIDs                these blocks of the style first, then the same again
//!          422  text                it cannot be painted
//!          500  text                this origin's painter failed; another one may paint it
//!          503  text                no room, or no time; Retry-After
//!          401  text                the order's time is not the origin's: correct the clock, then the same again
//! edge   → PUT  /v1/blocks/{cid}    Authorization: Iridule <order>     the block
//! ```
//!
//! An order is a signed record (see [`iridule_records::signed`]) in base64url. It carries all that the render key is made of, and
//! the key: an origin computes the key anew and refuses another, so that a picture can never be kept under a key that is
//! not its own. It names the origins that it is for, by key id, so that no other origin can be sent a copy of it.
//!
//! An order states when it was sent, on the origin's clock, and for how long the edge waits. An edge learns the origin's
//! clock from signed answers ([`answer::TIME`]), so the clocks need not agree. An origin takes an order once, and only
//! within [`limits::ORDER_AGE_MS`] after it was sent.
//!
//! Origins know no collection, snapshot or store of an edge. Styles reach them as blocks that are checked against their
//! names, from whichever edge has them.

pub mod answer;

use alloc::{format, string::String, vec::Vec};
use iridule_records::block;

use alloy_primitives::B256;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use cid::Cid;
use ed25519_dalek::SigningKey;
use http::{HeaderMap, HeaderName, header};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::limits;
use iridule_records::{
    gauge::State,
    render_key::{Painter, RenderKey},
    seed::Seed,
    signed::{self, RecordRefused, TrustedKeys},
};

use iridule_scene::variant::Variant;

/// Where renders are ordered.
pub const RENDER_PATH: &str = "/v1/render";
/// Where blocks are sent, each under its CID.
pub const BLOCKS_PATH: &str = "/v1/blocks/";
/// The key of the picture in an answer.
pub const KEY: HeaderName = HeaderName::from_static("iridule-key");
/// The digest of an answer's body (RFC 9530).
pub const DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// What painted it: `gpu`, or `cpu` where a device could not.
pub const PAINTED_BY: HeaderName = HeaderName::from_static("iridule-painter");
/// How full the origin is, 0 to 100; [`DRAINING`] when it takes nothing new.
pub const LOAD: HeaderName = HeaderName::from_static("iridule-load");
/// The load of an origin that is about to leave.
pub const DRAINING: u8 = 101;

const SCHEME: &str = "Iridule ";
const DOMAIN: &[u8] = b"iridule order v2\n";
const VERSION: u32 = 2;

/// What an edge asks of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What for.
    pub errand: Errand,
    /// The key ids of the origins that may carry it out, at most [`limits::ORIGIN_KEYS`].
    pub origins: Vec<String>,
    /// When it was sent, on the origin's clock as the edge knows it, Unix milliseconds.
    pub sent_ms: u64,
    /// The edge's own clock then, for the origin to compare, Unix milliseconds.
    pub clock_ms: u64,
    /// For how long the edge waits, milliseconds, at most [`limits::ORDER_MS`].
    pub within_ms: u64,
    /// Tells this order from all others of its edge.
    pub nonce: u64,
}

/// An order, and the edge that signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The key id of the edge.
    pub edge: String,
    /// The order.
    pub order: Order,
}

/// What an order is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// A picture.
    Render(Render, Priority),
    /// To take this block.
    Block(Cid),
}

/// All that a picture is made of: the preimage of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Render {
    /// The style.
    pub style: Cid,
    /// The token's seed.
    pub seed: Seed,
    /// The state.
    pub state: State,
    /// Size and encoding.
    pub variant: Variant,
}

/// Who waits for a render.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Nobody yet: it is made ahead of being asked for.
    Ahead,
    /// A visitor.
    Visitor,
}

impl Render {
    /// The picture's key.
    ///
    /// # Errors
    /// A sentence, for a CID that no style has.
    pub fn key(&self) -> Result<RenderKey, String> {
        let digest = block::digest(&self.style)?;
        Ok(RenderKey::of(&digest, &self.seed, &self.state.epoch(), Painter::Origin, &self.variant))
    }
}

/// Why an order is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefused {
    /// There is none in the request.
    #[error("no order: send Authorization: Iridule <order>")]
    Missing,
    /// It is none, or not by an edge that is known here.
    #[error(transparent)]
    Record(#[from] RecordRefused),
    /// It is for other origins.
    #[error("it is for the origins {0}, and this is none of them")]
    OtherOrigin(String),
    /// It was sent too long ago or in the future, by this origin's clock: this many milliseconds ahead, or behind where
    /// negative.
    #[error("it was sent {0} ms ahead of this origin's clock")]
    Clock(i64),
    /// It came before.
    #[error("this order came before")]
    Again,
    /// It was sent before the origin can tell whether it came before.
    #[error("it was sent too long ago, or before this origin started")]
    TooOld,
    /// The key is not that of what it asks for.
    #[error("its key is not that of the picture it asks for")]
    Key,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    version: u32,
    origins: Vec<String>,
    sent: u64,
    clock: u64,
    within: u64,
    nonce: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<ByteBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    render: Option<RenderBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RenderBody {
    style: ByteBuf,
    seed: ByteBuf,
    state: ByteBuf,
    variant: u64,
    key: ByteBuf,
    priority: Priority,
}

impl Order {
    /// The value of `Authorization` for this order.
    ///
    /// # Errors
    /// A sentence, for a CID that no style has.
    pub fn seal(&self, edge: &SigningKey) -> Result<String, String> {
        let mut body = Body {
            version: VERSION,
            origins: self.origins.clone(),
            sent: self.sent_ms,
            clock: self.clock_ms,
            within: self.within_ms,
            nonce: self.nonce,
            block: None,
            render: None,
        };
        match &self.errand {
            Errand::Block(cid) => body.block = Some(ByteBuf::from(cid.to_bytes())),
            Errand::Render(render, priority) => {
                body.render = Some(RenderBody {
                    style: ByteBuf::from(render.style.to_bytes()),
                    seed: ByteBuf::from(render.seed.0.to_vec()),
                    state: ByteBuf::from(render.state.to_bytes()),
                    variant: render.variant.packed(),
                    key: ByteBuf::from(render.key()?.0.to_vec()),
                    priority: *priority,
                });
            }
        }
        let body = serde_ipld_dagcbor::to_vec(&body).map_err(|why| format!("{why}"))?;
        let sealed = signed::seal(DOMAIN, body, edge, limits::ORDER_BYTES)?;
        Ok(format!("{SCHEME}{}", BASE64_URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Reads the order of a request, if one of these edges signed it. Whether it is for this origin, in time, and new, the
    /// caller checks: [`Self::check`], and a memory of nonces.
    ///
    /// # Errors
    /// [`OrderRefused`].
    pub fn open(headers: &HeaderMap, edges: &TrustedKeys) -> Result<Signed, OrderRefused> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let text = value.and_then(|value| value.strip_prefix(SCHEME)).ok_or(OrderRefused::Missing)?;
        let malformed = |why: &str| RecordRefused::Malformed(why.into());
        if text.len() > limits::ORDER_BYTES * 2 {
            return Err(malformed("too long").into());
        }
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed("not base64url"))?;
        let (edge, body) = edges.open_with_signer(DOMAIN, &sealed, limits::ORDER_BYTES)?;
        let body: Body = serde_ipld_dagcbor::from_slice(&body)
            .map_err(|why| RecordRefused::Malformed(format!("{why}")))?;
        if body.version != VERSION {
            return Err(malformed("of another version").into());
        }
        if body.origins.len() > limits::ORIGIN_KEYS || body.within > limits::ORDER_MS {
            return Err(malformed("origins or time past their limits").into());
        }
        let cid = |bytes: &[u8]| Cid::read_bytes(bytes).map_err(|_| malformed("not a CID"));
        let errand = match (body.block, body.render) {
            (Some(block), None) => Errand::Block(cid(&block)?),
            (None, Some(render)) => {
                let (stated, priority) = (render.key.clone(), render.priority);
                let render = Render {
                    style: cid(&render.style)?,
                    seed: Seed(B256::try_from(&**render.seed).map_err(|_| malformed("seed"))?),
                    state: State::from_bytes(&render.state).ok_or_else(|| malformed("state"))?,
                    variant: Variant::unpack(render.variant).ok_or_else(|| malformed("variant"))?,
                };
                let key = render.key().map_err(RecordRefused::Malformed)?;
                if key.0.as_slice() != stated.as_slice() {
                    return Err(OrderRefused::Key);
                }
                Errand::Render(render, priority)
            }
            _ => return Err(malformed("for a block or for a render").into()),
        };
        let Body { origins, sent, clock, within, nonce, .. } = body;
        let order = Self { errand, origins, sent_ms: sent, clock_ms: clock, within_ms: within, nonce };
        Ok(Signed { edge, order })
    }

    /// Whether an origin with this key id may carry it out at this time, by its own clock.
    ///
    /// # Errors
    /// [`OrderRefused::OtherOrigin`], [`OrderRefused::Clock`].
    pub fn check(&self, origin: &str, now_ms: u64) -> Result<(), OrderRefused> {
        if !self.origins.iter().any(|id| id == origin) {
            let named: Vec<String> = self.origins.iter().map(|id| id.chars().take(16).collect()).collect();
            return Err(OrderRefused::OtherOrigin(named.join(" ")));
        }
        let oldest = now_ms.saturating_sub(limits::ORDER_AGE_MS);
        match (oldest..=now_ms.saturating_add(limits::ORDER_AHEAD_MS)).contains(&self.sent_ms) {
            true => Ok(()),
            false => Err(OrderRefused::Clock(difference(self.sent_ms, now_ms))),
        }
    }
}

/// By how much one time is ahead of another, milliseconds.
#[must_use]
pub fn difference(one_ms: u64, other_ms: u64) -> i64 {
    let away = i64::try_from(one_ms.abs_diff(other_ms)).unwrap_or(i64::MAX);
    if one_ms >= other_ms { away } else { -away }
}

/// The blocks that an origin wants first, as the body of a 428.
///
/// # Errors
/// A sentence; none for fewer than [`limits::ORDER_BLOCKS`].
pub fn want(blocks: &[Cid]) -> Result<Vec<u8>, String> {
    let names: Vec<ByteBuf> =
        blocks.iter().take(limits::ORDER_BLOCKS).map(|c| ByteBuf::from(c.to_bytes())).collect();
    serde_ipld_dagcbor::to_vec(&names).map_err(|why| format!("{why}"))
}

/// Reads [`want`].
#[must_use]
pub fn wanted(body: &[u8]) -> Option<Vec<Cid>> {
    if body.len() > limits::ORDER_BLOCKS * 64 {
        return None;
    }
    let names: Vec<ByteBuf> = serde_ipld_dagcbor::from_slice(body).ok()?;
    if names.is_empty() || names.len() > limits::ORDER_BLOCKS {
        return None;
    }
    names.iter().map(|name| Cid::read_bytes(&name[..]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use iridule_records::block::{Block, RAW};
    use iridule_scene::variant::{Fit, Format};

    const NOW: u64 = 1_700_000_000_000;

    fn edge(secret: u8) -> (SigningKey, TrustedKeys) {
        let key = SigningKey::from_bytes(&[secret; 32]);
        let public = alloy_primitives::hex::encode(key.verifying_key().as_bytes());
        (key, TrustedKeys::parse(&public).unwrap())
    }

    fn order() -> Order {
        let style = Block::new(RAW, b"a style".to_vec()).unwrap().cid;
        let variant = Variant { width: 512, height: 256, fit: Fit::Cover, format: Format::Avif, quality: 75 };
        let render = Render { style, seed: Seed([7; 32].into()), state: State(vec![3, -4]), variant };
        let errand = Errand::Render(render, Priority::Visitor);
        let origins = vec!["0011".into(), "2233".into()];
        Order { errand, origins, sent_ms: NOW, clock_ms: NOW - 7, within_ms: 500, nonce: 9 }
    }

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn an_order_arrives_as_it_was_sent() {
        let (key, trusted) = edge(1);
        let block = Order { errand: Errand::Block(Block::new(RAW, vec![1]).unwrap().cid), ..order() };
        for order in [order(), block] {
            let sealed = headers(&order.seal(&key).unwrap());
            let signed = Order::open(&sealed, &trusted).unwrap();
            assert_eq!((signed.edge, signed.order), (signed::key_id(&key.verifying_key()), order));
        }
    }

    #[test]
    fn strangers_and_what_is_tampered_with_are_refused() {
        let ((key, trusted), (_, others)) = (edge(1), edge(2));
        let sealed = order().seal(&key).unwrap();
        let open = |text: &str, keys: &TrustedKeys| Order::open(&headers(text), keys);
        assert!(matches!(open(&sealed, &others), Err(OrderRefused::Record(RecordRefused::UnknownKey(_)))));
        assert_eq!(open("Bearer x", &trusted), Err(OrderRefused::Missing));
        assert_eq!(Order::open(&HeaderMap::new(), &trusted), Err(OrderRefused::Missing));
        let text = sealed.strip_prefix(SCHEME).unwrap();
        for at in 0..text.len() {
            let mut torn = text.as_bytes().to_vec();
            torn[at] = if torn[at] == b'A' { b'B' } else { b'A' };
            let torn = format!("{SCHEME}{}", String::from_utf8(torn).unwrap());
            assert!(open(&torn, &trusted).is_err(), "byte {at}");
            assert!(open(&sealed[..SCHEME.len() + at], &trusted).is_err(), "cut at {at}");
        }
        let endless = Order { within_ms: limits::ORDER_MS + 1, ..order() }.seal(&key).unwrap();
        assert!(matches!(open(&endless, &trusted), Err(OrderRefused::Record(RecordRefused::Malformed(_)))));
    }

    #[test]
    fn an_order_is_for_the_origins_that_it_names_and_for_a_short_time() {
        let order = order();
        assert_eq!(order.check("2233", NOW), Ok(()));
        assert!(matches!(order.check("4455", NOW), Err(OrderRefused::OtherOrigin(_))));
        let (early, late) = (NOW - limits::ORDER_AHEAD_MS, NOW + limits::ORDER_AGE_MS);
        assert_eq!((order.check("0011", early), order.check("0011", late)), (Ok(()), Ok(())));
        let ahead = i64::try_from(limits::ORDER_AHEAD_MS).unwrap() + 1;
        let age = i64::try_from(limits::ORDER_AGE_MS).unwrap() + 1;
        assert_eq!(order.check("0011", early - 1), Err(OrderRefused::Clock(ahead)));
        assert_eq!(order.check("0011", late + 1), Err(OrderRefused::Clock(-age)));
    }

    #[test]
    fn a_key_that_is_not_the_pictures_is_refused() {
        let (key, trusted) = edge(1);
        let Errand::Render(render, _) = order().errand else { unreachable!() };
        let body = Body {
            version: VERSION,
            origins: vec![],
            sent: NOW,
            clock: NOW,
            within: 1,
            nonce: 0,
            block: None,
            render: Some(RenderBody {
                style: ByteBuf::from(render.style.to_bytes()),
                seed: ByteBuf::from(vec![8; 32]),
                state: ByteBuf::from(render.state.to_bytes()),
                variant: render.variant.packed(),
                key: ByteBuf::from(render.key().unwrap().0.to_vec()),
                priority: Priority::Visitor,
            }),
        };
        let body = serde_ipld_dagcbor::to_vec(&body).unwrap();
        let sealed =
            BASE64_URL_SAFE_NO_PAD.encode(signed::seal(DOMAIN, body, &key, limits::ORDER_BYTES).unwrap());
        assert_eq!(Order::open(&headers(&format!("{SCHEME}{sealed}")), &trusted), Err(OrderRefused::Key));
    }

    #[test]
    fn wanted_blocks_are_bounded() {
        let cid = Block::new(RAW, vec![1]).unwrap().cid;
        let many = vec![cid; limits::ORDER_BLOCKS + 5];
        assert_eq!(wanted(&want(&many).unwrap()).unwrap().len(), limits::ORDER_BLOCKS);
        assert_eq!(wanted(&want(&[]).unwrap()), None);
        assert_eq!(wanted(b"rubbish"), None);
    }
}
