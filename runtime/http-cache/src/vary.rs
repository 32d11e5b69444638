//! Which of several responses under one URL a request gets (RFC 9111, section 4.1).
//!
//! The fields that `Vary` names, put into a normal form, become the second half of a key: alike requests fall together
//! without comparing them one by one.

use http::{HeaderMap, HeaderName, header};

use crate::key::Normalise;

/// What a response's `Vary` says, and what it should say: leave for one web origin to read a response is for that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Vary {
    /// The URL alone decides.
    Nothing,
    /// These fields do; in order, each once.
    Fields(Vec<HeaderName>),
    /// Something that is not in the request: no other request gets it.
    All,
}

impl Vary {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut names = Vec::new();
        for line in headers.get_all(header::VARY) {
            let Ok(line) = line.to_str() else { return Self::All };
            for name in line.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                match name.parse() {
                    Ok(name) if name != "*" => names.push(name),
                    _ => return Self::All,
                }
            }
        }
        if headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_some_and(|origin| origin != "*") {
            names.push(header::ORIGIN);
        }
        names.sort_unstable_by(|a, b| HeaderName::as_str(a).cmp(b.as_str()));
        names.dedup();
        if names.is_empty() { Self::Nothing } else { Self::Fields(names) }
    }
}

/// The half of a key that these fields of a request make: a line each.
pub(crate) fn selecting(names: &[HeaderName], request: &HeaderMap, normalise: Normalise) -> String {
    let mut all = String::new();
    for name in names {
        all.push('\n');
        all.push_str(name.as_str());
        if let Some(values) = combined(request, name) {
            all.push(':');
            all.push_str(&normalise(name, &values).unwrap_or(values));
        }
    }
    all
}

/// A field's lines as one, members parted by a lone comma; `None` where there is none. Bytes that are not text are
/// spelt out, so that different ones stay different.
fn combined(request: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut lines = request.get_all(name).iter().peekable();
    lines.peek()?;
    let mut values = String::new();
    for line in lines {
        match line.to_str() {
            Ok(text) => text.split(',').for_each(|member| {
                values.push_str(member.trim());
                values.push(',');
            }),
            Err(_) => {
                use std::fmt::Write as _;
                // Writing to a `String` does not fail.
                let _ = write!(values, "{line:?},");
            }
        }
    }
    values.pop();
    Some(values)
}

/// The normal form of `Accept-Language` (RFC 9110, section 12.5.4): languages in lower case, the dearest first, those
/// that are alike dear by name.
pub(crate) fn languages(values: &str) -> String {
    let mut ranges: Vec<(u16, String)> = values
        .split(',')
        .filter_map(|member| {
            let mut parts = member.split(';').map(str::trim);
            let language = parts.next().filter(|language| !language.is_empty())?.to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            Some((quality.map_or(1000, thousandths), language))
        })
        .collect();
    ranges.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    ranges.dedup();
    let mut normal = String::new();
    for (quality, language) in ranges {
        normal.push_str(&format!("{language};{quality},"));
    }
    normal
}

/// A `qvalue`; what is none counts as 0.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, digits) {
        ("1", true) => 1000,
        ("0", true) => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::normalise;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn names_are_a_set_and_a_star_is_everything() {
        let vary =
            |lines: &[&str]| Vary::of(&map(&lines.iter().map(|line| ("vary", *line)).collect::<Vec<_>>()));
        assert_eq!(
            vary(&["b, A", "a,,"]),
            Vary::Fields(vec![HeaderName::from_static("a"), HeaderName::from_static("b")])
        );
        assert_eq!(vary(&[""]), Vary::Nothing);
        for all in [&["*"][..], &["*, *"], &[", *"], &["a", "*"], &["*, a"], &["a b"]] {
            assert_eq!(vary(all), Vary::All, "{all:?}");
        }
    }

    #[test]
    fn leave_for_one_web_origin_is_for_no_other() {
        let origin = Vary::Fields(vec![header::ORIGIN]);
        assert_eq!(Vary::of(&map(&[("access-control-allow-origin", "https://a.example")])), origin);
        assert_eq!(Vary::of(&map(&[("access-control-allow-origin", "*")])), Vary::Nothing);
    }

    #[test]
    fn alike_requests_fall_together() {
        let names = [HeaderName::from_static("foo")];
        let of = |fields: &[(&str, &str)]| selecting(&names, &map(fields), normalise);
        assert_eq!(of(&[("foo", "1, 2")]), of(&[("foo", " 1,2 ")]));
        assert_eq!(of(&[("foo", "1, 2")]), of(&[("foo", "1"), ("foo", "2")]));
        assert_ne!(of(&[("foo", "1")]), of(&[("foo", "2")]));
        assert_ne!(of(&[]), of(&[("foo", "")]));
        assert_eq!(of(&[("bar", "1")]), of(&[]));
        let both = [HeaderName::from_static("bar"), HeaderName::from_static("foo")];
        let of = |fields: &[(&str, &str)]| selecting(&both, &map(fields), normalise);
        assert_ne!(of(&[("bar", "1")]), of(&[("foo", "1")]));
    }

    #[test]
    fn languages_are_ordered_by_what_they_are_worth() {
        assert_eq!(languages("en, de"), languages("DE,eN"));
        assert_eq!(languages("en;q=0.5,de"), languages("de;q=1.0, en;q=0.50"));
        assert_ne!(languages("en;q=0.5,de"), languages("de;q=0.5,en"));
    }
}
