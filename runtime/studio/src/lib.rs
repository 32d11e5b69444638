//! What an artist does with a style: build it from its folder, check it, look at it, put it live.
//!
//! - [`folder`]: a style's folder, and what is built from it.
//! - [`session`]: the same and all below in a sandbox, for files that come from somebody else.
//! - [`scaffold`]: a new one to start from.
//! - [`mod@check`]: what it costs and uses, and what of it is never seen.
//! - [`rarity`]: how the traits of its tokens turn out.
//! - [`car`]: the package as one file.
//! - [`preview`]: a page of tokens and states that follows the files.
//! - [`release`]: published, on trial, rolled back.
//!
//! Core reads `style.toml` and makes packages; what that takes beyond core, a WGSL compiler and picture decoders, comes
//! together here. Nothing of this runs at the edge.

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
