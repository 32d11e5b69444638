//! The styles that ship inside the binary, and how a style is named on the command line.

use std::path::Path;

use anyhow::Context as _;
use iridule_studio::StyleFolder;

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
    pub fn folder(&self) -> StyleFolder {
        StyleFolder::embedded(self.slug, self.files)
    }
}

/// A style's folder by its path, or by its shipped name where there is no such folder.
///
/// # Errors
/// Which styles there are.
pub fn folder(name: &str) -> anyhow::Result<StyleFolder> {
    if Path::new(name).join("style.toml").is_file() {
        return Ok(StyleFolder::open(name)?);
    }
    let shipped = SHIPPED.iter().find(|shipped| shipped.slug == name);
    shipped.map(Shipped::folder).with_context(|| {
        let known: Vec<&str> = SHIPPED.iter().map(|shipped| shipped.slug).collect();
        format!("{name:?} is neither a folder with a style.toml nor a shipped style ({})", known.join(", "))
    })
}
