//! Scenes of one layer kind each, filling a canvas of 512 units.

use iridule_scene::{
    color::{Rgb, Rgba},
    scene::{
        Align, Area, Blend, Canvas, Channel, Content, Fill, Font, Image, Layer, Mask, Paint, Scene, Shader,
        Stop, Text, binding,
    },
    variant::Fit,
};

const WHOLE: Area = Area { x: 0.0, y: 0.0, width: 512.0, height: 512.0 };

fn stops() -> Vec<Stop> {
    [(0.0, "#102040"), (0.5, "#e07040"), (1.0, "#fff0c0")]
        .map(|(offset, hex)| Stop { offset, colour: Rgba::parse(hex).unwrap() })
        .to_vec()
}

fn fill(paint: Paint) -> Layer {
    Layer::plain("fill", Content::Fill(Fill { area: WHOLE, radius: 0.0, paint }))
}

fn linear() -> Layer {
    fill(Paint::Linear { from: [0.0, 0.0], to: [512.0, 512.0], stops: stops() })
}

fn blended(blend: Blend) -> Vec<Layer> {
    let mut layer = linear();
    layer.blend = blend;
    vec![layer]
}

/// A file that the painter itself made: smooth, with some noise from its dither.
fn file(side: u16, format: iridule_scene::variant::Format) -> bytes::Bytes {
    let canvas = Canvas { width: 512, height: 512, background: Some(Rgb([8, 8, 8])) };
    let circle = Paint::Radial { centre: [256.0, 256.0], radius: 256.0, stops: stops() };
    let mut words = text(40.0);
    words.transform.0[4] = 3.0;
    let scene = Scene { canvas, layers: vec![fill(circle), words] };
    let variant =
        iridule_scene::variant::Variant { width: side, height: side, fit: Fit::Contain, format, quality: 85 };
    iridule_raster::paint(&scene, &variant).unwrap().into()
}

fn image(side: u16, format: iridule_scene::variant::Format) -> Vec<Layer> {
    vec![Layer::plain(
        "image",
        Content::Image(Image { file: file(side, format), area: WHOLE, fit: Fit::Contain }),
    )]
}

fn text(size: f32) -> Layer {
    Layer::plain(
        "text",
        Content::Text(Text {
            text: "Sphinx of black quartz, judge my vow; pack my box with five dozen jugs. ".repeat(3),
            font: Font::Regular,
            area: WHOLE,
            size,
            least_size: size,
            lines: 20,
            line_height: 1.2,
            align: Align::Start,
            valign: Align::Start,
            colour: Rgba([255; 4]),
        }),
    )
}

const PLASMA: &str = "
struct Token { row_x: vec4f, row_y: vec4f, picture: vec2f, scale: f32, spare: f32 }
@group(0) @binding(0) var<uniform> token: Token;
@fragment fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {
    let pixel = vec3f(p.xy, 1.0);
    let at = vec2f(dot(token.row_x.xyz, pixel), dot(token.row_y.xyz, pixel)) / 64.0;
    var sum = 0.0;
    var q = at;
    for (var i = 0; i < 6; i++) {
        q = vec2f(q.x * 1.3 + q.y * 0.7, q.y * 1.2 - q.x * 0.6) + 0.3;
        sum += (q.x * q.x + q.y) * 0.01;
    }
    return vec4f(fract(sum), fract(q), 1.0);
}";

fn shader(source: &str) -> Layer {
    let compiled = iridule_wgsl::compile(source, &iridule_wgsl::Options::default()).unwrap();
    let shader = Shader {
        source: String::new(),
        program: compiled.program.encode().into(),
        ops: 1000,
        uniforms: vec![0; binding::PLACE_BYTES],
        images: Vec::new(),
    };
    Layer::plain("shader", Content::Shader(shader))
}

/// The scenes, by name.
pub fn scenes() -> Vec<(&'static str, Scene)> {
    use iridule_scene::variant::Format;
    let mut half = linear();
    half.opacity = 0.5;
    let mut masked = linear();
    masked.mask = Some(Box::new(Mask { layer: linear(), channel: Channel::Luminance }));
    let mut turned = image(512, Format::Png);
    turned[0].transform.0 = [0.9, 0.4, -0.4, 0.9, 100.0, -80.0];
    let (centre, radius) = ([256.0; 2], 300.0);
    let cases = [
        ("nothing", vec![]),
        ("fill-solid", vec![fill(Paint::Solid(Rgba([200, 100, 50, 200])))]),
        ("fill-linear", vec![linear()]),
        ("fill-radial", vec![fill(Paint::Radial { centre, radius, stops: stops() })]),
        ("fill-conic", vec![fill(Paint::Conic { centre, angle: 0.0, stops: stops() })]),
        ("fill-linear-half", vec![half]),
        ("fill-linear-masked", vec![masked]),
        ("fill-linear-multiply", blended(Blend::Multiply)),
        ("fill-linear-soft-light", blended(Blend::SoftLight)),
        ("fill-linear-luminosity", blended(Blend::Luminosity)),
        ("image-png-512", image(512, Format::Png)),
        ("image-png-1024", image(1024, Format::Png)),
        ("image-png-256", image(256, Format::Png)),
        ("image-webp-1024", image(1024, Format::WebP)),
        ("image-jpeg-1024", image(1024, Format::Jpeg)),
        ("image-turned-512", turned),
        ("text-216-glyphs", vec![text(32.0)]),
        (
            "shader-trivial",
            vec![shader(
                "@fragment fn main(@builtin(position) p: vec4f) -> @location(0) vec4f { return vec4f(p.x / 512.0, 0.5, 0.5, 1.0); }",
            )],
        ),
        ("shader-plasma", vec![shader(PLASMA)]),
    ];
    let canvas = Canvas { width: 512, height: 512, background: Some(Rgb([20, 24, 32])) };
    cases.into_iter().map(|(name, layers)| (name, Scene { canvas, layers })).collect()
}
