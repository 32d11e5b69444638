//! Detects changes in a folder by the names, sizes and modification times of its files.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

/// Maximum number of files that are examined. A style has at most 256.
const MAX_FILES: usize = 4096;

/// A hash that changes with the files.
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

/// Collects the files in a folder and its subfolders. Skips hidden files, which belong to editors, and links, which may
/// lead anywhere.
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
