//! What an artist does with a style before it is live: build it from its folder, and look at it.
//!
//! Core reads `style.toml` and makes packages; what that takes beyond core, a WGSL compiler and picture decoders, comes
//! together here. Nothing of this runs at the edge.

pub mod folder;
pub mod tools;

pub use folder::{Built, Folder, StudioError};
pub use tools::Tools;
