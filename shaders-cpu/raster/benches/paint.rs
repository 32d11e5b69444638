//! Times of the painter's stages.
fn main() {}
