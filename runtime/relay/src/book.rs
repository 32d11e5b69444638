//! The book: where all gauges stand, as a fold over what the ledger holds.
//!
//! Pure: no clock, no IO. The relay keeps one and appends to the ledger what it puts in; [`crate::replay`] makes another
//! from the ledger alone, and both must agree. Every state that a style passes through counts as published, also one
//! between two looks, so that what is published does not depend on when the relay looked.

use std::collections::{BTreeMap, VecDeque};

use iridule_records::{
    dial::Dial,
    gauge::{Band, Gauge, State},
    limits, snapshot,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::round::{Round, RoundId};

/// How many rounds of a feed can be taken back.
pub const DEPTH: usize = 1024;

/// One style's gauges, in manifest order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// The collection that shows it.
    pub slug: String,
    /// The gauges.
    pub gauges: Vec<Gauge>,
}

/// The block at which a round was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The chain (EIP-155).
    pub chain: u64,
    /// Its height.
    pub number: u64,
    /// Its hash, `0x` and 64 hexadecimal digits.
    pub hash: String,
}

/// What happened; all that a book needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// From here on these panels are watched, and no others.
    Panels(Vec<Panel>),
    /// A feed has a new round.
    Round {
        /// The feed.
        feed: String,
        /// The round.
        round: Round,
        /// Where it was read, if on a chain.
        block: Option<Block>,
    },
    /// A reorganisation of the chain: rounds of a feed above this one have not happened. `None`: none has.
    Retract {
        /// The feed.
        feed: String,
        /// The last round that stands.
        to: Option<RoundId>,
    },
    /// All rounds of a feed up to this time are known, Unix seconds: dwells that end by then are over.
    Passed {
        /// The feed.
        feed: String,
        /// The time, by the feed's clock.
        until: u64,
    },
}

/// A gauge that moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// [`Gauge::id`].
    pub gauge: String,
    /// The band before; none for the first.
    pub from: Option<Band>,
    /// The band now.
    pub to: Band,
    /// When, Unix seconds, by the feed's clock.
    pub at: u64,
}

/// Why an event makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    /// Rounds come in order.
    #[error("round {offered} of {feed} comes after {last}")]
    OutOfOrder {
        /// The feed.
        feed: String,
        /// The round offered.
        offered: RoundId,
        /// The newest known.
        last: RoundId,
    },
    /// The value is none.
    #[error("round {id} of {feed} has the answer {answer}, which is no finite value")]
    NoValue {
        /// The feed.
        feed: String,
        /// The round.
        id: RoundId,
        /// Its answer.
        answer: i128,
    },
    /// A retraction goes back further than is remembered.
    #[error("{feed} is to go back to {to}, further than the {DEPTH} rounds that are remembered")]
    TooDeep {
        /// The feed.
        feed: String,
        /// Where to, as text.
        to: String,
    },
}

/// A feed's newest rounds, each with the dials as they were before it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Feed {
    past: VecDeque<Past>,
    /// Whether older rounds were forgotten.
    more: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Past {
    round: Round,
    before: Vec<(String, Option<Dial>)>,
}

/// A gauge that is watched, under its id.
#[derive(Debug, Clone, PartialEq)]
struct Watched {
    gauge: Gauge,
    dial: Option<Dial>,
}

/// A panel with what its snapshots call it.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    panel: Panel,
    name: String,
    ids: Vec<String>,
}

/// Where all gauges stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Book {
    feeds: BTreeMap<String, Feed>,
    watched: BTreeMap<String, Watched>,
    shown: Vec<Shown>,
    published: BTreeMap<String, Vec<ByteBuf>>,
    rounds: u64,
}

impl Book {
    /// Takes an event in. Gives what moved, in order.
    ///
    /// # Errors
    /// [`Nonsense`]; nothing has changed then.
    pub fn take(&mut self, event: &Event) -> Result<Vec<Moved>, Nonsense> {
        match event {
            Event::Panels(panels) => Ok(self.watch(panels)),
            Event::Round { feed, round, .. } => self.round(feed, round),
            Event::Retract { feed, to } => self.retract(feed, *to),
            Event::Passed { feed, until } => Ok(self.pass(feed, *until)),
        }
    }

