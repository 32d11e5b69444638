//! The styles that ship inside the binary, and how a style is named on the command line.

use std::path::Path;

use anyhow::bail;
use iridule_studio::{Built, Folder};

/// A style's folder, carried in the binary.
pub struct Shipped {
    /// The folder's name, which is the demo collection's slug.
    pub slug: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

/// The styles that ship, by slug.
pub const SHIPPED: &[Shipped] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

impl Shipped {
    /// The folder.
    pub fn folder(&self) -> Folder {
        Folder::carried(self.slug, self.files)
    }
}

/// A style's folder by its shipped name, or by its path.
///
/// # Errors
/// Which styles there are.
pub fn folder(name: &str) -> anyhow::Result<Folder> {
    if let Some(shipped) = SHIPPED.iter().find(|shipped| shipped.slug == name) {
        return Ok(shipped.folder());
    }
    if !Path::new(name).join("style.toml").is_file() {
        let known: Vec<&str> = SHIPPED.iter().map(|shipped| shipped.slug).collect();
        bail!("{name:?} is neither a folder with a style.toml nor a shipped style ({})", known.join(", "));
    }
    Ok(Folder::open(name)?)
}

/// Builds a style by its shipped name, or from a folder.
///
/// # Errors
/// What is wrong with its files, or which styles there are.
pub fn open(name: &str) -> anyhow::Result<Built> {
    Ok(folder(name)?.build()?)
}
