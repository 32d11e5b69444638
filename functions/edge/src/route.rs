//! Routes: untrusted text becomes types, once.
//!
//! ```text
//! /                                            the gallery
//! /healthz                                     whether this edge answers
//! /t                                           the collections
//! /t/{collection}/{token}                      ERC-721 metadata
//! /t/{collection}/{token}.{ext}?w&h&fit&dpr&q  the live image
//! /t/{collection}/{token}@{state}.{ext}?style… the image of one state, with a style for ever
//! ```
//!
//! What passes here is well-formed; whether it exists is for later stages to say.

use alloc::{
    borrow::Cow,
    format,
    string::{String, ToString},
    vec::Vec,
};

use alloy_primitives::U256;
use cid::Cid;
use http::Uri;

use crate::{
    fault::Refused,
    limits,
    parameters::{Extension, PARAMETERS, take},
};
use iridule_records::{gauge::State, slug::is_slug};
use iridule_scene::variant::Asked;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The gallery page.
    Gallery,
    /// Whether this edge answers.
    Health,
    /// The list of collections.
    Collections,
    /// A token's metadata.
    Metadata(Token),
    /// A token's picture.
    Picture {
        /// Which token.
        token: Token,
        /// The state asked for; none is the live one.
        pinned: Option<Pin>,
        /// The encoding asked for.
        extension: Extension,
        /// The size asked for.
        asked: Asked,
    },
}

/// A state asked for by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The state.
    pub state: State,
    /// The style to show it in; none is the one that the collection has now.
    pub style: Option<Cid>,
}

/// A token as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The collection's slug, well-formed.
    pub slug: String,
    /// The token's number.
    pub number: U256,
}

impl Route {
    /// Reads a request's path and query.
    ///
    /// # Errors
    /// [`Refused`], of a kind for each thing that can be wrong.
    pub fn parse(uri: &Uri) -> Result<Self, Refused> {
        let query = uri.query().unwrap_or_default();
        if uri.path().len() > limits::PATH_BYTES {
            return Err(Refused::PathTooLong(uri.path().len()));
        }
        if query.len() > limits::QUERY_BYTES {
            return Err(Refused::QueryTooLong(query.len()));
        }
        // Split first: an escaped slash is part of a name (RFC 3986, section 2.2).
        let mut segments = uri.path().split('/').skip(1).map(|part| unescape(part, "path"));
        let (first, second, third, fourth) = if may_have_dots(uri.path()) {
            let mut segments = without_dots(segments)?.into_iter();
            (segments.next(), segments.next(), segments.next(), segments.next())
        } else {
            let mut next = || segments.next().transpose();
            (next()?, next()?, next()?, next()?)
        };
        let plain = |route| take_query(query, None).map(|()| route);
        match [&first, &second, &third, &fourth].map(Option::as_deref) {
            [Some(""), None, ..] => plain(Self::Gallery),
            [Some("healthz"), None, ..] => plain(Self::Health),
            [Some("t"), None, ..] => plain(Self::Collections),
            [Some("t"), Some(slug), Some(token), None] => Self::token(slug, token, query),
            _ => Err(Refused::UnknownPath),
        }
    }

    fn token(slug: &str, segment: &str, query: &str) -> Result<Self, Refused> {
        if !is_slug(slug) {
            return Err(Refused::UnknownCollection(excerpt(slug)));
        }
        let (name, extension) = match segment.rsplit_once('.') {
            Some((name, extension)) => (
                name,
                Some(Extension::parse(extension).map_err(|_| Refused::UnknownFormat(excerpt(extension)))?),
            ),
            None => (segment, None),
        };
        let (number, state) = match name.split_once('@') {
            Some((number, state)) => (number, Some(state)),
            None => (name, None),
        };
        let token = Token { slug: slug.into(), number: parse_number(number)? };
        let pinned = state
            .map(|text| State::parse(text).ok_or_else(|| Refused::BadState(excerpt(text))))
            .transpose()?;
        match (extension, pinned) {
            (Some(extension), pinned) => {
                let mut taken = Taken { asked: Asked::default(), style: pinned.is_some().then_some(None) };
                take_query(query, Some(&mut taken))?;
                if extension == Extension::Auto {
                    // `auto` is what an edge makes at once, which is without loss.
                    taken.asked.quality = None;
                }
                let style = taken.style.flatten();
                let pinned = pinned.map(|state| Pin { state, style });
                Ok(Self::Picture { token, pinned, extension, asked: taken.asked })
            }
            (None, None) => take_query(query, None).map(|()| Self::Metadata(token)),
            (None, Some(_)) => Err(Refused::UnknownFormat(String::new())),
        }
    }
}

