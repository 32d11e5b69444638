//! A new style's folder, with something to look at in it.

use std::{fs, io, path::Path};

use crate::StudioError;

/// What a new style starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaffold {
    /// An SVG template.
    Svg,
    /// A WGSL shader.
    Shader,
    /// A collection whose contract keeps its pictures itself.
    Mirror,
}

const COLLECTION: &str = include_str!("collection.toml");

impl Scaffold {
    fn files(self) -> [(&'static str, &'static str); 3] {
        let collection = ("collection.toml", COLLECTION);
        match self {
            Self::Svg => [
                ("style.toml", include_str!("svg/style.toml")),
                ("hills.svg", include_str!("svg/hills.svg")),
                collection,
            ],
            Self::Shader => [
                ("style.toml", include_str!("shader/style.toml")),
                ("cloth.wgsl", include_str!("shader/cloth.wgsl")),
                collection,
            ],
            Self::Mirror => [
                ("style.toml", include_str!("mirror/style.toml")),
                ("blank.svg", include_str!("mirror/blank.svg")),
                ("collection.toml", include_str!("mirror/collection.toml")),
            ],
        }
    }

    /// Writes the files into a folder, which is made, and gives their names. A file that is there already is left alone,
    /// and is an error.
    ///
    /// # Errors
    /// [`StudioError::Slug`] for a folder whose name no collection could have, [`StudioError::File`].
    pub fn write(self, folder: &Path) -> Result<Vec<&'static str>, StudioError> {
        let slug = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !iridule_records::slug::is_slug(slug) {
            return Err(StudioError::Slug(folder.into()));
        }
        let failed = |path: &Path, why: io::Error| StudioError::File { path: path.into(), why };
        fs::create_dir_all(folder).map_err(|why| failed(folder, why))?;
        let files = self.files();
        if let Some((name, _)) = files.iter().find(|(name, _)| folder.join(name).exists()) {
            return Err(failed(&folder.join(name), io::ErrorKind::AlreadyExists.into()));
        }
        for (name, text) in files {
            let path = folder.join(name);
            fs::write(&path, text.replace("NAME", &title_of(slug))).map_err(|why| failed(&path, why))?;
        }
        Ok(files.map(|(name, _)| name).into())
    }
}

/// `night-market` as people write it: `Night market`.
fn title_of(slug: &str) -> String {
    let words = slug.replace('-', " ");
    let mut letters = words.trim().chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
