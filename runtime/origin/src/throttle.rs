//! Lines of a log that strangers can cause: a few in a while, and then how many were left out.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::lock::lock;

/// Lines in each span of time.
const LINES: u32 = 20;
const SPAN: Duration = Duration::from_secs(10);

/// Counts lines.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Option<Span>>);

#[derive(Debug)]
struct Span {
    began: Instant,
    lines: u32,
    left_out: u64,
}

impl Throttle {
    /// Whether one more line may be written now, and how many were left out before it.
    pub(crate) fn admit(&self, now: Instant) -> Option<u64> {
        let mut span = lock(&self.0);
        let left_out = match &mut *span {
            Some(span) if now.duration_since(span.began) < SPAN => {
                if span.lines >= LINES {
                    span.left_out += 1;
                    return None;
                }
                span.lines += 1;
                return Some(0);
            }
            over => over.as_ref().map_or(0, |span| span.left_out),
        };
        *span = Some(Span { began: now, lines: 1, left_out: 0 });
        Some(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_writes_a_few_lines_and_counts_the_others() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let written = (0..1000).filter(|_| throttle.admit(start).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(throttle.admit(start + SPAN), Some(980));
    }
}
