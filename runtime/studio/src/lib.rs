//! The tools of an artist: build a style from its folder, check it, preview it, publish it.
//!
//! - [`folder`]: a style's folder, and the style that is built from it.
//! - [`session`]: the same work in a sandbox, for files of somebody else.
//! - [`scaffold`]: the files of a new style.
//! - [`mod@check`]: what a style costs, how much it uses of what it declares, and which parts never show.
//! - [`rarity`]: the distribution of traits over a collection.
//! - [`car`]: the package as one file.
//! - [`preview`]: a web page of tokens and states that updates when the files change.
//! - [`release`]: publishing, canaries and rollback.
//!
//! `style.toml` is read, and packages are made, by the style crate. This crate adds what that needs: a WGSL compiler and
//! image decoders. Nothing here runs at the edge.

pub mod car;
pub mod check;
pub mod folder;
pub mod preview;
pub mod rarity;
pub mod release;
pub mod scaffold;
pub mod session;
pub mod tools;

pub use check::{CheckReport, check};
pub use folder::{BuiltStyle, StudioError, StyleFolder};
pub use rarity::Rarity;
pub use scaffold::Scaffold;
pub use session::StyleSession;
pub use tools::StyleTools;
