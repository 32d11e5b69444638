//! Picture files: PNG, WebP and JPEG become rows of pixels, and an image layer draws them ([`draw`]).
//!
//! A file is told by its first bytes and its size is read from its header, before anything is allocated for it. What
//! it says of its colours (ICC profiles, gamma) and its orientation (EXIF) is not followed: channels are taken as
//! sRGB, rows from the top. An animated PNG shows its default picture; an animated WebP is refused.
//!
//! All three decoders are integer code without run-time CPU detection, so that every host reads the same pixels.

pub mod draw;
mod vp8l;

use core::fmt;
use std::io::Cursor;

use iridule_scene::limits;

use crate::compose::rows as kernels;
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

pub use draw::paint;

/// Bytes that the PNG decoder may hold beside the pixels: rows and ancillary chunks.
const PNG_BYTES: usize = 32 << 20;
/// Scans of one progressive JPEG: each goes over the whole picture, however short it is. Ten are usual.
const JPEG_SCANS: usize = 32;

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PNG (ISO/IEC 15948).
    Png,
    /// WebP (RFC 9649), lossless or lossy.
    WebP,
    /// JPEG, baseline or progressive.
    Jpeg,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Jpeg => "JPEG",
        }
    }
}

/// What a file's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// The format.
    pub format: Format,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl Info {
    /// Pixels in the picture.
    #[must_use]
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Its first bytes are of no format that is read here.
    Unknown,
    /// It has no pixels, more than [`limits::IMAGE_PIXELS`], or more than [`limits::IMAGE_SIDE`] on a side.
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// It holds an animation.
    Animated,
    /// It does not decode.
    Broken {
        /// The format that it claims.
        format: Format,
        /// The decoder's message.
        why: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("the file is no PNG, WebP or JPEG"),
            Self::Size { width, height } => write!(
                f,
                "{width} × {height} pixels; a picture has 1 to {} (2048 × 2048), and at most {} on a side",
                limits::IMAGE_PIXELS,
                limits::IMAGE_SIDE
            ),
            Self::Animated => f.write_str("the WebP is animated; a layer shows one picture"),
            Self::Broken { format, why } => write!(f, "the {} does not decode: {why}", format.name()),
        }
    }
}

/// A decoded picture: straight RGBA, 8 bits a channel, rows from the top without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Four bytes a pixel.
    pub pixels: Vec<u8>,
}

