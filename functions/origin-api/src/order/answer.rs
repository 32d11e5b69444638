//! Signed answers of origins.
//!
//! An origin signs each answer with its Ed25519 key: the status, the nonce of the order, the SHA-256 digest of the body, and
//! every header that an edge reads ([`SIGNED`]). An edge knows the public keys of its origins and takes no other answer, so
//! that nobody between the two can exchange a picture, replay an answer, or speak for an origin.

use alloc::{string::String, vec::Vec};

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};

use super::{DIGEST, KEY, LOAD, PAINTED_BY};
use iridule_records::render_key::RenderKey;

/// The signature of an answer, base64url.
pub const SIGNATURE: HeaderName = HeaderName::from_static("iridule-signature");
/// The time at the origin when it answered, Unix milliseconds.
pub const TIME: HeaderName = HeaderName::from_static("iridule-time");

/// The headers that the signature covers, in this order.
pub const SIGNED: [HeaderName; 7] =
    [header::CONTENT_TYPE, DIGEST, KEY, PAINTED_BY, LOAD, TIME, header::RETRY_AFTER];

const DOMAIN: &[u8] = b"iridule answer v1\n";

/// Why an answer is not taken. Each counts against the origin that it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerRefused {
    /// Older origins do not sign, and neither does a proxy between the two.
    #[error("the answer is not signed")]
    Unsigned,
    /// None of the origin's keys fits: it was signed by another one, for another order, or changed on its way.
    #[error("the answer's signature is of none of this origin's keys, or the answer was changed")]
    BadSignature,
}

/// An answer whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
    /// The key that it states, where it brings a picture.
    pub key: Option<String>,
    /// The media type that it states.
    pub media_type: String,
    /// How full the origin is, 0 to 100 or [`super::DRAINING`].
    pub load: u8,
    /// The time at the origin, Unix milliseconds.
    pub time_ms: Option<u64>,
    /// How long to leave the origin alone, milliseconds.
    pub retry_after_ms: Option<u64>,
    digest_fits: bool,
}

impl Answer {
    /// Checks an answer to the order with this nonce against the origin's keys.
    ///
    /// # Errors
    /// [`AnswerRefused`].
    pub fn open(answer: Response<Bytes>, nonce: u64, keys: &[VerifyingKey]) -> Result<Self, AnswerRefused> {
        let (head, body) = answer.into_parts();
        let field = |name: &HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
        let signature = field(&SIGNATURE).ok_or(AnswerRefused::Unsigned)?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| AnswerRefused::BadSignature)?;
        let signature = Signature::from_slice(&signature).map_err(|_| AnswerRefused::BadSignature)?;
        let digest = Sha256::digest(&body);
        let statement =
            statement(head.status, nonce, &digest, &head.headers).ok_or(AnswerRefused::BadSignature)?;
        if !keys.iter().any(|key| key.verify_strict(&statement, &signature).is_ok()) {
            return Err(AnswerRefused::BadSignature);
        }
        let seconds = field(&header::RETRY_AFTER).and_then(|text| text.parse::<u64>().ok());
        Ok(Self {
            status: head.status,
            key: field(&KEY).map(String::from),
            media_type: field(&header::CONTENT_TYPE).unwrap_or_default().into(),
            load: load(field(&LOAD)),
            time_ms: field(&TIME).and_then(|text| text.parse().ok()),
            retry_after_ms: seconds.map(|seconds| seconds.saturating_mul(1000)),
            digest_fits: field(&DIGEST).is_some_and(|stated| stated == digest_field(&digest)),
            body,
        })
    }

    /// Whether it states that it is the whole picture with this key.
    #[must_use]
    pub fn is_picture(&self, key: &RenderKey) -> bool {
        let stated = self.key.as_deref() == Some(key.token().as_str());
        self.status == StatusCode::OK && !self.body.is_empty() && stated && self.digest_fits
    }
}

/// Signs an answer to the order with this nonce, whose other headers are complete: adds [`SIGNATURE`].
pub fn sign(answer: &mut Response<Bytes>, nonce: u64, origin: &SigningKey) {
    let digest = Sha256::digest(answer.body());
    // An answer that cannot be stated stays unsigned, and no edge takes it.
    let Some(statement) = statement(answer.status(), nonce, &digest, answer.headers()) else { return };
    let signature = BASE64_URL_SAFE_NO_PAD.encode(origin.sign(&statement).to_bytes());
    if let Ok(value) = HeaderValue::from_str(&signature) {
        answer.headers_mut().insert(SIGNATURE, value);
    }
}

/// The value of [`DIGEST`] for a body (RFC 9530).
#[must_use]
pub fn digest(body: &[u8]) -> String {
    digest_field(&Sha256::digest(body))
}

