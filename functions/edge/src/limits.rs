//! Limits on requests, and on what an edge instance keeps; and those of the layers below.
//!
//! A limit lives in the lowest crate that needs it. A value beyond a limit changes an answer; budgets of the build (module sizes)
//! are in `budgets.toml` at the workspace root.

pub use iridule_origin_api::limits::*;
pub use iridule_style::limits::*;

/// Longest path of a request, bytes, before percent-decoding.
pub const PATH_BYTES: usize = 512;
/// Longest query of a request, bytes.
pub const QUERY_BYTES: usize = 512;
/// Bytes of encoded renders that one isolate keeps.
pub const ISOLATE_RENDER_BYTES: usize = 16 << 20;
/// Bytes of picture files of styles that one isolate keeps.
pub const ISOLATE_ASSET_BYTES: usize = 8 << 20;
/// For how long an isolate does not try again to load a style that it could not load, milliseconds.
pub const BROKEN_STYLE_MS: u64 = 5_000;
/// Renders that one isolate remembers to have failed; they would fail again.
pub const ISOLATE_FAILED: usize = 1024;
/// Complaints that one isolate remembers to have made, so that each is made once.
pub const ISOLATE_COMPLAINTS: usize = 256;
/// Decoded styles that one isolate keeps.
pub const ISOLATE_STYLES: usize = 16;
/// Token records that one isolate keeps.
pub const ISOLATE_TOKENS: usize = 256;
/// Collection records that one isolate keeps.
pub const ISOLATE_COLLECTIONS: usize = 64;
/// How long a visitor may be made to wait for an origin before something else is shown, milliseconds.
pub const PATIENCE_MS: u64 = 10_000;
/// Renders that requests of one isolate ask origins for at once.
pub const ISOLATE_AWAITED: usize = 1024;
/// States that an isolate remembers to have shown last, by token and variant.
pub const ISOLATE_SHOWN: usize = 4096;
