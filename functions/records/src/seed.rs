//! Seeds: 32 bytes per token from which everything about it is drawn.
//!
//! A draw is `keccak256(seed ‖ name)`, so that adding a trait never shifts another. Numbers come from a draw by integer
//! multiplication, never by platform maths, so that they are the same on every host and could be recomputed on chain.

use alloy_primitives::{Address, B256, Keccak256, U256, keccak256};

/// A token's seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seed(pub B256);

impl Seed {
    /// The seed of a token whose contract names none: `keccak256(abi.encode(chainId, contract, tokenId))`.
    #[must_use]
    pub fn derived(chain: u64, contract: Address, token: U256) -> Self {
        let mut preimage = [0; 96];
        preimage[..32].copy_from_slice(&U256::from(chain).to_be_bytes::<32>());
        preimage[32..64].copy_from_slice(contract.into_word().as_slice());
        preimage[64..].copy_from_slice(&token.to_be_bytes::<32>());
        Self(keccak256(preimage))
    }

    /// The draw of this name: `keccak256(seed ‖ name)`, as four words of 64 bits, big-endian.
    #[must_use]
    pub fn draw(&self, name: &str) -> Draw {
        self.draw_parts(name, None)
    }

    /// The draw of the `index`-th thing of this name: `keccak256(seed ‖ name ‖ 0x00 ‖ index)`, the index as 8 bytes
    /// big-endian. Names hold no zero byte, so no two draws share a preimage.
    #[must_use]
    pub fn draw_nth(&self, name: &str, index: u64) -> Draw {
        self.draw_parts(name, Some(index))
    }

    fn draw_parts(&self, name: &str, index: Option<u64>) -> Draw {
        let mut hasher = Keccak256::new();
        hasher.update(self.0);
        hasher.update(name.as_bytes());
        if let Some(index) = index {
            hasher.update([0]);
            hasher.update(index.to_be_bytes());
        }
        let hash = hasher.finalize();
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(hash.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*bytes);
        }
        Draw(words)
    }
}

/// Four independent, uniform 64-bit words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw(pub [u64; 4]);

impl Draw {
    /// Word `which` as a number in [0, 1), a multiple of 2⁻⁵³.
    #[must_use]
    pub fn unit(&self, which: usize) -> f64 {
        const STEP: f64 = 1.0 / (1u64 << 53) as f64;
        (self.0[which & 3] >> 11) as f64 * STEP
    }

    /// The first word as an integer in `0..count`, by multiplication and shift (Lemire); the bias is below
    /// `count / 2⁶⁴`. Zero for a `count` of zero.
    #[must_use]
    pub fn below(&self, count: u64) -> u64 {
        let product = u128::from(self.0[0]) * u128::from(count);
        u64::try_from(product >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn derived_is_solidity_s_abi_encode() {
        // cast keccak $(cast abi-encode "f(uint256,address,uint256)" 1 0x00000000000000000000000000000000000000AA 7)
        let preimage = alloc::format!("{:064x}{:064x}{:064x}", 1, 0xaa, 7);
        let bytes = alloy_primitives::hex::decode(preimage).unwrap();
        let seed = Seed::derived(1, Address::with_last_byte(0xaa), U256::from(7));
        assert_eq!(seed.0, keccak256(bytes));
    }

    proptest! {
        #[test]
        fn numbers_stay_in_range(seed: [u8; 32], name in "[a-z]{1,8}", index: u64, count: u64) {
            let draw = Seed(seed.into()).draw_nth(&name, index);
            prop_assert!((0.0..1.0).contains(&draw.unit(3)));
            prop_assert!(draw.below(count) < count.max(1));
        }

        #[test]
        fn names_and_indices_do_not_collide(seed: [u8; 32], a in "[a-z0-9]{1,9}", b in "[a-z0-9]{1,9}", i: u64) {
            let seed = Seed(seed.into());
            prop_assume!(a != b);
            prop_assert_ne!(seed.draw(&a), seed.draw(&b));
            prop_assert_ne!(seed.draw(&a), seed.draw_nth(&a, i));
            prop_assert_ne!(seed.draw_nth(&a, i), seed.draw_nth(&b, i));
        }
    }
}
