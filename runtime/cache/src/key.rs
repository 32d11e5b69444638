//! Under which text a response lies: host, path and query in a normal form (RFC 9111, section 2; RFC 3986, section
//! 6.2). The method is always `GET`; cookies have no part in it.

use http::{HeaderName, Request, Uri, header};

use crate::vary;

/// Puts a request field's value into a form in which values that the origin treats alike are equal; `None` leaves it as
/// it is. The value has its lines joined and blanks around commas removed.
pub type Normalise = fn(&HeaderName, &str) -> Option<String>;

/// How keys are made.
#[derive(Debug, Clone, Copy)]
pub struct Keying {
    /// The order of query parameters is nothing to the origin.
    pub sort_query: bool,
    /// What fields that `Vary` names mean to the origin.
    pub normalise: Normalise,
}

impl Default for Keying {
    /// What holds for any origin.
    fn default() -> Self {
        Self { sort_query: false, normalise }
    }
}

/// What holds for any origin: languages are a set with weights.
pub(crate) fn normalise(name: &HeaderName, values: &str) -> Option<String> {
    (name == header::ACCEPT_LANGUAGE).then(|| vary::languages(values))
}

impl Keying {
    /// The key of a request.
    pub(crate) fn of<B>(&self, request: &Request<B>) -> String {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        self.of_parts(request.uri().authority().map(|authority| authority.as_str()).or(host), request.uri())
    }

    /// The key of a URL under `key`'s host, when it is one there (RFC 9111, section 4.4).
    pub(crate) fn of_sibling(&self, key: &str, url: &str) -> Option<String> {
        let (host, path) = key.split_once('/')?;
        let sibling = if url.contains("://") {
            let absolute: Uri = url.parse().ok()?;
            self.of_parts(absolute.authority().map(|authority| authority.as_str()), &absolute)
        } else if url.starts_with('/') {
            self.of_parts(Some(host), &url.parse().ok()?)
        } else {
            let path = path.split('?').next().unwrap_or_default();
            let folder = path.rfind('/').map_or("", |end| &path[..=end]);
            self.of_parts(Some(host), &format!("/{folder}{url}").parse().ok()?)
        };
        (sibling.split_once('/')?.0 == host).then_some(sibling)
    }

    fn of_parts(&self, host: Option<&str>, uri: &Uri) -> String {
        let mut key = String::with_capacity(96);
        let host = host.unwrap_or_default();
        key.push_str(host.strip_suffix(":80").unwrap_or(host));
        key.make_ascii_lowercase();
        push_path(&mut key, uri.path());
        if let Some(query) = uri.query() {
            key.push('?');
            if self.sort_query && query.contains('&') {
                let mut pairs: Vec<String> = query.split('&').map(normal).collect();
                pairs.sort_unstable();
                key.push_str(&pairs.join("&"));
            } else {
                push_normal(&mut key, query);
            }
        }
        key
    }
}

/// Without `.` and `..` segments (RFC 3986, section 5.2.4).
fn push_path(key: &mut String, path: &str) {
    if !path.starts_with('/') {
        key.push('/');
    }
    let start = key.len();
    push_normal(key, path);
    if !key[start..].contains("/.") {
        return;
    }
    let normal = key.split_off(start);
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = normal.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    for segment in kept {
        key.push('/');
        key.push_str(segment);
    }
}

fn normal(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    push_normal(&mut all, text);
    all
}

/// Percent-encodings in upper case, and none where none is needed (RFC 3986, section 6.2.2). What has a percent sign
/// that encodes nothing is no URL, and stays as it is: so it is like no normal form.
fn push_normal(key: &mut String, text: &str) {
    let start = key.len();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let digits =
            rest.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            key.truncate(start);
            key.push_str(text);
            return;
        };
        key.push_str(&rest[..at]);
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            key.push(char::from(byte));
        } else {
            key.push_str(&rest[at..at + 3].to_ascii_uppercase());
        }
        rest = &rest[at + 3..];
    }
    key.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(url: &str) -> String {
        Keying { sort_query: true, ..Keying::default() }.of(&Request::get(url).body(()).unwrap())
    }

    #[test]
    fn urls_that_mean_the_same_have_one_key() {
        for same in [
            "http://img.example/t/a%7Eb/1.png?w=1&h=2",
            "http://IMG.example:80/t/a~b/1.png?h=2&w=1",
            "http://img.example/x/../t/./a%7eb/1.png?w=1&h=2",
            "http://img.example/%74/a~b/1.png?h=2&%77=1",
        ] {
            assert_eq!(key(same), "img.example/t/a~b/1.png?h=2&w=1", "{same}");
        }
        assert_eq!(key("http://a/b/.."), "a/");
        assert_eq!(key("http://a/../../b/."), "a/b/");
        assert_eq!(key("http://a/%2e%2E/b"), "a/b");
    }

    #[test]
    fn urls_that_do_not_have_their_own() {
        let all = [
            "http://a/b",
            "http://a/b?",
            "http://a/b/",
            "http://a/B",
            "http://a:8080/b",
            "http://a/b%2Fc",
            "http://a/b/c",
            "http://a/%A0",
            "http://a/%%410",
            "http://a/%25A0",
        ];
        let keys: std::collections::BTreeSet<_> = all.iter().map(|url| key(url)).collect();
        assert_eq!(keys.len(), all.len());
    }

    #[test]
    fn siblings_are_on_the_same_host() {
        let keying = Keying::default();
        let of = |url: &str| keying.of_sibling("a/b/c?d", url);
        assert_eq!(of("/x").as_deref(), Some("a/x"));
        assert_eq!(of("x?y").as_deref(), Some("a/b/x?y"));
        assert_eq!(of("http://A/x").as_deref(), Some("a/x"));
        assert_eq!(of("http://other/x"), None);
        assert_eq!(of("http://["), None);
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own(path in "(/[a-z.%0-9A-F~]{0,4}){0,5}", query in "[a-z=&%0-9]{0,9}") {
            if let Ok(uri) = format!("http://h/{path}?{query}").parse::<Uri>() {
                let keying = Keying { sort_query: true, ..Keying::default() };
                let once = keying.of_parts(Some("h"), &uri);
                // What decodes to a percent sign is encoded still, so decoding never goes on.
                if let Ok(again) = format!("http://{once}").parse::<Uri>() {
                    prop_assert_eq!(keying.of_parts(Some("h"), &again), once);
                }
            }
        }
    }
}
