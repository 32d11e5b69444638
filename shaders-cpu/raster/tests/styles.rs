//! The shipped styles: every token, in the lowest and the highest band, is a document that the painter admits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::{fs, path::Path};

use alloy_primitives::U256;
use iridule_core::{
    author,
    collection::Collection,
    gauge::State,
    scene::Content,
    seed::Seed,
    style::Style,
    variant::{Asked, Format, Variant},
};

fn shipped(slug: &str) -> (Style, Collection) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/styles").join(slug);
    let read = |file: &str| fs::read(dir.join(file)).map_err(|e| format!("{file}: {e}"));
    let text = |file: &str| String::from_utf8(read(file).unwrap()).unwrap();
    let package = author::build(&text("style.toml"), read).unwrap();
    let collection = author::collection(slug, &text("collection.toml"), package.cid).unwrap();
    (Style::load(package.cid, package.manifest, |file| read(file).ok()).unwrap(), collection)
}

fn seed(collection: &Collection, token: u64) -> Seed {
    Seed::derived(collection.chain_id, collection.contract, U256::from(token))
}

#[test]
fn every_token_is_admitted_at_both_ends_of_the_gauge() {
    for slug in ["orbits", "skyline"] {
        let (style, collection) = shipped(slug);
        assert_eq!(collection.supply, 4096);
        let quantiser = &style.manifest.gauges[0].quantiser;
        let mut most = 0;
        // Unoptimised, all of them take minutes; the optimised run looks at each.
        let step = if cfg!(debug_assertions) { 16 } else { 1 };
        for token in (collection.first..collection.first + collection.supply).step_by(step) {
            for band in [quantiser.low, quantiser.high] {
                let scene = style.scene(&seed(&collection, token), &State(vec![band])).unwrap();
                for layer in &scene.layers {
                    let Content::Svg(layer) = &layer.content else { continue };
                    let document = iridule_raster::svg::gate::admit(&layer.document, layer.elements)
                        .unwrap_or_else(|fault| panic!("{slug} {token}, band {band}: {fault}"));
                    most = most.max(document.descendants().filter(|node| node.is_element()).count());
                }
            }
        }
        let declared = style.manifest.layers[0].elements as usize;
        assert!(
            most * 2 > declared,
            "{slug} declares {declared} elements and uses {most} at most: it pays for air"
        );
    }
}

#[test]
fn neighbours_in_token_and_band_are_different_pictures() {
    for slug in ["orbits", "skyline"] {
        let (style, collection) = shipped(slug);
        let asked = Asked { width: Some(64), ..Asked::default() };
        let variant = Variant::resolve(&asked, Format::Png, &style.manifest.canvas.canvas()).unwrap();
        let mut seen = Vec::new();
        for token in 1..=12 {
            for band in [-40, 39, 40, 120] {
                let scene = style.scene(&seed(&collection, token), &State(vec![band])).unwrap();
                let bytes = iridule_raster::paint(&scene, &variant).unwrap();
                assert!(!seen.contains(&bytes), "{slug} {token}, band {band} looks like another");
                seen.push(bytes);
            }
        }
    }
}
