//! Scenes of the layer kinds that are not SVG, each with one question.

use std::collections::BTreeMap;

use bytes::Bytes;
use iridule_scene::{
    color::{Rgb, Rgba},
    scene::{
        Align, Area, Blend, Canvas, Channel, Content, Fill, Font, Image, Layer, Mask, Paint, Scene, Shader,
        Stop, Text, Transform, binding,
    },
    variant::{Fit, Format, Variant},
};

type Case = (Scene, Variant);

/// Every scene, by the name of its folder.
pub fn all() -> BTreeMap<&'static str, Case> {
    BTreeMap::from([
        ("blend-modes", blend_modes()),
        ("blend-modes-on-nothing", blend_modes_on_nothing()),
        ("conic-gradient", conic_gradient()),
        ("gradients-mix-in-oklab", gradients_mix_in_oklab()),
        ("gradients-do-not-band", gradients_do_not_band()),
        ("images-are-read", images_are_read()),
        ("images-fit", images_fit()),
        ("images-turn", images_turn()),
        ("masks", masks()),
        ("opacity-is-of-the-whole-layer", opacity_is_of_the_whole_layer()),
        ("pad-cuts-every-kind", pad_cuts_every_kind()),
        ("round-corners", round_corners()),
        ("shader-sees-below-and-images", shader_sees_below_and_images()),
        ("shader-knows-its-place", shader_knows_its_place()),
        ("text-aligns", text_aligns()),
        ("text-runs-both-ways", text_runs_both_ways()),
        ("text-shrinks-and-ends", text_shrinks_and_ends()),
    ])
}

fn png(width: u16, height: u16) -> Variant {
    Variant { width, height, fit: Fit::Contain, format: Format::Png, quality: 0 }
}

fn canvas(width: u32, height: u32, background: Option<[u8; 3]>) -> Canvas {
    Canvas { width, height, background: background.map(Rgb) }
}

fn scene(canvas: Canvas, layers: Vec<Layer>) -> Scene {
    Scene { canvas, layers }
}

fn area(x: f32, y: f32, width: f32, height: f32) -> Area {
    Area { x, y, width, height }
}

fn colour(hex: &str) -> Rgba {
    Rgba::parse(hex).unwrap()
}

fn stops(colours: &[(f32, &str)]) -> Vec<Stop> {
    colours.iter().map(|(offset, hex)| Stop { offset: *offset, colour: colour(hex) }).collect()
}

fn fill(area: Area, radius: f32, paint: Paint) -> Layer {
    Layer::plain("fill", Content::Fill(Fill { area, radius, paint }))
}

fn solid(area: Area, hex: &str) -> Layer {
    fill(area, 0.0, Paint::Solid(colour(hex)))
}

fn linear(area: Area, from: [f32; 2], to: [f32; 2], colours: &[(f32, &str)]) -> Layer {
    fill(area, 0.0, Paint::Linear { from, to, stops: stops(colours) })
}

const MODES: [Blend; 16] = [
    Blend::Normal,
    Blend::Multiply,
    Blend::Screen,
    Blend::Overlay,
    Blend::Darken,
    Blend::Lighten,
    Blend::ColorDodge,
    Blend::ColorBurn,
    Blend::HardLight,
    Blend::SoftLight,
    Blend::Difference,
    Blend::Exclusion,
    Blend::Hue,
    Blend::Saturation,
    Blend::Color,
    Blend::Luminosity,
];

const RAINBOW: [(f32, &str); 7] = [
    (0.0, "#ff0000"),
    (0.17, "#ffff00"),
    (0.33, "#00ff00"),
    (0.5, "#00ffff"),
    (0.67, "#0000ff"),
    (0.83, "#ff00ff"),
    (1.0, "#ff0000"),
];

