//! Whether a response may be kept, and is worth it (RFC 9111, section 3).

use http::{HeaderMap, Method, StatusCode, header};

use crate::{
    canonical::is_of_one_request, directives::Directives, freshness::Freshness, range::Part, vary::Vary,
};

/// Why a response is not kept. Not an error: most have a right not to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotKept {
    /// Only answers to `GET` are.
    Method,
    /// The origin, or the client, says `no-store`.
    NoStore,
    /// It is for one user.
    Private,
    /// It was made for a request with credentials, and does not say that others may have it (section 3.5).
    Authorized,
    /// It tells one client what is wrong with its request.
    OneRequest,
    /// Its meaning is not known here, so neither is what may be done with it.
    Status,
    /// `Vary: *`: it fits no other request.
    VariesOnAll,
    /// Nothing says how long it holds or how to ask about it.
    Useless,
    /// A part of something, in a form that cannot be put together with others.
    Parts,
    /// It would take more room than one response may.
    Size,
}

/// Statuses that may be kept for as long as a cache guesses (RFC 9110, section 15.1).
pub(crate) fn is_heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Statuses whose caching is understood here: those of RFC 9110. 304 and 206 have their own ways.
fn is_understood(status: StatusCode) -> bool {
    status != StatusCode::NOT_MODIFIED && status.canonical_reason().is_some()
}

/// Whether a request tells who sends it.
pub(crate) fn has_credentials(request: &HeaderMap) -> bool {
    request.contains_key(header::AUTHORIZATION) || request.contains_key(header::COOKIE)
}

/// Whether the answer to a request with these parts may be kept.
pub(crate) fn storable(
    (method, asked, request): (&Method, &Directives, &HeaderMap),
    (status, said, headers): (StatusCode, &Directives, &HeaderMap),
    freshness: &Freshness,
) -> Result<(), NotKept> {
    if method != Method::GET {
        return Err(NotKept::Method);
    }
    // `must-understand` overrides `no-store` for those who do (section 5.2.2.3).
    let understood = is_understood(status);
    if asked.no_store || (said.no_store && !(said.must_understand && understood)) {
        return Err(NotKept::NoStore);
    }
    if said.private {
        return Err(NotKept::Private);
    }
    if is_of_one_request(status, headers) {
        return Err(NotKept::OneRequest);
    }
    let for_others = said.public || said.must_revalidate || said.s_maxage.is_some();
    if request.contains_key(header::AUTHORIZATION) && !for_others {
        return Err(NotKept::Authorized);
    }
    // A cookie is in no key, unless `Vary` names it.
    let is_keyed = || matches!(Vary::of(headers), Vary::Fields(names) if names.contains(&header::COOKIE));
    if request.contains_key(header::COOKIE) && !for_others && !said.targeted && !is_keyed() {
        return Err(NotKept::Authorized);
    }
    if status.is_informational()
        || status == StatusCode::NOT_MODIFIED
        || (said.must_understand && !understood)
    {
        return Err(NotKept::Status);
    }
    if status == StatusCode::PARTIAL_CONTENT && Part::of(headers).is_none() {
        return Err(NotKept::Parts);
    }
    if matches!(Vary::of(headers), Vary::All) {
        return Err(NotKept::VariesOnAll);
    }
    let can_be_asked_about =
        headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED);
    let may_be_asked_about =
        can_be_asked_about && (is_heuristic(status) || said.no_cache || said.max_age.is_some());
    if !freshness.is_ever_fresh() && !freshness.outlives_errors() && !may_be_asked_about {
        return Err(NotKept::Useless);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Tick, freshness::Times, moment::Moment};

    fn kept(request: &[(&str, &str)], status: u16, response: &[(&str, &str)]) -> Result<(), NotKept> {
        let map = |fields: &[(&str, &str)]| -> HeaderMap {
            let parse = |(name, value): &(&str, &str)| {
                (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())
            };
            fields.iter().map(parse).collect()
        };
        let (request, response) = (map(request), map(response));
        let status = StatusCode::from_u16(status).unwrap();
        let said = Directives::of_response(&response);
        let times = Times { asked: Tick(0), came: Tick(0), wall: Moment(0) };
        let freshness = Freshness::of(status, &response, &said, times);
        let asked = Directives::of_request(&request);
        storable((&Method::GET, &asked, &request), (status, &said, &response), &freshness)
    }

    #[test]
    fn what_the_origin_forbids_is_not_kept() {
        let said = |control| kept(&[], 200, &[("cache-control", control)]);
        assert_eq!(said("max-age=60"), Ok(()));
        assert_eq!(said("no-store, max-age=60"), Err(NotKept::NoStore));
        assert_eq!(said("private, max-age=60"), Err(NotKept::Private));
        assert_eq!(said("max-age=0"), Err(NotKept::Useless));
        assert_eq!(kept(&[], 200, &[]), Err(NotKept::Useless));
        let star = [("cache-control", "max-age=60"), ("vary", "a, *")];
        assert_eq!(kept(&[], 200, &star), Err(NotKept::VariesOnAll));
    }

    #[test]
    fn statuses_are_kept_when_something_explicit_says_so() {
        for status in [200, 302, 307, 404, 418, 500, 503, 599] {
            assert_eq!(kept(&[], status, &[("cache-control", "max-age=60")]), Ok(()), "{status}");
        }
        let understand = [("cache-control", "max-age=60, no-store, must-understand")];
        assert_eq!(kept(&[], 200, &understand), Ok(()));
        assert_eq!(kept(&[], 599, &understand), Err(NotKept::NoStore));
        let only = [("cache-control", "max-age=60, must-understand")];
        assert_eq!(kept(&[], 599, &only), Err(NotKept::Status));
    }

    #[test]
    fn credentials_need_leave() {
        let asked = [("authorization", "Basic eDp5")];
        assert_eq!(kept(&asked, 200, &[("cache-control", "max-age=60")]), Err(NotKept::Authorized));
        for leave in ["public", "must-revalidate", "s-maxage=60"] {
            let control = format!("max-age=60, {leave}");
            assert_eq!(kept(&asked, 200, &[("cache-control", &control)]), Ok(()), "{leave}");
        }
        assert_eq!(
            kept(&[("cache-control", "no-store")], 200, &[("cache-control", "max-age=9")]),
            Err(NotKept::NoStore)
        );
    }

    #[test]
    fn what_can_be_asked_about_is_worth_keeping() {
        assert_eq!(kept(&[], 200, &[("etag", "\"a\""), ("cache-control", "no-cache")]), Ok(()));
        assert_eq!(kept(&[], 200, &[("etag", "\"a\"")]), Ok(()));
        assert_eq!(kept(&[], 200, &[("cache-control", "max-age=0, stale-if-error=60")]), Ok(()));
    }
}
