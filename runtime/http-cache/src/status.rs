//! What an answer says of how it was come by: `Cache-Status` (RFC 9211).
//!
//! Each cache on the way appends a member; ours is the last, and is called [`NAME`].

use http::{HeaderMap, HeaderName, HeaderValue, header::Entry};
use sfv::{KeyRef, ListSerializer, TokenRef};

pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// This cache.
const NAME: &str = "iridule-pop";

/// How an answer was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Stored, and fresh for this many seconds.
    Hit { ttl: u64 },
    /// Stored, and stale; it is being asked about.
    Stale,
    /// Stored and stale; asking failed.
    Unreachable,
    /// The origin was asked.
    Forwarded { why: Why, stored: bool, collapsed: bool },
    /// The origin was asked whether what is stored holds, and said yes.
    Confirmed { collapsed: bool },
}

/// Why the origin was asked: the tokens of RFC 9211, section 2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Bypass,
    Method,
    UriMiss,
    VaryMiss,
    Partial,
    Stale,
}

impl Why {
    fn token(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Partial => "partial",
            Self::Stale => "stale",
        }
    }
}

/// Appends what this cache did.
pub(crate) fn append(fields: &mut HeaderMap, how: How) {
    fields.append(CACHE_STATUS, value(how));
}

/// Says what this cache did in the last member, which is ours already.
pub(crate) fn replace(fields: &mut HeaderMap, how: How) {
    if let Entry::Occupied(mut members) = fields.entry(CACHE_STATUS)
        && let Some(own) = members.iter_mut().next_back()
    {
        *own = value(how);
    }
}

fn value(how: How) -> HeaderValue {
    let value = match how {
        // By hand, because this is on every hit.
        How::Hit { ttl } => format!("{NAME};hit;ttl={ttl}"),
        how => member(how).unwrap_or_default(),
    };
    HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).unwrap_or(HeaderValue::from_static(NAME))
}

fn member(how: How) -> Option<String> {
    let key = |name| KeyRef::from_str(name).ok();
    let token = |text| TokenRef::from_str(text).ok();
    let mut list = ListSerializer::new();
    let item = list.bare_item(token(NAME)?);
    match how {
        How::Hit { .. } | How::Stale => {
            item.parameter(key("hit")?, true).parameter(key("detail")?, token("stale-while-revalidate")?);
        }
        How::Unreachable => {
            item.parameter(key("hit")?, true).parameter(key("detail")?, token("stale-if-error")?);
        }
        How::Forwarded { why, stored, collapsed } => {
            let mut item = item.parameter(key("fwd")?, token(why.token())?);
            if stored {
                item = item.parameter(key("stored")?, true);
            }
            if collapsed {
                item.parameter(key("collapsed")?, true);
            }
        }
        How::Confirmed { collapsed } => {
            let item = item
                .parameter(key("fwd")?, token(Why::Stale.token())?)
                .parameter(key("fwd-status")?, 304)
                .parameter(key("stored")?, true);
            if collapsed {
                item.parameter(key("collapsed")?, true);
            }
        }
    }
    list.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_structured_fields() {
        for (how, expected) in [
            (How::Hit { ttl: 7 }, "iridule-pop;hit;ttl=7"),
            (How::Stale, "iridule-pop;hit;detail=stale-while-revalidate"),
            (How::Unreachable, "iridule-pop;hit;detail=stale-if-error"),
            (
                How::Forwarded { why: Why::UriMiss, stored: true, collapsed: true },
                "iridule-pop;fwd=uri-miss;stored;collapsed",
            ),
            (How::Confirmed { collapsed: false }, "iridule-pop;fwd=stale;fwd-status=304;stored"),
        ] {
            let mut fields = HeaderMap::new();
            append(&mut fields, how);
            assert_eq!(fields[CACHE_STATUS], expected);
            sfv::Parser::new(expected).parse::<sfv::List>().unwrap();
        }
    }
}
