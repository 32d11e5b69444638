//! Tables of old rounds: CSV of round id, answer and time, to replay what a feed once said.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
};

use futures_util::future::BoxFuture;
use iridule_publish::bounded::read_text_file;

use crate::{
    book::Book,
    limits,
    round::{Round, RoundId, scaled},
    source::{Look, News, Source},
};

/// Most rounds that one look gives.
const AT_ONCE: usize = 512;

/// A table's rounds, and how many of its rows are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rounds {
    /// The rounds, in order.
    pub rounds: Vec<Round>,
    /// Rows that stand for missing rounds, or whose answer is no value.
    pub passed_over: usize,
}

/// Reads a table: a head line, then `round_id,answer,updated_at`, the id as a proxy writes it. Rows without a value or a
/// time stand for missing rounds and are counted.
///
/// # Errors
/// A sentence with the line at fault.
pub fn read(text: &str, decimals: u8) -> Result<Rounds, String> {
    let mut rounds: Vec<Round> = Vec::new();
    let mut passed_over = 0;
    for (at, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let fault = |why: &str| format!("line {}: {why}", at + 1);
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [id, answer, updated] = fields[..] else {
            return Err(fault("three fields are expected: round_id,answer,updated_at"));
        };
        let id = id.parse().ok().and_then(RoundId::of_proxy).ok_or_else(|| fault("no round id"))?;
        let answer: i128 = answer.parse().map_err(|_| fault("no whole number as the answer"))?;
        let updated: u64 = updated.parse().map_err(|_| fault("no time in Unix seconds"))?;
        if answer <= 0 || updated == 0 {
            passed_over += 1;
            continue;
        }
        if rounds.last().is_some_and(|last| last.id >= id) {
            return Err(fault("round ids must rise"));
        }
        rounds.push(Round { id, answer, decimals, updated });
    }
    Ok(Rounds { rounds, passed_over })
}

/// A table as a source: all of its rounds, at once.
pub struct Table {
    feed: String,
    rounds: VecDeque<Round>,
}

impl Table {
    /// The table in a file, for a feed.
    ///
    /// # Errors
    /// A sentence.
    pub fn open(feed: &str, file: &Path, decimals: u8) -> Result<Self, String> {
        let text = read_text_file(file, limits::TABLE_BYTES);
        let text = text.map_err(|why| format!("{}: {why}", file.display()))?;
        let table = read(&text, decimals).map_err(|why| format!("{}: {why}", file.display()))?;
        Ok(Self { feed: feed.into(), rounds: table.rounds.into() })
    }

    /// One value, for ever.
    ///
    /// # Errors
    /// A sentence, for a value that is out of range.
    pub fn constant(feed: &str, value: f64, decimals: u8) -> Result<Self, String> {
        let answer = scaled(value, decimals).ok_or_else(|| format!("{value} is out of range"))?;
        let id = RoundId { phase: 0, number: 1 };
        Ok(Self { feed: feed.into(), rounds: [Round { id, answer, decimals, updated: 1 }].into() })
    }
}

impl Source for Table {
    fn look<'a>(&'a mut self, book: &'a Book) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            if let Some(known) = book.newest(&self.feed).map(|round| round.id) {
                while self.rounds.pop_front_if(|round| round.id <= known).is_some() {}
            }
            let rounds = self.rounds.iter().take(AT_ONCE).cloned().collect();
            let news = News { rounds, more: self.rounds.len() > AT_ONCE, ..News::default() };
            Look { time: None, feeds: [(self.feed.clone(), Ok(news))].into() }
        })
    }

    fn resume(&mut self, _: &BTreeMap<u64, u64>) {}

    fn keeps_its_past(&self) -> bool {
        true
    }

    fn feeds(&self) -> Vec<String> {
        vec![self.feed.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_round_is_passed_over_and_nonsense_says_where() {
        let text = "round_id,answer,updated_at\n1,0,0\n2,190818855732,1680734315\n3,-5,7\n4,5,1680734315\n";
        let table = read(text, 8).unwrap();
        assert_eq!((table.rounds.len(), table.passed_over), (2, 2));
        for (bad, why) in [
            ("h\n1,2", "line 2: three"),
            ("h\n1,2,3\nx,2,3", "line 3: no round"),
            ("h\n1,1e5,3", "whole number"),
            ("h\n5,1,1\n5,1,1", "must rise"),
            ("h\n1208925819614629174706176,1,1", "no round id"),
        ] {
            assert!(read(bad, 8).unwrap_err().contains(why), "{bad}");
        }
    }
}
