//! The shipped styles, and tokens of theirs.

use std::{fs, path::Path};

use alloy_primitives::U256;
use anyhow::Context as _;
use iridule_core::scene::Scene;
use iridule_origin::painter::Sources;
use iridule_studio::{Built, Folder};

/// The folders of the shipped styles, by name.
///
/// # Errors
/// When they cannot be listed.
pub fn slugs() -> anyhow::Result<Vec<String>> {
    let home = home();
    let folders = fs::read_dir(&home).with_context(|| home.display().to_string())?;
    let mut slugs = Vec::new();
    for folder in folders {
        let folder = folder?.path();
        if folder.join("style.toml").is_file() {
            slugs.extend(folder.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    slugs.sort_unstable();
    Ok(slugs)
}

fn home() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/styles")
}

fn built(slug: &str) -> anyhow::Result<Built> {
    Ok(Folder::open(home().join(slug))?.build()?)
}

/// The WGSL of a style's shaders, by path.
///
/// # Errors
/// When the style cannot be built.
pub fn sources(slug: &str) -> anyhow::Result<Sources> {
    let built = built(slug)?;
    let mut sources = Sources::new();
    for shader in built.package.manifest.shaders() {
        let text = built.file(&shader.source).context("a source is missing")?;
        sources.insert(shader.source.clone(), String::from_utf8(text)?);
    }
    Ok(sources)
}

/// Tokens 1 to `count` of a style, at rest.
///
/// # Errors
/// When the style cannot be built, or fails on a token.
pub fn scenes(slug: &str, count: u64) -> anyhow::Result<Vec<Scene>> {
    let built = built(slug)?;
    let style = built.style()?;
    let scene = |token| {
        let seed = built.collection.seed(U256::from(token)).map_err(anyhow::Error::msg)?;
        Ok(built.scene(&style, &seed, &style.manifest.rest())?)
    };
    (1..=count).map(scene).collect()
}
