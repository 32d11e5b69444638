//! Chainlink feeds: rounds read through a proxy at one block, from several providers at once.
//!
//! A look goes: the block ([`Chain::pin`]) → decimals and newest round there → every round since the last one known,
//! whatever the relay missed, so that hysteresis sees them all; across a change of phase, the old aggregator's rounds first. When the last round known is
//! not what the chain has now, the chain was reorganised: the newest round that still stands is looked for, and what
//! came after it is taken back.
//!
//! `answeredInRound` is deprecated and not looked at; `updatedAt` need not be unique, so rounds are ordered by id.
//! <https://docs.chain.link/data-feeds/api-reference>

use std::{collections::BTreeMap, sync::atomic::Ordering};

use alloy::primitives::{Address, I256, U256, Uint};
use futures_util::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};

use crate::{
    book::Book,
    chain::{Chain, Pinned},
    round::{DECIMALS, Round, RoundId},
    source::{Look, News, Source},
};

/// Most rounds that one look reads of a feed. The next look goes on.
const ROUNDS: u64 = 512;
/// Questions to the providers that are under way at once.
const AT_ONCE: usize = 16;

mod abi {
    alloy::sol! {
        /// What a proxy and its aggregators answer.
        interface Proxy {
            function latestRoundData() external view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
            function getRoundData(uint80 id) external view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
            function decimals() external view returns (uint8 decimals);
            function phaseAggregators(uint16 phase) external view returns (address aggregator);
            function latestRound() external view returns (uint256 round);
        }
    }
}
use abi::Proxy;

/// The feeds that are read on a chain.
pub(crate) struct Chainlink {
    pub(crate) chain: Chain,
    /// The uptime feed of the sequencer, on a rollup, and how long after it is up again feeds are not believed.
    pub(crate) sequencer: Option<(Address, u64)>,
    /// The proxies, by feed.
    pub(crate) feeds: Vec<(String, Address)>,
}

/// What a round is, as the chain has it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Round(Round),
    /// No data, or data that is no value: zero, negative, without a time. Such rounds happen; they are passed over.
    Nothing,
}

impl Source for Chainlink {
    fn look<'a>(&'a mut self, book: &'a Book) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            if self.feeds.is_empty() {
                return Look { time: None, feeds: BTreeMap::new() };
            }
            let feeds = || self.feeds.iter().map(|(feed, _)| feed.clone());
            let all = |why: String| feeds().map(|feed| (feed, Err(why.clone()))).collect();
            let pinned = match self.chain.pin().await {
                Ok(pinned) => pinned,
                Err(why) => return Look { time: None, feeds: all(why) },
            };
            if let Err(why) = self.sequencer_is_up(pinned).await {
                return Look { time: Some(pinned.timestamp), feeds: all(why) };
            }
            let mut looked = BTreeMap::new();
            for (feed, proxy) in &self.feeds {
                looked.insert(feed.clone(), self.feed(pinned, feed, *proxy, book).await);
            }
            Look { time: Some(pinned.timestamp), feeds: looked }
        })
    }

    fn resume(&mut self, heights: &BTreeMap<u64, u64>) {
        let height = heights.get(&self.chain.id).copied().unwrap_or_default();
        self.chain.floor.fetch_max(height, Ordering::Relaxed);
    }

    fn keeps_its_past(&self) -> bool {
        true
    }

    fn feeds(&self) -> Vec<String> {
        self.feeds.iter().map(|(feed, _)| feed.clone()).collect()
    }
}

impl Chainlink {
    async fn sequencer_is_up(&self, pinned: Pinned) -> Result<(), String> {
        let Some((address, grace)) = self.sequencer else { return Ok(()) };
        let said = self.chain.call(pinned, address, Proxy::latestRoundDataCall {}).await?;
        let said = said.ok_or("the sequencer's uptime feed has no data")?;
        let since = said.startedAt.saturating_to::<u64>();
        if !said.answer.is_zero() {
            return Err(format!("the sequencer is down since {since}"));
        }
        if pinned.timestamp.saturating_sub(since) < grace {
            return Err(format!("the sequencer is up again since {since}, for less than {grace} s"));
        }
        Ok(())
    }

