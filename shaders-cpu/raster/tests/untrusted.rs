//! Programs, picture files, fonts and masters made to hurt: each is refused in words that name the layer, or painted;
//! none panics, and none takes memory or time without bound.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use iridule_raster::{PaintError, derive, image, text};
use iridule_scene::{
    color::Rgba,
    limits,
    scene::{Align, Area, Canvas, Content, Font, Image, Layer, Scene, Shader, Text, binding},
    variant::{Fit, Format, Variant},
};

const CANVAS: Canvas = Canvas { width: 64, height: 64, background: None };
const VARIANT: Variant =
    Variant { width: 64, height: 64, fit: Fit::Contain, format: Format::Png, quality: 0 };
const WHOLE: Area = Area { x: 0.0, y: 0.0, width: 64.0, height: 64.0 };
const FILES: [&[u8]; 6] = [
    include_bytes!("files/baseline.jpg"),
    include_bytes!("files/progressive.jpg"),
    include_bytes!("files/lossy.webp"),
    include_bytes!("files/lossless.webp"),
    include_bytes!("files/interlaced.png"),
    include_bytes!("files/palette-transparent.png"),
];

fn paint(content: Content) -> Result<Vec<u8>, PaintError> {
    iridule_raster::paint(&Scene { canvas: CANVAS, layers: vec![Layer::plain("hat", content)] }, &VARIANT)
}

fn picture(file: &[u8]) -> Result<Vec<u8>, PaintError> {
    let file = Bytes::copy_from_slice(file);
    paint(Content::Image(Image { file, area: WHOLE, fit: Fit::Contain }))
}

fn refusal(result: Result<Vec<u8>, PaintError>) -> String {
    let message = result.map(|bytes| bytes.len()).unwrap_err().to_string();
    assert!(message.starts_with("hat: "), "{message}");
    message
}

/// Numbers that look like chance and are always the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most.max(1)
    }

    /// A file with a few bytes changed, cut out, doubled or cut off.
    fn spoil(&mut self, file: &[u8]) -> Vec<u8> {
        let mut file = file.to_vec();
        for _ in 0..=self.roll(4) {
            let at = self.roll(file.len());
            match self.roll(8) {
                0 => file.truncate(at),
                1 => drop(file.drain(at..(at + self.roll(16)).min(file.len()))),
                2 => file.extend_from_within(at..),
                3 => file[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff),
                _ => file[at] = u8::try_from(self.roll(256)).unwrap(),
            }
            if file.is_empty() {
                break;
            }
        }
        file
    }
}

#[test]
fn spoilt_pictures_never_panic() {
    let mut dice = Dice(1);
    let rounds = if cfg!(debug_assertions) { 50 } else { 1_500 };
    for file in FILES {
        assert!(picture(file).is_ok());
        for _ in 0..rounds {
            let spoilt = dice.spoil(file);
            let _ = picture(&spoilt);
            let _ = derive(&spoilt, &CANVAS, &VARIANT);
        }
    }
}

#[test]
fn pictures_that_end_early_are_refused() {
    for file in FILES {
        for part in [9, 30, 60, 90] {
            refusal(picture(&file[..file.len() * part / 100]));
        }
    }
    assert!(refusal(picture(b"GIF89a")).contains("no PNG, WebP or JPEG"));
    assert!(refusal(picture(b"")).contains("no PNG, WebP or JPEG"));
    assert!(refusal(picture(include_bytes!("files/animated.webp"))).contains("animated"));
}

#[test]
fn pictures_are_measured_before_there_is_room_for_them() {
    let mut large = FILES[4].to_vec();
    large[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    assert!(refusal(picture(&large)).contains("65535 × 65535 pixels"));
    let frame = FILES[0].windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    let mut large = FILES[0].to_vec();
    large[frame + 5..frame + 9].fill(0xff);
    assert!(refusal(picture(&large)).contains("65535 × 65535 pixels"));
    // A canvas of the right size around a frame of another.
    let vp8 = FILES[2].windows(4).position(|name| name == b"VP8 ").unwrap();
    let mut large = FILES[2].to_vec();
    large[vp8 + 14..vp8 + 18].fill(0xff);
    assert!(refusal(picture(&large)).contains("different sizes"));
    let most = image::Info { format: image::Format::Png, width: 2048, height: 2048 };
    assert_eq!(most.pixels(), limits::IMAGE_PIXELS);
}

#[test]
fn long_thin_pictures_are_refused_although_they_have_few_pixels() {
    let sized = |width: u32, height: u32| {
        let mut file = FILES[4].to_vec();
        file[16..20].copy_from_slice(&width.to_be_bytes());
        file[20..24].copy_from_slice(&height.to_be_bytes());
        file
    };
    let longest = limits::IMAGE_SIDE;
    for (width, height) in [(4_194_304, 1), (1, 4_194_304), (longest + 1, 1), (1, longest + 1)] {
        let why = refusal(picture(&sized(width, height)));
        assert!(why.contains("8192 on a side"), "{why}");
        let why = image::inspect(&sized(width, height)).unwrap_err();
        assert_eq!(why, image::Fault::Size { width, height });
        // Of masks, and of what shaders sample, the same holds.
        let source = "@group(0) @binding(4) var paper: texture_2d<f32>;
            @fragment fn main() -> @location(0) vec4f { return textureLoad(paper, vec2i(0), 0); }";
        let bound = shader(source, vec![sized(width, height).into()], 100);
        assert!(refusal(paint(Content::Shader(bound))).contains("8192 on a side"));
    }
    assert!(image::inspect(&sized(longest, 512)).is_ok());
}

fn shader(source: &str, images: Vec<Bytes>, ops: u32) -> Shader {
    let compiled = iridule_wgsl::compile(source, &iridule_wgsl::Options::default()).unwrap();
    Shader {
        program: compiled.program.encode().into(),
        source: String::new(),
        ops,
        uniforms: vec![0; binding::PLACE_BYTES],
        images,
    }
}

const ENDLESS: &str = "@fragment fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    var x = p.x;
    loop { x = x * 1.5 + 1.0; if x < 0.0 { break; } }
    return vec4f(x);
}";

