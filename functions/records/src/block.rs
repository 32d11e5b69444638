//! Blocks: bytes named by the CID that their hash gives them.
//!
//! Every block is at most 1 MiB; its CID has version 1 and sha2-256, and is raw or DAG-CBOR. Whoever loads a block checks it against
//! its CID ([`verify`]), so it does not matter where the block came from.

use alloc::{string::String, vec::Vec};

use cid::{Cid, multihash::Multihash};
use sha2::{Digest as _, Sha256};

use crate::limits;

/// The multicodec of a raw leaf.
pub const RAW: u64 = 0x55;
/// The multicodec of DAG-CBOR.
pub const DAG_CBOR: u64 = 0x71;
/// The multihash code of sha2-256.
const SHA2_256: u64 = 0x12;

/// A block and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The name.
    pub cid: Cid,
    /// At most [`limits::BLOCK_BYTES`].
    pub bytes: Vec<u8>,
}

impl Block {
    /// Names a block.
    ///
    /// # Errors
    /// A sentence, when it is over [`limits::BLOCK_BYTES`].
    pub fn new(codec: u64, bytes: Vec<u8>) -> Result<Self, String> {
        if bytes.len() > limits::BLOCK_BYTES {
            return Err(alloc::format!("a block of {} bytes, at most {}", bytes.len(), limits::BLOCK_BYTES));
        }
        Ok(Self { cid: name(codec, &bytes)?, bytes })
    }
}

fn name(codec: u64, bytes: &[u8]) -> Result<Cid, String> {
    let hash = Multihash::wrap(SHA2_256, &Sha256::digest(bytes)).map_err(|e| alloc::format!("{e}"))?;
    Ok(Cid::new_v1(codec, hash))
}

/// Checks a block against its name.
///
/// # Errors
/// A sentence: too large, a codec or hash that is not ours, or other bytes than the name says.
pub fn verify(cid: &Cid, bytes: &[u8]) -> Result<(), String> {
    if bytes.len() > limits::BLOCK_BYTES {
        return Err(alloc::format!("a block of {} bytes, at most {}", bytes.len(), limits::BLOCK_BYTES));
    }
    if !matches!(cid.codec(), RAW | DAG_CBOR) || cid.hash().code() != SHA2_256 {
        return Err("a block's CID is raw or dag-cbor with sha2-256".into());
    }
    if name(cid.codec(), bytes)? == *cid {
        Ok(())
    } else {
        Err("the bytes are not those that the CID names".into())
    }
}

/// Whether a CID names a raw leaf.
#[must_use]
pub fn is_leaf(cid: &Cid) -> bool {
    cid.codec() == RAW && cid.hash().code() == SHA2_256
}

/// The 32 bytes of a CID's hash: a style's digest in the render key.
///
/// # Errors
/// A sentence, for a CID that is not sha2-256.
pub fn digest(cid: &Cid) -> Result<alloy_primitives::B256, String> {
    match <[u8; 32]>::try_from(cid.hash().digest()) {
        Ok(bytes) if cid.hash().code() == SHA2_256 => Ok(bytes.into()),
        _ => Err("a style's CID has a sha2-256 hash".into()),
    }
}
