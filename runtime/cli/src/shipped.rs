//! Styles: those that ship inside the binary, and folders on the disk that are laid out like them.

use std::{fs, path::Path};

use anyhow::{Context as _, anyhow, bail};
use iridule_core::{
    author::{self, Package},
    collection::Collection,
    package::Block,
    style::Style,
};

/// A style's folder, carried in the binary.
pub struct Shipped {
    /// The folder's name, which is the demo collection's slug.
    pub slug: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

/// The styles that ship, by slug.
pub const SHIPPED: &[Shipped] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// A built style and the collection that its folder describes.
pub struct Built {
    /// The package.
    pub package: Package,
    /// The collection.
    pub collection: Collection,
}

impl Shipped {
    /// Builds the style.
    ///
    /// # Errors
    /// What is wrong with its files; a test holds that nothing is.
    pub fn build(&self) -> anyhow::Result<Built> {
        let find = |name: &str| {
            let file = self.files.iter().find(|(path, _)| *path == name);
            file.map(|(_, bytes)| bytes.to_vec()).ok_or_else(|| format!("{name}: no such file"))
        };
        build(self.slug, find)
    }
}

/// Builds a style by its shipped name, or from a folder.
///
/// # Errors
/// What is wrong with its files, or which styles there are.
pub fn open(name: &str) -> anyhow::Result<Built> {
    if let Some(shipped) = SHIPPED.iter().find(|shipped| shipped.slug == name) {
        return shipped.build();
    }
    let folder = Path::new(name);
    if !folder.join("style.toml").is_file() {
        let known: Vec<&str> = SHIPPED.iter().map(|shipped| shipped.slug).collect();
        bail!("{name:?} is neither a folder with a style.toml nor a shipped style ({})", known.join(", "));
    }
    let slug = folder.canonicalize()?.file_name().and_then(|name| name.to_str().map(str::to_lowercase));
    build(&slug.context("the folder has a name")?, |file| {
        fs::read(folder.join(file)).map_err(|e| format!("{}: {e}", folder.join(file).display()))
    })
}

fn build(slug: &str, read: impl Fn(&str) -> Result<Vec<u8>, String>) -> anyhow::Result<Built> {
    let text = |file| {
        let bytes = read(file).map_err(|why| anyhow!(why))?;
        String::from_utf8(bytes).with_context(|| format!("{slug}/{file}: not UTF-8"))
    };
    let package = author::build(&text("style.toml")?, &read).map_err(|why| anyhow!("{slug}/{why}"))?;
    let collection = author::collection(slug, &text("collection.toml")?, package.cid)
        .map_err(|why| anyhow!("{slug}/{why}"))?;
    Ok(Built { package, collection })
}

impl Built {
    /// The style at work, loaded from its blocks as an edge would.
    ///
    /// # Errors
    /// What is wrong with its templates.
    pub fn style(&self) -> anyhow::Result<Style> {
        let bytes = |cid| self.package.blocks.iter().find(|block| block.cid == cid).map(|block| &block.bytes);
        let file = |path: &str| {
            let file = self.package.manifest.files.iter().find(|file| file.path == path)?;
            let blocks: Option<Vec<&Vec<u8>>> = file.blocks.iter().map(|cid| bytes(*cid)).collect();
            Some(blocks?.into_iter().flatten().copied().collect())
        };
        Style::load(self.package.cid, self.package.manifest.clone(), file).map_err(|why| anyhow!(why))
    }

    /// The package's blocks, the manifest last.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.package.blocks
    }
}
