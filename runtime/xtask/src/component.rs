//! The component of Spin and of our own host. Cargo makes all of it; `spin.toml` names the same command.

use std::path::PathBuf;

use anyhow::Result;

use crate::tools;

/// Builds the component and says where it is.
///
/// # Errors
/// When cargo fails.
pub(crate) fn build() -> Result<PathBuf> {
    let component = tools::build_module("iridule-spin", "wasm32-wasip2")?;
    tools::say_size(&component)?;
    Ok(component)
}
