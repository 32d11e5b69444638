//! Fields that belong to one connection, and fields that are not kept (RFC 9111, section 3.1; RFC 9110, section 7.6.1).

use http::{
    HeaderMap, HeaderName,
    header::{self, Entry},
};

use crate::moment::Moment;

/// Of one connection, whatever `Connection` says.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
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

/// Takes away what is between two neighbours only.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
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
}
