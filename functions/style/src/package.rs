//! Packages: a style's files as content-addressed blocks ([`iridule_records::block`]).
//!
//! Files are raw leaves; the manifest that lists them is DAG-CBOR, and its CID is the style's id.

use alloc::{string::String, vec::Vec};

use cid::Cid;

use iridule_records::block::{Block, RAW, verify};

use crate::{
    manifest::{File, Manifest},
    style::Style,
};
use iridule_records::limits;

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
