//! What must hold of the documents: links and paths lead somewhere, references have everything, workflows are valid.
//!
//! Whether the snippets run is for `runtime/cli/tests/docs.rs` to say, which has the binary.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot go on without, it stops at")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Folders of the tree that a path in a document starts with.
const FOLDERS: [&str; 8] =
    ["docs/", "functions/", "runtime/", "shaders-cpu/", "benches/", "examples/", "deploy/", ".github/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Every file of the project with this extension, relative to the root.
fn files(extension: &str) -> Vec<PathBuf> {
    let listed = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()
        .unwrap();
    let names = String::from_utf8(listed.stdout).unwrap();
    let fits = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    names.lines().map(PathBuf::from).filter(fits).filter(|path| root().join(path).is_file()).collect()
}

/// The parts of a text in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether this is a path of the tree that names one file or folder.
fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    FOLDERS.iter().any(|folder| text.starts_with(folder)) && text.chars().all(plain)
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    for page in files("md") {
        let text = read(&page);
        let folder = page.parent().unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains(':') || link.contains(' ') {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { root().join(&page) } else { root().join(folder).join(path) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if !heading.is_empty() && target.is_file() {
                let there = anchors(&fs::read_to_string(&target).unwrap());
                assert!(there.contains(heading), "{}: {link}: no such heading", page.display());
            }
        }
    }
}

#[test]
fn paths_in_documents_exist() {
    for page in files("md").iter().filter(|page| !page.ends_with("CHANGELOG.md")) {
        for path in quoted(&read(page)).filter(|text| is_path(text)) {
            assert!(root().join(path).exists(), "{}: {path} does not exist", page.display());
        }
    }
}

#[test]
fn documents_that_code_names_exist() {
    for path in ["rs", "toml", "html", "wgsl"].into_iter().flat_map(files) {
        let text = read(&path);
        for (at, _) in text.match_indices("docs/") {
            let rest = &text[at..];
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c)));
            let named = rest[..end.unwrap_or(rest.len())].trim_end_matches(['.', '/']);
            if named.ends_with(".md") {
                assert!(root().join(named).exists(), "{}: {named} does not exist", path.display());
            }
        }
    }
}

#[test]
fn questions_of_newcomers_have_files() {
    let page = read("docs/explanation/where-to-look.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && line.contains('?')).collect();
    assert!(rows.len() >= 12, "{} questions", rows.len());
    for row in rows {
        assert!(quoted(row).any(is_path), "no file in: {row}");
    }
}

#[test]
fn decisions_are_numbered_without_gaps() {
    let names = files("md").into_iter().filter(|page| page.starts_with("docs/decisions"));
    let mut names: Vec<String> =
        names.map(|page| page.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    for (name, number) in names.iter().zip(1..) {
        assert!(name.starts_with(&format!("{number:03}-")), "{name}: the next number is {number:03}");
    }
}

#[test]
fn every_flag_is_in_the_reference() {
    let page = read("docs/reference/cli.md");
    for file in files("rs").iter().filter(|file| file.starts_with("runtime/cli/src")) {
        let (mut long, mut named) = (false, None);
        let source = read(file);
        for line in source.lines().map(str::trim) {
            if let Some(attribute) = line.strip_prefix("#[arg(") {
                long = attribute.split([',', ')']).any(|part| part.trim().starts_with("long"));
                named = attribute.split_once("long = \"").and_then(|(_, rest)| rest.split('"').next());
            } else if let Some((field, _)) = line.split_once(": ").filter(|_| long) {
                let field = field.trim_start_matches("pub ");
                let flag = named.map_or_else(|| field.replace('_', "-"), str::to_owned);
                assert!(page.contains(&format!("--{flag}")), "{}: --{flag} is not in cli.md", file.display());
                long = false;
            }
        }
    }
}

#[test]
fn every_metric_is_in_the_reference() {
    let page = read("docs/reference/metrics.md");
    for part in ["pop", "origin", "relay"] {
        let source = read(format!("runtime/{part}/src/metrics.rs"));
        // A name, a comma, and a sentence about it.
        let pieces: Vec<&str> = source.split('"').collect();
        for window in pieces.windows(3).skip(1).step_by(2) {
            let [name, between, about] = window else { continue };
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if is_name && between.trim() == "," && about.contains(' ') {
                let metric = format!("`iridule_{part}_{name}");
                assert!(page.contains(&metric), "{metric}` is not in metrics.md");
            }
        }
    }
}

#[test]
fn every_setting_is_in_the_reference() {
    let page = read("docs/reference/settings.md");
    let source = read("functions/edge/src/settings.rs");
    let names = source.split_once("pub const NAMES").unwrap().1.split_once("= [").unwrap().1;
    for name in names.split_once(']').unwrap().0.split('"').skip(1).step_by(2) {
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not in settings.md");
    }
}

#[test]
fn workflows_are_valid() {
    let workflows = root().join(".github/workflows");
    let check = |mut command: Command| command.current_dir(root()).output();
    let mut python = Command::new("python3");
    python.args(["-m", "actionlint"]);
    let installed = |output: &std::process::Output| {
        output.status.success() || !String::from_utf8_lossy(&output.stderr).contains("No module named")
    };
    let output = check(Command::new("actionlint")).or_else(|_| check(python));
    match output.ok().filter(installed) {
        None => eprintln!("skipped: {}: actionlint is not installed", workflows.display()),
        Some(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{said}");
        }
    }
}
