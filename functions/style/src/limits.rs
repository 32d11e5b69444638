//! Limits on styles, and on what an edge paints; and those of records and scenes.
//!
//! A limit lives in the lowest crate that needs it. A value beyond a limit changes an answer; budgets of the build (module sizes)
//! are in `budgets.toml` at the workspace root.

pub use iridule_records::limits::*;

/// Most traits of one style.
pub const TRAITS: usize = 64;
/// Most options of one choice.
pub const OPTIONS: usize = 256;
/// Most colours of one palette.
pub const COLOURS: usize = 16;
/// Most exclusions of one style.
pub const EXCLUSIONS: usize = 64;
/// Most tokens of one style that are set by hand.
pub const OVERRIDES: usize = 256;
/// Most files of one style package.
pub const FILES: usize = 256;
/// Most bytes of all files of one style package.
pub const PACKAGE_BYTES: u64 = 64 << 20;
/// Most bytes of templates, programs and fonts in one style: an edge keeps several styles loaded.
pub const LOADED_BYTES: u64 = 2 << 20;
/// Longest expression in a manifest, bytes.
pub const EXPRESSION_BYTES: usize = 1024;
/// Most steps that a template may declare, and that an expression may take.
pub const TEMPLATE_STEPS: u32 = 2_000_000;
/// Static cost up to which an edge paints by itself (see [`crate::plan`]); above it a render escalates.
pub const EDGE_COST: u64 = 400_000_000;
/// Bytes of picture files up to which an edge paints by itself: it holds all files of one picture at once.
pub const EDGE_FILE_BYTES: u64 = 24 << 20;
/// Static cost up to which a preview is painted in place of a picture that is still to come.
pub const PREVIEW_COST: u64 = 40_000_000;
/// Pixels up to which a preview is brought to the size asked for; a larger one is sent smaller.
pub const PREVIEW_PIXELS: u64 = 1024 * 1024;
