//! The date of an answer (RFC 9110, section 6.6.1).
//!
//! hyper would write one. But its own stands still after the clock was set back, until it is again as late as it was.

use std::{
    cell::RefCell,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderValue, Response, header, header::Entry};

/// An answer with its date, unless it has one.
pub(crate) fn dated<B>(answer: Response<B>) -> Response<B> {
    dated_at(answer, SystemTime::now())
}

fn dated_at<B>(mut answer: Response<B>, now: SystemTime) -> Response<B> {
    if let Entry::Vacant(date) = answer.headers_mut().entry(header::DATE)
        && let Some(value) = date_of(now)
    {
        date.insert(value);
    }
    answer
}

/// The same value for a whole second, written once; `None` before 1970.
fn date_of(now: SystemTime) -> Option<HeaderValue> {
    thread_local! {
        static WRITTEN: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
    }
    let second = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
    WRITTEN.with_borrow_mut(|written| {
        if let Some((when, value)) = written
            && *when == second
        {
            return Some(value.clone());
        }
        let value = HeaderValue::try_from(httpdate::fmt_http_date(now)).ok()?;
        *written = Some((second, value.clone()));
        Some(value)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_date_follows_the_clock_in_both_directions() {
        for second in [784_111_777, 784_111_777 + 3600, 784_111_777, 784_111_778] {
            let now = UNIX_EPOCH + Duration::from_secs(second);
            let answer = dated_at(Response::new(()), now);
            assert_eq!(answer.headers()[header::DATE], httpdate::fmt_http_date(now));
        }
        let own = Response::builder().header("date", "x").body(()).unwrap();
        assert_eq!(dated(own).headers()[header::DATE], "x");
    }
}
