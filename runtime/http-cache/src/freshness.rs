//! For how long a response is fresh, and what may be done with it afterwards (RFC 9111, section 4.2; RFC 5861).

use http::{HeaderMap, StatusCode, header};

use crate::{
    clock::Tick,
    directives::{Directives, MOST_SECONDS, delta_seconds},
    moment::Moment,
    storable,
};

/// When a response was asked for and when it came: section 4.2.3 needs both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) asked: Tick,
    pub(crate) came: Tick,
    /// The wall clock when it came, to compare with the origin's dates.
    pub(crate) wall: Moment,
}

/// How long a response may be used, worked out once when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Freshness {
    /// Seconds from its making for which it is fresh.
    pub(crate) lifetime: u64,
    /// Its age when it came, seconds.
    initial_age: u64,
    came: Tick,
    /// Never used without asking (`no-cache`).
    ask_always: bool,
    /// Never used stale (`must-revalidate`, and for a shared cache `proxy-revalidate` and `s-maxage`).
    never_stale: bool,
    /// Seconds past its lifetime for which it is used while being asked about.
    while_revalidating: u64,
    /// Seconds past its lifetime for which it is used when asking fails; `None` where the origin did not say.
    if_error: Option<u64>,
}

/// What may be done with a stored response now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Use it, for this many seconds more.
    Fresh { ttl: u64 },
    /// Use it, and ask behind the client's back.
    Revalidate,
    /// Ask first. When asking fails, it may be used after these failures.
    Ask { instead: Instead },
}

/// Failures in whose place a stale response may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Instead {
    /// None.
    Nothing,
    /// No answer at all.
    NoAnswer,
    /// No answer, and answers that are errors of the server (RFC 5861, section 4).
    Errors,
}

impl Freshness {
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap, said: &Directives, times: Times) -> Self {
        let date = Moment::field(headers, &header::DATE);
        Self {
            lifetime: lifetime(status, headers, said, date.unwrap_or(times.wall)),
            initial_age: initial_age(headers, date, times),
            came: times.came,
            ask_always: said.no_cache,
            never_stale: said.must_revalidate || said.proxy_revalidate || said.s_maxage.is_some(),
            while_revalidating: said.stale_while_revalidate.unwrap_or(0),
            if_error: said.stale_if_error,
        }
    }

    /// Seconds since the origin made or last confirmed it.
    pub(crate) fn age(&self, now: Tick) -> u64 {
        self.initial_age.saturating_add(now.seconds_since(self.came)).min(MOST_SECONDS)
    }

    /// Whether it can ever be used without asking.
    pub(crate) fn is_ever_fresh(&self) -> bool {
        !self.ask_always && self.lifetime.saturating_add(self.while_revalidating) > self.initial_age
    }

    /// Whether it may stand in when asking fails.
    pub(crate) fn outlives_errors(&self) -> bool {
        !self.ask_always && !self.never_stale && self.if_error.is_some_and(|seconds| seconds > 0)
    }

    /// What may be done with it for a request with these directives. `softly` means that it was purged softly: as if its
    /// lifetime ended just now. `grace` is how long past its lifetime it may be used while the origin does not answer, where
    /// neither side says anything of errors (section 4.2.4). An answer that is an error is the origin's word: it is used
    /// unless `stale-if-error` says otherwise.
    pub(crate) fn standing(&self, asked: &Directives, now: Tick, softly: bool, grace: u64) -> Standing {
        let age = self.age(now);
        let past =
            if softly { age.saturating_sub(self.lifetime).max(1) } else { age.saturating_sub(self.lifetime) };
        let fresh = !softly && age < self.lifetime;
        let allowed = !self.ask_always && !self.never_stale;
        let within = |window: u64| allowed && window > 0 && past <= window;
        let instead = match self.if_error.or(asked.stale_if_error) {
            Some(window) if within(window) => Instead::Errors,
            None if within(grace) => Instead::NoAnswer,
            _ => Instead::Nothing,
        };
        let young = asked.max_age.is_none_or(|most| age <= most) && !asked.no_cache;
        let lasting = asked.min_fresh.is_none_or(|least| fresh && self.lifetime - age >= least);
        if self.ask_always || !young || !lasting {
            return Standing::Ask { instead: if asked.no_cache { Instead::Nothing } else { instead } };
        }
        if fresh {
            return Standing::Fresh { ttl: self.lifetime - age };
        }
        match () {
            () if within(self.while_revalidating) => Standing::Revalidate,
            () if !softly && asked.max_stale.is_some_and(within) => Standing::Fresh { ttl: 0 },
            () => Standing::Ask { instead },
        }
    }
}

