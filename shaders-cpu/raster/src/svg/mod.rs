//! An SVG layer: document → gate → tree → bounds → pixels.
//!
//! A document is an expanded template, and still untrusted: it may come from a style that nobody has looked at. It
//! passes three checks before a pixel is painted, and each bounds what the next step can cost:
//!
//! 1. [`scan`] counts what would make parsing slow.
//! 2. [`gate`] reads the parsed XML: which elements and references there are, and how large the document becomes once
//!    every reference is followed.
//! 3. [`bounds`] reads the resolved tree: how many pixels, layers and dashes painting it would take at this size.
//!
//! The XML is parsed once. Resolving is usvg's work and painting is resvg's; neither chooses anything here.

pub mod bounds;
pub mod gate;
pub mod scan;

use core::fmt;

use iridule_scene::scene::{self, Svg};
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::Tree,
};

use crate::{canvas::side, fonts};

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1, where it is known.
    pub line: Option<u32>,
    /// The element: its tag in the document, or its `id` once the document is resolved. May be empty.
    pub element: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.element.is_empty() {
            write!(f, "{}: ", self.element)?;
        }
        f.write_str(&self.why)
    }
}

/// Paints a layer over what is in the picture. `place` maps units of the canvas, over which the document's viewport is
/// stretched, to pixels.
///
/// # Errors
/// A [`Fault`] for a document that is not admitted.
pub fn paint(
    layer: &Svg,
    canvas: &scene::Canvas,
    place: Transform,
    picture: &mut Pixmap,
) -> Result<(), Fault> {
    let tree = resolve(layer)?;
    paint_tree(&tree, stretched(&tree, canvas, place), picture, layer.overdraw)
}

/// The map from a document's user space, stretched over the canvas, to pixels.
#[must_use]
pub fn stretched(tree: &Tree, canvas: &scene::Canvas, place: Transform) -> Transform {
    place.pre_scale(side(canvas.width) / tree.size().width(), side(canvas.height) / tree.size().height())
}

/// Parses and admits a document, and resolves it to shapes.
///
/// # Errors
/// A [`Fault`] for a document that is not admitted.
pub fn resolve(layer: &Svg) -> Result<Tree, Fault> {
    let document = gate::admit(&layer.document, layer.elements)?;
    Tree::from_xmltree(&document, fonts::options()).map_err(|error| Fault {
        line: None,
        element: "svg".into(),
        why: error.to_string(),
    })
}

/// Paints a resolved document that declares this overdraw. `transform` maps its user space to pixels.
///
/// # Errors
/// A [`Fault`] for a tree that would cost more than [`bounds`] allows.
pub fn paint_tree(
    tree: &Tree,
    transform: Transform,
    picture: &mut Pixmap,
    overdraw: u32,
) -> Result<(), Fault> {
    bounds::check(tree, transform, picture.width(), picture.height(), overdraw)?;
    resvg::render(tree, transform, &mut picture.as_mut());
    Ok(())
}
