//! A style's folder, on disk or embedded in a binary, and the style that is built from it.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use iridule_records::{block::Block, collection::Collection, gauge::State, seed::Seed};
use iridule_sandbox::{JobKilled, SandboxUnavailable};
use iridule_scene::{limits, scene::Scene};
use iridule_style::{
    author::{self, Package},
    style::Style,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::StyleTools;

/// Why a style cannot be built or resolved.
#[derive(Debug, thiserror::Error)]
pub enum StudioError {
    /// A file cannot be read or written.
    #[error("{}: {why}", path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// The system's error.
        why: io::Error,
    },
    /// The folder's name is not a valid slug for a collection.
    #[error("{}: the folder's name is the collection's: use a-z, 0-9 and -", .0.display())]
    Slug(PathBuf),
    /// The author's files do not make a valid style. The text names the file, the part and, if known, the line.
    #[error("{slug}/{why}")]
    Style {
        /// The folder's name.
        slug: String,
        /// What is wrong, and where.
        why: String,
    },
    /// An error of a style that was reported by a worker.
    #[error("{0}")]
    Reported(String),
    /// Work on the style exceeded a limit and was killed.
    #[error("{slug}: {killed}")]
    Killed {
        /// The folder's name.
        slug: String,
        /// The limit, and what was worked on: the file, or the token and its state.
        killed: JobKilled,
    },
    /// The sandbox cannot run work now.
    #[error(transparent)]
    Sandbox(#[from] SandboxUnavailable),
}

/// A style's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StyleFolder {
    /// The folder's name: the slug of the demo collection.
    pub slug: String,
    files: Files,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Files {
    /// Paths with their contents.
    Embedded(Vec<(String, ByteBuf)>),
    Disk(PathBuf),
}

impl StyleFolder {
    /// Opens a folder on disk.
    ///
    /// # Errors
    /// [`StudioError::File`] if it does not exist, [`StudioError::Slug`] if its name is not a slug.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StudioError> {
        let path = path.into();
        let whole = path.canonicalize().map_err(|why| StudioError::File { path: path.clone(), why })?;
        let slug = whole.file_name().and_then(|name| name.to_str()).map(str::to_lowercase);
        let slug = slug.filter(|slug| iridule_records::slug::is_slug(slug));
        Ok(Self { slug: slug.ok_or(StudioError::Slug(path))?, files: Files::Disk(whole) })
    }

    /// A folder that is embedded in a binary, as paths with contents.
    #[must_use]
    pub fn embedded(slug: &str, files: &'static [(&'static str, &'static [u8])]) -> Self {
        let file = |(path, bytes): &(&str, &[u8])| ((*path).to_owned(), ByteBuf::from(*bytes));
        Self { slug: slug.into(), files: Files::Embedded(files.iter().map(file).collect()) }
    }

    /// The path of a folder on disk.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.files {
            Files::Embedded(_) => None,
            Files::Disk(path) => Some(path),
        }
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        iridule_sandbox::report_activity(name);
        match &self.files {
            Files::Embedded(files) => {
                let file = files.iter().find(|(path, _)| path == name);
                file.map(|(_, bytes)| bytes.to_vec()).ok_or_else(|| format!("{name}: no such file"))
            }
            Files::Disk(folder) => {
                if name.split('/').any(|part| part == ".." || part.is_empty()) {
                    return Err(format!("{name}: files lie inside the style's folder"));
                }
                read_file(&folder.join(name)).map_err(|why| format!("{name}: {why}"))
            }
        }
    }

    fn text(&self, name: &str) -> Result<String, String> {
        String::from_utf8(self.read(name)?).map_err(|_| format!("{name}: not UTF-8"))
    }

    /// Builds the style on this thread; [`crate::StyleSession::build`] does it in a sandbox. Without a `collection.toml` its tokens are those of a collection of a thousand on no chain.
    ///
    /// # Errors
    /// [`StudioError::Style`].
    pub fn build(&self) -> Result<BuiltStyle, StudioError> {
        let blame = |why: String| StudioError::Style { slug: self.slug.clone(), why };
        let style = self.text("style.toml").map_err(blame)?;
        let collection = self.text("collection.toml").ok();
        let package = author::build(&style, collection.as_deref(), &StyleTools, |name| self.read(name))
            .map_err(blame)?;
        let collection = collection.unwrap_or_else(|| UNBOUND.into());
        let collection = author::collection(&self.slug, &collection, package.cid).map_err(blame)?;
        Ok(BuiltStyle { package, collection })
    }
}

/// Reads a file, up to the maximum size of a style's files.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a named pipe would block until somebody writes to it.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limits::FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits::FILE_BYTES {
        return Err(io::Error::other(format!("it has more than {} bytes", limits::FILE_BYTES)));
    }
    Ok(bytes)
}

/// The default for a missing `collection.toml`.
const UNBOUND: &str = r#"
name = "Untitled"
description = ""
chain_id = 0
contract = "0x0000000000000000000000000000000000000000"
first = 1
supply = 1000
"#;

/// A built style and the collection that its folder describes.
#[derive(Debug, Clone)]
pub struct BuiltStyle {
    /// The package.
    pub package: Package,
    /// The collection's first record.
    pub collection: Collection,
}

impl BuiltStyle {
    /// Loads the style from its blocks, as an edge does.
    ///
    /// # Errors
    /// [`StudioError::Style`].
    pub fn style(&self) -> Result<Style, StudioError> {
        let loaded = Style::load(self.package.cid, self.package.manifest.clone(), |path| self.file(path));
        loaded.map_err(|why| self.blame(why))
    }

    /// Returns the contents of a file of the package.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        let file = self.package.manifest.file_at(path)?;
        let bytes = |cid| self.package.blocks.iter().find(|block| block.cid == cid).map(|block| &block.bytes);
        let blocks: Option<Vec<&Vec<u8>>> = file.blocks.iter().map(|cid| bytes(*cid)).collect();
        Some(blocks?.into_iter().flatten().copied().collect())
    }

    /// Builds the scene of a token in a state.
    ///
    /// # Errors
    /// [`StudioError::Style`], when a template or expression fails on this token.
    pub fn scene(&self, style: &Style, seed: &Seed, state: &State) -> Result<Scene, StudioError> {
        let draft = style.draft(seed, state).map_err(|why| self.blame(why.to_string()))?;
        draft.fill(|path| {
            self.file(path).map(Into::into).ok_or_else(|| self.blame(format!("{path}: no such file")))
        })
    }

    /// Makes an error of this style.
    pub(crate) fn blame(&self, why: String) -> StudioError {
        StudioError::Style { slug: self.collection.slug.clone(), why }
    }

    /// The package's blocks; the manifest's block is the last.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.package.blocks
    }
}
