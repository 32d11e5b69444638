//! The numbers that are to be read, and those that could not be read and are to be tried again.
//!
//! A look takes numbers in turn, so that no number waits behind others that are asked for again and again. A number whose
//! call fails waits twice as long after each failure; of one look, at most half are such numbers while there are others.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How long a number waits after its first failure.
const WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(600);

/// The numbers that are to be read.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Numbers that have not failed since they were asked for.
    new: BTreeSet<u64>,
    /// The last number that was taken of those: the next look goes on after it.
    turn: u64,
    /// Numbers that failed.
    failed: BTreeMap<u64, Failed>,
    /// The same by when they are due.
    schedule: BTreeSet<(Instant, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    times: u32,
    due: Instant,
}

impl Queue {
    /// Asks for a number. One that failed keeps its wait.
    pub(super) fn add(&mut self, number: u64) {
        if !self.failed.contains_key(&number) {
            self.new.insert(number);
        }
    }

    /// Up to `most` numbers for a look. Each is in the queue until it is settled.
    pub(super) fn take(&mut self, now: Instant, most: usize) -> Vec<u64> {
        let share = (most / 2).max(most.saturating_sub(self.new.len()));
        let due: Vec<u64> =
            self.schedule.range(..=(now, u64::MAX)).map(|(_, number)| *number).take(share).collect();
        let room = most - due.len();
        let after = self.turn.checked_add(1).map(|from| self.new.range(from..));
        let before = self.new.range(..=self.turn);
        let new: Vec<u64> = after.into_iter().flatten().chain(before).copied().take(room).collect();
        if let Some(last) = new.last() {
            self.turn = *last;
        }
        new.into_iter().chain(due).collect()
    }

    /// A number was read, or needs no reading.
    pub(super) fn settle(&mut self, number: u64) {
        self.new.remove(&number);
        if let Some(failed) = self.failed.remove(&number) {
            self.schedule.remove(&(failed.due, number));
        }
    }

    /// A number could not be read. Gives whether this is its first failure.
    pub(super) fn fail(&mut self, number: u64, now: Instant) -> bool {
        self.new.remove(&number);
        let failed = self.failed.entry(number).or_insert(Failed { times: 0, due: now });
        self.schedule.remove(&(failed.due, number));
        let wait = WAIT.saturating_mul(1 << failed.times.min(16)).min(LONGEST);
        failed.times = failed.times.saturating_add(1);
        failed.due = now + wait;
        self.schedule.insert((failed.due, number));
        failed.times == 1
    }

    /// Whether there are numbers that have not failed.
    pub(super) fn has_new(&self) -> bool {
        !self.new.is_empty()
    }

    /// How many numbers are to be read, failed ones included, and how many of them failed.
    pub(super) fn lengths(&self) -> (u64, u64) {
        ((self.new.len() + self.failed.len()) as u64, self.failed.len() as u64)
    }

    /// When the next failed number is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.schedule.first().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOOK: usize = 32;

    #[test]
    fn numbers_that_fail_do_not_keep_the_others_waiting() {
        let mut queue = Queue::default();
        (0..100).for_each(|number| queue.add(number));
        let mut now = Instant::now();
        let mut read = BTreeSet::new();
        for _ in 0..10 {
            for number in queue.take(now, LOOK) {
                // The first 32 always fail.
                if number < 32 {
                    queue.fail(number, now);
                } else {
                    queue.settle(number);
                    read.insert(number);
                }
            }
            now += Duration::from_millis(100);
        }
        assert_eq!(read, (32..100).collect());
        assert_eq!(queue.lengths(), (32, 32));
    }

    #[test]
    fn numbers_that_are_asked_for_again_and_again_do_not_keep_the_others_waiting() {
        let mut queue = Queue::default();
        (0..200).for_each(|number| queue.add(number));
        let mut read = BTreeSet::new();
        for _ in 0..8 {
            (0..32).for_each(|number| queue.add(number));
            for number in queue.take(Instant::now(), LOOK) {
                queue.settle(number);
                read.insert(number);
            }
        }
        assert_eq!(read.len(), 200);
    }

    #[test]
    fn a_wait_doubles_up_to_ten_minutes_and_ends_with_a_success() {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        queue.add(7);
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
            assert_eq!(queue.take(now, LOOK), [7]);
            assert_eq!(queue.fail(7, now), seconds == 1);
            assert_eq!(queue.due(), Some(now + Duration::from_secs(seconds)));
            queue.add(7);
            assert!(queue.take(now, LOOK).is_empty());
            now += Duration::from_secs(seconds);
        }
        queue.settle(7);
        queue.add(7);
        assert!(queue.fail(7, now));
    }

    proptest! {
        #[test]
        fn a_look_takes_each_number_once_and_no_more_than_may_be(
            new in prop::collection::btree_set(0u64..100, 0..80),
            failed in prop::collection::btree_set(100u64..200, 0..80),
            most in 1usize..40,
        ) {
            let (mut queue, now) = (Queue::default(), Instant::now());
            for number in &failed {
                queue.fail(*number, now);
            }
            new.iter().for_each(|number| queue.add(*number));
            let taken = queue.take(now + LONGEST, most);
            let different: BTreeSet<u64> = taken.iter().copied().collect();
            prop_assert_eq!(different.len(), taken.len());
            prop_assert_eq!(taken.len(), most.min(new.len() + failed.len()));
            if !new.is_empty() && most > 1 {
                prop_assert!(taken.iter().any(|number| *number < 100), "the others have a share");
            }
            if !failed.is_empty() && most > 1 {
                prop_assert!(taken.iter().any(|number| *number >= 100), "so have the failed ones");
            }
        }
    }
}
