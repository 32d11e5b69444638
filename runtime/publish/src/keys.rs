//! Signing keys of relays and publishers: 32 secret bytes in hexadecimal, in a file that only its owner may read.

use std::{fs, io, io::Write as _, path::Path, process};

use ed25519_dalek::SigningKey;

use crate::bounded::{SECRET_BYTES, read_text_file};

/// Why a key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{0}: not a signing key; one line of 64 hexadecimal digits is expected")]
    Malformed(String),
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
}

/// Reads the key in a file.
///
/// # Errors
/// [`KeyError`]; also when there is no such file.
pub fn load(path: &Path) -> Result<SigningKey, KeyError> {
    let text = read_text_file(path, SECRET_BYTES).map_err(|source| io_error(path, source))?;
    let malformed = || KeyError::Malformed(path.display().to_string());
    let bytes: [u8; 32] = alloy_primitives::hex::decode(text.trim())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(malformed)?;
    Ok(SigningKey::from_bytes(&bytes))
}

/// Reads the key in a file, or makes one there when the file does not exist yet.
///
/// # Errors
/// [`KeyError`].
pub fn load_or_create(path: &Path) -> Result<SigningKey, KeyError> {
    match load(path) {
        Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        result => return result,
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| io_error(folder, source))?;
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| KeyError::Random(e.to_string()))?;
    let text = alloy_primitives::hex::encode(secret);
    match create_private(path, &text) {
        // Another process made it between the look and the making: its key is the one.
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => load(path),
        Err(source) => Err(io_error(path, source)),
        Ok(()) => Ok(SigningKey::from_bytes(&secret)),
    }
}

/// The public half, as `trusted_keys` takes it: 64 hexadecimal digits.
#[must_use]
pub fn public(key: &SigningKey) -> String {
    alloy_primitives::hex::encode(key.verifying_key().as_bytes())
}

/// Creates a file that did not exist, with one line of text, for its owner only. It is there whole or not at all,
/// whenever the machine stops.
///
/// # Errors
/// What the system says; [`io::ErrorKind::AlreadyExists`] when there is such a file.
pub fn create_private(path: &Path, line: &str) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.draft", process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&draft).and_then(|mut file| {
        writeln!(file, "{line}")?;
        file.sync_all()?;
        // Unlike a renaming, this fails where the name is taken.
        fs::hard_link(&draft, path)
    });
    let removed = fs::remove_file(&draft);
    written.and(removed)
}

fn io_error(path: &Path, source: io::Error) -> KeyError {
    KeyError::Io { path: path.display().to_string(), source }
}