/// A sheet of all modes, in the order of CSS: a rainbow across, under a fall from white over a colour to black, which
/// becomes transparent at its right.
fn sheet(background: Option<[u8; 3]>) -> Case {
    let mut layers = Vec::new();
    for (number, mode) in (0u8..).zip(MODES) {
        let (x, y) = (f32::from(number % 4) * 60.0, f32::from(number / 4) * 60.0);
        let square = area(x + 2.0, y + 2.0, 56.0, 56.0);
        layers.push(linear(area(x + 2.0, y + 2.0, 56.0, 40.0), [x + 2.0, 0.0], [x + 58.0, 0.0], &RAINBOW));
        let mut above = linear(
            square,
            [x, y + 2.0],
            [x, y + 58.0],
            &[(0.0, "#ffffff"), (0.4, "#e07040"), (0.8, "#204060"), (1.0, "#000000")],
        );
        above.blend = mode;
        above.mask = Some(Box::new(Mask {
            layer: linear(
                square,
                [x + 30.0, 0.0],
                [x + 58.0, 0.0],
                &[(0.0, "#000"), (1.0, "#0000")].map(long),
            ),
            channel: Channel::Alpha,
        }));
        layers.push(above);
    }
    (scene(canvas(240, 240, background), layers), png(240, 240))
}

/// `#rgb` and `#rgba` written out.
fn long((offset, hex): (f32, &'static str)) -> (f32, &'static str) {
    (offset, if hex == "#000" { "#000000ff" } else { "#00000000" })
}

/// Are the sixteen blend modes those of CSS, with partial coverage?
fn blend_modes() -> Case {
    sheet(Some([40, 44, 52]))
}

/// Do blend modes leave colours as they are where nothing lies below, and where half a layer does?
fn blend_modes_on_nothing() -> Case {
    sheet(None)
}

/// Does a conic gradient begin where its angle says, run clockwise, and end hard?
fn conic_gradient() -> Case {
    let cone = |centre, angle| Paint::Conic { centre, angle, stops: stops(&RAINBOW[..6]) };
    let layers = vec![
        fill(area(0.0, 0.0, 100.0, 100.0), 0.0, cone([50.0, 50.0], 0.0)),
        fill(area(100.0, 0.0, 100.0, 100.0), 50.0, cone([150.0, 50.0], 90.0)),
    ];
    (scene(canvas(200, 100, None), layers), png(400, 200))
}

/// Are colours mixed in Oklab, premultiplied (no grey between yellow and blue, no dark rim towards transparency)?
fn gradients_mix_in_oklab() -> Case {
    let pairs = [
        ("#ffff00", "#0000ff"),
        ("#ff0000", "#00ff00"),
        ("#000000", "#ffffff"),
        ("#ff000000", "#ff8000"),
        ("#ffffffff", "#00000000"),
    ];
    let mut layers = Vec::new();
    for (row, (from, to)) in (0u8..).zip(pairs) {
        let y = f32::from(row) * 20.0;
        layers.push(linear(area(0.0, y, 200.0, 18.0), [0.0, 0.0], [200.0, 0.0], &[(0.0, from), (1.0, to)]));
    }
    layers.push(fill(
        area(200.0, 0.0, 100.0, 98.0),
        0.0,
        Paint::Radial {
            centre: [250.0, 49.0],
            radius: 49.0,
            stops: stops(&[(0.0, "#fff4c0"), (0.5, "#f07020"), (0.5, "#304080"), (1.0, "#30408000")]),
        },
    ));
    (scene(canvas(300, 100, Some([24, 24, 32])), layers), png(600, 200))
}

/// Do a few dark levels over a long way dissolve into each other, while one colour stays exactly one?
fn gradients_do_not_band() -> Case {
    let layers = vec![
        linear(area(0.0, 0.0, 256.0, 96.0), [0.0, 0.0], [256.0, 96.0], &[(0.0, "#101418"), (1.0, "#181c28")]),
        linear(area(0.0, 96.0, 256.0, 32.0), [0.0, 0.0], [256.0, 0.0], &[(0.0, "#3579bd"), (1.0, "#3579bd")]),
    ];
    (scene(canvas(256, 128, None), layers), png(256, 128))
}

/// A picture with fine lines, a disc and a transparent half.
fn pattern(width: u32, height: u32) -> Bytes {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) =
                (2 * i64::from(x) + 1 - i64::from(width), 2 * i64::from(y) + 1 - i64::from(height));
            let inside = dx * dx + dy * dy < i64::from(width.min(height)).pow(2);
            let line = (x + y) % 4 < 2;
            let edge = x == 0 || y == 0 || x + 1 == width || y + 1 == height;
            pixels.extend_from_slice(&match (edge, inside, line) {
                (true, ..) => [255, 255, 255, 255],
                (_, true, true) => [250, 220, 60, 255],
                (_, true, false) => [10, 60, 140, 255],
                (_, false, true) => [220, 40, 90, 255],
                (_, false, false) => [220, 40, 90, 0],
            });
        }
    }
    encoded(width, height, png::ColorType::Rgba, &pixels)
}

