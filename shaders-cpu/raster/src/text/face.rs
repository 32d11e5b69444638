//! A font's tables, as far as setting text needs them, and which fonts are admitted.
//!
//! A font is a file that anybody may have made. Its tables are read in place by `read-fonts`, which checks each read;
//! what is left to bound is what a glyph may cost. Composite glyphs are walked here, since one that refers to others
//! many times over, those to others again, would otherwise take time without end.

use harfrust::{FontRef, ShaperData};
use iridule_scene::scene::Font;
use skrifa::{
    GlyphId, MetadataProvider,
    instance::{LocationRef, Size},
    outline::OutlineGlyphCollection,
    raw::{
        TableProvider,
        tables::{glyf::Glyph, loca::Loca},
        types::Tag,
    },
};

use super::Fault;
use crate::fonts;

/// Most glyphs that one composite glyph may come to.
const COMPONENTS: u32 = 256;
/// Deepest nesting of composite glyphs.
const NESTING: u32 = 16;

/// A font, ready to shape and to draw.
pub(super) struct Face<'a> {
    pub font: FontRef<'a>,
    pub shaper: ShaperData,
    pub outlines: OutlineGlyphCollection<'a>,
    /// Font units per em.
    pub units: f32,
    /// Font units from the baseline up to the top of a line.
    pub ascent: f32,
    /// Font units from the baseline down to the bottom of a line, below 0.
    pub descent: f32,
}

impl<'a> Face<'a> {
    /// Reads a font.
    pub(super) fn new(font: &'a Font) -> Result<Self, Fault> {
        let bytes = match font {
            Font::Regular => fonts::REGULAR,
            Font::Bold => fonts::BOLD,
            Font::File(bytes) => bytes,
        };
        Self::read(bytes)
    }

    /// Reads a font file.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let font = FontRef::new(bytes).map_err(|_| Fault::Font("is no OpenType file"))?;
        if font.table_data(Tag::new(b"glyf")).is_none() || font.table_data(Tag::new(b"VARC")).is_some() {
            return Err(Fault::Font("has no TrueType outlines (glyf)"));
        }
        let metrics = font.metrics(Size::unscaled(), LocationRef::default());
        let units = f32::from(metrics.units_per_em);
        if !(16.0..=16_384.0).contains(&units) {
            return Err(Fault::Font("has no sensible number of units per em"));
        }
        Ok(Self {
            shaper: ShaperData::new(&font),
            outlines: font.outline_glyphs(),
            units,
            ascent: metrics.ascent,
            descent: metrics.descent,
            font,
        })
    }

    /// Whether the font has a glyph for a character.
    pub(super) fn has(&self, character: char) -> bool {
        self.font.charmap().map(character).is_some_and(|glyph| glyph.to_u32() != 0)
    }

    /// Whether a glyph has an outline to draw. Refuses one that is made of too many others.
    pub(super) fn admit(&self, glyph: GlyphId) -> Result<bool, Fault> {
        let Ok((loca, glyf)) = self.font.loca(None).and_then(|loca| Ok((loca, self.font.glyf()?))) else {
            return Err(Fault::Font("has no outlines"));
        };
        if let Ok(Some(Glyph::Simple(simple))) = loca.get_glyf(glyph, &glyf) {
            return Ok(simple.num_points() > 0);
        }
        let mut left = COMPONENTS;
        walk(glyph, &loca, &glyf, &mut left, 0).map(|()| true)
    }
}

/// Walks what a glyph is made of.
fn walk(
    glyph: GlyphId,
    loca: &Loca<'_>,
    glyf: &skrifa::raw::tables::glyf::Glyf<'_>,
    left: &mut u32,
    depth: u32,
) -> Result<(), Fault> {
    *left = left.checked_sub(1).ok_or(Fault::Outline)?;
    match loca.get_glyf(glyph, glyf) {
        Ok(Some(Glyph::Composite(_))) if depth == NESTING => Err(Fault::Outline),
        Ok(Some(Glyph::Composite(composite))) => composite
            .component_glyphs_and_flags()
            .try_for_each(|(component, _)| walk(component.into(), loca, glyf, left, depth + 1)),
        // Data without points is read past its end by read-fonts 0.41.
        Ok(Some(Glyph::Simple(simple))) if simple.num_points() == 0 => Err(Fault::Outline),
        Ok(_) | Err(_) => Ok(()),
    }
}
