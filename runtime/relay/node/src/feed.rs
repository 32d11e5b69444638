//! A price feed on the node: a proxy and its aggregators.

use alloy::primitives::{Address, I256};

use crate::{abi, node::Node};

/// A feed on the node: a proxy and the aggregator that it has turned to.
pub struct Feed {
    /// The proxy.
    pub proxy: Address,
    /// The aggregator now.
    pub aggregator: Address,
    decimals: u8,
}

impl Feed {
    /// Puts a feed on the chain.
    ///
    /// # Errors
    /// What the node says.
    pub async fn deploy(node: &Node, decimals: u8) -> anyhow::Result<Self> {
        let aggregator = Self::aggregator(node, decimals).await?;
        let proxy = node.deploy("FeedProxy", abi::FeedProxy::constructorCall { first: aggregator }).await?;
        Ok(Self { proxy, aggregator, decimals })
    }

    /// Another aggregator, not turned to yet.
    ///
    /// # Errors
    /// What the node says.
    pub async fn aggregator(node: &Node, decimals: u8) -> anyhow::Result<Address> {
        node.deploy("Aggregator", abi::Aggregator::constructorCall { decimals_: decimals }).await
    }

    /// Pushes a round, in a block of its own.
    ///
    /// # Errors
    /// What the node says.
    pub async fn push(&self, node: &Node, answer: i128, updated: u64) -> anyhow::Result<()> {
        let call = abi::Aggregator::pushCall { answer: I256::try_from(answer)?, updatedAt: updated };
        node.transact(self.aggregator, call).await
    }

    /// Pushes several rounds in one block.
    ///
    /// # Errors
    /// What the node says.
    pub async fn push_all(&self, node: &Node, rounds: &[(i128, u64)]) -> anyhow::Result<()> {
        let answers = rounds.iter().map(|(answer, _)| I256::try_from(*answer)).collect::<Result<_, _>>()?;
        let times = rounds.iter().map(|(_, updated)| *updated).collect();
        node.transact(self.aggregator, abi::Aggregator::pushAllCall { answers, times }).await
    }

    /// Turns to a new aggregator: the next phase begins.
    ///
    /// # Errors
    /// What the node says.
    pub async fn turn(&mut self, node: &Node) -> anyhow::Result<()> {
        self.aggregator = Self::aggregator(node, self.decimals).await?;
        node.transact(self.proxy, abi::FeedProxy::turnToCall { next: self.aggregator }).await
    }
}
