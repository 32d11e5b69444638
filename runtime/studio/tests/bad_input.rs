//! Styles that could hurt whoever builds, checks or serves them: each is refused, with the file and what is wrong in it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::fs;

use iridule_studio::{StyleFolder, check};
use tempfile::TempDir;

const HEAD: &str =
    "name = 'Bad'\ndescription = ''\n[canvas]\nwidth = 64\nheight = 64\nbackground = '#000000'\n";
const SVG: &str = "[[layer]]\nkind = 'svg'\nsource = 'a.svg'\nelements = 100\noverdraw = 4\n";
const SHADER: &str = "[[layer]]\nkind = 'shader'\nsource = 'a.wgsl'\nops = 1000\n";
const IMAGE: &str = "[[layer]]\nkind = 'image'\nsource = 'a.png'\n";
const TEXT: &str = "[[layer]]\nkind = 'text'\ntext = 'a'\nfont = 'a.ttf'\nsize = 12\ncolour = '#ffffff'\n";

/// What building or checking a style says, with this layer and this file.
fn complaint(layer: &str, file: &str, bytes: &[u8]) -> String {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("bad");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("style.toml"), format!("{HEAD}{layer}")).unwrap();
    fs::write(folder.join(file), bytes).unwrap();
    let built = StyleFolder::open(&folder).unwrap().build();
    match built.and_then(|built| check(&built, 2)) {
        Err(why) => why.to_string(),
        Ok(report) => panic!("{file} was admitted:\n{report}"),
    }
}

fn assert_says(said: &str, words: &[&str]) {
    assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
}

#[test]
fn documents_that_load_loop_or_multiply() {
    let svg = |inside: &str| format!("<svg xmlns='http://www.w3.org/2000/svg'>\n{inside}</svg>");
    let bomb = "<!DOCTYPE svg [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><svg>&b;</svg>".to_owned();
    let many = svg(&"<g/>".repeat(101));
    let million = svg(&"<g/>".repeat(1 << 18));
    let forever =
        svg("{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}");
    for (document, words) in [
        (bomb, &["a.svg: line 1", "document type"][..]),
        (svg("<image href='https://example.org/a.png'/>"), &["a.svg", "line 2", "image"]),
        (svg("<use href='https://example.org/a.svg#b'/>"), &["a.svg", "line 2", "use"]),
        (svg("<script>1</script>"), &["a.svg", "line 2", "script"]),
        (svg("<g id='a'><use href='#a'/></g>"), &["a.svg", "line 2"]),
        (many, &["a.svg", "more than the 100 elements"]),
        (million, &["a.svg"]),
        (forever, &["a.svg", "more than 20096 bytes"]),
        (svg("{% for a in range(9999) %}{% if a < 0 %}<g/>{% endif %}{% endfor %}"), &["a.svg", "steps"]),
        (svg(&format!("<!--{}-->", "long".repeat(9999))), &["a.svg", "more than 20096 bytes"]),
    ] {
        assert_says(&complaint(SVG, "a.svg", document.as_bytes()), words);
    }
}

#[test]
fn shaders_that_never_end_or_ask_for_what_there_is_not() {
    let main = |body: &str| {
        format!(
            "@fragment fn main(@builtin(position) p: vec4f) -> @location(0) vec4f {{\n{body}\nreturn p; }}"
        )
    };
    for (shader, words) in [
        (
            main("var a = 0.0; loop { a += p.x; if (a < 0.0) { break; } }"),
            &["a.wgsl", "out of budget", "line 2"][..],
        ),
        (main("return token.nothing;"), &["a.wgsl", "2:"]),
        (
            "@group(1) @binding(0) var<storage, read_write> a: array<u32>;\n".to_owned()
                + &main("a[0] = 1u;"),
            &["a.wgsl"],
        ),
        ("fn main() -> {}".into(), &["a.wgsl:1:14"]),
    ] {
        assert_says(&complaint(SHADER, "a.wgsl", shader.as_bytes()), words);
    }
}

#[test]
fn pictures_and_fonts_that_are_not_what_they_say() {
    // A PNG header that claims 65,535 square: 17 GB once decoded.
    let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xff\xff\0\0\xff\xff\x08\x06\0\0\0".to_vec();
    bomb.extend([0; 64]);
    for bytes in [bomb, b"no picture".to_vec(), Vec::new()] {
        assert_says(&complaint(IMAGE, "a.png", &bytes), &["a.png"]);
    }
    for bytes in [b"\0\x01\0\0 no font".to_vec(), vec![0xff; 4096], Vec::new()] {
        assert_says(&complaint(TEXT, "a.ttf", &bytes), &["a.ttf"]);
    }
}

#[test]
fn files_that_are_elsewhere_or_too_large() {
    let outside = "[[layer]]\nkind = 'svg'\nsource = '../a.svg'\nelements = 4\noverdraw = 1\n";
    assert_says(&complaint(outside, "a.svg", b"<svg/>"), &["../a.svg"]);
    assert_says(&complaint(IMAGE, "b.png", b""), &["a.png"]);
    let large = vec![b' '; 17 << 20];
    assert_says(&complaint(SVG, "a.svg", &large), &["a.svg"]);
}

#[test]
fn a_typo_is_answered_with_the_nearest_name() {
    let hat = "[trait.hat]\nkind = 'choice'\noptions = [{ value = 'None', weight = 1 }]\n";
    let layer = format!("{hat}{SVG}when = \"hatt != 'None'\"\n");
    assert_says(&complaint(&layer, "a.svg", b"<svg/>"), &["hatt", "hat"]);
    assert_says(&complaint(&SVG.replace("overdraw", "overdarw"), "a.svg", b"<svg/>"), &["overdarw"]);
}
