//! Limits on records, each with its unit; and those of scenes.
//!
//! A limit lives in the lowest crate that needs it. A value beyond a limit changes an answer; budgets of the build (module sizes)
//! are in `budgets.toml` at the workspace root.

pub use iridule_scene::limits::*;

/// Longest collection slug, bytes. Slugs are `[a-z0-9-]`.
pub const SLUG_BYTES: usize = 64;
/// Longest name of a trait, gauge, feed or layer source, bytes.
pub const NAME_BYTES: usize = 64;
/// Most collections one edge lists.
pub const COLLECTIONS: usize = 256;
/// Most gauges of one style.
pub const GAUGES: usize = 16;
/// Most edges of one quantiser.
pub const EDGES: usize = 4096;
/// Longest time for which a quantiser keeps a band whatever the values do, seconds: 30 days.
pub const DWELL_SECONDS: u32 = 30 * 86_400;
/// Largest block of a package, bytes.
pub const BLOCK_BYTES: usize = 1 << 20;
/// Largest signed snapshot, bytes.
pub const SNAPSHOT_BYTES: usize = 1 << 20;
/// Most gauges in one snapshot.
pub const SNAPSHOT_GAUGES: usize = 4096;
/// Most states in a snapshot's record of what was ever published, over all its panels.
pub const SNAPSHOT_STATES: usize = 65_536;
/// Kinds of moves between states that are counted, over all panels ([`crate::forecast`]).
pub const MOVES: usize = 4096;
/// Largest signed collection record, bytes.
pub const COLLECTION_BYTES: usize = 16 << 10;
/// Largest signed token record, bytes.
pub const TOKEN_BYTES: usize = 64 << 10;
/// Longest name of a recorded token or of its attributes, bytes.
pub const TOKEN_NAME_BYTES: usize = 256;
/// Most attributes of a recorded token.
pub const TOKEN_ATTRIBUTES: usize = 128;
/// Styles before the newest that a collection's record remembers.
pub const HISTORY: usize = 32;
/// Most keys an edge trusts.
pub const TRUSTED_KEYS: usize = 16;
/// How far a snapshot may be dated ahead of the edge's clock, milliseconds.
pub const CLOCK_SKEW_MS: u64 = 5 * 60 * 1000;
/// Styles that a token is tried in when newer ones cannot be shown, the newest included.
pub const FALLBACKS: usize = 8;
