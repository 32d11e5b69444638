//! What visitors will ask for next: which states follow which, and which pictures are worth making before they are asked for.
//!
//! A panel (the gauges of a style, [`crate::snapshot::panel`]) is a Markov chain of the first order: where it goes follows
//! from where it is. [`Moves`] counts where it went, so that what is estimated is the share of each next state among all that
//! followed on this one. Nothing is said of states that never were: an edge would refuse them.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{gauge::State, limits};

/// From one state to others, with how often.
type From = BTreeMap<State, BTreeMap<State, u32>>;

/// How often panels went from one state to another. Bounded: past [`limits::MOVES`] kinds of moves all counts are halved,
/// so that what happened once, long ago, is forgotten first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moves {
    panels: BTreeMap<String, From>,
    kinds: usize,
}

/// As it is written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    panel: String,
    from: ByteBuf,
    to: ByteBuf,
    count: u32,
}

impl Moves {
    /// A panel went from one state to another.
    pub fn saw(&mut self, panel: &str, from: &State, to: &State) {
        self.add(panel, from, to, 1);
        while self.kinds > limits::MOVES {
            self.fade();
        }
    }

    /// The states that followed on this one, each with its share; the likeliest first.
    #[must_use]
    pub fn likely(&self, panel: &str, from: &State) -> Vec<(State, f64)> {
        let Some(next) = self.panels.get(panel).and_then(|states| states.get(from)) else {
            return Vec::new();
        };
        let all: f64 = next.values().copied().map(f64::from).sum();
        let mut shares: Vec<(State, f64)> =
            next.iter().map(|(to, count)| (to.clone(), f64::from(*count) / all)).collect();
        shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        shares
    }

    /// DAG-CBOR, to be kept.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut written = Vec::with_capacity(self.kinds);
        for (panel, states) in &self.panels {
            for (from, next) in states {
                written.extend(next.iter().map(|(to, count)| Written {
                    panel: panel.clone(),
                    from: ByteBuf::from(from.to_bytes()),
                    to: ByteBuf::from(to.to_bytes()),
                    count: *count,
                }));
            }
        }
        serde_ipld_dagcbor::to_vec(&written).unwrap_or_default()
    }

    /// Reads [`Self::encode`].
    ///
    /// # Errors
    /// A sentence, when the bytes are no such thing.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let written: Vec<Written> =
            serde_ipld_dagcbor::from_slice(bytes).map_err(|why| alloc::format!("{why}"))?;
        let mut moves = Self::default();
        for Written { panel, from, to, count } in written.into_iter().take(limits::MOVES) {
            let state = |bytes: &[u8]| State::from_bytes(bytes).ok_or("a state is cut short");
            moves.add(&panel, &state(&from)?, &state(&to)?, count);
        }
        Ok(moves)
    }

    fn add(&mut self, panel: &str, from: &State, to: &State, times: u32) {
        let next = self.panels.entry(panel.into()).or_default().entry(from.clone()).or_default();
        let count = next.entry(to.clone()).or_insert(0);
        self.kinds += usize::from(*count == 0);
        *count = count.saturating_add(times);
    }

    /// Halves all counts, and forgets what is left with none.
    fn fade(&mut self) {
        self.panels.retain(|_, states| {
            states.retain(|_, next| {
                next.retain(|_, count| {
                    *count /= 2;
                    *count > 0
                });
                !next.is_empty()
            });
            !states.is_empty()
        });
        self.kinds = self.panels.values().flat_map(BTreeMap::values).map(BTreeMap::len).sum();
    }
}

/// A picture that visitors looked at.
#[derive(Debug, Clone, Copy)]
pub struct Popular<'a> {
    /// How many looked.
    pub visits: u32,
    /// The estimated cost, in units of `iridule_style::plan`.
    pub cost: u64,
    /// The states that may follow on the one that is now, with their shares; of [`Moves::likely`].
    pub next: &'a [(State, f64)],
}

/// A picture worth making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Which of the popular ones, counted from 0.
    pub picture: usize,
    /// In which state; none is the one that is now.
    pub state: Option<State>,
}

/// The most worthwhile pictures first: visitors, times the probability that this state is what they will see, over cost. The
/// state that is now has probability 1.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a rank does not hang on the last digit of a cost")]
pub fn rank(pictures: &[Popular<'_>], most: usize) -> Vec<Wish> {
    let mut wishes: Vec<(f64, Wish)> = Vec::new();
    for (picture, popular) in pictures.iter().enumerate() {
        let worth = f64::from(popular.visits) / popular.cost.max(1) as f64;
        wishes.push((worth, Wish { picture, state: None }));
        let likely = popular.next.iter();
        wishes.extend(likely.map(|(state, p)| (worth * p, Wish { picture, state: Some(state.clone()) })));
    }
    wishes.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    wishes.into_iter().take(most).map(|(_, wish)| wish).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gauge::Band;
    use alloc::vec;

    fn state(band: Band) -> State {
        State(vec![band])
    }

    #[test]
    fn shares_are_of_what_followed_on_the_same_state() {
        let mut moves = Moves::default();
        for (from, to) in [(1, 2), (2, 1), (1, 2), (2, 3), (3, 2), (1, 0), (2, 1)] {
            moves.saw("eth", &state(from), &state(to));
        }
        let third = 1.0 / 3.0;
        assert_eq!(moves.likely("eth", &state(1)), [(state(2), 2.0 * third), (state(0), third)]);
        assert_eq!(moves.likely("eth", &state(3)), [(state(2), 1.0)]);
        assert_eq!(moves.likely("eth", &state(0)), [], "nothing is known of it");
        assert_eq!(moves.likely("btc", &state(1)), [], "nor of another panel");
        assert_eq!(Moves::decode(&moves.encode()), Ok(moves));
        assert!(Moves::decode(b"x").is_err());
    }

    #[test]
    fn what_happened_once_and_long_ago_is_forgotten_first() {
        let mut moves = Moves::default();
        let often = (state(-1), state(-2));
        for _ in 0..100 {
            moves.saw("eth", &often.0, &often.1);
        }
        let most = Band::try_from(limits::MOVES).unwrap();
        for band in 0..=most {
            moves.saw("eth", &state(band), &state(band + 1));
        }
        assert!(moves.kinds <= limits::MOVES);
        assert_eq!(moves.likely("eth", &often.0), [(often.1, 1.0)]);
        assert_eq!(moves.likely("eth", &state(0)), []);
        assert_eq!(Moves::decode(&moves.encode()), Ok(moves));
    }

    #[test]
    fn visitors_times_probability_over_cost() {
        let next = [(state(1), 0.75), (state(2), 0.25)];
        let popular = |visits, cost, next| Popular { visits, cost, next };
        let dear = popular(100, 1000, &next[..]);
        let cheap = popular(10, 50, &[]);
        let rare = popular(1, 50, &next[..]);
        let ranked = rank(&[dear, cheap, rare], 5);
        let wish = |picture, state| Wish { picture, state };
        assert_eq!(
            ranked,
            [wish(1, None), wish(0, None), wish(0, Some(state(1))), wish(0, Some(state(2))), wish(2, None)]
        );
    }
}
