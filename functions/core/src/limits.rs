//! Every limit on what comes from outside, in one place, with its unit.
//!
//! A limit lives here when exceeding it changes an answer. Budgets of the build (module sizes) are data
//! in `budgets.toml` at the workspace root, held by tests.

/// Longest path of a request, bytes, before percent-decoding.
pub const PATH_BYTES: usize = 512;
/// Longest query of a request, bytes.
pub const QUERY_BYTES: usize = 512;
/// Longest collection slug, bytes. Slugs are `[a-z0-9-]`.
pub const SLUG_BYTES: usize = 64;
/// Longest name of a trait, gauge, feed or layer source, bytes.
pub const NAME_BYTES: usize = 64;
/// Longest free text (descriptions, labels), bytes.
pub const TEXT_BYTES: usize = 4096;

/// Most collections one edge lists.
pub const COLLECTIONS: usize = 256;
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
/// Most gauges of one style.
pub const GAUGES: usize = 16;
/// Most edges of one quantiser.
pub const EDGES: usize = 4096;
/// Longest time for which a quantiser keeps a band whatever the values do, seconds: 30 days.
pub const DWELL_SECONDS: u32 = 30 * 86_400;
/// Most layers of one style.
pub const LAYERS: usize = 32;
/// Most files of one style package.
pub const FILES: usize = 256;
/// Largest file of one style package, bytes.
pub const FILE_BYTES: u64 = 16 << 20;
/// Most bytes of all files of one style package.
pub const PACKAGE_BYTES: u64 = 64 << 20;
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

/// Longest SVG document a template may expand to, bytes.
pub const SVG_BYTES: u32 = 2 << 20;
/// Most bytes of templates, programs and fonts in one style: an isolate keeps up to [`ISOLATE_STYLES`] styles loaded.
pub const LOADED_BYTES: u64 = 2 << 20;
/// Longest expression in a manifest, bytes.
pub const EXPRESSION_BYTES: usize = 1024;
/// Most elements one SVG layer may declare.
pub const SVG_ELEMENTS: u32 = 20_000;
/// Most steps that a template may declare, and that an expression may take.
pub const TEMPLATE_STEPS: u32 = 2_000_000;

/// Pixels of one picture file of a style: 2,048 square, 16 MiB when decoded.
pub const IMAGE_PIXELS: u64 = 2048 * 2048;
/// Pixels on a side of one picture file of a style: what a row takes when it is decoded or resized grows with it.
pub const IMAGE_SIDE: u32 = 8192;
/// Memory that decoding one picture file may take, bytes, the decoded picture included. All formats stay below it by
/// [`IMAGE_PIXELS`] and [`IMAGE_SIDE`], at their most expensive: 16 bits, interlaced, progressive with four components.
pub const DECODE_BYTES: u64 = 64 << 20;
/// Pixels that a shader's operations are reckoned for at least, 192 square: the fewer pixels a picture has, the more of
/// it each strip of them covers, and the more of a strip waits for its slowest pixel.
pub const SHADER_PIXELS: u64 = 192 * 192;
/// Most operations of a shader that one pixel may declare.
pub const SHADER_OPS: u32 = 100_000;
/// Most lines of one text layer.
pub const TEXT_LINES: u32 = 64;
/// Picture files that one shader may sample.
pub const SHADER_IMAGES: usize = 8;
/// Most stops of one gradient.
pub const STOPS: usize = 64;

/// Pixels on a side that a client may ask for; the last step of the ladder.
pub const SIDE: u32 = 4096;
/// Static cost up to which an edge paints by itself (see [`crate::plan`]); above it a render escalates.
pub const EDGE_COST: u64 = 400_000_000;
/// Pixels up to which an edge paints by itself: a 2,048 px square, 16 MiB of premultiplied RGBA.
pub const EDGE_PIXELS: u64 = 2048 * 2048;
/// Bytes of picture files up to which an edge paints by itself: it holds all files of one picture at once.
pub const EDGE_FILE_BYTES: u64 = 24 << 20;

/// Bytes of encoded renders that one isolate keeps.
pub const ISOLATE_RENDER_BYTES: usize = 16 << 20;
/// Bytes of picture files of styles that one isolate keeps.
pub const ISOLATE_ASSET_BYTES: usize = 8 << 20;
/// For how long an isolate does not try again to load a style that it could not load, milliseconds.
pub const BROKEN_STYLE_MS: u64 = 5_000;
/// Styles that a token is tried in when newer ones cannot be shown, the newest included.
pub const FALLBACKS: usize = 8;
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
/// How long an edge waits for a render in all, milliseconds: attempts, hedges and blocks together.
pub const ESCALATION_MS: u64 = 20_000;
/// Most blocks that an origin asks for in one answer.
pub const ORDER_BLOCKS: usize = 64;
/// How often an origin may ask one edge for blocks before it has them: the manifest, what every token needs, the token's
/// own picture files, in more than one answer where they are many.
pub const BLOCK_ROUNDS: usize = 6;
/// Largest picture that an edge takes from an origin, bytes.
pub const ORIGIN_BYTES: usize = 32 << 20;
/// How long a visitor may be made to wait for an origin before something else is shown, milliseconds.
pub const PATIENCE_MS: u64 = 10_000;
/// Static cost up to which a preview is painted in place of a picture that is still to come.
pub const PREVIEW_COST: u64 = 40_000_000;
/// Pixels up to which a preview is brought to the size asked for; a larger one is sent smaller.
pub const PREVIEW_PIXELS: u64 = 1024 * 1024;
/// Renders that requests of one isolate ask origins for at once.
pub const ISOLATE_AWAITED: usize = 1024;
/// States that an isolate remembers to have shown last, by token and variant.
pub const ISOLATE_SHOWN: usize = 4096;
