//! Packages: a style's files as content-addressed blocks.
//!
//! Every block is at most 1 MiB and named by its CID (version 1, sha2-256): files are raw leaves, the manifest that
//! lists them is DAG-CBOR. Whoever loads a block checks it against its name ([`verify`]), so it does not matter where
//! the block came from.

use alloc::{string::String, vec::Vec};

use cid::{Cid, multihash::Multihash};
use sha2::{Digest as _, Sha256};

use crate::{
    limits,
    manifest::{File, Manifest},
    style::Style,
};

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

/// Why a package is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageRefused {
    /// A block is not there.
    #[error("block {0} of the style is missing")]
    Missing(Cid),
    /// A block is not what its name says, or the package makes no sense.
    #[error("{0}")]
    Bad(String),
}

/// Opens a package whose blocks are all at hand: checks each against its name, each file against its size, and loads the
/// style, as an edge does one by one. Nothing but the manifest and what [`Manifest::loaded`] lists is held in memory.
///
/// # Errors
/// [`PackageRefused`]; `E` is what reading a block says.
pub fn open<E: From<PackageRefused>>(
    cid: &Cid,
    mut read: impl FnMut(&Cid) -> Result<Option<Vec<u8>>, E>,
) -> Result<Style, E> {
    let mut block = |cid: &Cid| {
        let bytes = read(cid)?.ok_or(PackageRefused::Missing(*cid))?;
        verify(cid, &bytes).map_err(|why| PackageRefused::Bad(alloc::format!("block {cid}: {why}")))?;
        Ok::<_, E>(bytes)
    };
    let manifest = Manifest::decode(&block(cid)?).map_err(PackageRefused::Bad)?;
    let loaded: Vec<&str> = manifest.loaded().map(|file| file.path.as_str()).collect();
    let mut contents: Vec<(String, Vec<u8>)> = Vec::new();
    for file in &manifest.files {
        let keep = loaded.contains(&file.path.as_str());
        let (mut size, mut bytes) = (0, Vec::new());
        for cid in &file.blocks {
            let leaf = block(cid)?;
            size += leaf.len() as u64;
            if keep {
                bytes.extend_from_slice(&leaf);
            }
        }
        if size != file.size {
            let why =
                alloc::format!("{}: {size} bytes instead of the {} that it claims", file.path, file.size);
            return Err(PackageRefused::Bad(why).into());
        }
        if keep {
            contents.push((file.path.clone(), bytes));
        }
    }
    let file = |path: &str| contents.iter().find(|(known, _)| known == path).map(|(_, bytes)| bytes.clone());
    Style::load(*cid, manifest.clone(), file).map_err(|why| PackageRefused::Bad(why).into())
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

/// Cuts a file into raw leaves.
///
/// # Errors
/// A sentence, when it is over [`limits::FILE_BYTES`].
pub fn split(path: &str, bytes: &[u8]) -> Result<(File, Vec<Block>), String> {
    let size = bytes.len() as u64;
    if size > limits::FILE_BYTES {
        return Err(alloc::format!("{path} has {size} bytes, at most {}", limits::FILE_BYTES));
    }
    let blocks = bytes
        .chunks(limits::BLOCK_BYTES)
        .map(|leaf| Block::new(RAW, leaf.into()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((File { path: path.into(), size, blocks: blocks.iter().map(|block| block.cid).collect() }, blocks))
}
