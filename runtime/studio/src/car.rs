//! Writes a package as one file: a CARv1 archive (<https://ipld.io/specs/transport/car/carv1/>), which IPFS tools can read.

use iridule_records::block::Block;
use iridule_style::author::Package;
use serde::Serialize;

#[derive(Serialize)]
struct Header<'a> {
    roots: [&'a cid::Cid; 1],
    version: u64,
}

/// Why an archive could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the archive's header cannot be encoded: {0}")]
pub struct CarError(String);

/// Writes the archive. The manifest is its root and its first block; the blocks of the files follow.
///
/// # Errors
/// [`CarError`]
pub fn archive(package: &Package) -> Result<Vec<u8>, CarError> {
    let header = Header { roots: [&package.cid], version: 1 };
    let header = serde_ipld_dagcbor::to_vec(&header).map_err(|why| CarError(why.to_string()))?;
    let mut out = Vec::new();
    section(&mut out, &[&header]);
    for Block { cid, bytes } in package.blocks.iter().rev() {
        section(&mut out, &[&cid.to_bytes(), bytes]);
    }
    Ok(out)
}

/// Appends a section: its length as an unsigned LEB128 number, then its parts.
fn section(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let mut length: usize = parts.iter().map(|part| part.len()).sum();
    while length >= 0x80 {
        out.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    out.push(length.to_le_bytes()[0]);
    for part in parts {
        out.extend_from_slice(part);
    }
}
