//! Orders: what an edge asks of an origin, and how each can tell that the other is who it should be.
//!
//! ```text
//! edge   → POST /v1/render          Authorization: Iridule <order>     no body
//! origin → 200  picture             iridule-key, content-digest, iridule-painter, iridule-load
//!          428  CIDs                these blocks of the style first, then the same again
//! edge   → PUT  /v1/blocks/{cid}    Authorization: Iridule <order>     the block
//! ```
//!
//! An order is a signed record (see [`crate::signed`]) in base64url. It carries all that the render key is made of, and
//! the key: an origin computes the key anew and refuses another, so that a picture can never be kept under a key that is
//! not its own. It holds until its deadline and once: the number that it carries is not taken a second time.
//!
//! Origins know no collection, snapshot or store of an edge. Styles reach them as blocks that are checked against their
//! names, from whichever edge has them.

use alloc::{format, string::String, vec::Vec};

use alloy_primitives::B256;
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use cid::Cid;
use ed25519_dalek::SigningKey;
use http::{HeaderMap, HeaderName, header};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};

use crate::{
    gauge::State,
    key::{Painter, RenderKey},
    limits, package,
    seed::Seed,
    signed::{self, RecordRefused, TrustedKeys},
    variant::Variant,
};

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
const DOMAIN: &[u8] = b"iridule order v1\n";
const VERSION: u32 = 1;

/// What an edge asks of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What for.
    pub errand: Errand,
    /// When nobody waits any more, Unix milliseconds.
    pub deadline_ms: u64,
    /// Tells this order from all others until then.
    pub nonce: u64,
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
        let digest = package::digest(&self.style)?;
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
    /// Its deadline is over, or further away than any may be.
    #[error("its deadline is not within the next {} ms", limits::ORDER_MS)]
    Deadline,
    /// The key is not that of what it asks for.
    #[error("its key is not that of the picture it asks for")]
    Key,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    version: u32,
    deadline: u64,
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
            deadline: self.deadline_ms,
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

    /// Reads the order of a request, of which it believes nothing that is not signed by one of these edges. Whether its
    /// nonce was seen before is for whoever remembers nonces.
    ///
    /// # Errors
    /// [`OrderRefused`].
    pub fn open(headers: &HeaderMap, edges: &TrustedKeys, now_ms: u64) -> Result<Self, OrderRefused> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let text = value.and_then(|value| value.strip_prefix(SCHEME)).ok_or(OrderRefused::Missing)?;
        let malformed = |why: &str| RecordRefused::Malformed(why.into());
        if text.len() > limits::ORDER_BYTES * 2 {
            return Err(malformed("too long").into());
        }
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed("not base64url"))?;
        let body = edges.open(DOMAIN, &sealed, limits::ORDER_BYTES)?;
        let body: Body = serde_ipld_dagcbor::from_slice(&body)
            .map_err(|why| RecordRefused::Malformed(format!("{why}")))?;
        if body.version != VERSION {
            return Err(malformed("of another version").into());
        }
        if body.deadline <= now_ms || body.deadline - now_ms > limits::ORDER_MS {
            return Err(OrderRefused::Deadline);
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
        Ok(Self { errand, deadline_ms: body.deadline, nonce: body.nonce })
    }
}

/// The value of [`DIGEST`] for a body.
#[must_use]
pub fn digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64_STANDARD.encode(Sha256::digest(body)))
}

/// Whether an answer is the picture with this key, whole.
#[must_use]
pub fn is_picture(headers: &HeaderMap, body: &[u8], key: &RenderKey) -> bool {
    let is = |name: &HeaderName, text: &str| headers.get(name).is_some_and(|value| value == text);
    !body.is_empty() && is(&KEY, &key.token()) && is(&DIGEST, &digest(body))
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
    let names: Vec<ByteBuf> = serde_ipld_dagcbor::from_slice(body).ok()?;
    if names.is_empty() || names.len() > limits::ORDER_BLOCKS {
        return None;
    }
    names.iter().map(|name| Cid::read_bytes(&name[..]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        package::{Block, RAW},
        variant::{Fit, Format},
    };
    use http::HeaderValue;

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
        Order { errand: Errand::Render(render, Priority::Visitor), deadline_ms: NOW + 500, nonce: 9 }
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
            assert_eq!(Order::open(&sealed, &trusted, NOW), Ok(order));
        }
    }

    #[test]
    fn strangers_and_what_is_late_or_tampered_with_are_refused() {
        let ((key, trusted), (_, others)) = (edge(1), edge(2));
        let sealed = order().seal(&key).unwrap();
        let open = |text: &str, keys: &TrustedKeys, now| Order::open(&headers(text), keys, now);
        assert!(matches!(
            open(&sealed, &others, NOW),
            Err(OrderRefused::Record(RecordRefused::UnknownKey(_)))
        ));
        assert_eq!(open(&sealed, &trusted, NOW + 500), Err(OrderRefused::Deadline));
        assert_eq!(open(&sealed, &trusted, NOW - limits::ORDER_MS), Err(OrderRefused::Deadline));
        assert_eq!(open("Bearer x", &trusted, NOW), Err(OrderRefused::Missing));
        assert_eq!(Order::open(&HeaderMap::new(), &trusted, NOW), Err(OrderRefused::Missing));
        let text = sealed.strip_prefix(SCHEME).unwrap();
        for at in 0..text.len() {
            let mut torn = text.as_bytes().to_vec();
            torn[at] = if torn[at] == b'A' { b'B' } else { b'A' };
            let torn = format!("{SCHEME}{}", String::from_utf8(torn).unwrap());
            assert!(open(&torn, &trusted, NOW).is_err(), "byte {at}");
            assert!(open(&sealed[..SCHEME.len() + at], &trusted, NOW).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_key_that_is_not_the_pictures_is_refused() {
        let (key, trusted) = edge(1);
        let Errand::Render(render, _) = order().errand else { unreachable!() };
        let body = Body {
            version: VERSION,
            deadline: NOW + 1,
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
        assert_eq!(
            Order::open(&headers(&format!("{SCHEME}{sealed}")), &trusted, NOW),
            Err(OrderRefused::Key)
        );
    }

    #[test]
    fn an_answer_is_taken_only_with_its_key_and_digest() {
        let (key, body) = (RenderKey([1; 32].into()), b"picture");
        let mut headers = HeaderMap::new();
        headers.insert(KEY, HeaderValue::from_str(&key.token()).unwrap());
        headers.insert(DIGEST, HeaderValue::from_str(&digest(body)).unwrap());
        assert!(is_picture(&headers, body, &key));
        assert!(!is_picture(&headers, b"pictura", &key));
        assert!(!is_picture(&headers, b"", &key));
        assert!(!is_picture(&headers, body, &RenderKey([2; 32].into())));
        assert_eq!(digest(b""), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
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
