//! Replays: the states once more, from the ledger or from a table of rounds, to prove them or to try out a gauge.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use iridule_records::{
    dial::Dial,
    gauge::{Band, Quantiser},
};

use crate::{
    book::{Book, Event, Moved, Nonsense},
    ledger::{Entry, Ledger, LedgerError},
    round::Round,
    source::Source,
};

/// Entries read at once, and about how many bytes of them.
const PAGE: (usize, usize) = (4096, 4 << 20);

/// What a replay found.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Where the gauges stand at the end.
    pub book: Book,
    /// Entries read.
    pub entries: u64,
    /// Gauges moved so many times.
    pub moves: u64,
    /// Snapshots that were checked.
    pub snapshots: u64,
    /// The last of them.
    pub sequence: u64,
    /// The highest block at which a round was read, by chain.
    pub heights: BTreeMap<u64, u64>,
    /// What is to come before the next event.
    owed: VecDeque<Moved>,
}

/// Why a ledger does not add up.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// It cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An event that cannot have happened.
    #[error("entry {place}: {why}")]
    Event {
        /// Its place.
        place: u64,
        /// What is wrong with it.
        why: Nonsense,
    },
    /// A move that does not follow from the events.
    #[error("entry {place} says that {said:?}; it follows that {follows:?}")]
    Move {
        /// Its place.
        place: u64,
        /// What the ledger says.
        said: Option<Moved>,
        /// What follows.
        follows: Option<Moved>,
    },
    /// A snapshot that says what is not so.
    #[error("entry {place}: snapshot {sequence} says of {gauge} {said:?}, and it follows {follows:?}")]
    Snapshot {
        /// Its place.
        place: u64,
        /// Its sequence.
        sequence: u64,
        /// The first gauge that differs.
        gauge: String,
        /// The band stated.
        said: Option<Band>,
        /// The band that follows.
        follows: Option<Band>,
    },
    /// A sequence that does not rise.
    #[error("entry {place}: snapshot {sequence} comes after {before}")]
    Sequence {
        /// Its place.
        place: u64,
        /// Its sequence.
        sequence: u64,
        /// The one before.
        before: u64,
    },
}

impl Replayed {
    /// Checks the next entries of a ledger. Gives whether there are more.
    ///
    /// # Errors
    /// [`Wrong`]: the first thing that does not add up.
    pub fn advance(&mut self, ledger: &Ledger) -> Result<bool, Wrong> {
        let page = ledger.page(self.entries, PAGE.0, PAGE.1)?;
        for (_, entry) in &page.entries {
            self.check(entry)?;
        }
        Ok(page.next.is_some())
    }

    /// Checks one entry against what follows from those before.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn check(&mut self, entry: &Entry) -> Result<(), Wrong> {
        let place = self.entries;
        self.entries += 1;
        match entry {
            Entry::Moved(said) => {
                let follows = self.owed.pop_front();
                if follows.as_ref() != Some(said) {
                    return Err(Wrong::Move { place, said: Some(said.clone()), follows });
                }
                self.moves += 1;
            }
            Entry::Event(_) | Entry::Sealed(_) if !self.owed.is_empty() => {
                return Err(Wrong::Move { place, said: None, follows: self.owed.pop_front() });
            }
            Entry::Event(event) => {
                if let Event::Round { block: Some(block), .. } = event {
                    let height = self.heights.entry(block.chain).or_default();
                    *height = block.number.max(*height);
                }
                self.owed = self.book.take(event).map_err(|why| Wrong::Event { place, why })?.into();
            }
            Entry::Sealed(sealed) => {
                let (sequence, before) = (sealed.sequence, self.sequence);
                if sequence <= before {
                    return Err(Wrong::Sequence { place, sequence, before });
                }
                let bands = self.book.bands();
                let all: BTreeSet<&String> = bands.keys().chain(sealed.gauges.keys()).collect();
                for gauge in all {
                    let (said, follows) = (sealed.gauges.get(gauge).copied(), bands.get(gauge).copied());
                    if said != follows {
                        return Err(Wrong::Snapshot { place, sequence, gauge: gauge.clone(), said, follows });
                    }
                }
                self.sequence = sequence;
                self.snapshots += 1;
            }
        }
        Ok(())
    }
}

/// Replays a ledger, and checks every move and every snapshot in it.
///
/// # Errors
/// [`Wrong`]: the first thing that does not add up.
pub fn of_ledger(ledger: &Ledger) -> Result<Replayed, Wrong> {
    let mut replayed = Replayed::default();
    while replayed.advance(ledger)? {}
    Ok(replayed)
}