/// Section 4.2.1, for a shared cache; 4.2.2 where the origin says nothing.
fn lifetime(status: StatusCode, headers: &HeaderMap, said: &Directives, date: Moment) -> u64 {
    if let Some(seconds) = said.s_maxage.or(said.max_age) {
        return seconds;
    }
    if said.targeted {
        return 0;
    }
    if headers.contains_key(header::EXPIRES) {
        // A date that is none, "0" above all, is in the past (section 5.3).
        return Moment::field(headers, &header::EXPIRES).map_or(0, |expires| expires.seconds_since(date));
    }
    match Moment::field(headers, &header::LAST_MODIFIED) {
        Some(modified) if storable::is_heuristic(status) || said.public => {
            (date.seconds_since(modified) / 10).min(MOST_HEURISTIC)
        }
        _ => 0,
    }
}

/// Longest guess, seconds: a day.
const MOST_HEURISTIC: u64 = 24 * 3600;

/// Section 4.2.3.
fn initial_age(headers: &HeaderMap, date: Option<Moment>, times: Times) -> u64 {
    let apparent = date.map_or(0, |date| times.wall.seconds_since(date));
    let delay = times.came.seconds_since(times.asked);
    // Section 5.1: of several the first, and what is no number is not there.
    let said = headers
        .get(header::AGE)
        .and_then(|value| value.to_str().ok()?.split(',').next())
        .and_then(|first| delta_seconds(first.trim()))
        .unwrap_or(0);
    apparent.max(said.saturating_add(delay))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn tick(seconds: u64) -> Tick {
        Tick(seconds * 1000)
    }

    fn date(seconds: u64) -> String {
        httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
    }

    fn of(status: u16, fields: &[(&str, String)]) -> Freshness {
        let headers: HeaderMap = fields
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let times = Times { asked: tick(NOW), came: tick(NOW), wall: Moment(NOW * 1000) };
        Freshness::of(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            &Directives::of_response(&headers),
            times,
        )
    }

    fn said(control: &str) -> Freshness {
        of(200, &[("cache-control", control.to_owned())])
    }

    fn standing(freshness: &Freshness, later: u64) -> Standing {
        freshness.standing(&Directives::default(), tick(NOW + later), false, 0)
    }

    #[test]
    fn lifetimes_in_order_of_precedence() {
        assert_eq!(said("max-age=5, s-maxage=7").lifetime, 7);
        assert_eq!(
            of(200, &[("cache-control", "max-age=5".into()), ("expires", date(NOW + 60))]).lifetime,
            5
        );
        assert_eq!(of(200, &[("expires", date(NOW + 60))]).lifetime, 60);
        // Relative to its own `Date`, not to our clock.
        assert_eq!(of(200, &[("expires", date(NOW + 60)), ("date", date(NOW - 60))]).lifetime, 120);
        assert_eq!(of(200, &[("expires", "0".into())]).lifetime, 0);
        let targeted = [("cdn-cache-control", "max-age=9".to_owned()), ("cache-control", "max-age=5".into())];
        assert_eq!(of(200, &targeted).lifetime, 9);
    }

    #[test]
    fn guesses_are_a_tenth_and_only_where_allowed() {
        let modified = [("last-modified", date(NOW - 1000)), ("date", date(NOW))];
        assert_eq!(of(200, &modified).lifetime, 100);
        assert_eq!(of(404, &modified).lifetime, 100);
        assert_eq!(of(201, &modified).lifetime, 0);
        let [modified, date] = modified;
        assert_eq!(of(599, &[modified, date, ("cache-control", "public".into())]).lifetime, 100);
        assert_eq!(of(200, &[("last-modified", self::date(0))]).lifetime, MOST_HEURISTIC);
    }

    #[test]
    fn ages_count_from_the_making() {
        let aged = |age: &str| of(200, &[("cache-control", "max-age=100".into()), ("age", age.into())]);
        assert_eq!(standing(&aged("30"), 69), Standing::Fresh { ttl: 1 });
        assert_eq!(standing(&aged("30"), 70), Standing::Ask { instead: Instead::Nothing });
        assert_eq!(aged("30").age(tick(NOW + 12)), 42);
        assert_eq!(aged("7200, 0").age(tick(NOW)), 7200);
        for none in ["-7200", "7200.0", "abc"] {
            assert_eq!(aged(none).age(tick(NOW)), 0, "{none}");
        }
        assert_eq!(aged("99999999999").age(tick(NOW)), MOST_SECONDS);
        // A slow `Date` is an age too.
        assert_eq!(of(200, &[("date", date(NOW - 50))]).age(tick(NOW)), 50);
    }

    #[test]
    fn stale_ones_are_used_within_their_windows_only() {
        let both = said("max-age=10, stale-while-revalidate=5, stale-if-error=20");
        assert_eq!(standing(&both, 12), Standing::Revalidate);
        assert_eq!(standing(&both, 16), Standing::Ask { instead: Instead::Errors });
        assert_eq!(standing(&both, 31), Standing::Ask { instead: Instead::Nothing });
        for strict in ["must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"] {
            let strict = said(&format!("max-age=10, stale-while-revalidate=5, stale-if-error=20, {strict}"));
            for grace in [0, 60] {
                let standing = strict.standing(&Directives::default(), tick(NOW + 12), false, grace);
                assert_eq!(standing, Standing::Ask { instead: Instead::Nothing });
            }
        }
        let silent = said("max-age=10").standing(&Directives::default(), tick(NOW + 12), false, 60);
        assert_eq!(silent, Standing::Ask { instead: Instead::NoAnswer }, "an error is the origin's word");
        let never = said("max-age=10, stale-if-error=0");
        let never = never.standing(&Directives::default(), tick(NOW + 12), false, 60);
        assert_eq!(never, Standing::Ask { instead: Instead::Nothing });
        assert_eq!(standing(&said("max-age=10, no-cache"), 0), Standing::Ask { instead: Instead::Nothing });
    }

    #[test]
    fn requests_may_ask_for_more() {
        let asked = |control: &str, later: u64| {
            let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, control.parse().unwrap())]);
            said("max-age=10").standing(&Directives::of_request(&headers), tick(NOW + later), false, 0)
        };
        assert_eq!(asked("max-age=3", 3), Standing::Fresh { ttl: 7 });
        assert_eq!(asked("max-age=3", 4), Standing::Ask { instead: Instead::Nothing });
        assert_eq!(asked("min-fresh=5", 6), Standing::Ask { instead: Instead::Nothing });
        assert_eq!(asked("max-stale=5", 15), Standing::Fresh { ttl: 0 });
        assert_eq!(asked("max-stale=5", 16), Standing::Ask { instead: Instead::Nothing });
        assert_eq!(asked("max-stale", 1000), Standing::Fresh { ttl: 0 });
        assert_eq!(asked("no-cache", 0), Standing::Ask { instead: Instead::Nothing });
        assert_eq!(asked("stale-if-error=5", 12), Standing::Ask { instead: Instead::Errors });
    }

    #[test]
    fn a_soft_purge_ends_the_lifetime_now() {
        let soft = |control| said(control).standing(&Directives::default(), tick(NOW + 1), true, 60);
        assert_eq!(soft("max-age=100, stale-while-revalidate=5"), Standing::Revalidate);
        assert_eq!(soft("max-age=100"), Standing::Ask { instead: Instead::NoAnswer });
        assert_eq!(soft("max-age=100, must-revalidate"), Standing::Ask { instead: Instead::Nothing });
    }
}