fn encoded(width: u32, height: u32, colour: png::ColorType, pixels: &[u8]) -> Bytes {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes.into()
}

fn image(file: &Bytes, area: Area, fit: Fit) -> Layer {
    Layer::plain("image", Content::Image(Image { file: file.clone(), area, fit }))
}

/// Is every kind of file read: colours, depths, palettes, interlacing, scans, alpha?
fn images_are_read() -> Case {
    let files: [&[u8]; 12] = [
        include_bytes!("../files/baseline.jpg"),
        include_bytes!("../files/progressive.jpg"),
        include_bytes!("../files/grey.jpg"),
        include_bytes!("../files/cmyk.jpg"),
        include_bytes!("../files/lossy.webp"),
        include_bytes!("../files/lossy-opaque.webp"),
        include_bytes!("../files/lossless.webp"),
        include_bytes!("../files/palette-transparent.png"),
        include_bytes!("../files/grey-alpha.png"),
        include_bytes!("../files/one-bit.png"),
        include_bytes!("../files/sixteen-bit.png"),
        include_bytes!("../files/interlaced.png"),
    ];
    let place = |(number, file): (u8, &[u8])| {
        let at = area(f32::from(number % 4) * 52.0 + 2.0, f32::from(number / 4) * 40.0 + 2.0, 48.0, 36.0);
        image(&Bytes::copy_from_slice(file), at, Fit::Fill)
    };
    (scene(canvas(208, 120, Some([40, 44, 52])), (0..).zip(files).map(place).collect()), png(208, 120))
}

/// Does a wide and a tall picture fill its area as each fit says, shrunk and enlarged, at fractions of a pixel, and at
/// its own size without a change?
fn images_fit() -> Case {
    let (wide, tall, small) = (pattern(240, 120), pattern(90, 180), pattern(16, 12));
    let mut layers = Vec::new();
    for (column, file) in (0u8..).zip([&wide, &tall, &small]) {
        for (row, fit) in (0u8..).zip([Fit::Contain, Fit::Cover, Fit::Fill]) {
            let (x, y) = (f32::from(column) * 60.0 + 4.25, f32::from(row) * 60.0 + 4.5);
            layers.push(solid(area(x, y, 50.0, 50.0), "#2a3240"));
            layers.push(image(file, area(x, y, 50.0, 50.0), fit));
        }
    }
    layers.push(image(&small, area(184.0, 4.0, 16.0, 12.0), Fit::Contain));
    let mut faint = image(&small, area(184.0, 24.0, 32.0, 24.0), Fit::Fill);
    faint.opacity = 0.4;
    layers.push(faint);
    (scene(canvas(220, 184, Some([12, 14, 18])), layers), png(220, 184))
}

