//! Whether the files of a folder changed: by their names, sizes and times.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

/// Most files that are looked at. A style has at most 256, and lies in a folder of its own.
const MAX_FILES: usize = 4096;

/// A number that changes with the files.
pub(super) fn fingerprint(folder: &Path) -> u64 {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    let mut hash = DefaultHasher::new();
    for path in files {
        path.hash(&mut hash);
        if let Ok(file) = fs::metadata(&path) {
            file.len().hash(&mut hash);
            file.modified().ok().hash(&mut hash);
        }
    }
    hash.finish()
}

/// The files in a folder and below. Hidden ones are an editor's, and links could lead anywhere.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let Ok(kind) = entry.file_type() else { continue };
        if hidden || files.len() >= MAX_FILES {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), files);
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
}
