//! Who a client is, and what it asked, when a proxy that the operator trusts stands between: `Forwarded` (RFC 7239) and
//! `X-Forwarded-For`, `-Proto` and `-Host`.
//!
//! They are read only from the addresses that the operator names. From anybody else they are what a stranger says, and
//! nobody behind here sees them.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use http::{HeaderMap, HeaderName, header, uri::Scheme};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Most proxies between a client and this host that are believed.
const HOPS: usize = 16;

/// An address range whose hosts are proxies of the operator's: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedProxy(IpNet);

impl FromStr for TrustedProxy {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let range = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        range.map(Self).map_err(|_| NotARange)
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// It is neither an address nor a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an address, or a range of them like 10.0.0.0/8 or 2001:db8::/32")]
pub struct NotARange;

/// What trusted proxies say of a request that they pass on contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "`Forwarded` and `X-Forwarded-For` say different things, or one of them cannot be read; send one of them"
)]
pub(crate) struct Contradiction;

/// A client, and what it asked for as far as trusted proxies say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) address: IpAddr,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) host: Option<String>,
}

/// What one proxy says of the request that it got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Hop {
    /// `None`: it hides the address, or does not know it.
    client: Option<IpAddr>,
    scheme: Option<String>,
    host: Option<String>,
}

/// Finds out who is behind a connection from `peer`.
///
/// # Errors
/// [`Contradiction`], for requests of trusted proxies only.
pub(crate) fn visitor(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &[TrustedProxy],
) -> Result<Visitor, Contradiction> {
    let peer = peer.to_canonical();
    let nobody = Visitor { address: peer, scheme: None, host: None };
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.0.contains(&address));
    if !is_trusted(peer) {
        return Ok(nobody);
    }
    let standard = headers.contains_key(header::FORWARDED).then(|| forwarded(headers)).transpose()?;
    let usual = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST]
        .iter()
        .any(|name| headers.contains_key(name))
        .then(|| x_forwarded(headers))
        .transpose()?;
    let behind = |hops: Vec<Hop>| behind(peer, &hops, is_trusted);
    match (standard.map(behind).transpose()?, usual.map(behind).transpose()?) {
        (None, None) => Ok(nobody),
        (Some(one), None) | (None, Some(one)) => Ok(one),
        // A proxy that writes one kind leaves the other as a stranger sent it.
        (Some(standard), Some(usual)) if standard == usual => Ok(usual),
        (Some(_), Some(_)) => Err(Contradiction),
    }
}

/// Goes back from proxy to proxy as long as they are trusted; hops are in the order of time, the nearest last.
fn behind(peer: IpAddr, hops: &[Hop], is_trusted: impl Fn(IpAddr) -> bool) -> Result<Visitor, Contradiction> {
    let (mut address, mut scheme, mut host) = (peer, None, None);
    for hop in hops.iter().rev().take(HOPS) {
        scheme = hop.scheme.clone().or(scheme);
        host = hop.host.clone().or(host);
        let Some(client) = hop.client else { break };
        address = client;
        if !is_trusted(address) {
            break;
        }
    }
    let scheme = match scheme.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None => None,
        Some("http") => Some(Scheme::HTTP),
        Some("https") => Some(Scheme::HTTPS),
        Some(_) => return Err(Contradiction),
    };
    Ok(Visitor { address, scheme, host })
}

/// The members of `X-Forwarded-*`, by their place from the end: each proxy appends one.
fn x_forwarded(headers: &HeaderMap) -> Result<Vec<Hop>, Contradiction> {
    let clients = members(headers, &X_FORWARDED_FOR)?;
    let (schemes, hosts) = (members(headers, &X_FORWARDED_PROTO)?, members(headers, &X_FORWARDED_HOST)?);
    let most = clients.len().max(schemes.len()).max(hosts.len());
    let at =
        |all: &[String], place: usize| all.len().checked_sub(most - place).map(|place| all[place].clone());
    let hops = (0..most).map(|place| Hop {
        client: at(&clients, place).and_then(|client| address(&client)),
        scheme: at(&schemes, place),
        host: at(&hosts, place),
    });
    Ok(hops.collect())
}

fn members(headers: &HeaderMap, name: &HeaderName) -> Result<Vec<String>, Contradiction> {
    let mut all = Vec::new();
    for line in headers.get_all(name) {
        let line = line.to_str().map_err(|_| Contradiction)?;
        all.extend(line.split(',').map(str::trim).filter(|member| !member.is_empty()).map(str::to_owned));
    }
    Ok(all)
}