#[test]
fn endless_and_spoilt_shaders_end() {
    let endless = shader(ENDLESS, Vec::new(), 1000);
    assert!(refusal(paint(Content::Shader(endless.clone()))).contains("budget"));
    let mut dice = Dice(2);
    for _ in 0..2_000 {
        let program = dice.spoil(&endless.program).into();
        let _ = paint(Content::Shader(Shader { program, ops: 50, ..endless.clone() }));
    }
    let uniforms = "@group(0) @binding(0) var<uniform> many: array<vec4f, 64>;
        @fragment fn main() -> @location(0) vec4f { return many[63]; }";
    assert!(refusal(paint(Content::Shader(shader(uniforms, Vec::new(), 100)))).contains("many"));
}

#[test]
fn a_shader_s_pictures_have_room_together() {
    let source = "@group(0) @binding(4) var paper: texture_2d<f32>;
        @fragment fn main() -> @location(0) vec4f { return textureLoad(paper, vec2i(0), 0); }";
    assert!(refusal(paint(Content::Shader(shader(source, Vec::new(), 100)))).contains("paper"));
    let mut large = FILES[4].to_vec();
    large[16..24].copy_from_slice(&[0, 0, 8, 0, 0, 0, 7, 0]);
    let images = vec![large.clone().into(), large.into()];
    assert!(refusal(paint(Content::Shader(shader(source, images, 100)))).contains("together"));
    let broken = vec![Bytes::from_static(b"none")];
    assert!(refusal(paint(Content::Shader(shader(source, broken, 100)))).contains("image 1"));
}

fn words(font: Font) -> Text {
    Text {
        text: "AV fi (Ag) 0123\nÅé – end".into(),
        font,
        area: WHOLE,
        size: 12.0,
        least_size: 4.0,
        lines: 4,
        line_height: 1.2,
        align: Align::Start,
        valign: Align::Start,
        colour: Rgba([255; 4]),
    }
}

const FONT: &[u8] = include_bytes!("../fonts/SpaceGrotesk-Regular.ttf");

#[test]
fn spoilt_fonts_never_panic() {
    let mut dice = Dice(3);
    let begun = Instant::now();
    let rounds = if cfg!(debug_assertions) { 20 } else { 2_000 };
    for _ in 0..rounds {
        let mut font = dice.spoil(FONT);
        // Tables matter more than outlines: spoil their directory too.
        let at = dice.roll(300).min(font.len().saturating_sub(1));
        if let Some(byte) = font.get_mut(at) {
            *byte = byte.wrapping_add(1);
        }
        let _ = paint(Content::Text(words(Font::File(font.into()))));
    }
    assert!(begun.elapsed() < Duration::from_secs(120));
    assert!(refusal(paint(Content::Text(words(Font::File(Bytes::from_static(b"OTTO")))))).contains("font"));
}

/// The font with the glyph of `A` made of many of itself.
fn recursive_font() -> Vec<u8> {
    let mut font = FONT.to_vec();
    let long = |at: usize| u32::from_be_bytes(*FONT[at..].first_chunk().unwrap()) as usize;
    let table = |name: &[u8; 4]| {
        let record = (12..).step_by(16).find(|at| &FONT[*at..at + 4] == name).unwrap();
        long(record + 8)
    };
    let glyph = {
        use skrifa::MetadataProvider;
        skrifa::FontRef::new(FONT).unwrap().charmap().map('A').unwrap().to_u32()
    };
    let wide = FONT[table(b"head") + 51] == 1;
    let loca = table(b"loca");
    let entry = glyph as usize;
    let offset = if wide {
        long(loca + entry * 4)
    } else {
        usize::from(u16::from_be_bytes(*FONT[loca + entry * 2..].first_chunk().unwrap())) * 2
    };
    let at = table(b"glyf") + offset;
    font[at..at + 2].copy_from_slice(&[0xff, 0xff]);
    let [.., high, low] = glyph.to_be_bytes();
    for part in 0..4 {
        let more = if part < 3 { 0x20 } else { 0 };
        font[at + 10 + part * 6..][..6].copy_from_slice(&[0, more | 2, high, low, 0, 0]);
    }
    font
}

