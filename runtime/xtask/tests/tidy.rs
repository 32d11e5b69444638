//! What must hold of the tree itself: which crate may know which, file headers, one set of settings for every host.
//!
//! Invariants of absence are the easiest to lose; each of them is a test here.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot go on without, it stops at")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Which of our crates each crate may use: the direction is shaders-cpu ← functions ← runtime ← benches.
const ARROWS: [(&str, &[&str]); 26] = [
    (
        "iridule",
        &[
            "iridule-edge",
            "iridule-origin",
            "iridule-origin-api",
            "iridule-pop",
            "iridule-publish",
            "iridule-raster",
            "iridule-records",
            "iridule-relay",
            "iridule-sandbox",
            "iridule-scene",
            "iridule-studio",
            "iridule-style",
            "iridule-vm",
            "iridule-wgsl",
        ],
    ),
    (
        "iridule-bench",
        &[
            "iridule-node",
            "iridule-origin",
            "iridule-publish",
            "iridule-raster",
            "iridule-records",
            "iridule-scene",
            "iridule-studio",
            "iridule-style",
        ],
    ),
    ("iridule-bench-empty", &[]),
    ("iridule-edge", &["iridule-origin-api", "iridule-records", "iridule-scene", "iridule-style"]),
    ("iridule-http-cache", &[]),
    ("iridule-machine", &[]),
    ("iridule-node", &[]),
    (
        "iridule-origin",
        &[
            "iridule-machine",
            "iridule-origin-api",
            "iridule-raster",
            "iridule-records",
            "iridule-sandbox",
            "iridule-scene",
            "iridule-style",
            "iridule-vm",
        ],
    ),
    ("iridule-origin-api", &["iridule-records", "iridule-scene"]),
    (
        "iridule-pop",
        &[
            "iridule-edge",
            "iridule-http-cache",
            "iridule-machine",
            "iridule-records",
            "iridule-scene",
            "iridule-style",
        ],
    ),
    ("iridule-pop-guest", &[]),
    ("iridule-publish", &["iridule-records", "iridule-style"]),
    ("iridule-raster", &["iridule-scene", "iridule-vm"]),
    ("iridule-records", &["iridule-scene"]),
    (
        "iridule-relay",
        &[
            "iridule-publish",
            "iridule-raster",
            "iridule-records",
            "iridule-sandbox",
            "iridule-scene",
            "iridule-style",
        ],
    ),
    ("iridule-sandbox", &[]),
    ("iridule-scene", &[]),
    (
        "iridule-spin",
        &["iridule-edge", "iridule-origin-api", "iridule-raster", "iridule-records", "iridule-scene"],
    ),
    (
        "iridule-studio",
        &[
            "iridule-publish",
            "iridule-raster",
            "iridule-records",
            "iridule-sandbox",
            "iridule-scene",
            "iridule-style",
            "iridule-wgsl",
        ],
    ),
    ("iridule-style", &["iridule-records", "iridule-scene"]),
    ("iridule-testkit", &["iridule-edge", "iridule-raster", "iridule-records", "iridule-scene"]),
    ("iridule-vm", &[]),
    ("iridule-wgsl", &["iridule-vm"]),
    ("iridule-wgsl-testkit", &["iridule-vm", "iridule-wgsl"]),
    (
        "iridule-worker",
        &["iridule-edge", "iridule-origin-api", "iridule-raster", "iridule-records", "iridule-scene"],
    ),
    ("iridule-xtask", &[]),
];

/// Words and hashes, without a chain: everybody may say it.
const WITHOUT_A_CHAIN: &str = "alloy-primitives";

/// Libraries that only one part of the tree may say, by prefix.
const ONLY_IN: [(&str, &[&str]); 6] = [
    ("alloy", &["iridule-relay", "iridule-node"]),
    ("worker", &["iridule-worker"]),
    ("spin-sdk", &["iridule-bench-empty", "iridule-spin", "iridule-pop-guest"]),
    ("wasmtime", &["iridule-pop"]),
    ("wgpu", &["iridule-origin"]),
    ("naga", &["iridule-wgsl"]),
];

/// Lines past which a file wants to be a folder.
const MOST_LINES: usize = 700;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file that is part of the project, relative to its root.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()
        .unwrap();
    assert!(listed.status.success(), "git lists the tree");
    let names = String::from_utf8(listed.stdout).unwrap();
    names.lines().map(PathBuf::from).filter(|path| root().join(path).is_file()).collect()
}

