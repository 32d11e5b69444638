//! A text layer: text set in one font inside a rectangle.
//!
//! ```text
//! text → face     the font's tables, admitted
//!      → shape    bidi runs → scripts → glyphs with advances, in font units
//!      → layout   lines broken at white space, shrunk until they fit, cut with an ellipsis
//!      → outline  glyphs → paths → pixels
//! ```
//!
//! Text is set in canvas units, so that a picture of any size breaks its lines alike. Colour glyphs are drawn as their
//! plain outlines, where they have any; a variable font shows its default instance.

mod face;
mod layout;
mod outline;
mod shape;

use core::fmt;

use iridule_scene::{limits, scene::Text};
use resvg::tiny_skia::{Pixmap, Transform};

use self::{face::Face, layout::Layout};
use crate::compose::Region;

/// What is wrong with a text layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The font is not one that is read here.
    Font(&'static str),
    /// A glyph, or a line of them, has more to its outlines than is allowed.
    Outline,
    /// The font turns the text into far more glyphs than it has letters.
    Glyphs,
    /// The text is longer than [`limits::TEXT_BYTES`].
    Long,
    /// A size, area or line height is no number above 0.
    Measure,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Font(why) => write!(f, "the font {why}"),
            Self::Outline => f.write_str("the font's outlines are more complex than is allowed"),
            Self::Glyphs => f.write_str("the font makes too many glyphs of the text"),
            Self::Long => write!(f, "the text is longer than {} bytes", limits::TEXT_BYTES),
            Self::Measure => f.write_str("its size, line height and area must be above 0"),
        }
    }
}

/// How a text fits its area.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Canvas units per em that it is set in.
    pub size: f32,
    /// Whether it is cut, even at its least size.
    pub overflowed: bool,
    /// The first character that the font has no glyph for.
    pub missing: Option<char>,
}

/// Whether text can be set in a font file.
///
/// # Errors
/// [`Fault::Font`].
pub fn admit(font: &[u8]) -> Result<(), Fault> {
    Face::read(font).map(drop)
}

/// Sets a text and says how it fits.
///
/// # Errors
/// [`Fault`].
pub fn fits(text: &Text) -> Result<Fit, Fault> {
    let layout = Layout::new(text, &face(text)?)?;
    Ok(Fit { size: layout.size, overflowed: layout.overflowed, missing: layout.missing })
}

/// Paints a text over what is in the picture. `place` maps canvas units to pixels. Gives where it may have painted.
///
/// # Errors
/// [`Fault`].
pub fn paint(text: &Text, place: Transform, picture: &mut Pixmap) -> Result<Region, Fault> {
    let face = face(text)?;
    let layout = Layout::new(text, &face)?;
    outline::paint(&layout, &face, text.colour, place, picture)
}

fn face(text: &Text) -> Result<Face<'_>, Fault> {
    if text.text.len() > limits::TEXT_BYTES {
        return Err(Fault::Long);
    }
    Face::new(&text.font)
}
