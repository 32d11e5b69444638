//! A finished picture as a store holds it.
//!
//! Layout: 4 bytes magic `irr1`, 1 byte format ([`Format`]), 3 bytes zero, 32 bytes render key, 4 bytes CRC-32 (IEEE,
//! little-endian) of everything before it and of the body, then the body. A stored render that does not read back
//! exactly is a miss, never an answer.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::render_key::RenderKey;
use iridule_scene::variant::Format;

const MAGIC: [u8; 4] = *b"irr1";
const HEAD: usize = 44;

/// Writes a picture for a store.
#[must_use]
pub fn seal(key: &RenderKey, format: Format, body: &[u8]) -> Bytes {
    let mut stored = Vec::with_capacity(HEAD + body.len());
    stored.extend_from_slice(&MAGIC);
    stored.extend_from_slice(&[format as u8, 0, 0, 0]);
    stored.extend_from_slice(key.0.as_slice());
    stored.extend_from_slice(&checksum(&stored, body).to_le_bytes());
    stored.extend_from_slice(body);
    stored.into()
}

/// Reads a picture back; `None` for anything but what [`seal`] wrote for this key and format.
#[must_use]
pub fn open(key: &RenderKey, format: Format, stored: &Bytes) -> Option<Bytes> {
    let (head, body) = stored.split_at_checked(HEAD)?;
    let (said, sum) = head.split_at(HEAD - 4);
    let fits = said[..4] == MAGIC && said[4..8] == [format as u8, 0, 0, 0] && said[8..] == *key.0.as_slice();
    (fits && !body.is_empty() && *sum == checksum(said, body).to_le_bytes()).then(|| stored.slice(HEAD..))
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_flipped_bit_or_cut_is_a_miss(
            body in prop::collection::vec(any::<u8>(), 1..200), at: prop::sample::Index, bit in 0u8..8,
        ) {
            let key = RenderKey([9; 32].into());
            let stored = seal(&key, Format::Png, &body);
            prop_assert_eq!(open(&key, Format::Png, &stored), Some(Bytes::from(body)));
            prop_assert_eq!(open(&key, Format::WebP, &stored), None);
            prop_assert_eq!(open(&RenderKey([8; 32].into()), Format::Png, &stored), None);
            let mut broken = stored.to_vec();
            let at = at.index(broken.len());
            broken[at] ^= 1 << bit;
            prop_assert_eq!(open(&key, Format::Png, &broken.into()), None);
            prop_assert_eq!(open(&key, Format::Png, &stored.slice(..at)), None);
        }
    }
}
