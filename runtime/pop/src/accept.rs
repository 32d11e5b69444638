//! Connections that could not be accepted: how long to wait before the next attempt, and when to say so.

use std::{io, sync::Arc, time::Duration};

use crate::metrics::Metrics;

/// Wait after the first failure. It doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What one listener knows of its failures.
pub(crate) struct Accepting {
    /// Failures since the last connection.
    failures: u32,
    metrics: Arc<Metrics>,
}

impl Accepting {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { failures: 0, metrics }
    }

    /// A connection was accepted.
    pub(crate) fn accepted(&mut self) {
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "connections are accepted again");
            self.failures = 0;
        }
    }

    /// An attempt failed: how long to wait before the next one. The log gets the first of a row.
    pub(crate) fn failed(&mut self, why: &io::Error) -> Duration {
        if is_the_client_s(why) {
            tracing::debug!(%why, "a connection ended before it was accepted");
            return Duration::ZERO;
        }
        self.metrics.accept_failures.inc();
        if self.failures == 0 {
            tracing::error!(%why, "connections cannot be accepted; trying again until they can");
        }
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(self.failures.min(8)));
        self.failures = self.failures.saturating_add(1);
        wait.min(LONGEST_WAIT)
    }
}

/// Whether the failure is about one connection only, which went away before it was accepted. All others are this
/// process's or the system's: no descriptor (`EMFILE`, `ENFILE`) or no memory is left.
fn is_the_client_s(why: &io::Error) -> bool {
    use io::ErrorKind;
    matches!(
        why.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_goes_away_delays_nobody_and_a_lack_of_descriptors_is_waited_out() {
        let mut accepting = Accepting::new(Metrics::new());
        for _ in 0..100 {
            assert_eq!(accepting.failed(&io::ErrorKind::ConnectionAborted.into()), Duration::ZERO);
        }
        // EMFILE of Linux.
        let exhausted = io::Error::from_raw_os_error(24);
        let waits: Vec<_> = (0..8).map(|_| accepting.failed(&exhausted).as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1000, 1000, 1000]);
        accepting.accepted();
        assert_eq!(accepting.failed(&exhausted), FIRST_WAIT);
        assert_eq!(accepting.metrics.accept_failures.get(), 9);
    }
}