/// Are pictures that are turned, leant or mirrored smooth inside and along their edges?
fn images_turn() -> Case {
    let file = pattern(200, 120);
    let transforms = [
        [0.94, 0.34, -0.34, 0.94, 20.0, -18.0],
        [-1.0, 0.0, 0.0, 1.0, 96.0, 0.0],
        [1.0, 0.0, 0.4, 1.0, -20.0, 0.0],
        [0.0, 1.0, -1.0, 0.0, 96.0, 0.0],
    ];
    let mut layers = Vec::new();
    for (number, [a, b, c, d, e, f]) in (0u8..).zip(transforms) {
        let mut layer = image(&file, area(8.0, 18.0, 80.0, 60.0), Fit::Cover);
        let x = f32::from(number) * 96.0;
        layer.transform = Transform([a, b, c, d, e + x, f]);
        layers.push(layer);
    }
    (scene(canvas(384, 96, Some([12, 14, 18])), layers), png(384, 96))
}

/// Do alpha and luminance of a mask each decide where a layer shows, with the mask's own transform and opacity?
fn masks() -> Case {
    let mut layers = Vec::new();
    for (column, channel) in (0u8..).zip([Channel::Alpha, Channel::Luminance]) {
        for (row, opacity) in (0u8..).zip([1.0, 0.5]) {
            let (x, y) = (f32::from(column) * 100.0, f32::from(row) * 100.0);
            let mut mask = fill(
                area(10.0, 10.0, 80.0, 80.0),
                30.0,
                Paint::Linear {
                    from: [0.0, 10.0],
                    to: [0.0, 90.0],
                    stops: stops(&[(0.0, "#ffffff"), (0.5, "#00ff00"), (0.5, "#ff0000"), (1.0, "#0000ff00")]),
                },
            );
            mask.transform = Transform([1.0, 0.0, 0.0, 1.0, x, y]);
            mask.opacity = opacity;
            let mut layer = solid(area(0.0, 0.0, 200.0, 200.0), "#f0c040");
            layer.mask = Some(Box::new(Mask { layer: mask, channel }));
            layers.push(layer);
        }
    }
    (scene(canvas(200, 200, Some([20, 22, 30])), layers), png(200, 200))
}

fn words(text: &str, area: Area, size: f32) -> Text {
    Text {
        text: text.into(),
        font: Font::Bold,
        area,
        size,
        least_size: size,
        lines: 3,
        line_height: 1.2,
        align: Align::Centre,
        valign: Align::Centre,
        colour: colour("#ffffff"),
    }
}

fn text(text: Text) -> Layer {
    Layer::plain("text", Content::Text(text))
}

/// Is a layer made thinner as a whole, so that what overlaps within it is not seen twice?
fn opacity_is_of_the_whole_layer() -> Case {
    let document = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 200 100'>\
        <circle cx='40' cy='50' r='30' fill='red'/><circle cx='70' cy='50' r='30' fill='blue'/></svg>";
    let svg = iridule_scene::scene::Svg { document: document.into(), steps: 0, elements: 10, overdraw: 4 };
    let mut circles = Layer::plain("circles.svg", Content::Svg(svg));
    circles.opacity = 0.5;
    let mut label = text(words("AVA", area(100.0, 0.0, 100.0, 100.0), 48.0));
    label.opacity = 0.5;
    (
        scene(
            canvas(200, 100, Some([255, 255, 255])),
            vec![solid(area(0.0, 45.0, 200.0, 10.0), "#000000"), circles, label],
        ),
        png(400, 200),
    )
}

/// Is what any kind paints outside the canvas covered again in a padded frame?
fn pad_cuts_every_kind() -> Case {
    let mut over = linear(
        area(-50.0, 30.0, 200.0, 20.0),
        [0.0, 0.0],
        [100.0, 0.0],
        &[(0.0, "#ff4040"), (1.0, "#40ff40")],
    );
    over.opacity = 0.8;
    let layers = vec![
        solid(area(-50.0, 0.0, 200.0, 20.0), "#4060ff"),
        over,
        image(&pattern(40, 40), area(80.0, 60.0, 80.0, 80.0), Fit::Contain),
    ];
    let variant = Variant { width: 200, height: 120, fit: Fit::Pad, format: Format::Png, quality: 0 };
    (scene(canvas(100, 100, Some([230, 230, 220])), layers), variant)
}

