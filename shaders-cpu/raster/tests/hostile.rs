//! Documents made to hurt: each must be refused, or painted in bounded time, and none may panic.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use iridule_scene::{
    scene::{Canvas, Content, Layer, Scene, Svg},
    variant::{Fit, Format, Variant},
};

fn paint(document: &str, side: u16) -> Result<Vec<u8>, String> {
    let svg = Svg { document: document.into(), steps: 0, elements: 2_000, overdraw: 16 };
    let scene = Scene {
        canvas: Canvas { width: 1024, height: 1024, background: None },
        layers: vec![Layer::plain("layer.svg", Content::Svg(svg))],
    };
    let variant = Variant { width: side, height: side, fit: Fit::Contain, format: Format::Png, quality: 0 };
    iridule_raster::paint(&scene, &variant).map_err(|e| e.to_string())
}

fn refusal(body: &str) -> String {
    let document = format!("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'>{body}</svg>");
    paint(&document, 768).map(|bytes| bytes.len()).expect_err(&body[..body.len().min(200)])
}

#[test]
fn what_would_cost_without_bound_is_refused() {
    let rects = |count: usize, attributes: &str| {
        format!("<rect width='100' height='100' {attributes}/>").repeat(count)
    };
    for (body, part) in [
        (rects(1_500, ""), "cover more pixels"),
        (rects(300, "opacity='0.5' stroke='red'"), "layers"),
        ("<g opacity='.9'>".repeat(60) + "<rect width='100' height='100'/>" + &"</g>".repeat(60), "layers"),
        ("<path d='M0 0H100' stroke='red' stroke-dasharray='.0001'/>".into(), "dashes"),
        ("<path stroke='red' d='M0 0".to_string() + &"L100 100L0 0".repeat(5_000) + "'/>", "segments"),
        ("<path d='M0 0".to_string() + &"V100H1V0H0".repeat(20_000) + "'/>", ""),
        (
            "<pattern id='p' width='.001' height='.001'><rect width='9' height='9'/></pattern>".to_string()
                + &rects(1_000, "fill='url(#p)'"),
            "",
        ),
        (
            "<pattern id='p' patternUnits='userSpaceOnUse' width='999999' height='999999'><rect width='9' height='9'/></pattern>"
                .to_string()
                + &rects(1, "fill='url(#p)'"),
            "tile",
        ),
        ("<rect x='1e6' transform='scale(1e6)' width='9' height='9'/>".into(), "too far"),
        (
            "<filter id='f'><feGaussianBlur stdDeviation='5'/></filter>".to_string()
                + &rects(100, "filter='url(#f)'"),
            "layers",
        ),
        ("<g style='mix-blend-mode:color-burn'><rect width='9' height='9'/></g>".into(), "color-burn"),
        (
            "<filter id='f'><feComponentTransfer><feFuncR type='gamma' exponent='2'/></feComponentTransfer></filter>"
                .to_string()
                + &rects(1, "filter='url(#f)'"),
            "gamma",
        ),
        ("<g fill='url(#p)'><pattern id='p' width='9' height='9'><rect width='9' height='9'/></pattern><rect width='9' height='9'/></g>".into(), ""),
    ] {
        let message = refusal(&body);
        assert!(message.contains(part) && message.starts_with("layer.svg, "), "{message}");
    }
}

#[test]
fn references_count_however_they_are_written() {
    for (before, after) in [("#", ""), (" #", ""), ("#", " "), ("\t#", "\n")] {
        let mut body = "<rect id='a0' width='1' height='1'/>".to_string();
        for level in 1..=14 {
            let link = format!("{before}a{}{after}", level - 1);
            body += &format!("<g id='a{level}'><use href='{link}'/><use href='{link}'/></g>");
        }
        let message = refusal(&body);
        assert!(message.contains("elements"), "{before:?} {after:?}: {message}");
    }
    assert!(refusal("<rect id='#a' width='1' height='1'/><use href='##a'/>").contains("id"));
}
