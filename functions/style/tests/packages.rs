//! Packages that are not what they say, as whoever publishes past the studio could send them.
#![cfg(feature = "author")]
#![allow(clippy::unwrap_used, reason = "what a test cannot go on without, it stops at")]

use std::collections::BTreeMap;

use cid::Cid;
use iridule_records::{
    block::{Block, DAG_CBOR, RAW},
    limits,
};
use iridule_scene::variant::{Fit, Format, Variant};
use iridule_style::{
    author::{self, Package},
    manifest::{ContentSpec, File, ImageSpec, LayerSpec, Manifest},
    package::{self, PackageRefused},
    plan::{Plan, Reason, plan},
};

const STYLE: &str = r#"
name = "Probe"
description = ""
[canvas]
width = 64
height = 64
[[layer]]
kind = "svg"
source = "a.svg"
elements = 4
overdraw = 1
"#;

fn probe() -> Package {
    let svg = r#"<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>"#;
    author::build(STYLE, None, &author::ByHand, |_| Ok(svg.into())).unwrap()
}

/// What opening says of a package with another manifest and these blocks.
fn refusal(package: &Package, change: impl FnOnce(&mut Manifest, &mut Vec<Block>)) -> String {
    let (mut manifest, mut blocks) = (package.manifest.clone(), package.blocks.clone());
    change(&mut manifest, &mut blocks);
    let root = Block::new(DAG_CBOR, manifest.encode().unwrap()).unwrap();
    let shelf: BTreeMap<Cid, Vec<u8>> =
        blocks.into_iter().chain([root.clone()]).map(|block| (block.cid, block.bytes)).collect();
    let opened = package::open(&root.cid, |cid| Ok::<_, PackageRefused>(shelf.get(cid).cloned()));
    opened.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_whole_package_opens() {
    let package = probe();
    let find = |cid: &Cid| package.blocks.iter().find(|block| block.cid == *cid);
    let read = |cid: &Cid| Ok::<_, PackageRefused>(find(cid).map(|block| block.bytes.clone()));
    assert_eq!(package::open(&package.cid, read).unwrap().cid, package.cid);
}

#[test]
fn a_block_that_is_missing_or_another_is_named() {
    let package = probe();
    let leaf = package.manifest.files[0].blocks[0];
    assert!(
        refusal(&package, |_, blocks| blocks.clear()).contains(&format!("{leaf} of the style is missing"))
    );
    let torn = refusal(&package, |_, blocks| blocks[0].bytes[0] ^= 1);
    assert!(torn.contains(&leaf.to_string()), "{torn}");
}

#[test]
fn a_file_that_claims_too_much_is_refused_before_it_is_read() {
    let package = probe();
    for (size, word) in [
        (4 << 30, "bytes of files, at most"),
        (limits::FILE_BYTES + 1, "templates, programs and fonts, at most"),
        (limits::BLOCK_BYTES as u64, "instead of the 1048576 that it claims"),
    ] {
        let why = refusal(&package, |manifest, _| manifest.files[0].size = size);
        assert!(why.contains(word), "{size}: {why}");
    }
}

#[test]
fn a_block_leads_nowhere_else() {
    let package = probe();
    // Were a manifest a file's block, packages could hold each other in a circle.
    let why = refusal(&package, |manifest, _| manifest.files[0].blocks[0] = package.cid);
    assert!(why.contains("is no leaf"), "{why}");
}

#[test]
fn what_no_layer_names_is_not_carried() {
    let package = probe();
    let why = refusal(&package, |manifest, blocks| {
        let (file, mut leaves) = package::split("b.svg", b"<svg/>").unwrap();
        manifest.files.push(file);
        blocks.append(&mut leaves);
    });
    assert!(why.contains("b.svg") && why.contains("no layer names it"), "{why}");
}

#[test]
fn a_template_that_is_none_is_refused_with_file_and_line() {
    let package = probe();
    let why = refusal(&package, |manifest, blocks| {
        let (file, mut leaves) = package::split("a.svg", b"<svg>\n{% for %}</svg>").unwrap();
        manifest.files[0] = file;
        blocks.append(&mut leaves);
    });
    assert!(why.contains("a.svg") && why.contains("line 2"), "{why}");
    assert_eq!(package.manifest.files[0].blocks[0].codec(), RAW);
}

/// A manifest with image layers over files of these many MiB each.
fn with_images(mebibytes: &[u64]) -> Manifest {
    let mut manifest = probe().manifest;
    for (number, size) in mebibytes.iter().enumerate() {
        let path = format!("{number}.png");
        manifest.files.push(File { path: path.clone(), size: size << 20, blocks: Vec::new() });
        let image =
            ImageSpec { source: path, blank: Vec::new(), area: None, fit: Fit::Contain, pixels: 64 * 64 };
        let layer = LayerSpec {
            name: number.to_string(),
            content: ContentSpec::Image(image),
            ..manifest.layers[0].clone()
        };
        manifest.layers.push(layer);
    }
    manifest
}

#[test]
fn a_picture_whose_files_an_edge_cannot_hold_at_once_goes_to_an_origin_at_every_size() {
    for (sizes, fits) in [(&[15][..], true), (&[12, 11], true), (&[15, 15], false), (&[15; 4], false)] {
        let manifest = with_images(sizes);
        for side in [16, 64, 512] {
            let variant =
                Variant { width: side, height: side, fit: Fit::Contain, format: Format::Png, quality: 0 };
            let plan = plan(&manifest, &variant);
            let escalates = matches!(plan, Plan::Escalate(Reason::Files(_)));
            assert_eq!(escalates, !fits, "{sizes:?} at {side}: {plan:?}");
        }
    }
    // Files of other tokens do not count: of one layer, the largest.
    let mut manifest = with_images(&[15]);
    manifest.files.push(File { path: "spare.png".into(), size: 15 << 20, blocks: Vec::new() });
    let variant = Variant { width: 64, height: 64, fit: Fit::Contain, format: Format::Png, quality: 0 };
    assert_eq!(plan(&manifest, &variant), Plan::Paint);
}
