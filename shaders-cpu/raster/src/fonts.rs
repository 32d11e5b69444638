//! The fonts that text is set in: those bundled here, and no others.
//!
//! System fonts are never looked at, since the picture would depend on the host. Their origin and licence stand in
//! `fonts/README.md`.

use std::sync::{Arc, LazyLock};

use resvg::usvg::{FontResolver, FontStyle, Options, fontdb};

/// The family of the bundled fonts, and the default for text that names none.
pub const FAMILY: &str = "Space Grotesk";

/// Space Grotesk, weight 400.
pub(crate) const REGULAR: &[u8] = include_bytes!("../fonts/SpaceGrotesk-Regular.ttf");
/// Space Grotesk, weight 700.
pub(crate) const BOLD: &[u8] = include_bytes!("../fonts/SpaceGrotesk-Bold.ttf");

static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut database = fontdb::Database::new();
    for font in [REGULAR, BOLD] {
        database.load_font_source(fontdb::Source::Binary(Arc::new(font)));
    }
    Options {
        font_family: FAMILY.into(),
        fontdb: Arc::new(database),
        font_resolver: FontResolver {
            // Whatever family a document names, it is set in ours: a missing family must not lose the text.
            select_font: Box::new(|font, database| {
                let style = match font.style() {
                    FontStyle::Normal => fontdb::Style::Normal,
                    FontStyle::Italic => fontdb::Style::Italic,
                    FontStyle::Oblique => fontdb::Style::Oblique,
                };
                database.query(&fontdb::Query {
                    families: &[fontdb::Family::Name(FAMILY)],
                    weight: fontdb::Weight(font.weight()),
                    style,
                    ..fontdb::Query::default()
                })
            }),
            select_fallback: Box::new(|_, _, _| None),
        },
        ..Options::default()
    }
});

/// How documents are read: the bundled fonts, no files, 96 units an inch. One for the process.
#[must_use]
pub fn options() -> &'static Options<'static> {
    &OPTIONS
}