fn rust_files() -> impl Iterator<Item = (PathBuf, String)> {
    let rust = files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|path| {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        (path, text)
    })
}

/// Every crate of ours with what it depends on, tests left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let all = package["dependencies"].as_array().unwrap().iter();
            (name(package), all.filter(|dependency| dependency["kind"] != "dev").map(name).collect())
        })
        .collect()
}

#[test]
fn arrows_point_inward() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    for (package, uses) in dependencies() {
        let may = allowed
            .get(&*package)
            .unwrap_or_else(|| panic!("{package} stands in no arrow: add it to ARROWS"));
        for used in uses.iter().filter(|used| allowed.contains_key(&***used)) {
            assert!(may.contains(&&**used), "{package} must not know {used}");
        }
    }
}

#[test]
fn each_host_is_named_in_one_place() {
    for (package, uses) in dependencies() {
        for (library, places) in ONLY_IN {
            let says = uses
                .iter()
                .filter(|used| *used != WITHOUT_A_CHAIN)
                .any(|used| used == library || used.starts_with(&format!("{library}-")));
            assert!(!says || places.contains(&&*package), "{package} must not say {library}");
        }
    }
}

#[test]
fn the_command_writes_to_the_standard_streams_in_one_file() {
    // That file escapes what a terminal obeys, and ends quietly when nobody reads.
    let command = |path: &Path| path.starts_with("runtime/cli/src") && !path.ends_with("console.rs");
    for (path, text) in rust_files().filter(|(path, _)| command(path)) {
        for word in ["print!(", "println!(", "stdout()", "stderr()", "io::stdout", "io::stderr"] {
            assert!(!text.contains(word), "{} says {word}: use console.rs", path.display());
        }
    }
}

#[test]
fn every_file_says_what_lives_in_it() {
    for (path, text) in rust_files() {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 20, "{} opens with no header", path.display());
    }
}

#[test]
fn no_file_outgrows_its_room() {
    for (path, text) in rust_files() {
        let lines = text.lines().count();
        assert!(
            lines <= MOST_LINES,
            "{} has {lines} lines, at most {MOST_LINES}: make it a folder",
            path.display()
        );
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks =
        ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "XX".to_owned() + "X", "#[ig".to_owned() + "nore]"];
    for (path, text) in rust_files() {
        for mark in &marks {
            assert!(!text.contains(mark), "{} holds a {mark}", path.display());
        }
    }
}

#[test]
fn decisions_are_titled_as_questions_and_numbered_once() {
    let mut numbers = BTreeSet::new();
    for path in files().iter().filter(|path| path.starts_with("docs/decisions")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let number = name.split('-').next().unwrap();
        assert!(number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit()), "{name}: NNN-question.md");
        assert!(numbers.insert(number.to_owned()), "{number} is given twice");
        let text = fs::read_to_string(root().join(path)).unwrap();
        let title = text.lines().next().unwrap_or_default();
        assert!(
            title.starts_with("# ") && title.ends_with('?'),
            "{name} is titled as the question it answers"
        );
    }
    assert!(!numbers.is_empty());
}

#[test]
fn every_host_has_the_same_settings_and_routes() {
    let read =
        |name: &str| -> toml::Table { fs::read_to_string(root().join(name)).unwrap().parse().unwrap() };
    let (spin, wrangler) = (read("spin.toml"), read("wrangler.toml"));
    let keys = |table: &toml::Value| table.as_table().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let source = fs::read_to_string(root().join("functions/edge/src/settings.rs")).unwrap();
    let listed = |name: &str| -> BTreeSet<String> {
        let names = source.split_once(&format!("pub const {name}")).unwrap().1.split_once(';').unwrap().1;
        let names = names.split_once("= [").unwrap().1.split_once(']').unwrap().0;
        names.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let (core, secrets) = (listed("NAMES"), listed("SECRETS"));
    assert_eq!(keys(&spin["variables"]), core, "spin.toml [variables]");
    assert_eq!(
        keys(&spin["component"]["iridule"]["variables"]),
        core,
        "spin.toml [component.iridule.variables]"
    );
    assert!(secrets.is_subset(&core));
    assert_eq!(keys(&wrangler["vars"]), &core - &secrets, "wrangler.toml [vars]");
    assert_eq!(spin["trigger"]["http"][0]["route"].as_str(), Some("/..."), "every path goes to core");
    assert!(
        !wrangler.contains_key("assets") && !wrangler.contains_key("site"),
        "no path is answered beside core"
    );
}
