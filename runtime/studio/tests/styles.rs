//! The shipped styles, and those that a new folder starts with: they build alike every time, and pass the check that
//! every artist's style is put to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::{fs, path::Path};

use alloy_primitives::U256;
use iridule_records::gauge::State;
use iridule_scene::variant::{Asked, Format, Variant};
use iridule_studio::{BuiltStyle, Rarity, Scaffold, StyleFolder, check, rarity::TraitDistribution};
use iridule_style::style::Style;
use tempfile::TempDir;

fn shipped() -> Vec<(String, BuiltStyle, Style)> {
    let styles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/styles");
    let mut folders: Vec<_> = fs::read_dir(styles).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let built = folders.into_iter().map(|path| {
        let folder = StyleFolder::open(&path).unwrap();
        let built = folder.build().unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(built.package.cid, folder.build().unwrap().package.cid, "{} builds the same", folder.slug);
        let style = built.style().unwrap();
        (folder.slug, built, style)
    });
    built.collect()
}

#[test]
fn every_style_passes_its_check_without_a_finding() {
    for (slug, built, _) in shipped() {
        // Unoptimised, many tokens take minutes.
        let tokens = if cfg!(debug_assertions) { 4 } else { 48 };
        let report = check(&built, tokens).unwrap_or_else(|why| panic!("{slug}: {why}"));
        assert!(report.findings.is_empty(), "{report}");
    }
}

#[test]
fn a_new_style_passes_its_check_without_a_finding() {
    for scaffold in [Scaffold::Svg, Scaffold::Shader, Scaffold::Mirror] {
        let home = TempDir::new().unwrap();
        let folder = home.path().join("night-market");
        scaffold.write(&folder).unwrap();
        let built = StyleFolder::open(&folder).unwrap().build().unwrap();
        let report = check(&built, 32).unwrap();
        assert!(report.findings.is_empty(), "{report}");
        assert!(scaffold.write(&folder).is_err(), "what is there is left alone");
    }
}

#[test]
fn rarities_follow_the_weights() {
    let (_, built, style) = shipped().into_iter().find(|(slug, ..)| slug == "orbits").unwrap();
    let rarity = Rarity::of(&built, &style).unwrap();
    assert_eq!(rarity.tokens, 4096);
    let options = rarity.traits.iter().filter_map(|(_, spread)| match spread {
        TraitDistribution::Options(options) => Some(options),
        _ => None,
    });
    for share in options.flatten() {
        let Some(intended) = share.intended else { continue };
        let expected = intended * rarity.tokens / 10_000;
        // Four standard deviations of a binomial, and some air for the rarest.
        let far = 4 * expected.isqrt() + 4;
        assert!(share.count.abs_diff(expected) <= far, "{share:?} of {expected}");
    }
}

#[test]
fn neighbours_in_token_and_state_are_different_pictures() {
    for (slug, built, style) in shipped() {
        let asked = Asked { width: Some(64), ..Asked::default() };
        let small = Variant::resolve(&asked, Format::Png, &style.manifest.canvas.canvas()).unwrap();
        let mut seen = Vec::new();
        for token in 1..=10 {
            let seed = built.collection.seed(U256::from(token)).unwrap();
            let gauges = &style.manifest.gauges;
            let low = State(gauges.iter().map(|gauge| gauge.quantiser.low).collect());
            let high = State(gauges.iter().map(|gauge| gauge.quantiser.high).collect());
            for state in [style.manifest.rest(), low, high] {
                let scene = built.scene(&style, &seed, &state).unwrap();
                let bytes = iridule_raster::paint(&scene, &small).unwrap();
                assert!(!seen.contains(&bytes), "{slug} {token}, {state:?} looks like another");
                seen.push(bytes);
            }
        }
    }
}
