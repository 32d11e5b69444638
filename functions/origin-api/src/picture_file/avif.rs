//! AVIF (the AOM's text on ISO/IEC 23008-12): boxes. `ftyp` names the brand, `meta` the items with their sizes and where in
//! the file their data lie.

use super::{Bytes, Fault, Read};

/// Width and height: of every item, since the colors and the transparency of a picture are of one size.
pub(super) fn size(bytes: &[u8]) -> Read {
    let whole = bytes;
    let mut bytes = Bytes(bytes);
    let (kind, contents) = boxed(&mut bytes).map_err(|_| Fault::Format)?;
    let (brands, _) = contents.0.as_chunks::<4>();
    if kind != *b"ftyp" || !brands.contains(b"avif") {
        return Err(Fault::Format);
    }
    let (mut size, mut has_data) = (None, false);
    while !bytes.is_empty() {
        let (kind, contents) = boxed(&mut bytes)?;
        match &kind {
            b"meta" if size.is_none() => size = Some(items(contents, whole)?),
            b"meta" => return Err(Fault::Broken("it has two lists of items")),
            b"mdat" => has_data |= !contents.is_empty(),
            b"free" => {}
            _ => return Err(Fault::Broken("it has a part that no encoder of origins writes")),
        }
    }
    match size {
        Some(size) if has_data => Ok(size),
        Some(_) => Err(Fault::Broken("there are no pixels in it")),
        None => Err(Fault::Broken("it has no list of items")),
    }
}

/// The next box: its kind and contents. Lengths of 64 bits, and those that reach to the end, are not for such small files.
fn boxed<'a>(bytes: &mut Bytes<'a>) -> Result<([u8; 4], Bytes<'a>), Fault> {
    let length = bytes.length()?.checked_sub(8).ok_or(Fault::Broken("a box is too short"))?;
    let kind = bytes.array()?;
    Ok((kind, Bytes(bytes.take(length)?)))
}

/// What `meta` says.
fn items(mut meta: Bytes<'_>, whole: &[u8]) -> Read {
    // Version and flags.
    meta.take(4)?;
    let (mut size, mut is_placed) = (None, false);
    while !meta.is_empty() {
        let (kind, contents) = boxed(&mut meta)?;
        match &kind {
            b"iprp" => size = Some(properties(contents)?),
            b"iloc" => {
                places(contents, whole)?;
                is_placed = true;
            }
            _ => {}
        }
    }
    if !is_placed {
        return Err(Fault::Broken("its pixels are nowhere"));
    }
    size.ok_or(Fault::Broken("it states no size"))
}

/// The one size that all `ispe` of `ipco` state.
fn properties(mut bytes: Bytes<'_>) -> Read {
    let mut size = None;
    while !bytes.is_empty() {
        let (kind, mut contents) = boxed(&mut bytes)?;
        if kind != *b"ipco" {
            continue;
        }
        while !contents.is_empty() {
            let (kind, mut property) = boxed(&mut contents)?;
            match &kind {
                b"ispe" => {
                    property.take(4)?;
                    let this = (property.u32()?, property.u32()?);
                    if size.is_some_and(|known| known != this) {
                        return Err(Fault::Broken("its items differ in size"));
                    }
                    size = Some(this);
                }
                b"irot" | b"imir" | b"clap" => return Err(Fault::Broken("it is turned or cut")),
                _ => {}
            }
        }
    }
    size.ok_or(Fault::Broken("it states no size"))
}

/// Whether all data of items lie inside the file.
fn places(mut bytes: Bytes<'_>, whole: &[u8]) -> Result<(), Fault> {
    let [version, _, _, _] = bytes.array()?;
    let [lengths, base] = bytes.array()?;
    let (offset_bytes, length_bytes) = (lengths >> 4, lengths & 15);
    let (base_bytes, index_bytes) = (base >> 4, if version == 0 { 0 } else { base & 15 });
    let number = |bytes: &mut Bytes<'_>, count: u8| match count {
        0 => Ok(0),
        4 => bytes.u32().map(u64::from),
        8 => bytes.array().map(u64::from_be_bytes),
        _ => Err(Fault::Broken("its items have numbers of an odd length")),
    };
    let count = if version < 2 { u32::from(bytes.u16()?) } else { bytes.u32()? };
    for _ in 0..count {
        bytes.take(if version < 2 { 2 } else { 4 })?;
        let construction = if version == 0 { 0 } else { bytes.u16()? & 15 };
        if construction != 0 || bytes.u16()? != 0 {
            return Err(Fault::Broken("its pixels lie outside the file"));
        }
        let base = number(&mut bytes, base_bytes)?;
        for _ in 0..bytes.u16()? {
            number(&mut bytes, index_bytes)?;
            let (offset, length) = (number(&mut bytes, offset_bytes)?, number(&mut bytes, length_bytes)?);
            let end = base.checked_add(offset).and_then(|at| at.checked_add(length));
            if length == 0 || end.is_none_or(|end| end > whole.len() as u64) {
                return Err(Fault::Broken("its pixels lie outside the file"));
            }
        }
    }
    if count == 0 { Err(Fault::Broken("it has no items")) } else { Ok(()) }
}