    /// The newest round of a feed.
    #[must_use]
    pub fn newest(&self, feed: &str) -> Option<&Round> {
        self.feeds.get(feed)?.past.back().map(|past| &past.round)
    }

    /// The rounds of a feed that can be taken back, newest first.
    pub fn recent(&self, feed: &str) -> impl Iterator<Item = &Round> {
        self.feeds.get(feed).into_iter().flat_map(|feed| feed.past.iter().rev().map(|past| &past.round))
    }

    /// Every gauge's band, by id.
    #[must_use]
    pub fn bands(&self) -> BTreeMap<String, Band> {
        let band = |watched: &Watched| watched.dial.map(|dial| dial.band());
        self.watched.iter().filter_map(|(id, watched)| Some((id.clone(), band(watched)?))).collect()
    }

    /// Every state that was ever passed through, as snapshots carry it.
    #[must_use]
    pub fn published(&self) -> &BTreeMap<String, Vec<ByteBuf>> {
        &self.published
    }

    /// The panels that are watched, each with its state once all of its gauges have a band.
    pub fn panels(&self) -> impl Iterator<Item = (&Panel, Option<State>)> {
        self.shown.iter().map(|shown| (&shown.panel, self.state(shown)))
    }

    /// The feeds that panels look at, with those that have rounds.
    #[must_use]
    pub fn feeds(&self) -> Vec<&str> {
        let watched = self.watched.values().map(|watched| watched.gauge.feed.as_str());
        let mut feeds: Vec<&str> = watched.chain(self.feeds.keys().map(String::as_str)).collect();
        feeds.sort_unstable();
        feeds.dedup();
        feeds
    }

    /// Whether a dwell holds back a gauge of this feed until this time at the latest.
    #[must_use]
    pub fn is_due(&self, feed: &str, until: u64) -> bool {
        let due = |watched: &Watched| watched.dial?.due(&watched.gauge.quantiser);
        let of_feed = self.watched.values().filter(|watched| watched.gauge.feed == feed);
        of_feed.filter_map(due).any(|due| due <= until)
    }