/// The address of a live picture in one state; `None` for any other address.
#[must_use]
pub fn in_state(live: &Uri, state: &State) -> Option<Uri> {
    let Ok(Route::Picture { token, pinned: None, .. }) = Route::parse(live) else { return None };
    let (_, extension) = live.path().rsplit_once('.')?;
    let query = live.query().map(|query| format!("?{query}")).unwrap_or_default();
    let Token { slug, number } = token;
    format!("/t/{slug}/{number}@{}.{extension}{query}", state.token()).parse().ok()
}

/// Decimal digits, canonical: no sign, no leading zeros.
fn parse_number(text: &str) -> Result<U256, Refused> {
    let canonical = !text.is_empty()
        && text.len() <= 78
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    let number = canonical.then(|| U256::from_str_radix(text, 10).ok()).flatten();
    number.ok_or_else(|| Refused::BadToken(excerpt(text)))
}

/// What the query of a picture said.
struct Taken {
    asked: Asked,
    /// The style, where one can be asked for.
    style: Option<Option<Cid>>,
}

impl Taken {
    /// Takes up one parameter; `Ok(false)` when a picture has none of this name.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Refused> {
        match &mut self.style {
            Some(Some(_)) if name == STYLE => Err(Refused::RepeatedParameter(STYLE)),
            Some(style) if name == STYLE => {
                *style = Some(value.parse().map_err(|_| Refused::UnknownStyle(excerpt(value)))?);
                Ok(true)
            }
            _ => take(&mut self.asked, name, value),
        }
    }

    fn parameters(&self) -> String {
        let style = self.style.is_some().then_some(STYLE);
        PARAMETERS.into_iter().chain(style).collect::<Vec<_>>().join(", ")
    }
}

/// The parameter that says which style a pinned state is shown in.
pub const STYLE: &str = "style";

/// Reads a query; every parameter is one that `taken` takes, once.
fn take_query(query: &str, mut taken: Option<&mut Taken>) -> Result<(), Refused> {
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (unescape(name, "query")?, unescape(value, "query")?);
        let hint = match &mut taken {
            Some(taken) => {
                if taken.take(&name, &value)? {
                    continue;
                }
                format!("a picture takes {}", taken.parameters())
            }
            None => "this address takes none".to_string(),
        };
        return Err(Refused::UnknownParameter { name: excerpt(&name), hint });
    }
    Ok(())
}

/// Whether a path may have segments `.` or `..`, escaped or not.
fn may_have_dots(path: &str) -> bool {
    path.contains("/.") || path.contains("/%2e") || path.contains("/%2E")
}

/// Removes the segments `.` and `..` (RFC 3986, section 5.2.4). A cache before us may have done so for its key alone; then
/// the answer must not depend on it.
fn without_dots<'a>(
    segments: impl Iterator<Item = Result<Cow<'a, str>, Refused>>,
) -> Result<Vec<Cow<'a, str>>, Refused> {
    let mut kept = Vec::new();
    let mut ends_in_dots = false;
    for segment in segments {
        let segment = segment?;
        ends_in_dots = matches!(&*segment, "." | "..");
        match &*segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    if ends_in_dots {
        kept.push(Cow::Borrowed(""));
    }
    Ok(kept)
}

/// Undoes percent-encoding (RFC 3986, section 2.1).
fn unescape<'a>(text: &'a str, part: &'static str) -> Result<Cow<'a, str>, Refused> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit =
            || rest.next().and_then(|b| char::from(b).to_digit(16)).and_then(|v| u8::try_from(v).ok());
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push(high << 4 | low),
            _ => return Err(Refused::BrokenEscape(part)),
        }
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Refused::BrokenEscape(part))
}