fn digest_field(digest: &[u8]) -> String {
    alloc::format!("sha-256=:{}:", BASE64_STANDARD.encode(digest))
}

/// What is signed. `None` where a header of [`SIGNED`] stands on several lines.
fn statement(status: StatusCode, nonce: u64, digest: &[u8], headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut statement = DOMAIN.to_vec();
    statement.extend_from_slice(&status.as_u16().to_be_bytes());
    statement.extend_from_slice(&nonce.to_be_bytes());
    statement.extend_from_slice(digest);
    for name in SIGNED {
        let mut values = headers.get_all(name).iter();
        let (value, further) = (values.next(), values.next());
        if further.is_some() {
            return None;
        }
        // The length plus one; 0 for a header that is not there.
        let value = value.map(HeaderValue::as_bytes);
        let length = value.map_or(Some(0), |value| u16::try_from(value.len() + 1).ok())?;
        statement.extend_from_slice(&length.to_be_bytes());
        statement.extend_from_slice(value.unwrap_or_default());
    }
    Some(statement)
}

/// Reads a load as [`LOAD`] states it; what is none counts as idle.
#[must_use]
pub fn load(text: Option<&str>) -> u8 {
    text.and_then(|text| text.parse().ok()).filter(|load| *load <= super::DRAINING).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(secret: u8) -> SigningKey {
        SigningKey::from_bytes(&[secret; 32])
    }

    fn key() -> RenderKey {
        RenderKey([1; 32].into())
    }

    fn answer() -> Response<Bytes> {
        let mut answer = Response::builder()
            .header(KEY, key().token())
            .header(DIGEST, digest(b"picture"))
            .header(header::CONTENT_TYPE, "image/png")
            .header(LOAD, "7")
            .header(TIME, "1700000000000")
            .header(header::RETRY_AFTER, "2")
            .body(Bytes::from_static(b"picture"))
            .unwrap();
        sign(&mut answer, 5, &origin(1));
        answer
    }

    #[test]
    fn an_answer_is_taken_as_its_origin_signed_it() {
        let keys = [origin(3).verifying_key(), origin(1).verifying_key()];
        let opened = Answer::open(answer(), 5, &keys).unwrap();
        assert!(opened.is_picture(&key()) && !opened.is_picture(&RenderKey([2; 32].into())));
        assert_eq!(
            (opened.load, opened.time_ms, opened.retry_after_ms),
            (7, Some(1_700_000_000_000), Some(2000))
        );
        assert_eq!(digest(b""), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    }

    #[test]
    fn an_answer_that_is_unsigned_or_changed_is_refused() {
        let keys = [origin(1).verifying_key()];
        let refused = |change: fn(&mut Response<Bytes>), nonce, keys: &[VerifyingKey]| {
            let mut answer = answer();
            change(&mut answer);
            Answer::open(answer, nonce, keys).unwrap_err()
        };
        let unsigned = |answer: &mut Response<Bytes>| drop(answer.headers_mut().remove(SIGNATURE));
        assert_eq!(refused(unsigned, 5, &keys), AnswerRefused::Unsigned);
        let changes: [fn(&mut Response<Bytes>); 7] = [
            |answer| *answer.body_mut() = Bytes::from_static(b"pictura"),
            |answer| *answer.status_mut() = StatusCode::CREATED,
            |answer| drop(answer.headers_mut().insert(LOAD, 8.into())),
            |answer| _ = answer.headers_mut().append(LOAD, 7.into()),
            |answer| drop(answer.headers_mut().remove(header::RETRY_AFTER)),
            |answer| drop(answer.headers_mut().insert(TIME, 1.into())),
            |answer| drop(answer.headers_mut().insert(PAINTED_BY, HeaderValue::from_static("gpu"))),
        ];
        for change in changes {
            assert_eq!(refused(change, 5, &keys), AnswerRefused::BadSignature);
        }
        assert_eq!(refused(|_| {}, 6, &keys), AnswerRefused::BadSignature, "an answer to another order");
        assert_eq!(refused(|_| {}, 5, &[origin(2).verifying_key()]), AnswerRefused::BadSignature);
        assert_eq!(refused(|_| {}, 5, &[]), AnswerRefused::BadSignature);
    }

    #[test]
    fn a_picture_needs_its_digest_too() {
        let mut answer =
            Response::builder().header(KEY, key().token()).body(Bytes::from_static(b"picture")).unwrap();
        sign(&mut answer, 5, &origin(1));
        assert!(!Answer::open(answer, 5, &[origin(1).verifying_key()]).unwrap().is_picture(&key()));
    }

    #[test]
    fn a_load_that_is_none_is_idle() {
        assert_eq!(
            [load(Some("7")), load(Some("101")), load(Some("200")), load(Some("x")), load(None)],
            [7, 101, 0, 0, 0]
        );
    }
}