/// The elements of `Forwarded`.
fn forwarded(headers: &HeaderMap) -> Result<Vec<Hop>, Contradiction> {
    let mut hops = Vec::new();
    for line in headers.get_all(header::FORWARDED) {
        let line = line.to_str().map_err(|_| Contradiction)?;
        for element in split_unquoted(line, ',').filter(|element| !element.is_empty()) {
            let mut hop = Hop::default();
            for pair in split_unquoted(element, ';').filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=').ok_or(Contradiction)?;
                let value = unquoted(value).ok_or(Contradiction)?;
                match name.to_ascii_lowercase().as_str() {
                    "for" => hop.client = address(&value),
                    "proto" => hop.scheme = Some(value),
                    "host" => hop.host = Some(value),
                    _ => {}
                }
            }
            hops.push(hop);
        }
    }
    Ok(hops)
}

/// Splits outside quoted strings; parts are trimmed.
fn split_unquoted(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |letter| {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        letter == at && !quoted
    })
    .map(str::trim)
}

fn unquoted(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else { return Some(value.to_owned()) };
    let mut letters = rest.strip_suffix('"')?.chars();
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        text.push(if letter == '\\' { letters.next()? } else { letter });
    }
    Some(text)
}

/// An address, with or without a port; `None` for `unknown` and what a proxy calls its client instead.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(with_port).or_else(in_brackets).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect()
    }

    fn seen(peer: &str, fields: &[(&str, &str)]) -> Result<(String, String, String), Contradiction> {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        visitor(peer.parse().unwrap(), &map(fields), &trusted).map(|visitor| {
            let scheme = visitor.scheme.map_or(String::new(), |scheme| scheme.to_string());
            (visitor.address.to_string(), scheme, visitor.host.unwrap_or_default())
        })
    }

    fn is(address: &str, scheme: &str, host: &str) -> Result<(String, String, String), Contradiction> {
        Ok((address.into(), scheme.into(), host.into()))
    }

    #[test]
    fn a_stranger_is_who_it_is_whatever_it_says() {
        let fields = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "gopher"),
            ("forwarded", "for=5.6.7.8;host=evil"),
        ];
        assert_eq!(seen("192.0.2.1", &fields), is("192.0.2.1", "", ""));
        assert_eq!(seen("::ffff:192.0.2.1", &fields), is("192.0.2.1", "", ""));
    }

    #[test]
    fn a_trusted_proxy_says_who_is_behind_it() {
        for fields in [
            &[
                ("x-forwarded-for", "1.2.3.4"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "a.example"),
            ][..],
            &[("forwarded", "For=1.2.3.4;proto=HTTPS; host=\"a.example\"")],
            &[("forwarded", "for=\"1.2.3.4:99\";proto=https;host=a.example, for=10.0.0.2;by=_x")],
            &[
                ("x-forwarded-for", "9.9.9.9, 1.2.3.4, 10.0.0.2"),
                ("x-forwarded-proto", "http,https,http"),
                ("x-forwarded-host", "evil, a.example, inner"),
            ],
            &[
                ("x-forwarded-for", "1.2.3.4"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "a.example"),
                ("forwarded", "for=1.2.3.4;proto=https;host=a.example"),
            ],
        ] {
            for peer in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::7"] {
                assert_eq!(seen(peer, fields), is("1.2.3.4", "https", "a.example"), "{fields:?}");
            }
        }
        assert_eq!(seen("10.0.0.1", &[]), is("10.0.0.1", "", ""));
        assert_eq!(
            seen("10.0.0.1", &[("x-forwarded-for", "[2001:db8::1]:7, unknown")]),
            is("10.0.0.1", "", "")
        );
        assert_eq!(seen("10.0.0.1", &[("forwarded", "for=\"[2001:db8::1]:7\"")]), is("2001:db8::1", "", ""));
        // A scheme that is said once, by a chain of two.
        let once = [("x-forwarded-for", "1.2.3.4, 10.0.0.2"), ("x-forwarded-proto", "https")];
        assert_eq!(seen("10.0.0.1", &once), is("1.2.3.4", "https", ""));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for fields in [
            &[("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=5.6.7.8")][..],
            &[("x-forwarded-proto", "https"), ("forwarded", "for=1.2.3.4;host=evil")],
            &[("x-forwarded-proto", "gopher")],
            &[("forwarded", "for")],
            &[("forwarded", "host=\"a")],
        ] {
            assert_eq!(seen("10.0.0.1", fields), Err(Contradiction), "{fields:?}");
        }
        assert!("10.0.0.0/33".parse::<TrustedProxy>().is_err());
        assert!("localhost".parse::<TrustedProxy>().is_err());
        assert_eq!("::1".parse::<TrustedProxy>().unwrap().to_string(), "::1/128");
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in "[a-z=;,\" \\\\:.0-9\\[\\]]{0,48}") {
            for name in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
                let _ = seen("10.0.0.1", &[(name, &line)]);
            }
        }
    }
}