/// One row of a picture, straight.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    /// Three bytes a pixel.
    Rgb(&'a [u8]),
    /// Four bytes a pixel.
    Rgba(&'a [u8]),
}

/// What reads the rows of a picture, from the top.
pub type Rows<'a> = &'a mut dyn FnMut(Row<'_>);

/// Reads a file's header: what it is, and whether its size is admitted.
///
/// # Errors
/// [`Fault`], for what the header shows.
pub fn inspect(file: &[u8]) -> Result<Info, Fault> {
    let info = match file {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => png_header(file)?,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp_header(file)?,
        [0xff, 0xd8, 0xff, ..] => {
            let mut decoder = jpeg(file);
            decoder.decode_headers().map_err(|e| broken(Format::Jpeg, &format!("{e:?}")))?;
            let (width, height) = decoder.dimensions().unwrap_or_default();
            let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
            Info { format: Format::Jpeg, width: side(width), height: side(height) }
        }
        _ => return Err(Fault::Unknown),
    };
    admit(info.width, info.height)?;
    Ok(info)
}

/// Whether a picture may have this size.
fn admit(width: u32, height: u32) -> Result<(), Fault> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > limits::IMAGE_PIXELS || width.max(height) > limits::IMAGE_SIDE {
        return Err(Fault::Size { width, height });
    }
    Ok(())
}

/// Decodes a file.
///
/// # Errors
/// [`Fault`].
pub fn decode(file: &[u8]) -> Result<Picture, Fault> {
    let info = inspect(file)?;
    let mut pixels = Vec::with_capacity(info.width as usize * info.height as usize * 4);
    rows(file, &info, &mut |row| match row {
        Row::Rgba(row) => pixels.extend_from_slice(row),
        Row::Rgb(row) => {
            pixels.extend(
                row.as_chunks::<3>().0.iter().flat_map(|[red, green, blue]| [*red, *green, *blue, 255]),
            );
        }
    })?;
    Ok(Picture { width: info.width, height: info.height, pixels })
}

/// Decodes a file of which this is the header, row by row: as many rows as it is high, each as wide.
///
/// # Errors
/// [`Fault::Broken`]; some rows may have been read by then.
pub fn rows(file: &[u8], info: &Info, sink: Rows<'_>) -> Result<(), Fault> {
    match info.format {
        Format::Png => png_rows(file, info, false, sink),
        Format::WebP => webp_rows(file, info, sink),
        Format::Jpeg => jpeg_rows(file, info, sink),
    }
}

/// A row as premultiplied RGBA.
pub(crate) fn premultiplied(row: Row<'_>, out: &mut [u8]) {
    match row {
        Row::Rgba(row) => {
            let length = row.len().min(out.len());
            out[..length].copy_from_slice(&row[..length]);
            kernels::premultiply(out);
        }
        Row::Rgb(row) => {
            for (out, [red, green, blue]) in out.as_chunks_mut::<4>().0.iter_mut().zip(row.as_chunks::<3>().0)
            {
                *out = [*red, *green, *blue, 255];
            }
        }
    }
}

fn broken(format: Format, why: &str) -> Fault {
    Fault::Broken { format, why: why.into() }
}

/// The big-endian number at a place.
fn long(file: &[u8], at: usize) -> Option<u32> {
    file.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn png_header(file: &[u8]) -> Result<Info, Fault> {
    match (file.get(12..16), long(file, 16), long(file, 20)) {
        (Some(b"IHDR"), Some(width), Some(height)) => Ok(Info { format: Format::Png, width, height }),
        _ => Err(broken(Format::Png, "it has no header")),
    }
}

/// Rows of a PNG. Checksums of our own pictures were checked where they were kept.
pub(crate) fn png_rows(file: &[u8], info: &Info, trusted: bool, sink: Rows<'_>) -> Result<(), Fault> {
    let fault = |error: png::DecodingError| broken(Format::Png, &error.to_string());
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(file), png::Limits { bytes: PNG_BYTES });
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.ignore_checksums(trusted);
    let mut reader = decoder.read_info().map_err(fault)?;
    let colour = reader.output_color_type().0;
    let mut grey = Vec::new();
    let mut emit = |row: &[u8]| match colour {
        png::ColorType::Rgba => sink(Row::Rgba(row)),
        png::ColorType::Rgb | png::ColorType::Indexed => sink(Row::Rgb(row)),
        png::ColorType::Grayscale => {
            grey.clear();
            grey.extend(row.iter().flat_map(|grey| [*grey; 3]));
            sink(Row::Rgb(&grey));
        }
        png::ColorType::GrayscaleAlpha => {
            grey.clear();
            let (pixels, _) = row.as_chunks::<2>();
            grey.extend(pixels.iter().flat_map(|[grey, alpha]| [*grey, *grey, *grey, *alpha]));
            sink(Row::Rgba(&grey));
        }
    };
    if reader.info().interlaced {
        let line = reader.output_line_size(info.width).unwrap_or(0);
        let size =
            reader.output_buffer_size().filter(|size| line > 0 && *size == line * info.height as usize);
        let mut pixels = vec![0; size.ok_or_else(|| broken(Format::Png, "its size is unclear"))?];
        reader.next_frame(&mut pixels).map_err(fault)?;
        pixels.chunks_exact(line).for_each(&mut emit);
    } else {
        for _ in 0..info.height {
            let row = reader.next_row().map_err(fault)?;
            emit(row.ok_or_else(|| broken(Format::Png, "it ends early"))?.data());
        }
    }
    Ok(())
}

/// Checks one chunk of a WebP for a picture of this size.
type StreamCheck = fn(&[u8], u32, u32) -> Result<(), Fault>;

/// The canvas that a WebP's first chunk states, after a walk over the other chunks: the picture inside must have the
/// same size, since the decoder makes room for whatever that one says, and its codes must have room.
fn webp_header(file: &[u8]) -> Result<Info, Fault> {
    let short = || broken(Format::WebP, "its header ends early");
    let u16_at = |at: usize| Some(u32::from(u16::from_le_bytes(*file.get(at..)?.first_chunk()?)));
    let u24_at = |at: usize| Some(u16_at(at)? | u32::from(*file.get(at + 2)?) << 16);
    let lossy = |data: usize| Some((u16_at(data + 6)? & 0x3fff, u16_at(data + 8)? & 0x3fff));
    let mut canvas = None;
    let mut streams: Vec<(StreamCheck, &[u8])> = Vec::new();
    let mut at = 12;
    while let Some((kind, length)) =
        file.get(at..at + 4).zip(file.get(at + 4..).and_then(|rest| rest.first_chunk::<4>()))
    {
        let data = at + 8;
        let size = match kind {
            b"VP8X" => {
                if file.get(data).ok_or_else(short)? & 2 != 0 {
                    return Err(Fault::Animated);
                }
                u24_at(data + 4).zip(u24_at(data + 7)).map(|(width, height)| (width + 1, height + 1))
            }
            b"VP8L" => long(file, data + 1)
                .map(u32::swap_bytes)
                .map(|bits| (bits & 0x3fff, bits >> 14 & 0x3fff))
                .map(|(width, height)| (width + 1, height + 1)),
            b"VP8 " => lossy(data),
            _ => canvas,
        };
        let size = size.ok_or_else(short)?;
        if *canvas.get_or_insert(size) != size {
            return Err(broken(Format::WebP, "its parts have different sizes"));
        }
        let length = u32::from_le_bytes(*length) as usize;
        let end = data.saturating_add(length);
        let chunk = file.get(data..end.min(file.len())).unwrap_or_default();
        match kind {
            b"VP8L" => streams.push((vp8l::check, chunk)),
            b"ALPH" => streams.push((vp8l::check_alpha, chunk)),
            _ => {}
        }
        at = end.saturating_add(length % 2);
    }
    let (width, height) = canvas.ok_or_else(short)?;
    admit(width, height)?;
    for (check, chunk) in streams {
        check(chunk, width, height)?;
    }
    Ok(Info { format: Format::WebP, width, height })
}

fn webp_rows(file: &[u8], info: &Info, sink: Rows<'_>) -> Result<(), Fault> {
    let fault = |error: image_webp::DecodingError| broken(Format::WebP, &error.to_string());
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file)).map_err(fault)?;
    if decoder.dimensions() != (info.width, info.height) || decoder.is_animated() {
        return Err(broken(Format::WebP, "its parts have different sizes"));
    }
    let mut pixels = vec![0; decoder.output_buffer_size().unwrap_or(0)];
    decoder.read_image(&mut pixels).map_err(fault)?;
    let width = info.width as usize;
    if decoder.has_alpha() {
        pixels.chunks_exact(width * 4).for_each(|row| sink(Row::Rgba(row)));
    } else {
        pixels.chunks_exact(width * 3).for_each(|row| sink(Row::Rgb(row)));
    }
    Ok(())
}

fn jpeg(file: &[u8]) -> JpegDecoder<ZCursor<&[u8]>> {
    let side = usize::from(u16::MAX);
    let options = DecoderOptions::new_safe()
        .set_strict_mode(true)
        .set_max_width(side)
        .set_max_height(side)
        .jpeg_set_max_scans(JPEG_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    JpegDecoder::new_with_options(ZCursor::new(file), options)
}

fn jpeg_rows(file: &[u8], info: &Info, sink: Rows<'_>) -> Result<(), Fault> {
    let fault = |error| broken(Format::Jpeg, &format!("{error:?}"));
    let mut decoder = jpeg(file);
    decoder.decode_headers().map_err(fault)?;
    let line = info.width as usize * 3;
    let size = line * info.height as usize;
    if decoder.output_buffer_size() != Some(size) {
        return Err(broken(Format::Jpeg, "its colours are of a kind that is not read"));
    }
    let mut pixels = vec![0; size];
    decoder.decode_into(&mut pixels).map_err(fault)?;
    pixels.chunks_exact(line).for_each(|row| sink(Row::Rgb(row)));
    Ok(())
}
