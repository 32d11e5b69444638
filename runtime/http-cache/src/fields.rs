//! Fields that belong to one connection, fields of a request that no origin gets, and fields that are not kept (RFC 9111,
//! section 3.1; RFC 9110, section 7.6.1).

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{self, Entry},
};

use crate::moment::Moment;

/// Of one connection, whatever `Connection` says.
const HOP_BY_HOP: [HeaderName; 11] = [
    header::CONNECTION,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Whether a field is by its definition for all recipients. `Connection` never lists one of these (RFC 9110, section
/// 7.6.1), so a message that does is an attempt to have an intermediary drop it.
fn is_end_to_end(name: &HeaderName) -> bool {
    const PREFIXES: [&str; 6] = ["accept", "access-control-", "content-", "cross-origin-", "if-", "sec-"];
    let name = name.as_str();
    is_of_an_intermediary(name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || matches!(
            name,
            "age"
                | "allow"
                | "authentication-info"
                | "authorization"
                | "cache-control"
                | "cache-status"
                | "cache-tag"
                | "cdn-cache-control"
                | "cookie"
                | "date"
                | "etag"
                | "expect"
                | "expires"
                | "from"
                | "host"
                | "last-modified"
                | "link"
                | "location"
                | "max-forwards"
                | "origin"
                | "pragma"
                | "range"
                | "referer"
                | "retry-after"
                | "server"
                | "set-cookie"
                | "strict-transport-security"
                | "surrogate-control"
                | "user-agent"
                | "vary"
                | "via"
                | "www-authenticate"
                | "x-content-type-options"
                | "x-frame-options"
        )
}

/// Whether a field is one by which an intermediary tells an origin of the client, or of another URL or host than the
/// request has. Many origins believe them, and say nothing of that in `Vary`.
fn is_of_an_intermediary(name: &str) -> bool {
    const PREFIXES: [&str; 5] = ["x-envoy-", "x-forwarded", "x-original-", "x-proxy", "x-rewrite-"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || matches!(
            name,
            "base-url"
                | "cf-connecting-ip"
                | "cf-visitor"
                | "client-ip"
                | "fastly-client-ip"
                | "forwarded"
                | "front-end-https"
                | "true-client-ip"
                | "x-client-ip"
                | "x-cluster-client-ip"
                | "x-host"
                | "x-http-host-override"
                | "x-originating-ip"
                | "x-real-ip"
                | "x-remote-addr"
                | "x-remote-ip"
                | "x-scheme"
                | "x-url-scheme"
        )
}

/// Whether a field changes what a request with a safe method means for some origins, without being in any cache key.
fn is_an_override(name: &str) -> bool {
    matches!(
        name,
        "expect" | "max-forwards" | "x-http-method" | "x-http-method-override" | "x-method-override"
    )
}

/// Removes the fields that are between two neighbours only.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if let Some(first) = headers.get(header::CONNECTION)
        && (first != "keep-alive" || headers.get_all(header::CONNECTION).iter().count() > 1)
    {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .filter(|name| !is_end_to_end(name))
            .collect();
        for name in &named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Leaves of a request's fields what any origin may get: not what belongs to the connection, nothing that only an
/// intermediary may say (what is true of that is in the URL), no expectation and no other method than the one of the
/// request. A field in several lines becomes one line, so that nobody reads only the first.
pub(crate) fn for_any_origin(method: &Method, _path: &str, headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    // A browser's prefetch: others may come to wait for the same answer.
    headers.remove("sec-purpose");
    retain(headers, |name| {
        let overrides = name == header::EXPECT || (method.is_safe() && is_an_override(name.as_str()));
        !overrides && !is_of_an_intermediary(name.as_str())
    });
    fold(headers);
}

/// Removes the fields whose names are not to be kept. Allocates nothing.
pub fn retain(headers: &mut HeaderMap, keep: impl Fn(&HeaderName) -> bool) {
    while let Some(name) = headers.keys().find(|name| !keep(name)).cloned() {
        headers.remove(name);
    }
}

/// Makes one line of each field that has several (RFC 9110, section 5.3; for cookies RFC 9113, section 8.2.3).
pub(crate) fn fold(headers: &mut HeaderMap) {
    if headers.len() == headers.keys_len() {
        return;
    }
    let several = |name: &&HeaderName| headers.get_all(*name).iter().nth(1).is_some();
    let several: Vec<HeaderName> = headers.keys().filter(several).cloned().collect();
    for name in several {
        let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
        let lines: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
        // Lines that were values make a value when they are joined.
        match HeaderValue::from_bytes(&lines.join(separator)) {
            Ok(line) => headers.insert(name, line),
            Err(_) => headers.remove(name),
        };
    }
}

/// Takes away what a response's directives name, which is for who asked and nobody else, and dates it where the origin did
/// not (RFC 9110, section 6.6.1). Gives what it took away.
pub(crate) fn to_be_kept(headers: &mut HeaderMap, named: &[HeaderName], came: Moment) -> HeaderMap {
    let mut personal = HeaderMap::new();
    for name in named {
        if let Entry::Occupied(field) = headers.entry(name) {
            let (name, values) = field.remove_entry_mult();
            values.for_each(|value| {
                personal.append(name.clone(), value);
            });
        }
    }
    if !headers.contains_key(header::DATE) {
        headers.insert(header::DATE, came.to_field());
    }
    personal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connection_names_goes_with_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("connection", "a, b"), ("a", "1"), ("b", "2"), ("c", "3"), ("te", "x")] {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["c"]);
    }

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn connection_removes_nothing_that_is_for_all_recipients() {
        for name in [
            "accept",
            "accept-encoding",
            "authorization",
            "cache-control",
            "content-type",
            "cookie",
            "etag",
            "forwarded",
            "host",
            "if-none-match",
            "origin",
            "range",
            "sec-fetch-mode",
            "set-cookie",
            "vary",
            "x-forwarded-for",
            "x-real-ip",
        ] {
            let mut headers = map(&[("connection", &format!("close, {name}")), (name, "1")]);
            strip_hop_by_hop(&mut headers);
            assert_eq!(headers.keys().collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn an_origin_gets_nothing_that_only_an_intermediary_may_say() {
        let fields = [
            ("accept", "image/*"),
            ("forwarded", "host=evil"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-scheme", "http"),
            ("x-original-url", "/admin"),
            ("x-rewrite-url", "/admin"),
            ("x-host", "evil"),
            ("x-real-ip", "10.0.0.1"),
            ("x-http-method-override", "DELETE"),
            ("expect", "200-maybe"),
            ("max-forwards", "0"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("user-agent", "x"),
        ];
        let mut headers = map(&fields);
        for_any_origin(&Method::GET, "/", &mut headers);
        assert_eq!(headers, map(&[("accept", "image/*"), ("user-agent", "x")]));
        let mut headers = map(&fields);
        for_any_origin(&Method::POST, "/", &mut headers);
        assert!(headers.contains_key("x-http-method-override") && !headers.contains_key("x-host"));
    }

    #[test]
    fn a_field_in_several_lines_becomes_one() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("accept", "a"), ("cookie", "a=1"), ("accept", "b"), ("x", "1"), ("cookie", "b=2")]
        {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        fold(&mut headers);
        assert_eq!(headers, map(&[("accept", "a, b"), ("cookie", "a=1; b=2"), ("x", "1")]));
    }
}
