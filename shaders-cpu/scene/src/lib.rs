//! What a painter needs to know: scenes, variants, colors, and the limits on what may be painted.
//!
//! A [`scene::Scene`] is a style resolved for one token, state and parameters, with every value filled in. A
//! [`variant::Variant`] is the size and encoding of one image. This crate depends on no other crate of this project.

extern crate alloc;

pub mod color;
pub mod limits;
pub mod scene;
pub mod variant;
