//! Limits on what edges and origins send each other; and those of the layers below.
//!
//! A limit lives in the lowest crate that needs it. A value beyond a limit changes an answer; budgets of the build (module sizes)
//! are in `budgets.toml` at the workspace root.

pub use iridule_records::limits::*;

/// Most origins of one pool.
pub const ORIGINS: usize = 64;
/// Largest signed order to an origin, bytes.
pub const ORDER_BYTES: usize = 1024;
/// Longest time for which an edge may let an origin work on an order, milliseconds.
pub const ORDER_MS: u64 = 60_000;
/// How long after it was sent an order is still taken, milliseconds: for so long an origin remembers its nonce.
pub const ORDER_AGE_MS: u64 = 30_000;
/// How far ahead of the origin's clock an order may be dated, milliseconds. An origin takes no order that was sent before
/// its start and this time: an earlier process may have carried it out.
pub const ORDER_AHEAD_MS: u64 = 250;
/// Most public keys of one origin that an edge trusts: the one in use, and its successor while keys are changed.
pub const ORIGIN_KEYS: usize = 4;
/// Difference between the clocks of an edge and an origin from which both tell their operators, milliseconds.
pub const CLOCK_WARNING_MS: u64 = 2_000;
/// For how long an edge remembers that an origin could not paint a picture, milliseconds.
pub const REFUSAL_MS: u64 = 30_000;
/// Pictures of which an edge remembers that origins could not paint them.
pub const ISOLATE_REFUSALS: usize = 1024;
/// Longest rest that an origin without room can ask of an edge, milliseconds.
pub const REST_MS: u64 = 10_000;
/// Bytes of an origin's reason that an edge puts into its log.
pub const REASON_BYTES: usize = 200;
/// Most blocks that an origin asks for in one answer.
pub const ORDER_BLOCKS: usize = 64;
/// How often an origin may ask one edge for blocks before it has them: the manifest, what every token needs, the token's
/// own picture files, in more than one answer where they are many.
pub const BLOCK_ROUNDS: usize = 6;
/// Largest picture that an edge takes from an origin, bytes.
pub const ORIGIN_BYTES: usize = 32 << 20;
/// How long an edge waits for a render in all, milliseconds: attempts, hedges and blocks together.
pub const ESCALATION_MS: u64 = 20_000;
