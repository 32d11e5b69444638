//! Whole scenes of the shipped styles, painted by the CPU painter and with their shaders on a device: how far apart.
//!
//! All that is no shader is the same to the bit. For what is, the tolerance is stated here; `cargo xtask bench painters`
//! shows where the differences lie.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may show its figures and stop")]

use std::{fs, path::Path};

use alloy_primitives::U256;
use iridule_origin::painter::{PaintedBy, ScenePainter, ShaderSources};
use iridule_scene::variant::{Asked, Format, Variant};
use iridule_studio::{BuiltStyle, StyleFolder};

/// The share of pixels in which a byte may differ by more than 2: edges of what is sharp, where one device steps earlier.
const SHARE: f64 = 0.001;

fn sources(built: &BuiltStyle) -> ShaderSources {
    let text = |path: &str| String::from_utf8(built.file(path).unwrap()).unwrap();
    let shaders = built.package.manifest.shaders();
    shaders.map(|shader| (shader.source.clone(), text(&shader.source))).collect()
}

#[test]
fn a_device_paints_every_shipped_style_as_the_cpu_does() {
    let (painter, found) = ScenePainter::open(true);
    if painter.devices() == 0 {
        eprintln!("skipped: no device passes the probe: {found:?}");
        return;
    }
    let styles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/styles");
    for entry in fs::read_dir(styles).unwrap() {
        let built = StyleFolder::open(entry.unwrap().path()).unwrap().build().unwrap();
        let (style, sources) = (built.style().unwrap(), sources(&built));
        let canvas = style.manifest.canvas.canvas();
        let asked = Asked { width: Some(320), ..Asked::default() };
        let variant = Variant::resolve(&asked, Format::Png, &canvas).unwrap();
        for token in [1u64, 2, 3] {
            let seed = built.collection.seed(U256::from(token)).unwrap();
            let scene = built.scene(&style, &seed, &style.manifest.rest()).unwrap();
            let (theirs, by) = painter.paint(&scene, &sources, &variant).unwrap();
            let ours = iridule_raster::paint_pixels(&scene, &variant).unwrap();
            let name = format!("{} {token}", style.manifest.name);
            assert!(!matches!(by, PaintedBy::Fallback(_)), "{name}: {by:?}");
            assert_eq!(by == PaintedBy::Gpu, !sources.is_empty(), "{name}");
            let differences = || ours.data().iter().zip(theirs.data()).map(|(a, b)| a.abs_diff(*b));
            let worst = differences().max().unwrap();
            let (pixels, _) = ours.data().as_chunks::<4>();
            let (others, _) = theirs.data().as_chunks::<4>();
            let apart = |(a, b): &(&[u8; 4], &[u8; 4])| a.iter().zip(*b).any(|(a, b)| a.abs_diff(*b) > 2);
            let share = pixels.iter().zip(others).filter(apart).count() as f64 / pixels.len() as f64;
            println!("{name}: worst {worst}, {:.3} % of pixels by more than 2", share * 100.0);
            if sources.is_empty() {
                assert_eq!(worst, 0, "{name}: nothing in it is a device's");
            }
            assert!(share <= SHARE, "{name}: worst {worst}, share {share}");
        }
    }
}
