//! The cache key: the URL of a request in a normal form (RFC 9111, section 2; RFC 3986, section 6.2.2), and what an
//! operator says about the origin behind the cache. The method is always `GET`; cookies have no part in it.
//!
//! A key is a whole URL, and the URL that the origin is asked for is read back from it (`canonical.rs`): two requests with
//! one key cannot ask for two things.

use std::{fmt::Write as _, net::Ipv6Addr};

use http::{HeaderMap, HeaderName, Method, Uri, header};

use crate::{canonical::Malformed, fields, vary};

/// Puts a request field's value into a form in which values that the origin treats alike are equal; `None` leaves it as
/// it is. The value has its lines joined and blanks around commas removed.
pub type Normalise = fn(&HeaderName, &str) -> Option<String>;

/// Removes from a request what neither the cache nor the origin may see. Gets the method and the canonical path.
pub type FilterFields = fn(&Method, &str, &mut HeaderMap);

/// How keys are made, and what of a request reaches the origin.
#[derive(Debug, Clone, Copy)]
pub struct Keying {
    /// The order of query parameters is nothing to the origin, which gets them sorted.
    pub sort_query: bool,
    /// What fields that `Vary` names mean to the origin.
    pub normalise: Normalise,
    /// Which fields of a request are left.
    pub fields: FilterFields,
    /// The origin is asked for whole responses only: ranges, conditions and `HEAD` are answered here.
    pub whole: bool,
}

impl Default for Keying {
    fn default() -> Self {
        Self::ANY
    }
}

/// What holds for any origin: languages are a set with weights.
pub(crate) fn normalise(name: &HeaderName, values: &str) -> Option<String> {
    (name == header::ACCEPT_LANGUAGE).then(|| vary::languages(values))
}

impl Keying {
    /// What holds for any origin.
    pub const ANY: Self = Self { sort_query: false, normalise, fields: fields::for_any_origin, whole: false };

    /// The canonical text of a URL, and the place where its path begins.
    pub(crate) fn url(
        &self,
        scheme: &str,
        host: &str,
        path: &str,
        query: Option<&str>,
    ) -> Result<(String, usize), Malformed> {
        let mut url = String::with_capacity(128);
        url.push_str(scheme);
        url.push_str("://");
        push_host(&mut url, host, scheme)?;
        let start = url.len();
        push_path(&mut url, path);
        if let Some(query) = query {
            url.push('?');
            if self.sort_query && query.contains('&') {
                let mut pairs: Vec<String> = query.split('&').map(normal).collect();
                pairs.sort_unstable();
                url.push_str(&pairs.join("&"));
            } else {
                push_normal(&mut url, query);
            }
        }
        Ok((url, start))
    }

    /// The key of a whole URL, `http://host/path?query`.
    pub(crate) fn of_url(&self, url: &str) -> Option<String> {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
        let (url, _) = self.url(scheme, uri.authority()?.as_str(), uri.path(), uri.query()).ok()?;
        Some(url)
    }

    /// The key of a URL that an answer under `key` names, when it has the same scheme and host (RFC 9111, section 4.4).
    pub(crate) fn of_sibling(&self, key: &str, url: &str) -> Option<String> {
        let path = key.find("://").and_then(|end| Some(key[end + 3..].find('/')? + end + 3))?;
        let (base, path) = key.split_at(path);
        let sibling = if url.contains("://") {
            self.of_url(url)?
        } else if url.starts_with('/') {
            self.of_url(&format!("{base}{url}"))?
        } else {
            let path = path.split('?').next().unwrap_or_default();
            let folder = path.rfind('/').map_or("", |end| &path[..=end]);
            self.of_url(&format!("{base}{folder}{url}"))?
        };
        sibling.strip_prefix(base).is_some_and(|path| path.starts_with('/')).then_some(sibling)
    }
}

/// Longest host name, bytes (RFC 1035, section 2.3.4).
const HOST_BYTES: usize = 253;
/// Longest label of one, bytes.
const LABEL_BYTES: usize = 63;

/// A host in lower case, without the scheme's default port: a name of letters, digits, `-` and `_`, an IPv4 address, or an
/// IPv6 address in brackets. What RFC 3986 allows beyond that (percent-encodings, sub-delimiters, user information) no
/// host has, and would have to be escaped wherever a URL is written.
pub(crate) fn push_host(url: &mut String, host: &str, scheme: &str) -> Result<(), Malformed> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(Malformed::Host)?;
            let address: Ipv6Addr = address.parse().map_err(|_| Malformed::Host)?;
            // Writing to a `String` does not fail.
            let _ = write!(url, "[{address}]");
            ("", port)
        }
        None => host.find(':').map_or((host, ""), |at| host.split_at(at)),
    };
    if !host.starts_with('[') {
        let labels = name.strip_suffix('.').unwrap_or(name);
        let is_label = |label: &str| {
            (1..=LABEL_BYTES).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if name.len() > HOST_BYTES || !labels.split('.').all(is_label) {
            return Err(Malformed::Host);
        }
        url.extend(name.chars().map(|letter| letter.to_ascii_lowercase()));
    }
    if port.is_empty() {
        return Ok(());
    }
    let digits = port.strip_prefix(':').ok_or(Malformed::Host)?;
    if digits.is_empty() {
        return Ok(());
    }
    let port: u16 = match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse().map_err(|_| Malformed::Host)?,
        false => return Err(Malformed::Host),
    };
    match (scheme, port) {
        (_, 0) => Err(Malformed::Host),
        ("http", 80) | ("https", 443) => Ok(()),
        _ => {
            let _ = write!(url, ":{port}");
            Ok(())
        }
    }
}

