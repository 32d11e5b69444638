//! What `Cache-Control` (RFC 9111, section 5.2) and `CDN-Cache-Control` (RFC 9213) say.
//!
//! The first is a list with quoted strings, read leniently; the second a structured field, read strictly. Both become
//! [`Directives`]. What they mean together with other fields is for `freshness.rs` and `storable.rs`.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

pub(crate) const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Seconds; what is too large is [`MOST_SECONDS`] (RFC 9111, section 1.2.2).
pub(crate) const MOST_SECONDS: u64 = 1 << 31;

/// The directives that a shared cache acts on, of a request or a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    pub(crate) max_age: Option<u64>,
    pub(crate) s_maxage: Option<u64>,
    pub(crate) stale_while_revalidate: Option<u64>,
    pub(crate) stale_if_error: Option<u64>,
    pub(crate) min_fresh: Option<u64>,
    /// `Some(MOST_SECONDS)` where no bound is given.
    pub(crate) max_stale: Option<u64>,
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) only_if_cached: bool,
    /// Fields that `no-cache="…"` or `private="…"` names: not to be kept.
    pub(crate) not_kept: Vec<HeaderName>,
    /// They came in `CDN-Cache-Control`, so `Expires` has no say (RFC 9213, section 2.2).
    pub(crate) targeted: bool,
}

impl Directives {
    /// Of a response: those targeted at us where there are any, else everybody's.
    pub(crate) fn of_response(headers: &HeaderMap) -> Self {
        Self::targeted(headers).unwrap_or_else(|| Self::general(headers))
    }

    /// Of a request. `Pragma: no-cache` counts where there is no `Cache-Control` (RFC 9111, section 5.4, deprecated).
    pub(crate) fn of_request(headers: &HeaderMap) -> Self {
        Self::general(headers)
    }

    fn general(headers: &HeaderMap) -> Self {
        let mut all = Self::default();
        for line in headers.get_all(header::CACHE_CONTROL) {
            for (name, value) in members(line) {
                all.take(&name, value);
            }
        }
        all
    }

    fn targeted(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(&CDN_CACHE_CONTROL).iter().peekable();
        lines.peek()?;
        let joined = lines.map(|line| line.to_str().ok()).collect::<Option<Vec<_>>>()?.join(", ");
        let dictionary: Dictionary =
            Parser::new(&joined).parse().ok().filter(|all: &Dictionary| !all.is_empty())?;
        let mut all = Self { targeted: true, ..Self::default() };
        for (name, entry) in &dictionary {
            all.take_structured(name.as_str(), entry);
        }
        Some(all)
    }

    /// Notes a member of a structured field. A value of the wrong type makes a directive that allows something one that is
    /// not there, and leaves one that forbids something as it is.
    fn take_structured(&mut self, name: &str, entry: &ListEntry) {
        let value = match entry {
            ListEntry::Item(item) => Some(&item.bare_item),
            ListEntry::InnerList(_) => None,
        };
        match value {
            Some(BareItem::Boolean(false)) => {}
            Some(BareItem::Integer(seconds)) if takes_seconds(name) => {
                let seconds = u64::try_from(i64::from(*seconds)).unwrap_or(0);
                self.take(name, Some(seconds.to_string()));
            }
            Some(BareItem::String(fields)) if names_fields(name) => {
                self.take(name, Some(fields.as_str().to_owned()));
            }
            Some(BareItem::Token(field)) if names_fields(name) => {
                self.take(name, Some(field.as_str().to_owned()));
            }
            Some(BareItem::Boolean(true)) if !takes_seconds(name) => self.take(name, None),
            _ if forbids(name) => self.take(name, None),
            _ => {}
        }
    }

    /// Notes a directive; of several with one name the first.
    fn take(&mut self, name: &str, value: Option<String>) {
        let seconds = |slot: &mut Option<u64>| {
            // What is there but no number is stale, section 4.2.1 advises.
            slot.get_or_insert(value.as_deref().and_then(delta_seconds).unwrap_or(0));
        };
        match name {
            "max-age" => seconds(&mut self.max_age),
            "s-maxage" => seconds(&mut self.s_maxage),
            "stale-while-revalidate" => seconds(&mut self.stale_while_revalidate),
            "stale-if-error" => seconds(&mut self.stale_if_error),
            "min-fresh" => seconds(&mut self.min_fresh),
            "max-stale" if value.is_none() => self.max_stale = Some(MOST_SECONDS),
            "max-stale" => seconds(&mut self.max_stale),
            "no-store" => self.no_store = true,
            "no-cache" => self.named_or(value, |all| &mut all.no_cache),
            "private" => self.named_or(value, |all| &mut all.private),
            "public" => self.public = true,
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "must-understand" => self.must_understand = true,
            "only-if-cached" => self.only_if_cached = true,
            _ => {}
        }
    }

    /// A directive that holds for the fields it names, or for the whole response.
    fn named_or(&mut self, value: Option<String>, whole: impl FnOnce(&mut Self) -> &mut bool) {
        let names: Vec<_> = value
            .iter()
            .flat_map(|list| list.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        if names.is_empty() {
            *whole(self) = true;
        } else {
            self.not_kept.extend(names);
        }
    }
}

fn takes_seconds(name: &str) -> bool {
    matches!(name, "max-age" | "s-maxage" | "stale-while-revalidate" | "stale-if-error")
}

/// Directives that hold for the fields that their value names.
fn names_fields(name: &str) -> bool {
    matches!(name, "no-cache" | "private")
}

/// Directives that forbid something: one with a value that means nothing is obeyed all the same.
fn forbids(name: &str) -> bool {
    names_fields(name) || matches!(name, "no-store" | "must-revalidate" | "proxy-revalidate")
}

/// Section 1.2.2: digits only, and never too many.
pub(crate) fn delta_seconds(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(MOST_SECONDS).min(MOST_SECONDS))
}

