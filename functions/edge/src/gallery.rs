//! The gallery: one page that shows what is served here.

/// The page, whole: it asks `/t` for the collections and shows their tokens' live pictures.
pub const PAGE: &str = include_str!("gallery.html");
