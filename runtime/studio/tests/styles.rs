//! The shipped styles: they build alike every time, and every token in every state that was looked at can be painted,
//! within what the style declares.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::{collections::BTreeSet, fs, path::Path};

use alloy_primitives::U256;
use iridule_core::{
    gauge::State,
    limits,
    plan::{Plan, plan},
    scene::Content,
    style::Style,
    variant::{Asked, Format, Variant},
};
use iridule_studio::{Built, Folder};

fn shipped() -> Vec<(String, Built, Style)> {
    let styles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/styles");
    let mut folders: Vec<_> = fs::read_dir(styles).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let built = folders.into_iter().map(|path| {
        let folder = Folder::open(&path).unwrap();
        let built = folder.build().unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(built.package.cid, folder.build().unwrap().package.cid, "{} builds the same", folder.slug);
        let style = built.style().unwrap();
        (folder.slug, built, style)
    });
    built.collect()
}

/// All gauges at rest, at their lowest, at their highest, and each alone at its highest.
fn states(style: &Style) -> Vec<State> {
    let gauges = &style.manifest.gauges;
    let all = |band: fn(&iridule_core::gauge::Gauge) -> i16| State(gauges.iter().map(band).collect());
    let mut states = vec![all(|g| g.rest), all(|g| g.quantiser.low), all(|g| g.quantiser.high)];
    for (alone, gauge) in gauges.iter().enumerate() {
        let mut one = style.manifest.rest();
        one.0[alone] = gauge.quantiser.high;
        states.push(one);
    }
    states.dedup();
    states
}

fn sized(style: &Style, width: u32) -> Variant {
    let asked = Asked { width: Some(width), ..Asked::default() };
    Variant::resolve(&asked, Format::Png, &style.manifest.canvas.canvas()).unwrap()
}

#[test]
fn every_token_can_be_painted_within_what_is_declared() {
    for (slug, built, style) in shipped() {
        let small = sized(&style, 32);
        let mut filled = BTreeSet::new();
        let tokens = built.collection.first..=built.collection.last();
        // Unoptimised, all of them take minutes; the optimised run looks at many.
        for token in tokens.step_by(if cfg!(debug_assertions) { 257 } else { 41 }) {
            let seed = built.collection.seed(U256::from(token)).unwrap();
            assert!(!style.traits(&seed).unwrap().excluded, "{slug} {token} is an excluded combination");
            for state in states(&style) {
                let scene = built.scene(&style, &seed, &state).unwrap();
                for layer in &scene.layers {
                    let Content::Svg(svg) = &layer.content else { continue };
                    let admit = |elements| iridule_raster::svg::gate::admit(&svg.document, elements);
                    admit(svg.elements).unwrap_or_else(|fault| panic!("{slug} {token}, {state:?}: {fault}"));
                    if !filled.contains(&layer.name) && admit(svg.elements / 2).is_err() {
                        filled.insert(layer.name.clone());
                    }
                }
                if token % 8 == 1 {
                    let painted = iridule_raster::paint(&scene, &small);
                    painted.unwrap_or_else(|why| panic!("{slug} {token}, {state:?}: {why}"));
                }
            }
        }
        for layer in &style.manifest.layers {
            let iridule_core::manifest::ContentSpec::Svg(svg) = &layer.content else { continue };
            assert!(
                filled.contains(&layer.name),
                "{slug}, {}: half of the {} elements that it declares would do: it pays for air",
                layer.name,
                svg.elements
            );
        }
    }
}

#[test]
fn the_edge_paints_every_style_at_the_size_of_its_canvas() {
    for (slug, _, style) in shipped() {
        let master = Variant::master(&style.manifest.canvas.canvas()).unwrap();
        assert!(
            matches!(plan(&style.manifest, &master), Plan::Make(_)),
            "{slug}: {:?}",
            plan(&style.manifest, &master)
        );
        let cost = iridule_core::plan::cost(&style.manifest, &master);
        assert!(cost <= limits::EDGE_COST, "{slug}: {cost}");
    }
}

#[test]
fn neighbours_in_token_and_state_are_different_pictures() {
    for (slug, built, style) in shipped() {
        let small = sized(&style, 64);
        let mut seen = Vec::new();
        for token in 1..=10 {
            let seed = built.collection.seed(U256::from(token)).unwrap();
            for state in states(&style).into_iter().take(3) {
                let scene = built.scene(&style, &seed, &state).unwrap();
                let bytes = iridule_raster::paint(&scene, &small).unwrap();
                assert!(!seen.contains(&bytes), "{slug} {token}, {state:?} looks like another");
                seen.push(bytes);
            }
        }
    }
}
