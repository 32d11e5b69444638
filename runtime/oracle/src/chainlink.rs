//! Chainlink feeds: rounds read through a proxy at one block, from several providers at once.
//!
//! A look at a chain goes: how far are the providers (a height that a quorum has reached, less the confirmations) → the
//! block there (a quorum on its hash) → everything else at that very hash (EIP-1898), each answer believed when a quorum
//! gives exactly the same. Then every round since the last one known is read, whatever the relay missed, so that
//! hysteresis sees them all; across a change of phase, the old aggregator's rounds first. When the last round known is
//! not what the chain has now, the chain was reorganised: the newest round that still stands is looked for, and what
//! came after it is taken back.
//!
//! `answeredInRound` is deprecated and not looked at; `updatedAt` need not be unique, so rounds are ordered by id.
//! <https://docs.chain.link/data-feeds/api-reference>

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    eips::{BlockId, BlockNumberOrTag, RpcBlockHash},
    network::TransactionBuilder as _,
    primitives::{Address, B256, I256, U256, Uint},
    providers::Provider as _,
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use futures_util::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};

use crate::{
    book::{Block, Book},
    metrics::Metrics,
    quorum::Quorum,
    round::{DECIMALS, Round, RoundId},
    rpc::Provider,
    source::{Look, News, Source},
};

/// Most rounds that one look reads of a feed. The next look goes on.
const ROUNDS: u64 = 512;
/// Questions to the providers that are under way at once.
const AT_ONCE: usize = 16;
/// How long providers that have not answered yet are waited for once a quorum has, so that dissent is seen.
const STRAGGLERS: Duration = Duration::from_millis(150);

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

/// Which block of a chain is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Head {
    /// The newest, less the confirmations.
    Latest,
    /// The newest that the chain's consensus calls safe.
    Safe,
    /// The newest that is final.
    Finalized,
}

/// One chain: its providers, and the feeds that are read on it.
#[derive(Clone)]
pub struct Chain {
    /// Its id (EIP-155), which every provider must give.
    pub(crate) id: u64,
    pub(crate) providers: Vec<Provider>,
    pub(crate) quorum: Quorum,
    pub(crate) head: Head,
    /// How many blocks above the one looked at there must be.
    pub(crate) confirmations: u64,
    /// The uptime feed of the sequencer, on a rollup, and how long after it is up again feeds are not believed.
    pub(crate) sequencer: Option<(Address, u64)>,
    /// The proxies, by feed.
    pub(crate) feeds: Vec<(String, Address)>,
    pub(crate) metrics: Arc<Metrics>,
}

/// A block that a quorum has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pinned {
    number: u64,
    hash: B256,
    timestamp: u64,
}

/// What a round is, as the chain has it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Round(Round),
    /// No data, or data that is no value: zero, negative, without a time. Such rounds happen; they are passed over.
    Nothing,
}

