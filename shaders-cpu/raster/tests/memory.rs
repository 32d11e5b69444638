//! What decoding and drawing a picture file takes at the most, in bytes of memory, counted by the allocator.
//!
//! An edge instance has 128 MiB for all it does, and ends when it wants more. The files here are as large as is admitted,
//! and of the kinds that decoders need the most memory for.
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without, it stops at")]

use std::io::Write as _;

use bytes::Bytes;
use iridule_raster::{image, paint_pixels};
use iridule_scene::{
    limits,
    scene::{Area, Canvas, Content, Image, Layer, Scene},
    variant::{Fit, Format, Variant},
};

/// Values that hardly compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    (0..bytes).map(|_| next()).collect()
}

/// An interlaced PNG of 16 bits a channel with alpha. No encoder here makes any.
fn interlaced(width: u32, height: u32) -> Vec<u8> {
    let mut raw = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    // The seven passes of Adam7: first column and row, steps.
    for (x, y, across, down) in
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    {
        let columns = width.saturating_sub(x).div_ceil(across);
        let rows = height.saturating_sub(y).div_ceil(down);
        if columns == 0 {
            continue;
        }
        let line = [vec![0], vec![0x5a; columns as usize * 8]].concat();
        (0..rows).for_each(|_| raw.write_all(&line).unwrap());
    }
    let data = raw.finish().unwrap();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        file.extend(kind);
        file.extend(data);
        file.extend(crc.sum().to_be_bytes());
    };
    chunk(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &[16, 6, 0, 0, 1]].concat());
    chunk(b"IDAT", &data);
    chunk(b"IEND", &[]);
    file
}

fn jpeg(width: u16, height: u16, colors: jpeg_encoder::ColorType, channels: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 50);
    encoder.set_progressive(true);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::R_4_4_4);
    let pixels = noise(usize::from(width) * usize::from(height) * channels);
    encoder.encode(&pixels, width, height, colors).unwrap();
    file
}

fn webp(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let pixels = noise(width as usize * height as usize * 4);
    image_webp::WebPEncoder::new(&mut file)
        .encode(&pixels, width, height, image_webp::ColorType::Rgba8)
        .unwrap();
    file
}

fn largest() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("PNG, interlaced, 16 bits", interlaced(2048, 2048)),
        ("PNG, long", interlaced(8192, 512)),
        ("PNG, high", interlaced(512, 8192)),
        ("JPEG, progressive", jpeg(2048, 2048, jpeg_encoder::ColorType::Rgb, 3)),
        ("JPEG, progressive, CMYK", jpeg(2048, 2048, jpeg_encoder::ColorType::Cmyk, 4)),
        ("WebP, lossless", webp(2048, 2048)),
    ]
}

#[test]
fn decoding_the_largest_pictures_takes_no_more_than_is_set() {
    for (name, file) in largest() {
        let mut decoded = None;
        let taken = allocation_counter::measure(|| decoded = Some(image::decode(&file)));
        let why = decoded.unwrap().map(|picture| (picture.width, picture.height));
        assert!(taken.bytes_max <= limits::DECODE_BYTES, "{name}: {} MiB, {why:?}", taken.bytes_max >> 20);
    }
}

#[test]
fn drawing_the_largest_pictures_as_small_as_can_be_takes_hardly_more() {
    for (name, file) in largest() {
        if image::decode(&file).is_err() {
            continue;
        }
        for (width, height) in [(2000.0, 1.0), (1.0, 2000.0), (2000.0, 20.0)] {
            let image = Image {
                file: Bytes::from(file.clone()),
                area: Area { x: 0.0, y: 0.0, width, height },
                fit: Fit::Fill,
            };
            let layer = Layer::plain("picture", Content::Image(image));
            let canvas = Canvas { width: 2048, height: 2048, background: None };
            let scene = Scene { canvas, layers: vec![layer] };
            let variant =
                Variant { width: 2048, height: 2048, fit: Fit::Contain, format: Format::Png, quality: 0 };
            let taken = allocation_counter::measure(|| {
                paint_pixels(&scene, &variant).unwrap();
            });
            let most = limits::DECODE_BYTES + limits::EDGE_PIXELS * 4 + (2 << 20);
            assert!(taken.bytes_max <= most, "{name}: {} MiB", taken.bytes_max >> 20);
        }
    }
}
