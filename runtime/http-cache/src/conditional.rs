//! Questions whether something still holds (RFC 9111, section 4.3; RFC 9110, section 13).

use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::moment::Moment;

/// Conditions that only the origin can say no to: it may have another representation by now. Where the stored one is fresh
/// and fulfils them, they are fulfilled; otherwise the request goes to the origin, and its answer is not stored.
const FOR_THE_ORIGIN: [HeaderName; 2] = [header::IF_MATCH, header::IF_UNMODIFIED_SINCE];

/// What a client's own question consists of.
const OF_A_QUESTION: [HeaderName; 6] = [
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

/// Fields of a 304 that say nothing of the stored response (section 3.2).
const NOT_UPDATED: [HeaderName; 3] =
    [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_RANGE];

/// Fields that a 304 does without (RFC 9110, section 15.4.5).
const NOT_IN_304: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
];

/// Whether the request has a condition that only the origin can say no to.
pub(crate) fn is_for_the_origin(request: &HeaderMap) -> bool {
    FOR_THE_ORIGIN.iter().any(|name| request.contains_key(name))
}

/// Whether a stored response fulfils those conditions, in the order of RFC 9110, section 13.2.2. Where there is none, it does;
/// what is left of the conditions is for [`client_has`] and `range.rs`.
pub(crate) fn holds(request: &HeaderMap, status: StatusCode, stored: &HeaderMap) -> bool {
    // Section 13.2.1: conditions are about successes.
    if !status.is_success() {
        return true;
    }
    let mut tags = request.get_all(header::IF_MATCH).iter().peekable();
    if tags.peek().is_some() {
        let own = stored.get(header::ETAG).and_then(|tag| tag.to_str().ok());
        return tags.filter_map(|line| line.to_str().ok()).any(|line| {
            line.trim() == "*"
                || own.is_some_and(|own| own.starts_with('"') && list_has(line, own, Comparison::Strong))
        });
    }
    // What is no date, and what has none, is as if it were not there.
    let until = Moment::field(request, &header::IF_UNMODIFIED_SINCE);
    let modified = Moment::field(stored, &header::LAST_MODIFIED);
    until.zip(modified).is_none_or(|(until, modified)| modified <= until)
}

/// What of a request makes its answer fit only requests that ask the very same.
pub(crate) fn question(request: &HeaderMap) -> String {
    let mut all = String::new();
    for name in &OF_A_QUESTION {
        for value in request.get_all(name) {
            all.push_str(&format!("\n{name}:{value:?}"));
        }
    }
    all
}

/// Whether the client already has the stored response with these fields.
pub(crate) fn client_has(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let mut tags = request.get_all(header::IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        let Some(own) = stored.get(header::ETAG).and_then(|tag| tag.to_str().ok()) else { return false };
        return tags.filter_map(|line| line.to_str().ok()).any(|line| list_has(line, own, Comparison::Weak));
    }
    let Some(since) = Moment::field(request, &header::IF_MODIFIED_SINCE) else { return false };
    Moment::field(stored, &header::LAST_MODIFIED)
        .or_else(|| Moment::field(stored, &header::DATE))
        .is_some_and(|modified| modified <= since)
}

/// How two tags are compared (RFC 9110, section 8.8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Neither may be weak.
    Strong,
    Weak,
}

/// Whether a list of tags names one; a tag may hold commas. In a strong comparison, `own` must not be weak.
fn list_has(list: &str, own: &str, comparison: Comparison) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let own = opaque(own);
    let mut rest = list.trim();
    if rest == "*" {
        return true;
    }
    while !rest.is_empty() {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        let tag = rest.strip_prefix("W/").unwrap_or(rest);
        let Some(end) = tag.strip_prefix('"').and_then(|inside| inside.find('"')) else {
            // Not a tag: what is there up to the next comma is compared as it is.
            let end = rest.find(',').unwrap_or(rest.len());
            if rest[..end].trim() == own {
                return true;
            }
            rest = &rest[end..];
            continue;
        };
        let is_weak = tag.len() < rest.len();
        if tag[..end + 2] == own && !(is_weak && comparison == Comparison::Strong) {
            return true;
        }
        rest = &tag[end + 2..];
    }
    false
}

/// Turns a client's request into the question whether a stored response still holds; without validators, into a plain
/// request. The client's own question is judged afterwards.
pub(crate) fn ask_about(request: &mut HeaderMap, stored: &HeaderMap) {
    for name in &OF_A_QUESTION {
        request.remove(name);
    }
    if let Some(tag) = stored.get(header::ETAG) {
        request.insert(header::IF_NONE_MATCH, tag.clone());
    }
    if let Some(modified) = stored.get(header::LAST_MODIFIED) {
        request.insert(header::IF_MODIFIED_SINCE, modified.clone());
    }
}

