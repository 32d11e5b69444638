//! `mirror`: a style for one token whose picture the contract keeps. The document is its only layer.
//!
//! A style names what it holds by content, so a picture that changes on the chain is another style, with other keys and
//! another `ETag`; and edges, origins, limits and costs are those of any style.

use iridule_raster::svg::scan;
use iridule_records::{gauge::State, seed::Seed};
use iridule_scene::{
    limits,
    scene::Canvas,
    variant::{Fit, Format, Variant},
};
use iridule_style::{
    author::{self, ByHand, Package},
    style::Style,
};

/// The longer side of the canvas.
const SIDE: f64 = 1024.0;
/// How often the document may paint over the whole canvas; the first that suffices is declared, for it is part of the cost.
const OVERDRAW: [u32; 3] = [4, 16, 64];
/// The side of the picture that is painted to see whether it can be.
const TRIAL: u16 = 128;

/// The style of a document, after it was painted once.
///
/// # Errors
/// A sentence: why it cannot be painted here. `docs/decisions/005-which-svg-paints-the-same-bytes-on-every-host.md` says which SVG can.
pub(crate) fn style(svg: &str, seed: &Seed) -> Result<Package, String> {
    if ["{{", "{%", "{#"].iter().any(|mark| svg.contains(mark)) {
        return Err("its image holds {{, {% or {#, which mean something else in a style".into());
    }
    let (width, height) = canvas(svg)?;
    let tags = svg.matches('<').count() - svg.matches("</").count();
    let (bytes, elements) = (svg.len(), tags.clamp(1, limits::SVG_ELEMENTS as usize));
    let mut why = String::new();
    for overdraw in OVERDRAW {
        let toml = format!(
            "name = \"Mirror\"\ndescription = \"The picture that the contract keeps.\"\n\
             [canvas]\nwidth = {width}\nheight = {height}\n\
             [[layer]]\nkind = \"svg\"\nsource = \"token.svg\"\nbytes = {bytes}\nelements = {elements}\n\
             overdraw = {overdraw}\n"
        );
        let package = author::build(&toml, None, &ByHand, |_| Ok(svg.as_bytes().to_vec()))?;
        match trial(&package, svg, seed) {
            Ok(()) => return Ok(package),
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

/// Paints it small.
fn trial(package: &Package, svg: &str, seed: &Seed) -> Result<(), String> {
    let style = Style::load(package.cid, package.manifest.clone(), |_| Some(svg.as_bytes().to_vec()))?;
    let draft = style.draft(seed, &State::default()).map_err(|why| why.to_string())?;
    let scene = draft.fill(|path| Err(format!("{path}: there is no such file")))?;
    let Canvas { width, height, .. } = scene.canvas;
    let side = |side: u32| {
        let scaled = u64::from(side) * u64::from(TRIAL) / u64::from(width.max(height));
        u16::try_from(scaled.max(1)).unwrap_or(TRIAL)
    };
    let (width, height) = (side(width), side(height));
    let variant = Variant { width, height, fit: Fit::Contain, format: Format::Png, quality: 0 };
    iridule_raster::paint(&scene, &variant).map(|_| ()).map_err(|why| why.to_string())
}

/// The canvas for a document: its shape, the longer side 1,024 units.
fn canvas(svg: &str) -> Result<(u32, u32), String> {
    scan::look_over(svg).map_err(|fault| format!("its image: {fault}"))?;
    let options = roxmltree::ParsingOptions { nodes_limit: limits::SVG_ELEMENTS * 8, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(svg, options)
        .map_err(|why| format!("its image is no XML: {why}"))?;
    let root = document.root_element();
    if root.tag_name().name() != "svg" {
        return Err(format!("its image is a <{}>, not an <svg>", root.tag_name().name()));
    }
    let view = root.attribute("viewBox").and_then(|text| {
        let mut numbers = text.split([' ', ',']).filter(|word| !word.is_empty()).map(str::parse::<f64>);
        let [_, _, width, height] =
            [numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?];
        Some((width, height))
    });
    let side = |name: &str| root.attribute(name)?.trim_end_matches("px").parse::<f64>().ok();
    let shape = view.or_else(|| Some((side("width")?, side("height")?)));
    let (width, height) = shape
        .filter(|(width, height)| *width > 0.0 && *height > 0.0 && (width / height).is_finite())
        .unwrap_or((1.0, 1.0));
    let scale = SIDE / width.max(height);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "16 to 1024")]
    let units = |side: f64| (side * scale).round().clamp(16.0, SIDE) as u32;
    Ok((units(width), units(height)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed() -> Seed {
        Seed(alloy::primitives::B256::ZERO)
    }

    #[test]
    fn a_document_becomes_a_style_of_its_shape() {
        let svg = |inner: &str| {
            format!(r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 350 175">{inner}</svg>"##)
        };
        let package = style(&svg(r##"<rect width="350" height="175" fill="#f0a"/>"##), &seed()).unwrap();
        let canvas = package.manifest.canvas.canvas();
        assert_eq!((canvas.width, canvas.height), (1024, 512));
        let other = style(&svg(r##"<rect width="350" height="175" fill="#f0b"/>"##), &seed()).unwrap();
        assert_ne!(package.cid, other.cid);
    }

    #[test]
    fn what_cannot_be_painted_is_refused_with_a_reason() {
        for (bad, why) in [
            ("<p/>", "not an <svg>"),
            ("<svg", "no XML"),
            (r#"<svg xmlns="http://www.w3.org/2000/svg">{{ x }}</svg>"#, "mean something else"),
        ] {
            assert!(style(bad, &seed()).unwrap_err().contains(why), "{bad}");
        }
        let outside = r#"<svg xmlns="http://www.w3.org/2000/svg"><image href="http://x/1.png" width="9" height="9"/></svg>"#;
        assert!(style(outside, &seed()).is_err());
    }
}
