//! What was promised in `budgets.toml`: what the edge modules weigh, what a hit allocates, what styles are reckoned to cost.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what a test cannot go on without, it stops at")]

mod hits;

use std::{env, fs, io::Write as _, path::Path};

use flate2::{Compression, write::GzEncoder};
use iridule_scene::variant::{Asked, Format, Variant};
use iridule_studio::StyleFolder;
use iridule_style::plan;

fn budget(module: &str, what: &str) -> u64 {
    let text = fs::read_to_string(root().join("budgets.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    table[module][what].as_integer().unwrap().try_into().unwrap()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn gzip(bytes: &[u8]) -> u64 {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().len() as u64
}

fn hold(module: &str, what: &str, size: u64) {
    let most = budget(module, what);
    println!("{module}: {what} {size} of {most}");
    assert!(size <= most, "{module} has {size} {what}, over its budget of {most}");
}

#[test]
fn the_component_keeps_its_size() {
    let bytes = fs::read(env!("IRIDULE_COMPONENT")).unwrap();
    hold("component", "bytes", bytes.len() as u64);
    hold("component", "gzip_bytes", gzip(&bytes));
}

#[test]
fn the_worker_keeps_its_size() {
    let build = root().join("functions/worker/build");
    let files: Vec<_> = ["index_bg.wasm", "index.js"].iter().map(|name| build.join(name)).collect();
    if let Some(missing) = files.iter().find(|file| !file.is_file()) {
        let required = env::var("IRIDULE_REQUIRE").unwrap_or_default();
        assert!(!required.contains("worker"), "{} is missing: cargo xtask build worker", missing.display());
        eprintln!("skipped: the Worker is not built (cargo xtask build worker)");
        return;
    }
    hold("worker", "gzip_bytes", files.iter().map(|file| gzip(&fs::read(file).unwrap())).sum());
}

#[test]
fn styles_cost_what_was_reckoned() {
    for entry in fs::read_dir(root().join("functions/styles")).unwrap() {
        let built = StyleFolder::open(entry.unwrap().path()).unwrap().build().unwrap();
        let manifest = &built.package.manifest;
        let asked = Asked { width: Some(512), ..Asked::default() };
        let png = Variant::resolve(&asked, Format::Png, &manifest.canvas.canvas()).unwrap();
        hold("cost_units_512_png", &built.collection.slug, plan::cost(manifest, &png));
    }
}
