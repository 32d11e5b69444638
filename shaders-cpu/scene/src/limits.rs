//! Limits on scenes, images and variants, each with its unit.
//!
//! A limit lives in the lowest crate that needs it. A value beyond a limit changes an answer; budgets of the build (module sizes)
//! are in `budgets.toml` at the workspace root.

/// Longest free text (descriptions, labels), bytes.
pub const TEXT_BYTES: usize = 4096;
/// Most layers of one style.
pub const LAYERS: usize = 32;
/// Largest file of one style package, bytes.
pub const FILE_BYTES: u64 = 16 << 20;
/// Longest SVG document a template may expand to, bytes.
pub const SVG_BYTES: u32 = 2 << 20;
/// Most elements one SVG layer may declare.
pub const SVG_ELEMENTS: u32 = 20_000;
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
/// Pixels up to which an edge paints by itself: a 2,048 px square, 16 MiB of premultiplied RGBA.
pub const EDGE_PIXELS: u64 = 2048 * 2048;
