//! Compiled code: the component's machine code, kept on disk so that a restart does not compile again.
//!
//! A file under `DATA/code/` is named by what decides its content (the engine's compatibility hash and the component's
//! digest), begins with a digest of all that follows, and is put in place by a rename. Anything else than a perfect file
//! is compiled anew; nothing on disk can keep the host from starting, a full disk included. Making engines is
//! `engine.rs`.

use std::{
    fs,
    hash::{Hash as _, Hasher},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

/// Stands first in every file, with the version of this layout.
const MAGIC: &[u8; 8] = b"irdlcod1";
/// How the names of files end that are being written.
const DRAFT: &str = "draft";
/// What one core takes to compile a byte of a component: 5.9 MB took 6.9 s on two.
const NANOS_PER_BYTE: u64 = 2_300;
/// Bytes before the code: the magic and a SHA-256 of name and code.
const HEAD: usize = MAGIC.len() + 32;

/// How a start gets on with compiling. It happens once for each version, unless the compiled code cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compiling {
    /// It begins, and takes about so long.
    Begun {
        /// By the size of the component and the cores of this machine.
        estimate: Duration,
    },
    /// It is done.
    Done,
}

/// The folder of compiled code; `None` where it cannot be used.
pub(crate) struct CodeCache {
    folder: Option<PathBuf>,
}

impl CodeCache {
    /// The cache under `data`, whose folder is made for this user alone. What earlier starts left half written is removed.
    pub(crate) fn open(data: &Path) -> Self {
        let folder = data.join("code");
        match ready(&folder) {
            Ok(()) => Self { folder: Some(folder) },
            Err(why) => {
                let folder = folder.display();
                tracing::warn!(%folder, %why, "compiled code is not kept; the next start compiles again");
                Self { folder: None }
            }
        }
    }

    /// The component, from the cache or compiled and then cached.
    ///
    /// # Errors
    /// Only the compiler's: the component is not one.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        bytes: &[u8],
        compiling: fn(Compiling),
    ) -> wasmtime::Result<Component> {
        let name = name(engine, bytes);
        let path = self.folder.as_ref().map(|folder| folder.join(&name));
        match path.as_ref().map_or(Ok(None), |path| read(path, &name)) {
            Ok(Some(code)) => match load(engine, &code) {
                Ok(component) => return Ok(component),
                Err(why) => tracing::warn!(%name, %why, "cached code does not load; compiling"),
            },
            Ok(None) => tracing::info!(%name, "no cached code; compiling"),
            Err(why) => tracing::warn!(%name, %why, "cached code is unreadable; compiling"),
        }
        compiling(Compiling::Begun { estimate: estimate(bytes.len()) });
        let code = engine.precompile_component(bytes);
        compiling(Compiling::Done);
        let code = code?;
        if let (Some(folder), Some(path)) = (&self.folder, &path)
            && let Err(why) = write(folder, path, &name, &code)
        {
            tracing::warn!(%name, %why, "compiled code is not cached; the next start compiles again");
        }
        load(engine, &code)
    }
}

/// How long compiling so many bytes takes on all cores.
fn estimate(bytes: usize) -> Duration {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Duration::from_nanos(NANOS_PER_BYTE * bytes as u64) / u32::try_from(cores).unwrap_or(u32::MAX)
}

/// Makes the folder, and removes the drafts of starts that did not finish.
fn ready(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == DRAFT) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn write(folder: &Path, path: &Path, name: &str, code: &[u8]) -> io::Result<()> {
    let draft = folder.join(format!("{name}.{}.{DRAFT}", std::process::id()));
    let written = fs::File::create(&draft).and_then(|mut file| {
        file.write_all(MAGIC)?;
        file.write_all(&digest(name, code))?;
        file.write_all(code)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        fs::File::open(folder)?.sync_all()
    });
    if written.is_err() {
        // A part of the code would take the room that the disk lacks.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// The code in a file, `None` when there is no file or not a whole one.
fn read(path: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut file = match fs::read(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    if file.len() < HEAD
        || &file[..MAGIC.len()] != MAGIC
        || file[MAGIC.len()..HEAD] != digest(name, &file[HEAD..])
    {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its digest does not fit"));
    }
    Ok(Some(file.split_off(HEAD)))
}

fn digest(name: &str, code: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(name).chain_update([0]).chain_update(code).finalize().into()
}

#[allow(
    unsafe_code,
    reason = "deserialising trusts the bytes to be wasmtime's own; the comment argues that they are"
)]
fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` runs what these bytes say, so they must be what `precompile_component` made. They come
    // either straight from it, or from a file that (1) lies in a folder only this user can enter, so whoever could
    // plant another file could as well replace this program or its memory; (2) carries a SHA-256 over its name and all
    // its code, so no torn write, flipped bit or file of another name gets here; (3) is named by the engine's
    // compatibility hash and the component's digest, and wasmtime itself checks its version, target and settings
    // against the engine again.
    unsafe { Component::deserialize(engine, code) }
}

/// What the code depends on, as a file name.
fn name(engine: &Engine, component: &[u8]) -> String {
    let mut compatibility = Digester(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut compatibility);
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    format!("{}-{}.cwasm", hex(&compatibility.0.finalize()[..8]), hex(&Sha256::digest(component)))
}

/// A [`Hasher`] that keeps all of a SHA-256, and is the same in every process.
struct Digester(Sha256);

impl Hasher for Digester {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest: [u8; 32] = self.0.clone().finalize().into();
        u64::from_le_bytes(std::array::from_fn(|i| digest[i]))
    }
}
