//! Parts of a response (RFC 9110, section 14; RFC 9111, section 3.3): which one came, and which one is wanted.

use http::{HeaderMap, header};

/// What a `Content-Range` of bytes says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Where the first byte stands in the whole.
    pub(crate) first: u64,
    /// Bytes of the whole.
    pub(crate) total: u64,
}

impl Part {
    /// The one part in a 206; `None` for several, for another unit, or where the whole's length is not known.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last, total) = (number(first)?, number(last)?, number(total)?);
        (first <= last && last < total).then_some(Self { first, total })
    }

    /// The part that `length` bytes are. Where fewer came than were announced and they were to reach the end, that is
    /// where the end is.
    pub(crate) fn with_length(self, length: u64, announced: &HeaderMap) -> Self {
        let end = self.first.saturating_add(length);
        let to_the_end = announced
            .get(header::CONTENT_RANGE)
            .and_then(|text| text.to_str().ok()?.split(['-', '/']).nth(1)?.trim().parse::<u64>().ok())
            .is_some_and(|last| last + 1 == self.total);
        if to_the_end && end < self.total { Self { total: end, ..self } } else { self }
    }
}

/// What of the bytes held answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All of them: no range, or one that may be left unheeded.
    Whole,
    /// `first..=last` of the whole.
    Part { first: u64, last: u64 },
    /// Bytes that are not held.
    NotHeld,
    /// No byte of the whole.
    Unsatisfiable,
}

/// Which bytes a request's `Range` names, of a whole of which `length` bytes from `part` on are held.
pub(crate) fn cut(request: &HeaderMap, validators: &HeaderMap, part: Part, length: u64) -> Cut {
    let complete = part.first == 0 && length == part.total;
    let whole = if complete { Cut::Whole } else { Cut::NotHeld };
    let mut lines = request.get_all(header::RANGE).iter();
    let (Some(range), None) = (lines.next(), lines.next()) else { return whole };
    if !if_range_holds(request, validators) {
        return whole;
    }
    let Some(spec) = range.to_str().ok().and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return whole;
    };
    // Several ranges, or what is none: heeding them is a choice (RFC 9110, section 14.2).
    let Some((first, last)) = spec.trim().split_once('-') else { return whole };
    let total = part.total;
    let (first, last) = match (first, last) {
        ("", suffix) => match number(suffix) {
            None => return whole,
            Some(0) => return Cut::Unsatisfiable,
            Some(suffix) => (total.saturating_sub(suffix), total.saturating_sub(1)),
        },
        (first, last) => {
            let last = if last.is_empty() { Some(u64::MAX) } else { number(last) };
            match (number(first), last) {
                (Some(first), Some(last)) if first <= last => (first, last.min(total.saturating_sub(1))),
                _ => return whole,
            }
        }
    };
    if first >= total {
        return Cut::Unsatisfiable;
    }
    if first < part.first || last >= part.first.saturating_add(length) {
        return Cut::NotHeld;
    }
    Cut::Part { first, last }
}

/// Digits and nothing else; more than any picture has is as much as can be.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// RFC 9110, section 13.1.5: a strong tag, or the very date.
fn if_range_holds(request: &HeaderMap, validators: &HeaderMap) -> bool {
    let Some(condition) = request.get(header::IF_RANGE) else { return true };
    match condition.as_bytes().first() {
        Some(b'"') => validators.get(header::ETAG) == Some(condition),
        Some(b'W') if condition.as_bytes().starts_with(b"W/") => false,
        _ => validators.get(header::LAST_MODIFIED) == Some(condition),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_cut_is_held(
            range in "(bytes=)?[0-9,-]{0,12}",
            first in 0..20u64,
            length in 1..20u64,
            rest in 0..20u64,
        ) {
            let part = Part { first, total: first + length + rest };
            if let Cut::Part { first, last } = cut(&map(&[("range", &range)]), &HeaderMap::new(), part, length) {
                prop_assert!(part.first <= first && first <= last && last < part.first + length);
            }
        }

        #[test]
        fn any_content_range_is_read(text in "(bytes )?[0-9*/-]{0,48}") {
            if let Some(part) = Part::of(&map(&[("content-range", &text)])) {
                prop_assert!(part.first < part.total);
                part.with_length(3, &map(&[("content-range", &text)]));
            }
        }
    }

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (n.parse::<http::HeaderName>().unwrap(), v.parse().unwrap())).collect()
    }

    fn of_ten(range: &str) -> Cut {
        cut(&map(&[("range", range)]), &HeaderMap::new(), Part { first: 0, total: 10 }, 10)
    }

    #[test]
    fn ranges_of_the_whole() {
        assert_eq!(of_ten("bytes=0-1"), Cut::Part { first: 0, last: 1 });
        assert_eq!(of_ten("bytes=8-"), Cut::Part { first: 8, last: 9 });
        assert_eq!(of_ten("bytes=8-99"), Cut::Part { first: 8, last: 9 });
        assert_eq!(of_ten("bytes=-3"), Cut::Part { first: 7, last: 9 });
        assert_eq!(of_ten("bytes=-99"), Cut::Part { first: 0, last: 9 });
        assert_eq!(of_ten("bytes=10-"), Cut::Unsatisfiable);
        assert_eq!(of_ten("bytes=-0"), Cut::Unsatisfiable);
        assert_eq!(of_ten("bytes=99999999999999999999-"), Cut::Unsatisfiable);
        for unheeded in
            ["bytes=0-1,3-4", "bytes=3-2", "items=0-1", "bytes=-", "bytes=a-b", "bytes=+1-2", "bytes=--1"]
        {
            assert_eq!(of_ten(unheeded), Cut::Whole, "{unheeded}");
        }
    }

    #[test]
    fn ranges_of_a_part() {
        let part = Part::of(&map(&[("content-range", "bytes 4-8/10")])).unwrap();
        let of = |range: &str| cut(&map(&[("range", range)]), &HeaderMap::new(), part, 5);
        assert_eq!(of("bytes=4-8"), Cut::Part { first: 4, last: 8 });
        assert_eq!(of("bytes=6-7"), Cut::Part { first: 6, last: 7 });
        for beyond in ["bytes=3-5", "bytes=6-", "bytes=-1", "bytes=0-1,3-4"] {
            assert_eq!(of(beyond), Cut::NotHeld, "{beyond}");
        }
        for none in ["bytes 4-9/*", "bytes */10", "bytes 4-10/10", "bytes 5-4/10", "items 1-2/10"] {
            assert_eq!(Part::of(&map(&[("content-range", none)])), None, "{none}");
        }
    }

    #[test]
    fn a_condition_must_hold_strongly() {
        let has = map(&[("etag", "\"a\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        let of = |condition: &str| {
            let asked = map(&[("range", "bytes=0-1"), ("if-range", condition)]);
            cut(&asked, &has, Part { first: 0, total: 10 }, 10)
        };
        let part = Cut::Part { first: 0, last: 1 };
        assert_eq!(of("\"a\""), part);
        assert_eq!(of("Sun, 06 Nov 1994 08:49:37 GMT"), part);
        for not in ["W/\"a\"", "\"b\"", "Sun, 06 Nov 1994 08:49:38 GMT"] {
            assert_eq!(of(not), Cut::Whole, "{not}");
        }
    }
}
