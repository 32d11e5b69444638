//! How an origin does, judged by what became of the requests sent to it.
//!
//! Three failures in a row eject a member: for a second, then two, four, up to a minute. After that it is half open: one
//! request at a time is let through, and its outcome decides. A member without room rests for as long as it says, at least half
//! a second; one that says it is leaving, for five. Neither counts as a failure.

use alloc::vec::Vec;

use crate::{limits, order, pool::Outcome};

/// Failures in a row that eject a member.
const FAILURES: u32 = 3;
/// How long the first ejection lasts, microseconds; each one after it twice as long.
const EJECTED: u64 = 1_000_000;
/// How often an ejection doubles: 64 seconds.
const DOUBLINGS: u32 = 6;
/// How long a member without room is left alone at least.
const BUSY: u64 = 500_000;
/// For how long a load that an answer stated is worth anything.
const LOAD_AGE: u64 = 2_000_000;
/// How long a member that leaves is left alone, unless it says so again.
const LEAVING: u64 = 5_000_000;
/// The time in which what was seen loses most of its weight, microseconds.
const DECAY: f64 = 10_000_000.0;

/// What is known of one member.
#[derive(Debug, Clone, Default)]
pub struct Health {
    in_flight: u32,
    /// Failures since the last answer.
    failures: u32,
    /// Ejections since the last answer.
    ejections: u32,
    /// Until when nothing is sent to it.
    out_until: u64,
    /// Peak-EWMA of its latency, microseconds, and when it was that.
    peak: f64,
    peak_at: u64,
    /// The load that its last answer stated, and when that was.
    load: u8,
    load_at: u64,
}

impl Health {
    /// Whether a request may be sent to it.
    #[must_use]
    pub fn admits(&self, now: u64) -> bool {
        let half_open = self.ejections > 0;
        // Further off than any rest lasts is of a clock that was set back since.
        let rests = (1..=EJECTED << DOUBLINGS).contains(&self.out_until.saturating_sub(now));
        !(rests || half_open && self.in_flight > 0)
    }

    /// Requests under way.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// A request is sent.
    pub fn start(&mut self) {
        self.in_flight += 1;
    }

    /// A request is over.
    pub fn done(&mut self, now: u64, took: u64, outcome: Outcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            // A refusal is quick, and shows nothing of how long a picture takes.
            Outcome::Dropped | Outcome::Refused => return,
            Outcome::Busy(rest_ms) => {
                self.failures = 0;
                let rest = rest_ms.min(limits::REST_MS) * 1000;
                self.out_until = self.out_until.max(now + rest.max(BUSY));
            }
            Outcome::Answered(load) => {
                (self.failures, self.ejections) = (0, 0);
                (self.load, self.load_at) = (load, now);
                if load == order::DRAINING {
                    self.out_until = self.out_until.max(now + LEAVING);
                }
            }
            Outcome::Failed => self.fail(now),
        }
        self.note_latency(now, took as f64);
    }

    /// A failure is laid to its charge.
    pub fn fail(&mut self, now: u64) {
        self.failures += 1;
        if self.failures >= FAILURES || self.ejections > 0 {
            self.out_until = now + (EJECTED << self.ejections.min(DOUBLINGS));
            self.ejections += 1;
            self.failures = 0;
        }
    }

    /// How full it said it is, per cent; 0 where that is long ago.
    #[must_use]
    pub fn load(&self, now: u64) -> u8 {
        if now.saturating_sub(self.load_at) < LOAD_AGE { self.load } else { 0 }
    }

    /// Peaks count at once and in full; what is lower takes over as they grow old.
    fn note_latency(&mut self, now: u64, took: f64) {
        let known = self.latency(now);
        let age = now.saturating_sub(self.peak_at) as f64;
        let kept = libm::exp(-age / DECAY);
        self.peak = if took > known { took } else { known * kept + took * (1.0 - kept) };
        self.peak_at = now;
    }

    /// Peak-EWMA of its latency, microseconds. What was seen fades, so that a member that was slow once is tried again.
    #[must_use]
    pub fn latency(&self, now: u64) -> f64 {
        let age = now.saturating_sub(self.peak_at) as f64;
        self.peak * libm::exp(-age / DECAY)
    }
}