/// Text from outside, short enough to be quoted back.
fn excerpt(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.into();
    }
    text.chars().take(MOST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use iridule_scene::variant::Format;
    use proptest::prelude::*;

    fn parse(uri: &str) -> Result<Route, Refused> {
        Route::parse(&uri.parse().unwrap())
    }

    #[test]
    fn every_route_is_found() {
        assert_eq!(parse("/"), Ok(Route::Gallery));
        assert_eq!(parse("/healthz"), Ok(Route::Health));
        assert_eq!(parse("/t"), Ok(Route::Collections));
        let token = Token { slug: "orbits".into(), number: U256::from(7) };
        assert_eq!(parse("/t/orbits/7"), Ok(Route::Metadata(token.clone())));
        assert_eq!(parse("/t/%6frbits/7?"), Ok(Route::Metadata(token.clone())));
        let live = Route::Picture {
            token: token.clone(),
            pinned: None,
            extension: Extension::Exactly(Format::Jpeg),
            asked: Asked { width: Some(256), ..Asked::default() },
        };
        assert_eq!(parse("/t/orbits/7.jpg?w=256"), Ok(live));
        let pinned = Route::Picture {
            token,
            pinned: Some(Pin { state: State(alloc::vec![40]), style: None }),
            extension: Extension::Auto,
            asked: Asked::default(),
        };
        assert_eq!(parse("/t/orbits/7@ACg.auto"), Ok(pinned.clone()));
        assert_eq!(parse("/t/orbits/7@ACg.auto?q=50"), Ok(pinned));
        let max = format!("/t/a/{}.png", U256::MAX);
        assert!(matches!(parse(&max), Ok(Route::Picture { .. })));
    }

    #[test]
    fn dot_segments_lead_where_they_lead_in_any_url() {
        for path in
            ["/t/./orbits/7", "/t/%2e/orbits/7", "/x/../t/orbits/7", "/t/x/%2E%2e/orbits/7", "/../t/orbits/7"]
        {
            assert_eq!(parse(path), parse("/t/orbits/7"), "{path}");
        }
        assert_eq!(parse("/t/orbits/.."), parse("/t/"));
        assert_eq!(parse("/t/.."), Ok(Route::Gallery));
        assert_eq!(parse("/t/orbits/7/."), Err(Refused::UnknownPath));
        assert!(parse("/t/orbits/.png").is_err() && parse("/t/orbits/...").is_err());
    }

    #[test]
    fn a_live_picture_has_an_address_in_each_state() {
        let pinned = |uri: &str| in_state(&uri.parse().unwrap(), &State(alloc::vec![40]));
        assert_eq!(pinned("/t/%6frbits/7.jpg?w=256&q=50").unwrap(), "/t/orbits/7@ACg.jpg?w=256&q=50");
        for other in ["/t/orbits/7", "/t/orbits/7@ACg.jpg", "/t/orbits/7.jpg?x=1", "/"] {
            assert_eq!(pinned(other), None, "{other}");
        }
    }

    #[test]
    fn each_bad_text_has_its_own_refusal() {
        let refused = |uri: &str| parse(uri).unwrap_err();
        assert_eq!(refused("/nothing"), Refused::UnknownPath);
        assert_eq!(refused("/t/"), Refused::UnknownPath);
        assert_eq!(refused("/t/orbits/1/2"), Refused::UnknownPath);
        assert_eq!(refused("/t%2Forbits%2F1"), Refused::UnknownPath);
        assert!(matches!(refused("/t/orbits/1.png?&w=64"), Refused::UnknownParameter { .. }));
        assert!(matches!(refused("/t/Orbits/1"), Refused::UnknownCollection(_)));
        for bad in ["x", "-1", "01", "", "1e3", &"9".repeat(79), &format!("{}0", U256::MAX)] {
            assert!(matches!(refused(&format!("/t/orbits/{bad}")), Refused::BadToken(_)), "{bad}");
        }
        assert!(matches!(refused("/t/orbits/1.gif"), Refused::UnknownFormat(_)));
        assert!(matches!(refused("/t/orbits/1."), Refused::UnknownFormat(_)));
        assert!(matches!(refused("/t/orbits/1@ACg"), Refused::UnknownFormat(_)));
        assert!(matches!(refused("/t/orbits/1@A.png"), Refused::BadState(_)));
        assert!(matches!(refused("/t/orbits/1@!!.png"), Refused::BadState(_)));
        assert!(matches!(refused("/t/orbits/1.png?x=1"), Refused::UnknownParameter { .. }));
        assert!(matches!(refused("/t/orbits/1?w=1"), Refused::UnknownParameter { .. }));
        assert_eq!(refused("/t/orbits/1.png?w=1&w=1"), Refused::RepeatedParameter("w"));
        assert_eq!(refused("/t/orbits/%zz.png"), Refused::BrokenEscape("path"));
        assert_eq!(refused("/t/orbits/%f"), Refused::BrokenEscape("path"));
        assert_eq!(refused("/t/orbits/%ff"), Refused::BrokenEscape("path"));
        assert_eq!(refused("/t/orbits/1.png?w=%"), Refused::BrokenEscape("query"));
        assert!(matches!(refused(&format!("/{}", "a".repeat(10_000))), Refused::PathTooLong(10_001)));
        assert!(matches!(refused(&format!("/t?{}", "a".repeat(600))), Refused::QueryTooLong(600)));
    }

    proptest! {
        #[test]
        fn no_path_or_query_breaks_the_parser(text in "[/t@.%a-z0-9?&=é]{0,64}") {
            if let Ok(uri) = format!("/{text}").parse() {
                let _ = Route::parse(&uri);
            }
        }
    }
}