/// The rounds that stand in a ledger, by feed, in order.
///
/// # Errors
/// [`LedgerError`].
pub fn rounds(ledger: &Ledger) -> Result<BTreeMap<String, Vec<Round>>, LedgerError> {
    let mut feeds: BTreeMap<String, Vec<Round>> = BTreeMap::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let page = ledger.page(from, PAGE.0, PAGE.1)?;
        next = page.next;
        for (_, entry) in &page.entries {
            match entry {
                Entry::Event(Event::Round { feed, round, .. }) => {
                    feeds.entry(feed.clone()).or_default().push(round.clone());
                }
                Entry::Event(Event::Retract { feed, to }) => {
                    let rounds = feeds.entry(feed.clone()).or_default();
                    rounds.truncate(rounds.partition_point(|round| to.is_some_and(|to| round.id <= to)));
                }
                Entry::Event(_) | Entry::Moved(_) | Entry::Sealed(_) => {}
            }
        }
    }
    Ok(feeds)
}

/// Reads the rounds of every feed once more where they came from, from the first that the ledger has to its newest, at a
/// block that is not below those ([`Replayed::heights`]), and compares. Feeds whose source keeps no past (documents) are left out. Gives how many rounds of each feed are the same.
///
/// Together with [`of_ledger`] this proves the states: these rounds happened, and those bands follow from them.
///
/// # Errors
/// A sentence: the first difference, or why a source does not answer.
pub async fn against_sources(
    ledger: &Ledger,
    heights: &BTreeMap<u64, u64>,
    sources: &mut [Box<dyn Source>],
) -> Result<BTreeMap<String, usize>, String> {
    let known = rounds(ledger).map_err(|why| why.to_string())?;
    let mut same = BTreeMap::new();
    for source in sources.iter_mut().filter(|source| source.keeps_its_past()) {
        source.resume(heights);
        let mut book = Book::default();
        let begin = |feed: String| Some((known.get(&feed)?.first()?.clone(), feed));
        for (round, feed) in source.feeds().into_iter().filter_map(begin) {
            book.take(&Event::Round { feed, round, block: None }).map_err(|why| why.to_string())?;
        }
        let mut again: BTreeMap<String, Vec<Round>> = BTreeMap::new();
        loop {
            let mut more = false;
            for (feed, news) in source.look(&book).await.feeds {
                let news = news.map_err(|why| format!("{feed}: {why}"))?;
                if let Some(first) = news.retract.and_then(|_| known.get(&feed)?.first()) {
                    return Err(format!("{feed}: round {} is not there any more", first.id));
                }
                more |= news.more;
                for round in news.rounds {
                    again.entry(feed.clone()).or_default().push(round.clone());
                    let event = Event::Round { feed: feed.clone(), round, block: None };
                    book.take(&event).map_err(|why| why.to_string())?;
                }
            }
            if !more {
                break;
            }
        }
        for feed in source.feeds() {
            let Some((first, rest)) = known.get(&feed).and_then(|rounds| rounds.split_first()) else {
                continue;
            };
            let newest = rest.last().unwrap_or(first).id;
            let mut there = again.remove(&feed).unwrap_or_default();
            there.retain(|round| round.id <= newest);
            if let Some(at) = (0..rest.len().max(there.len())).find(|at| rest.get(*at) != there.get(*at)) {
                let (here, there) = (rest.get(at), there.get(at));
                return Err(format!("{feed}: the ledger has {here:?} where its source has {there:?}"));
            }
            same.insert(feed, rest.len() + 1);
        }
    }
    Ok(same)
}

/// What a gauge makes of a feed's history.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Rounds.
    pub rounds: usize,
    /// From the first to the last, days.
    pub days: f64,
    /// Times that the band changed.
    pub changes: usize,
    /// Different bands.
    pub distinct: usize,
    /// Changes to a band that had been before.
    pub revisits: usize,
}

impl History {
    /// What this quantiser makes of these rounds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "seconds and counts are far below 2^53")]
    pub fn of(rounds: &[Round], quantiser: &Quantiser) -> Self {
        let mut dial: Option<Dial> = None;
        let (mut changes, mut revisits, mut seen) = (0, 0, BTreeSet::new());
        for round in rounds {
            match &mut dial {
                None => {
                    dial = Dial::new(quantiser, round.value(), round.updated);
                    seen.extend(dial.map(|dial| dial.band()));
                }
                Some(dial) => {
                    for step in dial.turn(quantiser, round.value(), round.updated) {
                        changes += 1;
                        revisits += usize::from(!seen.insert(step.to));
                    }
                }
            }
        }
        let span = rounds.last().zip(rounds.first()).map_or(0, |(last, first)| last.updated - first.updated);
        let days = span as f64 / 86_400.0;
        Self { rounds: rounds.len(), days, changes, distinct: seen.len(), revisits }
    }
}