    /// Rounds taken in so far, those taken back again included.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds
    }

    fn watch(&mut self, panels: &[Panel]) -> Vec<Moved> {
        let shown = |panel: &Panel| Shown {
            name: snapshot::panel(&panel.gauges),
            ids: panel.gauges.iter().map(Gauge::id).collect(),
            panel: panel.clone(),
        };
        self.shown = panels.iter().map(shown).collect();
        let mut before = std::mem::take(&mut self.watched);
        let mut moved = Vec::new();
        for gauge in panels.iter().flat_map(|panel| &panel.gauges) {
            let id = gauge.id();
            if self.watched.contains_key(&id) {
                continue;
            }
            let known = before.remove(&id).and_then(|watched| watched.dial);
            let dial = known.or_else(|| {
                let round = self.newest(&gauge.feed)?;
                let dial = Dial::new(&gauge.quantiser, round.value(), round.updated)?;
                moved.push(Moved { gauge: id.clone(), from: None, to: dial.band(), at: round.updated });
                Some(dial)
            });
            self.watched.insert(id, Watched { gauge: gauge.clone(), dial });
        }
        self.note(None);
        moved
    }

    fn round(&mut self, name: &str, round: &Round) -> Result<Vec<Moved>, Nonsense> {
        if !round.value().is_finite() {
            return Err(Nonsense::NoValue { feed: name.into(), id: round.id, answer: round.answer });
        }
        if let Some(last) = self.newest(name).map(|newest| newest.id).filter(|last| *last >= round.id) {
            return Err(Nonsense::OutOfOrder { feed: name.into(), offered: round.id, last });
        }
        let (mut moved, mut before) = (Vec::new(), Vec::new());
        for (id, watched) in self.watched.iter_mut().filter(|(_, watched)| watched.gauge.feed == name) {
            before.push((id.clone(), watched.dial));
            let quantiser = &watched.gauge.quantiser;
            if let Some(dial) = &mut watched.dial {
                let moves = dial.turn(quantiser, round.value(), round.updated);
                moved.extend(moves.into_iter().map(|step| Moved {
                    gauge: id.clone(),
                    from: Some(step.from),
                    to: step.to,
                    at: step.at,
                }));
            } else if let Some(dial) = Dial::new(quantiser, round.value(), round.updated) {
                watched.dial = Some(dial);
                moved.push(Moved { gauge: id.clone(), from: None, to: dial.band(), at: round.updated });
            }
        }
        let feed = self.feeds.entry(name.to_owned()).or_default();
        feed.past.push_back(Past { round: round.clone(), before });
        if feed.past.len() > DEPTH {
            feed.past.pop_front();
            feed.more = true;
        }
        self.rounds += 1;
        if !moved.is_empty() {
            self.note(Some(name));
        }
        Ok(moved)
    }

    fn retract(&mut self, name: &str, to: Option<RoundId>) -> Result<Vec<Moved>, Nonsense> {
        let Some(feed) = self.feeds.get_mut(name) else { return Ok(Vec::new()) };
        let stand = feed.past.partition_point(|past| to.is_some_and(|to| past.round.id <= to));
        if stand == 0 && feed.more {
            let to = to.map_or_else(|| "before its first round".into(), |to| to.to_string());
            return Err(Nonsense::TooDeep { feed: name.into(), to });
        }
        let undone = feed.past.split_off(stand);
        let mut before: BTreeMap<String, Option<Dial>> = BTreeMap::new();
        for past in undone.into_iter().rev() {
            before.extend(past.before);
        }
        let standing = self.newest(name).cloned();
        let mut moved = Vec::new();
        for (id, watched) in self.watched.iter_mut().filter(|(_, watched)| watched.gauge.feed == name) {
            let from = watched.dial.map(|dial| dial.band());
            // A gauge that is watched only since then starts from the round that stands.
            let started = || {
                Dial::new(&watched.gauge.quantiser, standing.as_ref()?.value(), standing.as_ref()?.updated)
            };
            watched.dial = before.remove(id).flatten().or_else(started);
            if let Some(to) = watched.dial.map(|dial| dial.band()).filter(|to| Some(*to) != from) {
                let at = standing.as_ref().map_or(0, |round| round.updated);
                moved.push(Moved { gauge: id.clone(), from, to, at });
            }
        }
        if !moved.is_empty() {
            self.note(Some(name));
        }
        Ok(moved)
    }

    fn pass(&mut self, feed: &str, until: u64) -> Vec<Moved> {
        let mut moved = Vec::new();
        for (id, watched) in self.watched.iter_mut().filter(|(_, watched)| watched.gauge.feed == feed) {
            let step = watched.dial.as_mut().and_then(|dial| dial.settle(&watched.gauge.quantiser, until));
            moved.extend(step.map(|step| Moved {
                gauge: id.clone(),
                from: Some(step.from),
                to: step.to,
                at: step.at,
            }));
        }
        if !moved.is_empty() {
            self.note(Some(feed));
        }
        moved
    }

    fn state(&self, shown: &Shown) -> Option<State> {
        let band = |id: &String| self.watched.get(id)?.dial.map(|dial| dial.band());
        shown.ids.iter().map(band).collect::<Option<_>>().map(State)
    }

    /// Notes the states of the panels that look at a feed, or of all.
    fn note(&mut self, feed: Option<&str>) {
        let looks = |shown: &&Shown| {
            let gauges = &shown.panel.gauges;
            !gauges.is_empty() && feed.is_none_or(|feed| gauges.iter().any(|gauge| gauge.feed == feed))
        };
        let states: Vec<(String, ByteBuf)> = (self.shown.iter().filter(looks))
            .filter_map(|shown| Some((shown.name.clone(), ByteBuf::from(self.state(shown)?.to_bytes()))))
            .collect();
        for (name, state) in states {
            let known = self.published.entry(name).or_default();
            if !known.contains(&state) {
                known.push(state);
            }
        }
        // A snapshot has room for so many. The longest record gives way, its oldest state first.
        while self.published.values().map(Vec::len).sum::<usize>() > limits::SNAPSHOT_STATES {
            let longest = self.published.values_mut().max_by_key(|states| states.len());
            longest.map(|states| states.remove(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use iridule_records::gauge::{Quantiser, Scale};
    use proptest::prelude::*;

    use super::*;

    fn panel(slug: &str, step: f64, dwell: u32) -> Panel {
        let quantiser = Quantiser {
            scale: Scale::Linear { from: 0.0, step },
            low: -50,
            high: 50,
            hysteresis: 0.25,
            dwell,
        };
        let gauge = Gauge {
            name: "g".into(),
            label: "G".into(),
            feed: "eth-usd".into(),
            quantiser,
            rest: 0,
            names: vec![],
        };
        Panel { slug: slug.into(), gauges: vec![gauge] }
    }

    fn round(number: u64, answer: i128) -> Event {
        let id = RoundId { phase: 1, number };
        let round = Round { id, answer, decimals: 0, updated: 100 * number };
        Event::Round { feed: "eth-usd".into(), round, block: None }
    }

    #[test]
    fn what_was_taken_back_leaves_no_trace_but_the_states_that_were_shown() {
        let mut book = Book::default();
        book.take(&Event::Panels(vec![panel("a", 10.0, 0)])).unwrap();
        book.take(&round(1, 5)).unwrap();
        let before = book.bands();
        assert_eq!(book.take(&round(2, 95)).unwrap().len(), 1);
        let back = Event::Retract { feed: "eth-usd".into(), to: Some(RoundId { phase: 1, number: 1 }) };
        assert_eq!(book.take(&back).unwrap().len(), 1);
        assert_eq!(book.bands(), before);
        assert_eq!(book.published().values().map(Vec::len).sum::<usize>(), 2);
        assert!(book.take(&round(1, 5)).is_err(), "it stands already");
        assert_eq!(book.take(&round(2, 7)).unwrap(), []);
    }

    #[test]
    fn a_gauge_that_comes_later_starts_where_the_feed_stands() {
        let mut book = Book::default();
        book.take(&round(1, 42)).unwrap();
        let moved = book.take(&Event::Panels(vec![panel("a", 10.0, 0), panel("b", 10.0, 0)])).unwrap();
        assert_eq!(moved.iter().map(|moved| (moved.from, moved.to)).collect::<Vec<_>>(), [(None, 4)]);
        assert_eq!(book.panels().filter(|(_, state)| *state == Some(State(vec![4]))).count(), 2);
    }

    #[test]
    fn nothing_goes_back_further_than_is_remembered() {
        let mut book = Book::default();
        for number in 1..=DEPTH as u64 + 1 {
            book.take(&round(number, 1)).unwrap();
        }
        let to = |number| Event::Retract { feed: "eth-usd".into(), to: Some(RoundId { phase: 1, number }) };
        assert!(matches!(book.clone().take(&to(1)), Err(Nonsense::TooDeep { .. })));
        assert_eq!(book.take(&to(2)), Ok(vec![]));
        assert_eq!(book.newest("eth-usd").unwrap().id.number, 2);
    }

    proptest! {
        #[test]
        fn a_detour_that_is_taken_back_changes_no_band(
            answers in prop::collection::vec(-400i128..400, 1..20),
            detour in prop::collection::vec(-400i128..400, 1..20),
            rest in prop::collection::vec(-400i128..400, 1..20),
            dwell in 0u32..500,
        ) {
            let run = |detour: &[i128]| {
                let mut book = Book::default();
                book.take(&Event::Panels(vec![panel("a", 10.0, dwell), panel("b", 35.0, 0)])).unwrap();
                let mut number = 0;
                let mut take = |book: &mut Book, answers: &[i128]| for answer in answers {
                    number += 1;
                    book.take(&round(number, *answer)).unwrap();
                };
                take(&mut book, &answers);
                let stands = book.newest("eth-usd").unwrap().id;
                if !detour.is_empty() {
                    take(&mut book, detour);
                    book.take(&Event::Retract { feed: "eth-usd".into(), to: Some(stands) }).unwrap();
                }
                for (number, answer) in (1_000..).zip(&rest) {
                    book.take(&round(number, *answer)).unwrap();
                }
                book.bands()
            };
            prop_assert_eq!(run(&[]), run(&detour));
        }
    }
}