    /// What is new of a feed.
    async fn feed(&self, pinned: Pinned, feed: &str, proxy: Address, book: &Book) -> Result<News, String> {
        let decimals =
            self.chain.call(pinned, proxy, Proxy::decimalsCall {}).await?.ok_or("it has no decimals")?;
        if decimals > DECIMALS {
            return Err(format!("its answers have {decimals} decimals, at most {DECIMALS} make sense"));
        }
        let latest = self.chain.call(pinned, proxy, Proxy::latestRoundDataCall {}).await?;
        let latest = latest.ok_or("it has no round yet")?;
        let newest = proxy_id(latest.roundId)?;
        let at = View { chain: &self.chain, pinned, proxy, decimals };

        let mut news = News { block: Some(self.chain.block(pinned)), ..News::default() };
        let Some(known) = book.newest(feed) else {
            // The first look: history is not ours.
            news.rounds.extend(at.round(newest).await?);
            return Ok(news);
        };
        let mut stands = Some(known.clone());
        if at.round(known.id).await?.as_ref() != Some(known) {
            stands = None;
            for round in book.recent(feed) {
                if at.round(round.id).await?.as_ref() == Some(round) {
                    stands = Some(round.clone());
                    break;
                }
            }
            news.retract = Some(stands.as_ref().map(|round| round.id));
        }
        let Some(stands) = stands else {
            news.rounds.extend(at.round(newest).await?);
            return Ok(news);
        };
        let (ids, more) = at.between(&stands, newest).await?;
        let rounds = stream::iter(ids).map(|id| at.round(id)).buffered(AT_ONCE);
        let rounds: Vec<Option<Round>> = rounds.try_collect().await?;
        news.passed_over = rounds.iter().filter(|round| round.is_none()).count();
        news.rounds.extend(rounds.into_iter().flatten());
        news.more = more;
        Ok(news)
    }
}

/// A feed at a block.
#[derive(Clone, Copy)]
struct View<'a> {
    chain: &'a Chain,
    pinned: Pinned,
    proxy: Address,
    decimals: u8,
}

impl View<'_> {
    /// A round; `None` for one that is missing or is no value.
    async fn round(&self, id: RoundId) -> Result<Option<Round>, String> {
        let asked = Proxy::getRoundDataCall { id: Uint::from(id.proxy()) };
        let Some(data) = self.chain.call(self.pinned, self.proxy, asked).await? else { return Ok(None) };
        match value(id, self.decimals, data.roundId, data.answer, data.updatedAt) {
            Found::Round(round) => Ok(Some(round)),
            Found::Nothing => Ok(None),
        }
    }

    /// The ids of the rounds after one, up to the newest, the old phases' first; and whether there are more.
    async fn between(&self, after: &Round, newest: RoundId) -> Result<(Vec<RoundId>, bool), String> {
        let mut ids = Vec::new();
        for phase in after.id.phase..=newest.phase {
            let last = if phase == newest.phase { newest.number } else { self.last_of(phase).await? };
            let first = if phase == after.id.phase {
                after.id.number.saturating_add(1)
            } else {
                self.first_since(phase, last, after.updated).await?
            };
            let room = ROUNDS - ids.len() as u64;
            let end = last.min(first.saturating_add(room - 1));
            ids.extend((first..=end).map(|number| RoundId { phase, number }));
            if ids.len() as u64 == ROUNDS {
                return Ok((ids, end < last || phase < newest.phase));
            }
        }
        Ok((ids, false))
    }

    /// The last round of a phase that is over.
    async fn last_of(&self, phase: u16) -> Result<u64, String> {
        let asked = Proxy::phaseAggregatorsCall { phase };
        let aggregator = self.chain.call(self.pinned, self.proxy, asked).await?;
        let Some(aggregator) = aggregator.filter(|address| !address.is_zero()) else { return Ok(0) };
        let round = self.chain.call(self.pinned, aggregator, Proxy::latestRoundCall {}).await?;
        Ok(round.map_or(0, |round| round.saturating_to()))
    }

    /// The first round of a phase that is not older than a time: an aggregator may have run before the proxy turned to
    /// it, and what it said then was not the feed's.
    async fn first_since(&self, phase: u16, last: u64, time: u64) -> Result<u64, String> {
        let (mut low, mut high) = (1, last.saturating_add(1));
        while low < high {
            let middle = low + (high - low) / 2;
            // A round that is missing has no time; the next ones may have.
            let mut probe = middle;
            let found = loop {
                match self.round(RoundId { phase, number: probe }).await? {
                    None if probe + 1 < high && probe - middle < 16 => probe += 1,
                    found => break found,
                }
            };
            match found {
                Some(round) if round.updated < time => low = probe + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}

/// What the words of a round's data mean.
fn value(id: RoundId, decimals: u8, given: Uint<80, 2>, answer: I256, updated: U256) -> Found {
    let answer = i128::try_from(answer).ok().filter(|answer| *answer > 0);
    let updated = u64::try_from(updated).ok().filter(|updated| *updated > 0);
    match (answer, updated, proxy_id(given)) {
        (Some(answer), Some(updated), Ok(given)) if given == id => {
            Found::Round(Round { id, answer, decimals, updated })
        }
        _ => Found::Nothing,
    }
}

fn proxy_id(id: Uint<80, 2>) -> Result<RoundId, String> {
    RoundId::of_proxy(id.to::<u128>()).ok_or_else(|| "a round's id has more than 80 bits".into())
}
