//! Picture files with the containers of real ones and bytes of the test's choice for pixels.

use iridule_scene::variant::{Format, Variant};

/// A file of this variant's format, width and height. The mark must hold no 0xff, which means something in a JPEG.
pub fn file(variant: &Variant, mark: &[u8]) -> Vec<u8> {
    let (width, height) = (variant.width, variant.height);
    match variant.format {
        Format::Png => png(width, height, mark),
        Format::Jpeg => jpeg(width, height, mark),
        Format::WebP if variant.quality > 0 => webp(b"VP8 ", &lossy(width, height, mark)),
        Format::WebP => webp(b"VP8L", &lossless(width, height, mark)),
        Format::Avif => avif(width, height, mark),
    }
}

fn png(width: u16, height: u16, mark: &[u8]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = [u32::from(width).to_be_bytes(), u32::from(height).to_be_bytes()].concat();
    header.extend([8, 6, 0, 0, 0]);
    for (kind, contents) in [(b"IHDR", &*header), (b"IDAT", mark), (b"IEND", b"")] {
        file.extend(u32::try_from(contents.len()).unwrap().to_be_bytes());
        let checked = [kind, contents].concat();
        file.extend(&checked);
        file.extend(crc32fast::hash(&checked).to_be_bytes());
    }
    file
}

fn jpeg(width: u16, height: u16, mark: &[u8]) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2];
    file.extend([0xff, 0xc0, 0, 11, 8]);
    file.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
    file.extend([1, 1, 0x11, 0]);
    file.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]);
    file.extend(mark);
    file.extend([0xff, 0x00, 0xff, 0xd0, 7, 0xff, 0xd9]);
    file
}

fn webp(kind: &[u8; 4], frame: &[u8]) -> Vec<u8> {
    let mut chunk = [kind, &u32::try_from(frame.len()).unwrap().to_le_bytes()[..], frame].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    let length = u32::try_from(chunk.len() + 4).unwrap().to_le_bytes();
    [b"RIFF", &length[..], b"WEBP", &chunk].concat()
}

fn lossy(width: u16, height: u16, mark: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0x9d, 0x01, 0x2a], &width.to_le_bytes()[..], &height.to_le_bytes(), mark].concat()
}

fn lossless(width: u16, height: u16, mark: &[u8]) -> Vec<u8> {
    let bits = u32::from(width - 1) | u32::from(height - 1) << 14 | 1 << 28;
    [&[0x2f], &bits.to_le_bytes()[..], mark].concat()
}

fn boxed(kind: &[u8; 4], contents: &[u8]) -> Vec<u8> {
    [&u32::try_from(contents.len() + 8).unwrap().to_be_bytes()[..], kind, contents].concat()
}

fn avif(width: u16, height: u16, mark: &[u8]) -> Vec<u8> {
    let kind = boxed(b"ftyp", b"avif\0\0\0\0avifmif1");
    let meta = |at: u32| {
        let place = [
            [0x44, 0, 0, 1, 0, 1, 0, 0, 0, 1].as_slice(),
            &at.to_be_bytes(),
            &u32::try_from(mark.len()).unwrap().to_be_bytes(),
        ];
        let places = boxed(b"iloc", &[&[0; 4], &*place.concat()].concat());
        let size = [[0; 4], u32::from(width).to_be_bytes(), u32::from(height).to_be_bytes()].concat();
        let properties = boxed(b"iprp", &boxed(b"ipco", &boxed(b"ispe", &size)));
        boxed(b"meta", &[&[0; 4], &*places, &properties].concat())
    };
    let at = kind.len() + meta(0).len() + 8;
    [kind, meta(u32::try_from(at).unwrap()), boxed(b"mdat", mark)].concat()
}
