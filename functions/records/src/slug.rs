//! Slugs: the names of collections in URLs.

use crate::limits;

/// Whether a text may name a collection in a URL.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    (1..=limits::SLUG_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