/// How many latencies are remembered.
const REMEMBERED: usize = 128;
/// How many must be known before they say anything.
const ENOUGH: usize = 16;
/// When a hedge is sent until then, microseconds.
const UNKNOWN: u64 = 1_000_000;
/// The earliest and latest that a hedge is sent, microseconds.
const HEDGE: core::ops::RangeInclusive<u64> = 20_000..=5_000_000;

/// The latest latencies of all members, each over the place in the line that its request had.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    ring: Vec<u64>,
    next: usize,
}

impl Latencies {
    /// An answer to a request in this place, from 1, took this many microseconds.
    pub fn note(&mut self, took: u64, place: u32) {
        let took = took / u64::from(place.max(1));
        if self.ring.len() < REMEMBERED {
            self.ring.push(took);
        } else {
            self.ring[self.next % REMEMBERED] = took;
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// Their 95th percentile for a request in this place, within the bounds of a hedge.
    #[must_use]
    pub fn p95(&self, place: u32) -> u64 {
        let one = if self.ring.len() < ENOUGH {
            UNKNOWN
        } else {
            let mut sorted = self.ring.clone();
            *sorted.select_nth_unstable(self.ring.len() * 95 / 100).1
        };
        one.saturating_mul(place.into()).clamp(*HEDGE.start(), *HEDGE.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn failures_eject_for_longer_each_time_and_an_answer_forgives() {
        let mut health = Health::default();
        let mut fail = |now| {
            health.start();
            health.done(now, SECOND, Outcome::Failed);
            health.out_until.saturating_sub(now) / SECOND
        };
        let lengths: Vec<u64> = [0, 1, 2, 10, 20, 30, 50, 100, 200, 300].map(|s| fail(s * SECOND)).into();
        assert_eq!(lengths, [0, 0, 1, 2, 4, 8, 16, 32, 64, 64]);
        assert!(!health.admits(363 * SECOND) && health.admits(364 * SECOND));
        health.start();
        assert!(!health.admits(364 * SECOND), "half open: one at a time");
        health.done(365 * SECOND, SECOND, Outcome::Answered(0));
        health.start();
        assert!(health.admits(365 * SECOND));
    }

    #[test]
    fn one_that_is_full_or_leaves_rests() {
        let mut health = Health::default();
        health.done(0, 10, Outcome::Busy(0));
        assert!(!health.admits(BUSY - 1) && health.admits(BUSY));
        let mut resting = Health::default();
        resting.done(0, 10, Outcome::Busy(3_000));
        assert!(!resting.admits(3 * SECOND - 1) && resting.admits(3 * SECOND), "as long as it asks for");
        resting.done(0, 10, Outcome::Busy(u64::MAX));
        assert!(resting.admits(limits::REST_MS * 1000), "within bounds");
        health.done(SECOND, 10, Outcome::Answered(order::DRAINING));
        assert!(!health.admits(SECOND + LEAVING - 1) && health.admits(SECOND + LEAVING));
    }

    #[test]
    fn a_hedge_waits_for_the_95th_percentile() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.p95(1), latencies.p95(3)), (UNKNOWN, 3 * UNKNOWN));
        for n in 1..=1000 {
            latencies.note(n * 1000, 1);
        }
        assert_eq!(latencies.p95(1), (873 + 121) * 1000, "of the last 128");
        let mut quick = Latencies::default();
        (0..20).for_each(|_| quick.note(5, 1));
        assert_eq!(quick.p95(1), *HEDGE.start());
    }

    proptest! {
        #[test]
        fn a_peak_counts_at_once_and_never_less_than_the_latest(steps in prop::collection::vec((0u64..20 * SECOND, 0u64..5 * SECOND), 1..60)) {
            let mut health = Health::default();
            let mut now = 0;
            for (pause, took) in steps {
                now += pause;
                let (before, took_f) = (health.latency(now), took as f64);
                health.start();
                health.done(now, took, Outcome::Answered(0));
                let after = health.latency(now);
                prop_assert!(after >= took_f && (after == took_f || after <= before), "{before} {took} {after}");
                prop_assert_eq!(health.in_flight, 0);
            }
        }
    }
}
