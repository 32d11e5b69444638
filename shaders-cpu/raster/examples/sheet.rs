//! A contact sheet of a style folder, to look at while drawing: tokens across, bands of the first gauge down.
//!
//! `cargo run --release -p iridule-raster --example sheet -- STYLE_DIR TOKENS BANDS SIZE OUT.png`, where `TOKENS` and
//! `BANDS` are comma-separated numbers.
#![allow(clippy::print_stdout, reason = "this is a command")]

use std::{error::Error, fs, path::Path};

use alloy_primitives::{Address, U256};
use iridule_core::{
    author,
    gauge::State,
    seed::Seed,
    style::Style,
    variant::{Asked, Format, Variant},
};
use resvg::tiny_skia::{Pixmap, PixmapPaint, Transform};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, tokens, bands, size, out] = arguments.as_slice() else {
        return Err("sheet STYLE_DIR TOKENS BANDS SIZE OUT.png".into());
    };
    let dir = Path::new(dir);
    let read = |file: &str| fs::read(dir.join(file)).map_err(|e| format!("{file}: {e}"));
    let package = author::build(&fs::read_to_string(dir.join("style.toml"))?, read)?;
    let style = Style::load(package.cid, package.manifest, |file| read(file).ok())?;
    let tokens: Vec<u64> = tokens.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let bands: Vec<i16> = bands.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let asked = Asked { width: Some(size.parse()?), ..Asked::default() };
    let variant = Variant::resolve(&asked, Format::Png, &style.manifest.canvas.canvas())?;
    let (width, height) = (u32::from(variant.width), u32::from(variant.height));
    let (across, down) = (u32::try_from(tokens.len())?, u32::try_from(bands.len())?);
    let mut sheet = Pixmap::new(across * (width + 8) + 8, down * (height + 8) + 8).ok_or("too large")?;
    let (mut y, mut most) = (8, 0);
    for band in &bands {
        let mut x = 8;
        for token in &tokens {
            let seed = Seed::derived(1, Address::ZERO, U256::from(*token));
            let scene = style.scene(&seed, &State(vec![*band]))?;
            for layer in &scene.layers {
                let iridule_core::scene::Content::Svg(svg) = &layer.content else { continue };
                most = most.max(svg.document.matches('<').count() - svg.document.matches("</").count());
            }
            let picture = iridule_raster::paint_pixels(&scene, &variant)?;
            sheet.draw_pixmap(x, y, picture.as_ref(), &PixmapPaint::default(), Transform::identity(), None);
            x += i32::from(variant.width) + 8;
        }
        y += i32::from(variant.height) + 8;
    }
    fs::write(out, iridule_raster::encode::png::encode(&sheet, false)?)?;
    println!("{out}: at most {most} elements");
    Ok(())
}
