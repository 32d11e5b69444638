//! What a style means: manifest, templates, expressions, traits → a scene; what painting it costs, and so the plan.
//!
//! The feature `author` adds what tools need that build packages from `style.toml`; edges read manifests only.

extern crate alloc;

#[cfg(feature = "author")]
pub mod author;
pub mod expression;
pub mod limits;
pub mod manifest;
pub mod package;
pub mod plan;
pub mod shader;
pub mod standing;
pub mod style;
pub mod template;
pub mod traits;
