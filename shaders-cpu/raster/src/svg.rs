//! An SVG layer: document → tree → pixels.

use iridule_core::scene::Svg;
use resvg::usvg::Tree;

use crate::{canvas::Canvas, fonts};

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Fault {
    /// Line, from 1.
    pub line: u32,
    /// The reason.
    pub why: String,
}

/// Paints a layer.
///
/// # Errors
/// A [`Fault`].
pub fn paint(layer: &Svg, canvas: &mut Canvas) -> Result<(), Fault> {
    let tree = Tree::from_str(&layer.document, fonts::options())
        .map_err(|e| Fault { line: 1, why: e.to_string() })?;
    let transform = canvas.transform(tree.size().width(), tree.size().height());
    resvg::render(&tree, transform, &mut canvas.pixmap.as_mut());
    Ok(())
}
