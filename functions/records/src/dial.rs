//! Dials: where a gauge stands, as the values of its feed come in.
//!
//! Used by relays only. What a dial shows follows from the values and their times alone: when somebody looks, and how
//! often, changes nothing. So a relay that was away, one that polls twice as often, and a replay a year later agree.

use alloc::vec::Vec;

use crate::gauge::{Band, Quantiser};

/// Where a gauge stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dial {
    band: Band,
    /// When it entered the band, Unix seconds.
    since: u64,
    /// The newest value.
    value: f64,
}

/// A band left for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The band left.
    pub from: Band,
    /// The band entered.
    pub to: Band,
    /// When, Unix seconds: the time of the value that moved it, or the end of the dwell that held it back.
    pub at: u64,
}

impl Dial {
    /// A dial with its first value. `None` for a value that is no finite number.
    #[must_use]
    pub fn new(quantiser: &Quantiser, value: f64, at: u64) -> Option<Self> {
        Some(Self { band: quantiser.step(value, None)?, since: at, value })
    }

    /// Its band.
    #[must_use]
    pub fn band(&self) -> Band {
        self.band
    }

    /// Takes a value in, as of a time; gives what moved, in order. A value that is no finite number is not taken in.
    ///
    /// Before the value counts, what a dwell held back until then has moved.
    pub fn turn(&mut self, quantiser: &Quantiser, value: f64, at: u64) -> Vec<Move> {
        if !value.is_finite() {
            return Vec::new();
        }
        let before = self.settle(quantiser, at);
        self.value = value;
        before.into_iter().chain(self.follow(quantiser, at)).collect()
    }

    /// Lets time pass: what a dwell held back moves once it is over.
    pub fn settle(&mut self, quantiser: &Quantiser, until: u64) -> Option<Move> {
        let free = self.free(quantiser);
        (quantiser.dwell > 0 && free <= until).then(|| self.follow(quantiser, free)).flatten()
    }

    /// When a dwell lets go of it, if one holds it back now.
    #[must_use]
    pub fn due(&self, quantiser: &Quantiser) -> Option<u64> {
        let held = quantiser.dwell > 0 && quantiser.step(self.value, Some(self.band)) != Some(self.band);
        held.then(|| self.free(quantiser))
    }

    /// From when on it may move.
    fn free(&self, quantiser: &Quantiser) -> u64 {
        self.since.saturating_add(quantiser.dwell.into())
    }

    fn follow(&mut self, quantiser: &Quantiser, at: u64) -> Option<Move> {
        let from = self.band;
        let to = quantiser.step(self.value, Some(from)).filter(|to| *to != from)?;
        if at < self.free(quantiser) {
            return None;
        }
        (self.band, self.since) = (to, at);
        Some(Move { from, to, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gauge::Scale;
    use proptest::prelude::*;

    fn quantiser(hysteresis: f64, dwell: u32) -> Quantiser {
        Quantiser { scale: Scale::Linear { from: 0.0, step: 10.0 }, low: -20, high: 20, hysteresis, dwell }
    }

    #[test]
    fn a_dwell_keeps_a_band_and_then_lets_go_by_itself() {
        let quantiser = quantiser(0.0, 60);
        let mut dial = Dial::new(&quantiser, 5.0, 0).unwrap();
        assert_eq!(dial.turn(&quantiser, 15.0, 100), [Move { from: 0, to: 1, at: 100 }]);
        assert_eq!(dial.turn(&quantiser, 25.0, 110), []);
        assert_eq!(dial.settle(&quantiser, 159), None);
        assert_eq!(dial.settle(&quantiser, 500), Some(Move { from: 1, to: 2, at: 160 }));
        assert_eq!(dial.settle(&quantiser, 501), None);
        assert_eq!(dial.turn(&quantiser, 35.0, 170), []);
        assert_eq!(dial.turn(&quantiser, 25.0, 180), [], "it came back before the dwell was over");
        assert_eq!(dial.turn(&quantiser, 5.0, 700), [Move { from: 2, to: 0, at: 700 }]);
        assert_eq!(dial.turn(&quantiser, f64::NAN, 900), []);
    }

    fn values() -> impl Strategy<Value = Vec<(u64, f64)>> {
        prop::collection::vec((0u64..100, -300.0f64..300.0), 1..40).prop_map(|steps| {
            let mut at = 0;
            steps
                .into_iter()
                .map(|(wait, value)| {
                    at += wait;
                    (at, value)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn whoever_looks_in_between_changes_nothing(
            values in values(), hysteresis in 0.0f64..=1.0, dwell in 0u32..200, looks in prop::collection::vec(0u64..5000, 0..20),
        ) {
            let quantiser = quantiser(hysteresis, dwell);
            let end = values.last().unwrap().0 + 1000;
            let run = |looks: &[u64]| {
                let mut dial = Dial::new(&quantiser, values[0].1, values[0].0).unwrap();
                let mut moves = Vec::new();
                for (place, (at, value)) in values.iter().enumerate().skip(1) {
                    // Looks between the value before this one and this one.
                    let mut between: Vec<u64> =
                        looks.iter().copied().filter(|look| (values[place - 1].0..=*at).contains(look)).collect();
                    between.sort_unstable();
                    moves.extend(between.into_iter().filter_map(|look| dial.settle(&quantiser, look)));
                    moves.extend(dial.turn(&quantiser, *value, *at));
                }
                moves.extend(dial.settle(&quantiser, end));
                (moves, dial)
            };
            prop_assert_eq!(run(&[]), run(&looks));
        }

        #[test]
        fn moves_lie_a_dwell_apart_and_join_up(values in values(), hysteresis in 0.0f64..=1.0, dwell in 0u32..200) {
            let quantiser = quantiser(hysteresis, dwell);
            let mut dial = Dial::new(&quantiser, values[0].1, values[0].0).unwrap();
            let (mut band, mut last) = (dial.band(), values[0].0);
            for (at, value) in values {
                for step in dial.turn(&quantiser, value, at) {
                    prop_assert_eq!(step.from, band);
                    prop_assert!(step.at >= last + u64::from(dwell) && step.at <= at);
                    (band, last) = (step.to, step.at);
                }
                if dwell == 0 {
                    prop_assert_eq!(quantiser.step(value, Some(band)), Some(band), "nothing is held back");
                }
            }
        }

        #[test]
        fn a_value_inside_the_band_moves_nothing(start in -190.0f64..190.0, hysteresis in 0.0f64..=1.0, inside in 0.0f64..1.0) {
            let quantiser = quantiser(hysteresis, 0);
            let mut dial = Dial::new(&quantiser, start, 0).unwrap();
            let (lower, upper) = quantiser.edges(dial.band());
            let value = lower + (upper - lower) * inside;
            prop_assume!(value < upper);
            prop_assert_eq!(dial.turn(&quantiser, value, 1), []);
        }
    }
}