/// The stored response's fields as a 304 brings them up to date (section 3.2).
pub(crate) fn updated(stored: &HeaderMap, news: &HeaderMap) -> HeaderMap {
    let mut fields = stored.clone();
    // The age was that of the answer before.
    fields.remove(header::AGE);
    for name in news.keys().filter(|name| !NOT_UPDATED.contains(name)) {
        fields.remove(name);
        for value in news.get_all(name) {
            fields.append(name, value.clone());
        }
    }
    fields
}

/// Whether the answer to a `HEAD` is of something else than what is stored (section 4.3.5).
pub(crate) fn is_of_another(stored: &HeaderMap, news: &HeaderMap) -> bool {
    [header::ETAG, header::LAST_MODIFIED, header::CONTENT_LENGTH]
        .iter()
        .any(|name| news.get(name).is_some_and(|new| stored.get(name) != Some(new)))
}

/// Leaves what a 304 says.
pub(crate) fn strip_for_304(fields: &mut HeaderMap) {
    for name in &NOT_IN_304 {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_tag_is_found_among_others(
            before in "(W/)?\"[a-z,]{0,3}\"|[a-z]{0,2}",
            tag in "\"[a-z,]{0,3}\"",
            after in "[W/\",a-z ]{0,8}",
        ) {
            let list = format!("{before}, W/{tag},{after}");
            prop_assert!(client_has(&map(&[("if-none-match", &list)]), &map(&[("etag", &tag)])));
        }

        #[test]
        fn any_list_comes_to_an_end(list in "[W/\",a-z* ]{0,24}") {
            client_has(&map(&[("if-none-match", &list)]), &map(&[("etag", "\"a\"")]));
        }
    }

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn tags_are_compared_weakly_in_lists() {
        let has =
            |list: &str, own: &str| client_has(&map(&[("if-none-match", list)]), &map(&[("etag", own)]));
        for list in ["\"a\"", "W/\"a\"", "\"x\", \"a\"", "\"x,y\",W/\"a\" , \"z\"", "*", " \"a\""] {
            assert!(has(list, "\"a\"") && has(list, "W/\"a\""), "{list}");
        }
        for list in ["\"b\"", "\"x,\"a\"\"x", "a", "", "\"a", "\"ab\""] {
            assert!(!has(list, "\"a\""), "{list}");
        }
        // Tags from before there were quotes.
        assert!(has("abc", "abc"));
    }

    #[test]
    fn dates_only_count_without_tags() {
        let stored = map(&[("etag", "\"a\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        let since = |date: &str| client_has(&map(&[("if-modified-since", date)]), &stored);
        assert!(since("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert!(since("Sunday, 06-Nov-94 08:49:38 GMT"));
        assert!(!since("Sun, 06 Nov 1994 08:49:36 GMT"));
        assert!(!since("yesterday"));
        let both = map(&[("if-none-match", "\"b\""), ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        assert!(!client_has(&both, &stored));
    }

    #[test]
    fn conditions_for_the_origin_hold_in_the_order_of_the_standard() {
        let stored = map(&[("etag", "\"a\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        let weak = map(&[("etag", "W/\"a\"")]);
        let of = |fields: &[(&str, &str)], stored: &HeaderMap| holds(&map(fields), StatusCode::OK, stored);
        for (list, holds) in [
            ("\"a\"", true),
            ("\"x\", \"a\"", true),
            ("*", true),
            ("W/\"a\"", false),
            ("W/\"a\", \"a\"", true),
            ("\"b\"", false),
            ("", false),
        ] {
            assert_eq!(of(&[("if-match", list)], &stored), holds, "{list}");
            // A tag that is weak says nothing of bytes.
            assert_eq!(of(&[("if-match", list)], &weak), list == "*", "{list}");
        }
        let (before, at) = ("Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:37 GMT");
        let since = |date| [("if-unmodified-since", date)];
        assert!(of(&since(at), &stored) && !of(&since(before), &stored));
        assert!(of(&since("yesterday"), &stored) && of(&since(before), &weak));
        assert!(of(&[("if-match", "\"a\""), ("if-unmodified-since", before)], &stored), "the tag decides");
        assert!(holds(&map(&[("if-match", "\"b\"")]), StatusCode::NOT_FOUND, &stored));
    }

    #[test]
    fn a_304_updates_all_but_the_body_s_own() {
        let stored =
            map(&[("content-length", "3"), ("x", "1"), ("age", "9"), ("y", "1"), ("cache-control", "a")]);
        let news = map(&[("content-length", "0"), ("x", "2"), ("x", "3"), ("cache-control", "b")]);
        let expected =
            map(&[("content-length", "3"), ("x", "2"), ("x", "3"), ("y", "1"), ("cache-control", "b")]);
        assert_eq!(updated(&stored, &news), expected);
    }

    #[test]
    fn a_question_replaces_the_client_s() {
        let mut request = map(&[("if-none-match", "\"old\""), ("range", "bytes=0-1"), ("accept", "x")]);
        ask_about(&mut request, &map(&[("etag", "W/\"a\"")]));
        assert_eq!(request, map(&[("accept", "x"), ("if-none-match", "W/\"a\"")]));
    }
}
