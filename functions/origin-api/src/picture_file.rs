//! Whether bytes from outside are a picture file of the expected format and size.
//!
//! The container is read from the first byte to the last, without decoding a pixel: signatures, lengths, the checksums that
//! a format has, and the width and height that it states. A file that passes is of its format by content, so no browser
//! takes it for anything else, and a decoder is given no more pixels than the variant has. Whether the compressed data
//! itself decodes is not checked here.

mod avif;
mod jpeg;
mod png;
mod webp;

use iridule_scene::variant::{Format, Variant};

/// Why bytes are not the expected picture file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotThePicture {
    /// They are of no such format.
    #[error("the body is no {0} file")]
    Format(&'static str),
    /// They begin like such a file and break its rules.
    #[error("the {0} file is broken: {1}")]
    Broken(&'static str, &'static str),
    /// The picture has another size.
    #[error("the picture has {0} × {1} pixels, {2} × {3} were asked for")]
    Size(u32, u32, u16, u16),
}

/// What is wrong with a file, or its width and height.
type Read = Result<(u32, u32), Fault>;

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is of another format.
    Format,
    /// It breaks this rule.
    Broken(&'static str),
}

/// Checks that bytes are a picture file of this variant's format, width and height.
///
/// # Errors
/// [`NotThePicture`].
pub fn check(bytes: &[u8], variant: &Variant) -> Result<(), NotThePicture> {
    let read = match variant.format {
        Format::Png => png::size(bytes),
        Format::WebP => webp::size(bytes),
        Format::Jpeg => jpeg::size(bytes),
        Format::Avif => avif::size(bytes),
    };
    let name = variant.format.media_type();
    match read {
        Err(Fault::Format) => Err(NotThePicture::Format(name)),
        Err(Fault::Broken(rule)) => Err(NotThePicture::Broken(name, rule)),
        Ok((width, height)) if (width, height) == (variant.width.into(), variant.height.into()) => Ok(()),
        Ok((width, height)) => Err(NotThePicture::Size(width, height, variant.width, variant.height)),
    }
}

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes, where there are so many.
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Fault::Broken("it ends too soon"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| Fault::Broken("it ends too soon"))
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    /// A length in 32 bits, as a count of bytes.
    fn length(&mut self) -> Result<usize, Fault> {
        usize::try_from(self.u32()?).map_err(|_| Fault::Broken("a part is longer than any file"))
    }
}
