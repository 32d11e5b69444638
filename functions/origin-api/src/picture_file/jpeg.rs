//! JPEG (ISO/IEC 10918-1): marker segments from `SOI` to `EOI`, with entropy-coded data after each `SOS`.

use super::{Bytes, Fault, Read};

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// Width and height.
pub(super) fn size(bytes: &[u8]) -> Read {
    let broken = Fault::Broken;
    let mut bytes = Bytes(bytes.strip_prefix(&[0xff, SOI]).ok_or(Fault::Format)?);
    let (mut size, mut scans) = (None, 0u32);
    loop {
        if bytes.u8()? != 0xff {
            return Err(broken("a marker is missing"));
        }
        let mut marker = bytes.u8()?;
        while marker == 0xff {
            marker = bytes.u8()?;
        }
        if marker == EOI {
            return match size {
                _ if scans == 0 => Err(broken("there are no pixels in it")),
                _ if !bytes.is_empty() => Err(broken("something follows its end")),
                size => size.ok_or(broken("it has no header")),
            };
        }
        let length = usize::from(bytes.u16()?).checked_sub(2).ok_or(broken("a segment is too short"))?;
        let mut segment = Bytes(bytes.take(length)?);
        match marker {
            // Baseline, extended, progressive.
            0xc0..=0xc2 if size.is_none() => {
                segment.u8()?;
                let (height, width) = (segment.u16()?, segment.u16()?);
                size = Some((width.into(), height.into()));
            }
            0xc0..=0xc2 => return Err(broken("it has two headers")),
            SOS if size.is_none() => return Err(broken("its pixels come before its header")),
            SOS => {
                scans += 1;
                bytes = after_scan(bytes)?;
            }
            // Huffman and quantisation tables, restart intervals, application data, comments.
            0xc4 | 0xdb | 0xdd | 0xe0..=0xef | 0xfe => {}
            _ => return Err(broken("it has a segment that no encoder of origins writes")),
        }
    }
}

/// Passes over entropy-coded data: in it, 0xff stands before 0 or a restart marker only.
fn after_scan(bytes: Bytes<'_>) -> Result<Bytes<'_>, Fault> {
    let mut rest = bytes.0;
    loop {
        let at = rest.iter().position(|byte| *byte == 0xff).ok_or(Fault::Broken("it has no end"))?;
        match rest.get(at + 1) {
            Some(0x00 | 0xd0..=0xd7) => rest = &rest[at + 2..],
            Some(_) => return Ok(Bytes(&rest[at..])),
            None => return Err(Fault::Broken("it has no end")),
        }
    }
}
