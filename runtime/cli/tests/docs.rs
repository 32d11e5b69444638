//! The snippets of the documentation, run as a reader would run them.
//!
//! Every fenced block of README.md, CONTRIBUTING.md and docs/ has a language. `text`, `mermaid` and `solidity` show something;
//! all others are run or parsed here. A block that cannot be says why, after `no-run:` in its first line:
//!
//! - `sh`: run by bash, block by block, in an empty folder for each page, beside a server of its own.
//! - `toml style`, `toml collection`, `toml relay`: a whole file. `toml style-part` is added to a style with the parts before it
//!   on the page, `toml style-layer` is the fields of one layer.
//! - `wgsl layer`: the file of a shader layer.
//! - `json`: parsed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot go on without, it stops at")]

#[path = "serve/world.rs"]
#[allow(dead_code, reason = "the tests of the server use more of it")]
mod world;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use iridule_style::author::{Compiled, Workshop, build, collection};
use tempfile::TempDir;

use crate::world::Serve;

/// A fenced block of a page.
struct Snippet {
    page: PathBuf,
    line: usize,
    language: String,
    /// What follows the language.
    kind: String,
    text: String,
}

impl Snippet {
    fn place(&self) -> String {
        format!("{}:{}", self.page.display(), self.line)
    }

