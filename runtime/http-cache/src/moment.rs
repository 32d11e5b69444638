//! Dates, to the millisecond, as HTTP fields say them. How time passes is `clock.rs`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The last millisecond that a date field can say: of the year 9999.
const LAST: u64 = 253_402_300_799_999;

/// Milliseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    pub(crate) fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Whole seconds from `earlier` to here; 0 when that is later.
    pub(crate) fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }

    /// As a date field's value.
    pub(crate) fn to_field(self) -> HeaderValue {
        let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(self.0.min(LAST)));
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
    }

    /// What a date field says (RFC 9110, section 5.6.7), where it stands once and is a date.
    pub(crate) fn field(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut lines = headers.get_all(name).iter();
        let (only, None) = (lines.next()?, lines.next()) else { return None };
        httpdate::parse_http_date(only.to_str().ok()?.trim()).ok().map(Self::of)
    }
}
