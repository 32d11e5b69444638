//! A package as one file: a CARv1 archive (<https://ipld.io/specs/transport/car/carv1/>), which IPFS tools read too.

use iridule_records::block::Block;
use iridule_style::author::Package;
use serde::Serialize;

#[derive(Serialize)]
struct Header<'a> {
    roots: [&'a cid::Cid; 1],
    version: u64,
}

/// The archive: the manifest is its root and comes first, then its files in the manifest's order.
///
/// # Errors
/// A sentence, when the header cannot be encoded.
pub fn archive(package: &Package) -> Result<Vec<u8>, String> {
    let header = Header { roots: [&package.cid], version: 1 };
    let header = serde_ipld_dagcbor::to_vec(&header).map_err(|why| why.to_string())?;
    let mut out = Vec::new();
    section(&mut out, &[&header]);
    for Block { cid, bytes } in package.blocks.iter().rev() {
        section(&mut out, &[&cid.to_bytes(), bytes]);
    }
    Ok(out)
}

/// A section: its length as an unsigned LEB128, then its parts.
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
