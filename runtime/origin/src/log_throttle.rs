//! Limits log lines that unknown clients can cause: a few in each time window, then the number of skipped lines.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::lock::lock;

/// Maximum number of lines in a window.
const MAX_LINES: u32 = 20;
const WINDOW_TIME: Duration = Duration::from_secs(10);

/// Counts the lines of the current window.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle(Mutex<Option<Window>>);

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
    skipped: u64,
}

impl LogThrottle {
    /// Returns `None` if no further line may be written now; otherwise how many lines were skipped before this one.
    pub(crate) fn admit(&self, now: Instant) -> Option<u64> {
        let mut window = lock(&self.0);
        let skipped = match &mut *window {
            Some(window) if now.duration_since(window.began) < WINDOW_TIME => {
                if window.lines >= MAX_LINES {
                    window.skipped += 1;
                    return None;
                }
                window.lines += 1;
                return Some(0);
            }
            over => over.as_ref().map_or(0, |window| window.skipped),
        };
        *window = Some(Window { began: now, lines: 1, skipped: 0 });
        Some(skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_writes_a_few_lines_and_counts_the_others() {
        let (throttle, start) = (LogThrottle::default(), Instant::now());
        let written = (0..1000).filter(|_| throttle.admit(start).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(throttle.admit(start + WINDOW_TIME), Some(980));
    }
}