impl Source for Chain {
    fn look<'a>(&'a mut self, book: &'a Book) -> BoxFuture<'a, Look> {
        Box::pin(async move {
            let feeds = || self.feeds.iter().map(|(feed, _)| feed.clone());
            let all = |why: String| feeds().map(|feed| (feed, Err(why.clone()))).collect();
            let pinned = match self.pin().await {
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

    fn keeps_its_past(&self) -> bool {
        true
    }

    fn feeds(&self) -> Vec<String> {
        self.feeds.iter().map(|(feed, _)| feed.clone()).collect()
    }
}

impl Chain {
    /// The block to look at.
    async fn pin(&self) -> Result<Pinned, String> {
        let (id, head) = (self.id, self.head);
        let heights = self.each(move |provider| {
            Box::pin(async move {
                let there = provider.rpc.get_chain_id().await.map_err(said)?;
                if there != id {
                    return Err(format!("it is on chain {there}, not {id}"));
                }
                let tag = match head {
                    Head::Latest => return provider.rpc.get_block_number().await.map_err(said),
                    Head::Safe => BlockNumberOrTag::Safe,
                    Head::Finalized => BlockNumberOrTag::Finalized,
                };
                let block = provider.rpc.get_block_by_number(tag).await.map_err(said)?;
                block.map(|block| block.header.number).ok_or_else(|| format!("it has no {tag} block yet"))
            })
        });
        let reached = self.quorum.reached(&heights.await).ok_or_else(|| self.silent("the height"))?;
        let number = reached.saturating_sub(self.confirmations);
        self.agree("the block", move |provider| {
            Box::pin(async move {
                let block = provider.rpc.get_block_by_number(number.into()).await.map_err(said)?;
                let block = block.ok_or_else(|| format!("it has no block {number}"))?;
                if block.header.number != number {
                    return Err(format!("it gave block {} for {number}", block.header.number));
                }
                Ok(Pinned { number, hash: block.header.hash, timestamp: block.header.timestamp })
            })
        })
        .await
    }

    async fn sequencer_is_up(&self, pinned: Pinned) -> Result<(), String> {
        let Some((address, grace)) = self.sequencer else { return Ok(()) };
        let said = self.call(pinned, address, Proxy::latestRoundDataCall {}).await?;
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
        let decimals = self.call(pinned, proxy, Proxy::decimalsCall {}).await?.ok_or("it has no decimals")?;
        if decimals > DECIMALS {
            return Err(format!("its answers have {decimals} decimals, at most {DECIMALS} make sense"));
        }
        let latest = self.call(pinned, proxy, Proxy::latestRoundDataCall {}).await?;
        let latest = latest.ok_or("it has no round yet")?;
        let newest = proxy_id(latest.roundId)?;
        let at = View { chain: self, pinned, proxy, decimals };

        let mut news = News { block: Some(self.block(pinned)), ..News::default() };
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

    fn block(&self, pinned: Pinned) -> Block {
        Block { chain: self.id, number: pinned.number, hash: pinned.hash.to_string() }
    }

    /// Calls a contract at the pinned block; `None` when the call reverts.
    async fn call<C: SolCall + 'static>(
        &self,
        pinned: Pinned,
        to: Address,
        call: C,
    ) -> Result<Option<C::Return>, String>
    where
        C::Return: Send,
    {
        let input = call.abi_encode();
        let answer = self
            .agree(C::SIGNATURE, move |provider| {
                let request = TransactionRequest::default().with_to(to).with_input(input.clone());
                let block =
                    BlockId::Hash(RpcBlockHash { block_hash: pinned.hash, require_canonical: Some(true) });
                Box::pin(async move {
                    match provider.rpc.call(request).block(block).await {
                        Ok(bytes) => Ok(Some(bytes)),
                        // A revert is an answer: code 3 with its data (EIP-1474 and what nodes do).
                        Err(why) => match why.as_error_resp() {
                            Some(error) if error.code == 3 || error.message.contains("revert") => Ok(None),
                            _ => Err(said(why)),
                        },
                    }
                })
            })
            .await?;
        let decoded = answer.map(|bytes| C::abi_decode_returns_validate(&bytes));
        decoded.transpose().map_err(|why| format!("{} at {to}: {why}", C::SIGNATURE))
    }

    /// Asks every provider, and waits for all.
    async fn each<T>(
        &self,
        question: impl Fn(Provider) -> BoxFuture<'static, Result<T, String>>,
    ) -> Vec<Option<T>> {
        let asked = self.providers.iter().map(|provider| async {
            let answer = provider.ask(question(provider.clone())).await;
            self.noted(provider, answer)
        });
        futures_util::future::join_all(asked).await
    }

    /// Asks every provider the same, and gives the answer of a quorum.
    async fn agree<T: PartialEq + Clone>(
        &self,
        what: &str,
        question: impl Fn(Provider) -> BoxFuture<'static, Result<T, String>>,
    ) -> Result<T, String> {
        let mut answers: Vec<Option<T>> = self.providers.iter().map(|_| None).collect();
        let mut asked: stream::FuturesUnordered<_> = (self.providers.iter().enumerate())
            .map(|(at, provider)| {
                let question = question(provider.clone());
                async move { (at, provider.ask(question).await) }
            })
            .collect();
        let mut waiting: Vec<bool> = vec![true; self.providers.len()];
        let mut believed_since: Option<Instant> = None;
        loop {
            let nobody_to_wait_for = || {
                self.providers.iter().zip(&waiting).all(|(provider, waiting)| !waiting || provider.is_slow())
            };
            let next = match believed_since {
                Some(_) if nobody_to_wait_for() => break,
                Some(since) => {
                    match tokio::time::timeout_at((since + STRAGGLERS).into(), asked.next()).await {
                        Ok(next) => next,
                        Err(_) => break,
                    }
                }
                None => asked.next().await,
            };
            let Some((at, answer)) = next else { break };
            waiting[at] = false;
            answers[at] = self.noted(&self.providers[at], answer);
            if believed_since.is_none() && self.quorum.decide(&answers).believed.is_some() {
                believed_since = Some(Instant::now());
            }
        }
        let decision = self.quorum.decide(&answers);
        for at in &decision.dissenters {
            let name = &self.providers[*at].name;
            self.metrics.dissents(name).inc();
            tracing::warn!(chain = self.id, provider = %name, what, "it says otherwise than the quorum");
        }
        decision.believed.cloned().ok_or_else(|| {
            let said = answers.iter().flatten().count();
            if said >= self.quorum.need() {
                self.metrics.disagreements.inc();
                format!("the providers disagree on {what}: no {} say the same", self.quorum)
            } else {
                self.silent(what)
            }
        })
    }

    fn noted<T>(&self, provider: &Provider, answer: Result<T, String>) -> Option<T> {
        answer
            .inspect_err(|why| {
                self.metrics.failures(&provider.name).inc();
                tracing::debug!(chain = self.id, provider = %provider.name, why, "no answer");
            })
            .ok()
    }

    fn silent(&self, what: &str) -> String {
        format!("too few providers answer for {what}: {} are needed", self.quorum)
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

/// What went wrong, without the address, which may hold a key.
fn said(why: alloy::transports::TransportError) -> String {
    match why.as_error_resp() {
        Some(error) => {
            format!("error {}: {}", error.code, error.message.chars().take(200).collect::<String>())
        }
        None => why.to_string().chars().take(300).collect(),
    }
}
