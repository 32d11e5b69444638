//! Quorums: what several providers say of the same thing, and whether it can be believed. Pure.
//!
//! An answer is believed when at least `need` of them give exactly that answer. `need` is more than half, so that no two
//! answers can be believed at once. What this is worth: as long as fewer than `need` providers lie in the same way, and
//! at least `need` are honest and reachable, the answer is the chain's; with fewer honest ones there is no answer. When
//! `need` of them lie in the same way, the lie is believed: no count can tell it from the truth.

use std::fmt;

/// How many providers must agree, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    need: usize,
    of: usize,
}

impl Quorum {
    /// A quorum of `need` among `of` providers; without a number, the smallest majority.
    ///
    /// # Errors
    /// A sentence, when it is no majority or can never be reached.
    pub fn new(need: Option<usize>, of: usize) -> Result<Self, String> {
        let majority = of / 2 + 1;
        let need = need.unwrap_or(majority);
        if of == 0 {
            return Err("name at least one provider".into());
        }
        if need < majority || need > of {
            return Err(format!(
                "a quorum of {need} among {of} makes no sense: {majority} to {of}, so that two answers cannot both win"
            ));
        }
        Ok(Self { need, of })
    }

    /// How many must agree.
    #[must_use]
    pub fn need(self) -> usize {
        self.need
    }

    /// The answer that is believed, if there is one, and who says otherwise.
    #[must_use]
    pub fn decide<T: PartialEq>(self, answers: &[Option<T>]) -> Decision<'_, T> {
        let votes = |answer: &T| answers.iter().flatten().filter(|other| *other == answer).count();
        let believed = answers.iter().flatten().find(|answer| votes(answer) >= self.need);
        let otherwise = |said: &&T| believed.is_some_and(|believed| *said != believed);
        let dissenters =
            (0..answers.len()).filter(|at| answers[*at].as_ref().is_some_and(|said| otherwise(&said)));
        Decision { believed, dissenters: dissenters.collect() }
    }

    /// The highest number that at least `need` of them have reached.
    #[must_use]
    pub fn reached(self, heights: &[Option<u64>]) -> Option<u64> {
        let mut known: Vec<u64> = heights.iter().flatten().copied().collect();
        known.sort_unstable_by(|a, b| b.cmp(a));
        known.get(self.need - 1).copied()
    }
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.need, self.of)
    }
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a, T> {
    /// The answer that is believed.
    pub believed: Option<&'a T>,
    /// Which providers gave another one.
    pub dissenters: Vec<usize>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quorum_is_a_majority() {
        assert_eq!(Quorum::new(None, 3).unwrap().need(), 2);
        assert_eq!(Quorum::new(None, 1).unwrap().need(), 1);
        for (need, of) in [(1, 3), (4, 3), (0, 1), (1, 2), (1, 0)] {
            assert!(Quorum::new(Some(need), of).is_err(), "{need} of {of}");
        }
    }

    #[test]
    fn one_that_lies_is_outvoted_and_named() {
        let quorum = Quorum::new(Some(2), 3).unwrap();
        let decision = quorum.decide(&[Some(7), Some(8), Some(7)]).clone();
        assert_eq!((decision.believed, decision.dissenters), (Some(&7), vec![1]));
        assert_eq!(quorum.decide(&[Some(7), Some(8), None]).believed, None);
        assert_eq!(quorum.reached(&[Some(9), Some(100), None]), Some(9));
        assert_eq!(quorum.reached(&[Some(9), None, None]), None);
    }

    proptest! {
        #[test]
        fn fewer_liars_than_the_quorum_never_win(
            of in 1usize..8, extra in 0usize..4, lies in prop::collection::vec(prop::option::of(1u8..4), 0..8),
        ) {
            let need = (of / 2 + 1 + extra).min(of);
            let quorum = Quorum::new(Some(need), of).unwrap();
            let mut answers: Vec<Option<u8>> = lies.into_iter().take(need - 1).collect();
            answers.resize(of, Some(0));
            prop_assert!(quorum.decide(&answers).believed.is_none_or(|believed| *believed == 0));
        }
    }
}
