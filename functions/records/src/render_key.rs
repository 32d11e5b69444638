//! The render key: the identity of one image.
//!
//! `keccak256(abi.encode(uint32 KEY_VERSION, bytes32 styleDigest, bytes32 seed, bytes32 epoch, uint8 painter,
//! uint256 variantWord))`: six words of 32 bytes, so that a contract computes it with one line of Solidity.

use alloc::string::{String, ToString as _};
use core::fmt;

use alloy_primitives::{B256, U256, keccak256};
use base64::{display::Base64Display, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{gauge::Epoch, seed::Seed};
use iridule_scene::variant::Variant;

/// Changes whenever the pixels or bytes of any picture change.
pub const KEY_VERSION: u32 = 2;

/// What makes the picture. Part of its key, because two painters may differ in the last bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Painter {
    /// The CPU painter: bit-exact on every host, so its ETag is strong.
    Cpu = 1,
    /// The same, by way of the master: the picture at the canvas's size is resized. As bit-exact.
    Derived = 2,
    /// An origin's: shaders on a GPU, whose last bits differ from device to device, so its ETag is weak.
    Origin = 3,
}

impl Painter {
    /// Whether all of its pictures with one key are alike, bit for bit.
    #[must_use]
    pub fn is_exact(self) -> bool {
        match self {
            Self::Cpu | Self::Derived => true,
            Self::Origin => false,
        }
    }
}

/// The identity of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RenderKey(pub B256);

impl RenderKey {
    /// The key of a picture.
    #[must_use]
    pub fn of(style: &B256, seed: &Seed, epoch: &Epoch, painter: Painter, variant: &Variant) -> Self {
        let words: [B256; 6] = [
            U256::from(KEY_VERSION).into(),
            *style,
            seed.0,
            epoch.0,
            U256::from(painter as u8).into(),
            variant.word().into(),
        ];
        Self(keccak256(words.map(|word| word.0).as_flattened()))
    }

    /// The key in base64url without padding, 43 characters: the ETag's inside, and its name in a store.
    #[must_use]
    pub fn token(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for RenderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Base64Display::new(self.0.as_slice(), &BASE64_URL_SAFE_NO_PAD).fmt(f)
    }
}