/// The members of a `#directive` line: names in lower case, values without their quotes. A name or value with blanks
/// beside its `=` stays as it is, and so is none that we know.
fn members(line: &HeaderValue) -> impl Iterator<Item = (String, Option<String>)> {
    split_outside_quotes(line.as_bytes()).into_iter().map(|member| {
        let text = String::from_utf8_lossy(member);
        let text = text.trim_matches([' ', '\t']);
        match text.split_once('=') {
            Some((name, value)) => (name.to_ascii_lowercase(), Some(unquoted(value))),
            None => (text.to_ascii_lowercase(), None),
        }
    })
}

fn split_outside_quotes(line: &[u8]) -> Vec<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    line.split(|&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        byte == b',' && !quoted
    })
    .collect()
}

fn unquoted(value: &str) -> String {
    let Some(inside) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_line_is_read(line in prop::collection::vec(any::<u8>(), 0..64), plain in "[a-z=\", \\\\0-9-]{0,48}") {
            for bytes in [&line[..], plain.as_bytes()] {
                let Ok(value) = HeaderValue::from_bytes(bytes) else { continue };
                let headers = [(header::CACHE_CONTROL, value.clone()), (CDN_CACHE_CONTROL, value)];
                let said = Directives::of_response(&headers.into_iter().collect());
                prop_assert!(said.max_age.is_none_or(|seconds| seconds <= MOST_SECONDS));
            }
        }
    }

    fn response(lines: &[(&'static str, &str)]) -> Directives {
        let headers =
            lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        Directives::of_response(&headers.collect())
    }

    fn max_age(line: &str) -> Option<u64> {
        response(&[("cache-control", line)]).max_age
    }

    #[test]
    fn seconds_are_digits_and_what_is_not_is_stale() {
        assert_eq!(max_age("max-age=60"), Some(60));
        assert_eq!(max_age("MaX-AgE=\"60\""), Some(60));
        assert_eq!(max_age("max-age=0060"), Some(60));
        assert_eq!(max_age("max-age=99999999999999999999"), Some(MOST_SECONDS));
        for stale in ["max-age=-1", "max-age=a60", "max-age='60'", "max-age=1.5", "max-age", "max-age="] {
            assert_eq!(max_age(stale), Some(0), "{stale}");
        }
        // Section 5.2: no blanks around `=`.
        for none in ["max-age =60", "x=\"max-age=60\"", "x=\"a\\\", max-age=60, \\\"b\"", "xmax-age=60"] {
            assert_eq!(max_age(none), None, "{none}");
        }
    }

    #[test]
    fn the_first_of_several_counts_also_over_lines() {
        assert_eq!(max_age("max-age=1, max-age=60"), Some(1));
        assert_eq!(response(&[("cache-control", "x"), ("cache-control", "max-age=60")]).max_age, Some(60));
    }

    #[test]
    fn qualified_directives_name_fields() {
        let all = response(&[("cache-control", r#"no-cache="a, B", private="c", max-age=1"#)]);
        assert!(!all.no_cache && !all.private);
        assert_eq!(all.not_kept, ["a", "b", "c"]);
    }

    #[test]
    fn what_is_targeted_at_us_is_all_that_counts() {
        let both = |cdn| response(&[("cache-control", "no-store, max-age=5"), ("cdn-cache-control", cdn)]);
        let ours = both("max-age=60, foo");
        assert_eq!((ours.max_age, ours.no_store, ours.targeted), (Some(60), false, true));
        assert!(both("no-store").no_store && both("private").private);
        // RFC 9213, section 2.1: what cannot be parsed, or is empty, is as if it were not there.
        for nothing in ["&&&", "max-age=60,,", "max-age=60, &&&", "MAX-AGE=60", ""] {
            assert_eq!((both(nothing).max_age, both(nothing).no_store), (Some(5), true), "{nothing}");
        }
    }

    #[test]
    fn a_targeted_field_of_unknown_or_wrongly_typed_directives_is_still_all_that_counts() {
        for said in ["foo", "foo=1, bar=\"x\"", "max-age=\"60\"", "max-age", "max-age=(60)", "no-store=?0"] {
            let ours = response(&[("cache-control", "no-store, max-age=5"), ("cdn-cache-control", said)]);
            assert_eq!(ours, Directives { targeted: true, ..Directives::default() }, "{said}");
        }
    }

    #[test]
    fn targeted_directives_name_fields_and_forbid_with_any_value() {
        let ours = |said| response(&[("cache-control", "max-age=5"), ("cdn-cache-control", said)]);
        let named = ours(r#"max-age=60, private="set-cookie, X-Own", no-cache="x-b""#);
        assert_eq!(named.not_kept, ["set-cookie", "x-own", "x-b"]);
        assert!(!named.private && !named.no_cache);
        assert_eq!(ours("private=set-cookie").not_kept, ["set-cookie"]);
        for whole in ["private", "private=?1", "private=1", "private=\"\"", "private=(\"a\")"] {
            assert!(ours(whole).private, "{whole}");
        }
        assert!(ours("no-store=1").no_store && ours("must-revalidate=\"x\"").must_revalidate);
    }
}
