//! Sources: where rounds come from. A chain, a document on the web, a table of old rounds, a constant.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;

use crate::{
    book::{Block, Book},
    round::{Round, RoundId},
};

/// What is new of a feed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct News {
    /// Rounds that came after the last one known, in order.
    pub rounds: Vec<Round>,
    /// Set when rounds that were known have not happened after all: the last that stands, if any does.
    pub retract: Option<Option<RoundId>>,
    /// The block at which all this was read.
    pub block: Option<Block>,
    /// Rounds that are missing or hold no value.
    pub passed_over: usize,
    /// Whether the next look finds more at once.
    pub more: bool,
}

/// What one look at a source gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The source's own time, Unix seconds, if it has one: by it, and not by the relay's clock, a feed is stale or not.
    pub time: Option<u64>,
    /// What is new of each of its feeds, or why that cannot be said.
    pub feeds: BTreeMap<String, Result<News, String>>,
}

/// Where rounds come from.
pub trait Source: Send {
    /// Looks for what the book does not have yet. Takes bounded time and memory, whatever is at the other end.
    fn look<'a>(&'a mut self, book: &'a Book) -> BoxFuture<'a, Look>;

    /// Goes on where another look ended, perhaps in another process: the highest block read so far, by chain.
    fn resume(&mut self, heights: &BTreeMap<u64, u64>);

    /// Whether rounds that are over can be read again.
    fn keeps_its_past(&self) -> bool;

    /// The feeds that come from here.
    fn feeds(&self) -> Vec<String>;
}
