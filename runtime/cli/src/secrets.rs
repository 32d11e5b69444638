//! Files with keys and tokens: a warning for those that other users of the machine can read.

use std::path::{Path, PathBuf};

/// The bits of a file's mode that give anything to anybody but its owner.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// Warns of each file that is there and that not only its owner can use.
pub fn warn_of_open_files<'a>(files: impl IntoIterator<Item = &'a Path>) {
    for (path, mode) in open_files(files) {
        tracing::warn!(
            path = %path.display(),
            mode = format!("{mode:03o}"),
            "other users of this machine can read this secret; make it yours alone: chmod 600"
        );
    }
}

/// Those of the files that others can use, with their modes.
fn open_files<'a>(files: impl IntoIterator<Item = &'a Path>) -> Vec<(PathBuf, u32)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| Some(path.metadata().ok()?.permissions().mode() & 0o777);
        let of_others = |path: &'a Path| mode(path).filter(|mode| mode & OTHERS != 0);
        files.into_iter().filter_map(|path| Some((path.to_owned(), of_others(path)?))).collect()
    }
    #[cfg(not(unix))]
    {
        let _ = files;
        Vec::new()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn files_that_others_can_use_are_named_and_private_or_missing_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [0o600, 0o400, 0o640, 0o604, 0o666].map(|mode| {
            let path = folder.path().join(format!("{mode:o}"));
            fs::write(&path, "secret").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        });
        let missing = folder.path().join("missing");
        let open = open_files(paths.iter().chain([&missing]).map(PathBuf::as_path));
        assert_eq!(open.iter().map(|(_, mode)| *mode).collect::<Vec<_>>(), [0o640, 0o604, 0o666]);
    }
}
