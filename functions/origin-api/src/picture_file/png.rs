//! PNG (ISO/IEC 15948): the signature, then chunks with a CRC each, `IHDR` first and `IEND` last.

use super::{Bytes, Fault, Read};

/// Width and height.
pub(super) fn size(bytes: &[u8]) -> Read {
    let mut bytes = Bytes(bytes.strip_prefix(b"\x89PNG\r\n\x1a\n").ok_or(Fault::Format)?);
    let (mut size, mut has_data) = (None, false);
    loop {
        let length = bytes.length()?;
        let checked = bytes.0;
        let kind: [u8; 4] = bytes.array()?;
        let contents = bytes.take(length)?;
        let (sum, stated) = (crc32fast::hash(&checked[..4 + length]), bytes.u32()?);
        if sum != stated {
            return Err(Fault::Broken("a chunk's checksum does not fit"));
        }
        match &kind {
            b"IHDR" if size.is_none() && length == 13 => {
                let mut header = Bytes(contents);
                size = Some((header.u32()?, header.u32()?));
            }
            _ if size.is_none() => return Err(Fault::Broken("it does not begin with its header")),
            b"IDAT" => has_data |= length > 0,
            b"IEND" if !has_data => return Err(Fault::Broken("there are no pixels in it")),
            b"IEND" if !bytes.is_empty() => return Err(Fault::Broken("something follows its end")),
            b"IEND" => return size.ok_or(Fault::Broken("it has no header")),
            // Chunks that a decoder must understand begin with a capital letter; `PLTE` is the only other one.
            b"PLTE" => {}
            [first, ..] if first.is_ascii_lowercase() => {}
            _ => return Err(Fault::Broken("it has a critical chunk that is unknown")),
        }
    }
}
