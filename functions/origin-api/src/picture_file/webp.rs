//! WebP (RFC 9649): a RIFF container with `VP8 ` or `VP8L`, alone or after `VP8X`. Animations are refused.

use super::{Bytes, Fault, Read};

/// Width and height.
pub(super) fn size(bytes: &[u8]) -> Read {
    let broken = Fault::Broken;
    let mut bytes = Bytes(bytes);
    if bytes.take(4).map_err(|_| Fault::Format)? != b"RIFF" {
        return Err(Fault::Format);
    }
    let length = little_endian(&mut bytes)?;
    if length != bytes.0.len() {
        return Err(broken("its length is not what it states"));
    }
    if bytes.take(4)? != b"WEBP" {
        return Err(Fault::Format);
    }
    let (mut canvas, mut frame) = (None, None);
    while !bytes.is_empty() {
        let kind: [u8; 4] = bytes.array()?;
        let length = little_endian(&mut bytes)?;
        let contents = Bytes(bytes.take(length)?);
        // Chunks have an even length; the byte that fills them up is zero.
        if length % 2 == 1 && bytes.u8()? != 0 {
            return Err(broken("a chunk's padding is not zero"));
        }
        match &kind {
            b"VP8X" if canvas.is_none() && frame.is_none() => canvas = Some(extended(contents)?),
            b"VP8 " if frame.is_none() => frame = Some(lossy(contents)?),
            b"VP8L" if frame.is_none() => frame = Some(lossless(contents)?),
            b"VP8X" | b"VP8 " | b"VP8L" => return Err(broken("it has two pictures")),
            b"ANIM" | b"ANMF" => return Err(broken("it is an animation")),
            _ => {}
        }
    }
    let frame = frame.ok_or(broken("there is no picture in it"))?;
    match canvas {
        Some(canvas) if canvas != frame => Err(broken("picture and canvas differ in size")),
        _ => Ok(frame),
    }
}

fn little_endian(bytes: &mut Bytes<'_>) -> Result<usize, Fault> {
    let length = bytes.array().map(u32::from_le_bytes)?;
    usize::try_from(length).map_err(|_| Fault::Broken("a part is longer than any file"))
}

/// A byte of flags, three of zeros, then width and height less one in 24 bits each.
fn extended(mut bytes: Bytes<'_>) -> Read {
    bytes.take(4)?;
    let mut side = || {
        let [a, b, c] = bytes.array()?;
        Ok(u32::from_le_bytes([a, b, c, 0]) + 1)
    };
    Ok((side()?, side()?))
}

/// A key frame of VP8 (RFC 6386, section 9.1): three bytes of tag, the start code, then 14 bits of width and height each.
fn lossy(mut bytes: Bytes<'_>) -> Read {
    let [first, _, _] = bytes.array()?;
    if first & 1 != 0 || bytes.take(3)? != [0x9d, 0x01, 0x2a] {
        return Err(Fault::Broken("its picture is no key frame"));
    }
    let mut side = || bytes.array().map(|side| u32::from(u16::from_le_bytes(side) & 0x3fff));
    let size = (side()?, side()?);
    if bytes.is_empty() { Err(Fault::Broken("there are no pixels in it")) } else { Ok(size) }
}

/// The signature of VP8L, then width and height less one in 14 bits each, a bit for alpha and three of version 0.
fn lossless(mut bytes: Bytes<'_>) -> Read {
    if bytes.u8()? != 0x2f {
        return Err(Fault::Broken("its picture has no signature"));
    }
    let bits = bytes.array().map(u32::from_le_bytes)?;
    if bits >> 29 != 0 || bytes.is_empty() {
        return Err(Fault::Broken("its picture is of an unknown version, or empty"));
    }
    Ok(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
}