#[test]
fn glyphs_of_glyphs_come_to_an_end() {
    let message = refusal(paint(Content::Text(words(Font::File(recursive_font().into())))));
    assert!(message.contains("outlines"), "{message}");
}

#[test]
fn odd_texts_are_set_or_refused() {
    for odd in [
        String::new(),
        "\n\n\n".into(),
        "\u{202e}abc\u{202c} \u{2066}אבג".into(),
        "\u{0}\u{1}\t\r\n".into(),
        "e\u{301}\u{301}\u{301}".repeat(200),
        "😀👩‍👩‍👧‍👧🏳️‍🌈".into(),
        "a ".repeat(2_000),
        "W".repeat(4_096),
        "אב(גד)12 ab ".repeat(100),
    ] {
        let begun = Instant::now();
        let odd = Text { text: odd, ..words(Font::Regular) };
        paint(Content::Text(odd.clone())).unwrap();
        assert!(text::fits(&odd).unwrap().size >= odd.least_size);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    let long = Text { text: "x".repeat(4_097), ..words(Font::Regular) };
    assert!(refusal(paint(Content::Text(long))).contains("longer than 4096"));
    for (size, height) in
        [(f32::NAN, 9.0), (0.0, 9.0), (9.0, f32::INFINITY), (-1.0, 9.0), (1e30, 9.0), (1e-30, 9.0)]
    {
        let odd = Text { size, area: Area { height, ..WHOLE }, ..words(Font::Regular) };
        let _ = paint(Content::Text(odd));
    }
}

#[test]
fn fits_says_what_it_found() {
    let one = |text: &str, least_size| Text { text: text.into(), least_size, lines: 1, ..words(Font::Bold) };
    let fit = text::fits(&one("Hi", 12.0)).unwrap();
    assert_eq!((fit.size, fit.overflowed, fit.missing), (12.0, false, None));
    let fit = text::fits(&one("Hello there, you", 4.0)).unwrap();
    assert!(fit.size < 12.0 && fit.size > 4.0 && !fit.overflowed, "{fit:?}");
    let fit = text::fits(&one("Hello there, and much more than that", 11.0)).unwrap();
    assert_eq!((fit.size, fit.overflowed), (11.0, true));
    assert_eq!(text::fits(&one("a漢", 4.0)).unwrap().missing, Some('漢'));
}

#[test]
fn odd_measures_never_panic() {
    use iridule_scene::scene::{Blend, Channel, Fill, Mask, Paint, Stop, Transform};
    let odd = [f32::NAN, f32::INFINITY, -1e30, 1e30, 1e-30, 0.0, -5.0, 1e6, 33.3];
    let stop = |offset| Stop { offset, colour: Rgba([200, 100, 50, 128]) };
    for a in odd {
        for b in odd {
            let area = Area { x: a, y: b, width: b.abs(), height: a.abs() };
            let stops = vec![stop(b), stop(a), stop(0.5)];
            for paint_of in [
                Paint::Solid(Rgba([1, 2, 3, 4])),
                Paint::Linear { from: [a, b], to: [b, 1.0], stops: stops.clone() },
                Paint::Radial { centre: [a, b], radius: b, stops: stops.clone() },
                Paint::Conic { centre: [1.0, b], angle: a, stops: Vec::new() },
            ] {
                let content = Content::Fill(Fill { area, radius: a, paint: paint_of });
                let mut layer = Layer::plain("odd", content.clone());
                layer.transform = Transform([a, 0.0, b, 1.0, b, a]);
                layer.blend = Blend::Hue;
                layer.opacity = a;
                let mut mask = Layer::plain("mask", content);
                mask.opacity = b;
                layer.mask = Some(Box::new(Mask { layer: mask, channel: Channel::Luminance }));
                let whole = Layer { opacity: 0.7, mask: None, ..layer.clone() };
                let scene = Scene { canvas: CANVAS, layers: vec![layer, whole] };
                iridule_raster::paint(&scene, &VARIANT).unwrap();
            }
            let mut layer = Layer::plain(
                "image",
                Content::Image(Image { file: Bytes::from_static(FILES[0]), area, fit: Fit::Cover }),
            );
            layer.transform = Transform([1.0, a, b, 1.0, 0.0, 0.0]);
            let scene = Scene { canvas: CANVAS, layers: vec![layer] };
            iridule_raster::paint(&scene, &VARIANT).unwrap();
            assert!(picture(FILES[0]).is_ok());
        }
    }
}
