//! A folder with a file for each record, named as the record is with `_` for `/`: to look at, to test with, or for
//! something else to carry on, such as a program that syncs folders with an object store.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{bounded, error::PlaceError, http};

/// A folder of records.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    pub(crate) fn open(folder: &Path) -> Result<Self, PlaceError> {
        fs::create_dir_all(folder).map_err(|why| fault(folder, &why))?;
        Ok(Self(folder.into()))
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PlaceError> {
        let file = self.file(key);
        match bounded::read_file(&file, http::RECORD_BYTES as u64) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(fault(&file, &why)),
        }
    }

    /// Whoever reads meanwhile sees the old record or the new one, whole.
    pub(crate) fn put(&self, key: &str, value: &[u8]) -> Result<(), PlaceError> {
        let file = self.file(key);
        let draft = file.with_extension("draft");
        let written = fs::write(&draft, value)
            .and_then(|()| fs::File::open(&draft)?.sync_all())
            .and_then(|()| fs::rename(&draft, &file));
        written.map_err(|why| fault(&file, &why))
    }

    fn file(&self, key: &str) -> PathBuf {
        self.0.join(key.replace('/', "_"))
    }
}

fn fault(file: &Path, why: &io::Error) -> PlaceError {
    PlaceError::Unreachable { at: file.display().to_string(), why: why.to_string() }
}