    fn reason(&self) -> Option<&str> {
        self.kind.strip_prefix("no-run:").map(str::trim)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

fn snippets() -> Vec<Snippet> {
    let mut all = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut open: Option<Snippet> = None;
        for (at, line) in text.lines().enumerate() {
            let fence = line.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (None, Some(info)) => {
                    let (language, kind) = info.trim().split_once(' ').unwrap_or((info.trim(), ""));
                    let (language, kind) = (language.to_owned(), kind.to_owned());
                    let page = page.strip_prefix(root()).unwrap().to_owned();
                    open = Some(Snippet { page, line: at + 1, language, kind, text: String::new() });
                }
                (Some(_), Some(_)) => all.extend(open.take()),
                (Some(snippet), None) => {
                    snippet.text.push_str(line);
                    snippet.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block is not closed", page.display());
    }
    all
}

/// The snippets of a language that can be run, and of a kind.
fn runnable(language: &str, kind: &str) -> Vec<Snippet> {
    let fits = |snippet: &Snippet| snippet.language == language && snippet.kind == kind;
    snippets().into_iter().filter(fits).collect()
}

#[test]
fn every_snippet_is_run_or_says_why_not() {
    let shown = ["text", "mermaid", "solidity"];
    let known = [
        ("sh", ""),
        ("json", ""),
        ("wgsl", "layer"),
        ("toml", "style"),
        ("toml", "style-part"),
        ("toml", "style-layer"),
        ("toml", "collection"),
        ("toml", "relay"),
    ];
    for snippet in snippets() {
        let place = snippet.place();
        match snippet.reason() {
            Some(reason) => assert!(reason.len() > 10, "{place}: no-run: and a reason"),
            None => assert!(
                shown.contains(&&*snippet.language) || known.contains(&(&*snippet.language, &*snippet.kind)),
                "{place}: no test runs a block of {:?} {:?}",
                snippet.language,
                snippet.kind
            ),
        }
    }
}

/// A workshop that finds no fault with files: the files that snippets name do not exist.
struct AnyFile;

impl Workshop for AnyFile {
    fn compile(&self, _: &str, _: &str) -> Result<Compiled, String> {
        Ok(Compiled { program: vec![0], warnings: Vec::new() })
    }

    fn measure(&self, _: &[u8]) -> Result<(u32, u32), String> {
        Ok((16, 16))
    }

    fn read_font(&self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

const COLLECTION: &str = r#"
name = "Any"
description = "Any."
chain_id = 1
contract = "0x0000000000000000000000000000000000000000"
first = 1
supply = 1000
"#;

/// What parts of styles are added to: the names that the pages use.
const BASE: &str = r##"
name = "Base"
description = "Base."
[canvas]
width = 1024
height = 1024
[trait.hat]
kind = "choice"
options = [{ value = "None" }, { value = "Crown" }]
[trait.size]
kind = "float"
min = 0.5
max = 2.0
[trait.palette]
kind = "palette"
options = [{ value = "Ember", colours = ["#190d0a", "#3fa796"] }]
[trait.mood]
kind = "derived"
value = "'Calm' if size < 1 else 'Restless'"
[gauge.price]
feed = "eth-usd"
log = { from = 1000.0, step = 0.02 }
bands = [-40, 120]
"##;

const WINDOW: &str = "[[mask]]\nname = \"window\"\nkind = \"fill\"\nfill = \"#ffffff\"\n";

fn read_style(text: &str) -> Result<(), String> {
    let file = |path: &str| {
        let svg = path.ends_with(".svg");
        Ok(if svg { b"<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>".to_vec() } else { vec![0] })
    };
    build(text, Some(COLLECTION), &AnyFile, file).map(drop).map_err(|why| why.to_string())
}

#[test]
fn styles_are_read_as_their_authors_would_have_them_read() {
    for snippet in runnable("toml", "style") {
        read_style(&snippet.text).unwrap_or_else(|why| panic!("{}: {why}", snippet.place()));
    }
    for snippet in runnable("toml", "style-layer") {
        let text = format!("{BASE}{WINDOW}[[layer]]\nkind = \"fill\"\nfill = \"#ffffff\"\n{}", snippet.text);
        read_style(&text).unwrap_or_else(|why| panic!("{}: {why}", snippet.place()));
    }
    let (mut page, mut text) = (PathBuf::new(), String::new());
    for snippet in runnable("toml", "style-part") {
        if page != snippet.page {
            (page, text) = (snippet.page.clone(), BASE.to_owned());
        }
        text.push_str(&snippet.text);
        let window = if text.contains("name = \"window\"") { "" } else { WINDOW };
        read_style(&format!("{text}{window}")).unwrap_or_else(|why| panic!("{}: {why}", snippet.place()));
    }
}

#[test]
fn collections_relays_and_json_are_read() {
    let style = "bafyreigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi".parse().unwrap();
    for snippet in runnable("toml", "collection") {
        collection("any", &snippet.text, style).unwrap_or_else(|why| panic!("{}: {why}", snippet.place()));
    }
    for snippet in runnable("toml", "relay") {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("data/keys")).unwrap();
        fs::write(folder.path().join("data/keys/admin.token"), "token").unwrap();
        let mut text = snippet.text.clone();
        while let Some(at) = text.find("${") {
            let end = at + text[at..].find('}').unwrap();
            text.replace_range(at..=end, &"11".repeat(32));
        }
        let file = folder.path().join("relay.toml");
        fs::write(&file, text).unwrap();
        let read = iridule_relay::config::Config::read(&file);
        assert!(read.is_ok(), "{}: {}", snippet.place(), read.err().unwrap());
    }
    for snippet in runnable("json", "") {
        let read = serde_json::from_str::<serde_json::Value>(&snippet.text);
        assert!(read.is_ok(), "{}: {read:?}", snippet.place());
    }
}

#[test]
fn shaders_are_compiled() {
    for snippet in runnable("wgsl", "layer") {
        let folder = TempDir::new().unwrap();
        let style = folder.path().join("shader");
        fs::create_dir(&style).unwrap();
        let layer = "[[layer]]\nkind = \"shader\"\nsource = \"layer.wgsl\"\nops = 1000\n";
        fs::write(style.join("style.toml"), format!("{BASE}{layer}")).unwrap();
        fs::write(style.join("collection.toml"), COLLECTION).unwrap();
        fs::write(style.join("layer.wgsl"), &snippet.text).unwrap();
        let built = world::iridule().args(["style", "build"]).arg(&style).output().unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{}: {said}", snippet.place());
    }
}

/// What blocks of `sh` find: `iridule` publishes to this test's server, and `curl` fails on a status of 400 or more.
const PREAMBLE: &str = r#"
set -euo pipefail
curl() { command curl --fail --silent --show-error "$@"; }
iridule() {
    case "${1:-} ${2:-}" in
        "oracle push" | "style publish" | "style rollback" | "style list") "$IRIDULE" "$@" --to "$ADMIN" ;;
        *) "$IRIDULE" "$@" ;;
    esac
}
"#;

#[test]
fn commands_run_in_their_order() {
    let mut running: Option<(PathBuf, TempDir, Serve)> = None;
    for snippet in runnable("sh", "") {
        if running.as_ref().is_none_or(|(page, ..)| *page != snippet.page) {
            let folder = TempDir::new().unwrap();
            let serve = Serve::start(&folder.path().join("data"));
            running = Some((snippet.page.clone(), folder, serve));
        }
        let (_, folder, serve) = running.as_ref().unwrap();
        let text = snippet.text.replace("http://127.0.0.1:3000", &serve.here);
        let text = text.replace("http://127.0.0.1:3001", &serve.admin);
        let ran = Command::new("bash")
            .arg("-c")
            .arg(format!("{PREAMBLE}\n{text}"))
            .current_dir(folder.path())
            .env("IRIDULE", env!("CARGO_BIN_EXE_iridule"))
            .env("ADMIN", &serve.admin)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{}: {said}", snippet.place());
    }
}
