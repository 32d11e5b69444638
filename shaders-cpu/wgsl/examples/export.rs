//! Writes the bench shaders as programs, with their uniforms and native pictures, for `isolate.mjs`.
//!
//! `cargo run --release -p iridule-wgsl --example export -- FOLDER`
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may show its figures, cut numbers and panic"
)]

use iridule_vm::{Level, Size};
use iridule_wgsl_testkit::{OwnedResource, compiled, corpus, painted, resources};

fn main() -> std::io::Result<()> {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    std::fs::create_dir_all(&folder)?;
    for (name, source) in corpus("bench") {
        let program = compiled(&name, &source);
        let resources = resources(&source, &program);
        let size = Size { width: 512, height: 512 };
        let picture = painted(&program, &resources, Level::best(), size).map_err(std::io::Error::other)?;
        let uniform = resources.iter().find_map(|(_, _, owned)| match owned {
            OwnedResource::Uniform(bytes) => Some(bytes.clone()),
            _ => None,
        });
        let file = |extension: &str| folder.join(format!("{name}.{extension}"));
        std::fs::write(file("irvm"), program.encode())?;
        std::fs::write(file("bin"), uniform.unwrap_or_default())?;
        std::fs::write(file("f32"), picture.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    Ok(())
}
