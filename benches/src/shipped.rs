//! Styles, shipped ones and those that are only measured with, and tokens of theirs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::U256;
use anyhow::Context as _;
use iridule_origin::painter::ShaderSources;
use iridule_records::seed::Seed;
use iridule_scene::{
    scene::Scene,
    variant::{Asked, Format, Variant},
};
use iridule_studio::{BuiltStyle, StyleFolder};
use iridule_style::{style::Style, traits::Traits};
use minijinja::Value;

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

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/styles")
}

fn built(slug: &str) -> anyhow::Result<BuiltStyle> {
    Ok(StyleFolder::open(home().join(slug))?.build()?)
}

/// The WGSL of a style's shaders, by path.
///
/// # Errors
/// When the style cannot be built.
pub fn sources(slug: &str) -> anyhow::Result<ShaderSources> {
    sources_of(&built(slug)?)
}

fn sources_of(built: &BuiltStyle) -> anyhow::Result<ShaderSources> {
    let mut sources = ShaderSources::new();
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

/// A style of `benches/work`, at work.
pub struct Work {
    pub folder: PathBuf,
    pub slug: String,
    built: BuiltStyle,
    style: Style,
}

impl Work {
    /// Opens a folder of `benches/work`.
    ///
    /// # Errors
    /// When the style cannot be built.
    pub fn open(slug: &str) -> anyhow::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("work").join(slug);
        let built = StyleFolder::open(&folder)?.build()?;
        let style = built.style()?;
        Ok(Self { folder, slug: slug.into(), built, style })
    }

    /// A token's traits, by name.
    ///
    /// # Errors
    /// When there is no such token.
    pub fn traits(&self, token: u64) -> anyhow::Result<BTreeMap<String, Value>> {
        let traits = Traits::of(&self.style.manifest, &self.seed(token)?).map_err(anyhow::Error::msg)?;
        Ok(traits.named(&self.style.manifest).collect())
    }

    /// A token, ready to be painted: its traits are drawn, its templates expanded.
    ///
    /// # Errors
    /// When there is no such token.
    pub fn scene(&self, token: u64) -> anyhow::Result<Scene> {
        Ok(self.built.scene(&self.style, &self.seed(token)?, &self.style.manifest.rest())?)
    }

    /// What a PNG as large as the canvas is.
    ///
    /// # Errors
    /// When there can be none.
    pub fn png(&self) -> anyhow::Result<Variant> {
        let canvas = self.scene(1)?.canvas;
        let asked = Asked { width: Some(self.style.manifest.canvas.width), ..Asked::default() };
        Ok(Variant::resolve(&asked, Format::Png, &canvas)?)
    }

    /// The WGSL of its shaders, by path.
    ///
    /// # Errors
    /// When one is not text.
    pub fn sources(&self) -> anyhow::Result<ShaderSources> {
        sources_of(&self.built)
    }

    fn seed(&self, token: u64) -> anyhow::Result<Seed> {
        self.built.collection.seed(U256::from(token)).map_err(anyhow::Error::msg)
    }
}
