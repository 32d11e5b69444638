//! WGSL fragment shaders become strip VM programs.
//!
//! [`compile`] takes the text of an ordinary WGSL file and gives a [`Program`] that `iridule-vm` runs, or
//! [`Diagnostic`]s for its author. It runs when a style is published or a shader is tried out, never at the edge:
//! nothing that is deployed depends on this crate.
//!
//! The way of a shader: `front` (naga parses and validates, overrides are set, an entry point is chosen) → `lower`
//! (functions inlined, values split into scalars, control flow into selections, uniform work separated, constants
//! folded by the machine's own kernels) → `optimise` (unused code, fused operations, registers).
//!
//! What is outside the language of the strip VM (storage buffers, atomics, barriers, subgroups, other textures
//! than `texture_2d<f32>`) is refused here, with the place and what to write instead.

mod diagnostic;
mod front;
mod lower;
mod optimise;
mod shape;
mod simplify;
mod ssa;

pub use diagnostic::{Diagnostic, Severity};
pub use iridule_vm::Program;

/// How to compile.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The entry point's name; without one, the file's only fragment entry point.
    pub entry: Option<String>,
    /// Values for `override` declarations, by name or by the number of `@id`.
    pub overrides: Vec<(String, f64)>,
}

/// A compiled shader.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The program. It has passed the machine's verifier.
    pub program: Program,
    /// The name of the entry point.
    pub entry: String,
    /// What runs here but may not elsewhere.
    pub warnings: Vec<Diagnostic>,
}

/// Compiles one fragment entry point of a WGSL file.
///
/// # Errors
/// The diagnostics for the author; never empty.
pub fn compile(source: &str, options: &Options) -> Result<Compiled, Vec<Diagnostic>> {
    let front = front::front(source, options)?;
    let lowered =
        lower::lower(&front.module, &front.info, front.entry, source).map_err(|refused| vec![refused])?;
    let warnings = lowered.warnings.clone();
    let program = optimise::assemble(lowered).map_err(|refused| vec![refused])?;
    let entry = front.module.entry_points[front.entry].name.clone();
    Ok(Compiled { program, entry, warnings })
}
