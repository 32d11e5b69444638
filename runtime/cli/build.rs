//! Builds what the `iridule` binary carries: the Spin component, and the list of styles that ship.
//!
//! The component is built by a nested cargo into its own folder of the target directory, so that the two do not wait
//! for each other's lock.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the component is compiled for.
const TARGET: &str = "wasm32-wasip2";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for watched in ["functions", "shaders-cpu", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    let component = component(&root, &out)?;
    println!("cargo::rustc-env=IRIDULE_COMPONENT={}", component.display());
    fs::write(out.join("shipped.rs"), shipped(&root.join("functions/styles"))?)?;
    Ok(())
}

/// Builds the component and says where it lies.
fn component(root: &Path, out: &Path) -> Outcome<PathBuf> {
    ensure_target(root)?;
    // OUT_DIR is <target>/<profile>/build/<package>/out.
    let target = out.ancestors().nth(4).ok_or("OUT_DIR has another shape than expected")?.join("component");
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo
        .current_dir(root)
        .args([
            "build",
            "--locked",
            "--package",
            "iridule-spin",
            "--target",
            "wasm32-wasip2",
            "--profile",
            "edge",
        ])
        .arg("--target-dir")
        .arg(&target);
    // What the outer cargo sets for its own target and wrappers (clippy's among them) is not for the inner one.
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
    ] {
        cargo.env_remove(name);
    }
    let output = cargo.output()?;
    if !output.status.success() {
        return Err(
            format!("building the component failed:\n{}", String::from_utf8_lossy(&output.stderr)).into()
        );
    }
    Ok(target.join(TARGET).join("edge/iridule_spin.wasm"))
}

/// Has rustup install the component's target where the toolchain lacks it: rustup does so by itself only where it may.
fn ensure_target(root: &Path) -> Outcome<()> {
    let asked =
        Command::new(env::var("RUSTC")?).args(["--print", "target-libdir", "--target", TARGET]).output()?;
    if Path::new(String::from_utf8(asked.stdout)?.trim()).is_dir() {
        return Ok(());
    }
    let added = Command::new("rustup").current_dir(root).args(["target", "add", TARGET]).output();
    match added {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            Err(format!("rustup target add {TARGET}:\n{}", String::from_utf8_lossy(&output.stderr)).into())
        }
        Err(_) => Err(format!("this toolchain has no target {TARGET}; install it, e.g. by rustup").into()),
    }
}

/// Source text of the list of shipped styles: each folder with its files, sorted.
fn shipped(folder: &Path) -> Outcome<String> {
    let mut code = String::from("&[\n");
    for style in sorted(folder)? {
        let slug =
            style.file_name().and_then(|name| name.to_str()).ok_or("a style's folder has a UTF-8 name")?;
        writeln!(code, "    Shipped {{ slug: {slug:?}, files: &[")?;
        for file in files(&style)? {
            let name = file.strip_prefix(&style)?.to_str().ok_or("a style's file has a UTF-8 name")?;
            writeln!(code, "        ({name:?}, include_bytes!({:?})),", file.display().to_string())?;
        }
        code.push_str("    ] },\n");
    }
    code.push(']');
    Ok(code)
}

/// Every file in a folder and the folders in it, in order.
fn files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in sorted(folder)? {
        if path.is_dir() { all.extend(files(&path)?) } else { all.push(path) }
    }
    Ok(all)
}

fn sorted(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Outcome<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