/// Are corners round, as round as there is room for, and smooth when the layer is turned?
fn round_corners() -> Case {
    let paint = || Paint::Solid(colour("#48c0a0"));
    let mut turned = fill(area(-30.0, -20.0, 60.0, 40.0), 12.0, paint());
    turned.transform = Transform([0.8, 0.6, -0.6, 0.8, 250.0, 50.0]);
    let layers = vec![
        fill(area(10.0, 10.0, 80.0, 80.0), 20.0, paint()),
        fill(
            area(110.0, 30.0, 80.0, 40.0),
            400.0,
            Paint::Radial {
                centre: [150.0, 50.0],
                radius: 45.0,
                stops: stops(&[(0.0, "#ffffff"), (1.0, "#48c0a0")]),
            },
        ),
        turned,
    ];
    (scene(canvas(300, 100, Some([16, 18, 24])), layers), png(300, 100))
}

const DECLARATIONS: &str = "
struct Token {
    row_x: vec4f, row_y: vec4f,
    picture: vec2f,
    scale: f32,
    spare: f32,
    tint: vec4f,
}
@group(0) @binding(0) var<uniform> token: Token;
@group(0) @binding(1) var below: texture_2d<f32>;
@group(0) @binding(2) var clamped: sampler;
@group(0) @binding(3) var repeated: sampler;
@group(0) @binding(4) var paper: texture_2d<f32>;
fn canvas_point(p: vec4f) -> vec2f {
    let pixel = vec3f(p.xy, 1.0);
    return vec2f(dot(token.row_x.xyz, pixel), dot(token.row_y.xyz, pixel));
}
";

fn shader(source: &str, images: Vec<Bytes>) -> Layer {
    let source = [source, DECLARATIONS].concat();
    let compiled = iridule_wgsl::compile(&source, &iridule_wgsl::Options::default()).unwrap();
    let mut uniforms = vec![0; binding::PLACE_BYTES];
    uniforms.extend([1.0f32, 0.5, 0.25, 1.0].into_iter().flat_map(f32::to_le_bytes));
    let program = compiled.program.encode().into();
    Layer::plain(
        "shader",
        Content::Shader(Shader { program, source: String::new(), ops: 400, uniforms, images }),
    )
}

/// Does a shader see the premultiplied picture below, pixel for pixel, its own image with straight alpha, and both
/// samplers?
fn shader_sees_below_and_images() -> Case {
    let source = "@fragment fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
        let at = canvas_point(p);
        let shifted = textureLoad(below, vec2i(p.xy + vec2f(6.0 * sin(at.y * 0.3), 0.0)), 0);
        let repeating = textureSampleLevel(paper, repeated, at / 40.0, 0.0);
        let edge = textureSampleLevel(paper, clamped, (at - 60.0) / 40.0, 0.0);
        if at.x < 50.0 { return shifted; }
        if at.y < 50.0 { return repeating; }
        return vec4f(edge.rgb * token.tint.rgb, edge.a);
    }";
    let layers = vec![
        linear(
            area(0.0, 0.0, 100.0, 100.0),
            [0.0, 0.0],
            [100.0, 0.0],
            &[(0.0, "#ffd040"), (0.25, "#4080ff"), (0.5, "#202040")],
        ),
        shader(source, vec![pattern(20, 20)]),
    ];
    (scene(canvas(100, 100, None), layers), png(200, 200))
}

