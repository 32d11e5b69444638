//! The Cloudflare Worker: cargo's module, bound to JavaScript.
//!
//! `wrangler` runs this as the build command of `wrangler.toml`, and bundles the result with
//! `functions/worker/entry.js`. The binding is done by wasm-bindgen's own library, which Cargo.lock holds at exactly
//! the version of the `wasm-bindgen` inside the module. Why not by `worker-build`: docs/decisions.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::tools::{self, root, say};

/// Builds the Worker's module and its JavaScript, and says where the module is.
///
/// # Errors
/// When a tool fails.
pub(crate) fn build() -> Result<PathBuf> {
    tools::npm_packages()?;
    let built = tools::build_module("iridule-worker", "wasm32-unknown-unknown")?;
    let folder = root().join("functions/worker/build");
    let module = folder.join("index_bg.wasm");
    if tools::is_newer(&module, &built) {
        say("the Worker is up to date");
        return Ok(module);
    }
    say("binding the module to JavaScript");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("clearing {}", folder.display()))?;
    }
    Bindgen::new()
        .input_path(&built)
        .out_name("index")
        .web(true)?
        // `entry.js` starts the module, and replaces an instance that has died.
        .omit_default_module_path(true)
        .reset_state_function(true)
        .typescript(false)
        .generate(&folder)
        .context("wasm-bindgen did not bind the module")?;
    tools::say_size(&module)?;
    Ok(module)
}
