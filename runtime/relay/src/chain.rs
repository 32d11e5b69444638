//! Chains: several providers asked the same, and what a quorum of them says.
//!
//! A look at a chain begins with a block: a height that a quorum has reached, less the confirmations, and a quorum on the
//! block there. Everything else is asked at that block's very hash (EIP-1898), so that providers that are ahead or behind
//! speak of the same thing; an answer is believed when a quorum gives exactly the same.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::{
    eips::{BlockId, BlockNumberOrTag, RpcBlockHash},
    network::TransactionBuilder as _,
    primitives::{Address, B256},
    providers::Provider as _,
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use futures_util::{StreamExt as _, future::BoxFuture, stream};

use crate::{book::Block, metrics::Metrics, quorum::Quorum, rpc::Provider};

/// How long providers that have not answered yet are waited for once a quorum has, so that dissent is seen.
const STRAGGLERS: Duration = Duration::from_millis(150);
/// Most different reasons that an error repeats.
const REASONS: usize = 3;

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

/// One chain and its providers.
#[derive(Clone)]
pub(crate) struct Chain {
    /// Its id (EIP-155), which every provider must give.
    pub(crate) id: u64,
    pub(crate) providers: Vec<Provider>,
    pub(crate) quorum: Quorum,
    pub(crate) head: Head,
    /// How many blocks above the one looked at there must be.
    pub(crate) confirmations: u64,
    /// No block below this one is looked at any more.
    pub(crate) floor: Arc<AtomicU64>,
    pub(crate) metrics: Arc<Metrics>,
}

/// A block that a quorum has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pinned {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) timestamp: u64,
}

impl Chain {
    /// The block to look at. Never one below a block that was looked at before: there, what was read since would seem to
    /// have been taken back.
    pub(crate) async fn pin(&self) -> Result<Pinned, String> {
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
        let (heights, failures) = heights.await;
        let reached = self.quorum.reached(&heights).ok_or_else(|| self.silent("the height", &failures))?;
        let number = reached.saturating_sub(self.confirmations);
        let floor = self.floor.load(Ordering::Relaxed);
        if number < floor {
            return Err(format!("the providers are at block {number}, and block {floor} was read before"));
        }
        let pinned = self
            .agree("the block", move |provider| {
                Box::pin(async move {
                    let block = provider.rpc.get_block_by_number(number.into()).await.map_err(said)?;
                    let block = block.ok_or_else(|| format!("it has no block {number}"))?;
                    if block.header.number != number {
                        return Err(format!("it gave block {} for {number}", block.header.number));
                    }
                    Ok(Pinned { number, hash: block.header.hash, timestamp: block.header.timestamp })
                })
            })
            .await?;
        self.floor.fetch_max(number, Ordering::Relaxed);
        Ok(pinned)
    }

    pub(crate) fn block(&self, pinned: Pinned) -> Block {
        Block { chain: self.id, number: pinned.number, hash: pinned.hash.to_string() }
    }

    /// Calls a contract at the pinned block; `None` when the call reverts.
    pub(crate) async fn call<C: SolCall + 'static>(
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

    /// Asks every provider, and waits for all. Gives the answers, and why some are missing.
    async fn each<T>(
        &self,
        question: impl Fn(Provider) -> BoxFuture<'static, Result<T, String>>,
    ) -> (Vec<Option<T>>, Failures) {
        let asked = self.providers.iter().map(|provider| provider.ask(question(provider.clone())));
        let answers = futures_util::future::join_all(asked).await;
        let mut failures = Failures::new();
        let noted = |(at, answer)| self.noted(at, answer, &mut failures);
        (answers.into_iter().enumerate().map(noted).collect(), failures)
    }

    /// Asks every provider the same, and gives the answer of a quorum.
    pub(crate) async fn agree<T: PartialEq + Clone>(
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
        let mut failures = Failures::new();
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
            answers[at] = self.noted(at, answer, &mut failures);
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
                self.silent(what, &failures)
            }
        })
    }

    fn noted<T>(&self, at: usize, answer: Result<T, String>, failures: &mut Failures) -> Option<T> {
        answer
            .map_err(|why| {
                let name = &self.providers[at].name;
                self.metrics.failures(name).inc();
                tracing::debug!(chain = self.id, provider = %name, why, "no answer");
                failures.insert(at, why);
            })
            .ok()
    }

    /// What to say when there are too few answers: also why, once for each reason, as far as there is room.
    fn silent(&self, what: &str, failures: &Failures) -> String {
        let mut text = format!("too few providers answer for {what}: {} are needed", self.quorum);
        let mut said: Vec<&String> = Vec::new();
        for (at, why) in failures {
            if !said.contains(&why) && said.len() < REASONS {
                said.push(why);
                text += &format!("; {}: {why}", self.providers[*at].name);
            }
        }
        text
    }
}

/// Why providers did not answer, by their place in the list.
type Failures = BTreeMap<usize, String>;

/// What went wrong, without the address, which may hold a key.
pub(crate) fn said(why: alloy::transports::TransportError) -> String {
    match why.as_error_resp() {
        Some(error) => {
            format!("error {}: {}", error.code, error.message.chars().take(200).collect::<String>())
        }
        None => why.to_string().chars().take(300).collect(),
    }
}