/// Are a shader's coordinates those of the canvas through the layer's transform, in a frame that cuts the canvas?
fn shader_knows_its_place() -> Case {
    let source = "@fragment fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
        let at = canvas_point(p);
        let line = step(fract(at / 10.0), vec2f(1.5 / (10.0 * token.scale)));
        let inside = all(at >= vec2f(0.0)) && all(at < vec2f(100.0));
        let colour = select(vec3f(0.2), vec3f(at / 100.0, 0.4), inside);
        return vec4f(mix(colour, vec3f(1.0), max(line.x, line.y)), select(0.5, 1.0, p.x < token.picture.x / 2.0));
    }";
    let mut layer = shader(source, Vec::new());
    layer.transform = Transform([0.4, 0.3, -0.3, 0.4, 50.0, 15.0]);
    let variant = Variant { width: 240, height: 120, fit: Fit::Cover, format: Format::Png, quality: 0 };
    (scene(canvas(100, 100, Some([0, 0, 0])), vec![layer]), variant)
}

/// Does text lie where both alignments say, in lines, and broken at line feeds?
fn text_aligns() -> Case {
    let mut layers = Vec::new();
    for (column, align) in (0u8..).zip([Align::Start, Align::Centre, Align::End]) {
        for (row, valign) in (0u8..).zip([Align::Start, Align::Centre, Align::End]) {
            let square = area(f32::from(column) * 110.0 + 5.0, f32::from(row) * 90.0 + 5.0, 100.0, 80.0);
            layers.push(solid(square, "#263040"));
            layers.push(text(Text {
                align,
                valign,
                font: Font::Regular,
                ..words("Fjord glyphs\nhang, quietly", square, 15.0)
            }));
        }
    }
    (scene(canvas(330, 270, Some([12, 14, 18])), layers), png(330, 270))
}

/// Do words of a script from right to left stand in their order, with brackets mirrored, and at the right by default?
/// The bundled font has no Hebrew, so the boxes of missing glyphs show the order.
fn text_runs_both_ways() -> Case {
    let line = |at: f32, what: &str| {
        let room = area(5.0, at, 290.0, 26.0);
        [
            solid(room, "#263040"),
            text(Text { align: Align::Start, font: Font::Regular, ..words(what, room, 18.0) }),
        ]
    };
    let mut layers = Vec::new();
    layers.extend(line(4.0, "abc שלום (12) def"));
    layers.extend(line(34.0, "שלום abc (עולם) 123"));
    layers.extend(line(64.0, "AVATAR fi – Łódź, Ελλ"));
    (scene(canvas(300, 94, Some([12, 14, 18])), layers), png(600, 188))
}

/// Does text shrink until it fits, and end in an ellipsis where it may shrink no more?
fn text_shrinks_and_ends() -> Case {
    let cell = |column: u8, row: u8, text_of: Text| {
        let square = area(f32::from(column) * 150.0 + 5.0, f32::from(row) * 60.0 + 5.0, 140.0, 50.0);
        [solid(square, "#263040"), text(Text { area: square, ..text_of })]
    };
    let long = "The quick brown fox jumps over the lazy dog, twice";
    let set = |what: &str, size: f32, least_size: f32, lines: u32| Text {
        least_size,
        lines,
        font: Font::Regular,
        align: Align::Start,
        ..words(what, area(0.0, 0.0, 1.0, 1.0), size)
    };
    let mut layers = Vec::new();
    layers.extend(cell(0, 0, set(long, 30.0, 6.0, 3)));
    layers.extend(cell(1, 0, set(long, 30.0, 18.0, 2)));
    layers.extend(cell(0, 1, set("Unbreakable-supercalifragilistic", 30.0, 6.0, 2)));
    layers.extend(cell(1, 1, set("Unbreakable-supercalifragilistic and more", 30.0, 16.0, 2)));
    layers.extend(cell(0, 2, set("漢字仮名交じり文、改行する。終わり", 20.0, 20.0, 2)));
    layers.extend(cell(1, 2, set("  spaces   around   \n\n third ", 14.0, 14.0, 3)));
    (scene(canvas(300, 180, Some([12, 14, 18])), layers), png(600, 360))
}