/// Without `.` and `..` segments (RFC 3986, section 5.2.4).
fn push_path(key: &mut String, path: &str) {
    let start = key.len();
    if !path.starts_with('/') {
        key.push('/');
    }
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

/// Percent-encodings in upper case, and none where none is needed (RFC 3986, section 6.2.2). Text with a percent sign that
/// encodes nothing is no part of a URL, and stays as it is: so it is like no normal form.
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
        Keying { sort_query: true, ..Keying::default() }.of_url(url).unwrap()
    }

    #[test]
    fn urls_that_mean_the_same_have_one_key() {
        for same in [
            "http://img.example/t/a%7Eb/1.png?w=1&h=2",
            "http://IMG.example:80/t/a~b/1.png?h=2&w=1",
            "http://img.example:/x/../t/./a%7eb/1.png?w=1&h=2",
            "http://img.example:080/%74/a~b/1.png?h=2&%77=1",
        ] {
            assert_eq!(key(same), "http://img.example/t/a~b/1.png?h=2&w=1", "{same}");
        }
        assert_eq!(key("http://a/b/.."), "http://a/");
        assert_eq!(key("http://a/../../b/."), "http://a/b/");
        assert_eq!(key("http://a/%2e%2E/b"), "http://a/b");
        assert_eq!(key("http://a//b/..//"), "http://a///");
        assert_eq!(key("https://[2001:DB8::1]:443/"), "https://[2001:db8::1]/");
        assert_eq!(key("http://[0:0::1]:8080"), "http://[::1]:8080/");
    }

    #[test]
    fn urls_that_do_not_have_their_own() {
        let all = [
            "http://a/b",
            "https://a/b",
            "http://a/b?",
            "http://a/b/",
            "http://a/B",
            "http://a:8080/b",
            "https://a:80/b",
            "http://a/b%2Fc",
            "http://a/b/c",
            "http://a//b/c",
            "http://a/%A0",
            "http://a/%%410",
            "http://a/%25A0",
        ];
        let keys: std::collections::BTreeSet<_> = all.iter().map(|url| key(url)).collect();
        assert_eq!(keys.len(), all.len());
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port_or_none() {
        let long = "a".repeat(64);
        for host in
            ["", ":80", "a b", "a@b", "u:p@b", "a,b", "a/b", "a%62", "ä.example", "a..b", ".a", "a:b", "a:0"]
                .into_iter()
                .chain([
                    "a:65536",
                    "a:1:2",
                    "[::1",
                    "[::1]x",
                    "[fe80::1%25eth0]",
                    "[v1.a]",
                    "::1",
                    "a'b",
                    "a\"b",
                    &long,
                ])
        {
            let mut url = String::new();
            assert_eq!(push_host(&mut url, host, "http"), Err(Malformed::Host), "{host:?}");
        }
        for host in ["a", "a.example.", "127.0.0.1:3000", "x_y-1.example", "[2001:db8::1]:8443"] {
            let mut url = String::new();
            push_host(&mut url, host, "http").unwrap();
            assert_eq!(url, host);
        }
    }

    #[test]
    fn siblings_are_on_the_same_host() {
        let keying = Keying::default();
        let of = |url: &str| keying.of_sibling("http://a/b/c?d", url);
        assert_eq!(of("/x").as_deref(), Some("http://a/x"));
        assert_eq!(of("x?y").as_deref(), Some("http://a/b/x?y"));
        assert_eq!(of("http://A/x").as_deref(), Some("http://a/x"));
        for other in ["http://other/x", "https://a/x", "http://a.other/x", "http://["] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own(path in "(/[a-z.%0-9A-F~]{0,4}){0,5}", query in "[a-z=&%0-9]{0,9}") {
            let keying = Keying { sort_query: true, ..Keying::default() };
            if let Some(once) = keying.of_url(&format!("http://h/{path}?{query}")) {
                // What decodes to a percent sign is encoded still, so decoding never goes on.
                prop_assert_eq!(keying.of_url(&once), Some(once));
            }
        }
    }
}
