//! Golden pictures: a folder a case under `cases/`, each asking one question and holding the `expected.png` that
//! answers it. The question stands in the comment at the head of the folder's `case.svg`, or, for a scene of other
//! kinds of layers, above the function of the same name in `scenes.rs`.
//!
//! `BLESS=1 cargo test -p iridule-raster --test golden` rewrites the pictures. A failure leaves one of three panels,
//! expected, got and their difference, in the target folder.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

mod scenes;

use std::{collections::BTreeSet, fs, path::Path};

use iridule_scene::{
    color::Rgb,
    scene::{Canvas, Content, Layer, Scene, Svg},
    variant::{Fit, Format, Variant},
};
use resvg::tiny_skia::{Pixmap, PixmapPaint, Transform};

/// A canvas of the case's shape, at 2 pixels a unit; what a name starts with says how else it is painted.
fn drawing(name: &str, document: String) -> (Scene, Variant) {
    let width = if document.contains("viewBox=\"0 0 100 100\"") { 100 } else { 160 };
    let background = (!name.starts_with("transparent")).then_some(Rgb([16, 16, 24]));
    let svg = Svg { document, steps: 0, elements: 100, overdraw: 8 };
    let layer = Layer::plain(&format!("{name}/case.svg"), Content::Svg(svg));
    let scene = Scene { canvas: Canvas { width, height: 100, background }, layers: vec![layer] };
    let fit = if name.starts_with("pad") { Fit::Pad } else { Fit::Contain };
    (scene, Variant { width: 320, height: 200, fit, format: Format::Png, quality: 0 })
}

fn panels(expected: &Pixmap, got: &Pixmap) -> Pixmap {
    let mut difference = got.clone();
    for (out, before) in difference.data_mut().chunks_exact_mut(4).zip(expected.data().chunks_exact(4)) {
        let most = (0..4).map(|c| out[c].abs_diff(before[c])).max().unwrap_or(0);
        // One step is already an error, so it is drawn in plain sight.
        let shown = if most == 0 { 0 } else { most.max(64) };
        out.copy_from_slice(&[shown, shown, shown, 255]);
    }
    let mut sheet = Pixmap::new(3 * got.width() + 20, got.height()).unwrap();
    let mut x = 0;
    for panel in [expected, got, &difference] {
        sheet.draw_pixmap(x, 0, panel.as_ref(), &PixmapPaint::default(), Transform::identity(), None);
        x += i32::try_from(got.width()).unwrap() + 10;
    }
    sheet
}

#[test]
fn every_case_looks_as_expected() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    let scenes = scenes::all();
    let mut names: BTreeSet<String> = scenes.keys().map(|name| (*name).to_owned()).collect();
    for folder in fs::read_dir(&cases).unwrap() {
        names.insert(folder.unwrap().file_name().into_string().unwrap());
    }
    for name in names {
        let folder = cases.join(&name);
        let (scene, variant) = match scenes.get(&*name) {
            Some(scene) => scene.clone(),
            None => drawing(&name, fs::read_to_string(folder.join("case.svg")).unwrap()),
        };
        let got = iridule_raster::paint(&scene, &variant).unwrap_or_else(|error| panic!("{name}: {error}"));
        let path = folder.join("expected.png");
        if bless {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &got).unwrap();
            continue;
        }
        let expected = fs::read(&path).unwrap();
        if expected != got {
            let (expected, got) = (Pixmap::decode_png(&expected).unwrap(), Pixmap::decode_png(&got).unwrap());
            let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
            fs::write(&out, iridule_raster::encode::png::encode(&panels(&expected, &got), false).unwrap())
                .unwrap();
            wrong.push(format!("{name}: see {}", out.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_format_and_fit_has_the_size_asked_for() {
    let document =
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 10 10'><circle cx='5' cy='5' r='4'/></svg>";
    for fit in [Fit::Contain, Fit::Cover, Fit::Fill, Fit::Pad] {
        for (format, quality) in [(Format::Png, 0), (Format::WebP, 0), (Format::Jpeg, 85)] {
            for name in ["transparent", "opaque"] {
                let (scene, _) = drawing(name, document.into());
                let variant = Variant { width: 96, height: 64, fit, format, quality };
                let bytes = iridule_raster::paint(&scene, &variant).unwrap();
                let magic: &[u8] = match format {
                    Format::Png => b"\x89PNG",
                    Format::WebP => b"RIFF",
                    Format::Jpeg | Format::Avif => b"\xff\xd8\xff",
                };
                assert!(bytes.starts_with(magic));
                if format == Format::Png {
                    let picture = Pixmap::decode_png(&bytes).unwrap();
                    assert_eq!((picture.width(), picture.height()), (96, 64));
                }
            }
        }
    }
    let (scene, mut variant) = drawing("opaque", document.into());
    variant.format = Format::Avif;
    assert!(iridule_raster::paint(&scene, &variant).is_err());
}
