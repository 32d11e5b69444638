//! What is asked of a contract: which tokens its events name, and what it says of one of them.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use alloy::{
    primitives::{Address, B256, U256},
    providers::Provider as _,
    rpc::types::{Filter, Log},
    sol_types::SolEvent as _,
};

use serde::Deserialize;

use crate::chain::{Chain, Pinned, said};

/// Most events of one look. More come in smaller ranges.
const EVENTS: usize = 10_000;

mod abi {
    alloy::sol! {
        interface Art {
            function tokenURI(uint256 id) external view returns (string uri);
            function uri(uint256 id) external view returns (string uri);
            function tokenIdToHash(uint256 id) external view returns (bytes32 hash);
            event Transfer(address indexed from, address indexed to, uint256 indexed id);
            event MetadataUpdate(uint256 id);
            event BatchMetadataUpdate(uint256 from, uint256 to);
        }
    }
}

/// Most tokens of a collection.
pub(crate) const SUPPLY: u64 = 1_000_000;
/// What is read of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reading {
    /// Picture and metadata that the contract keeps itself: ERC-721's `tokenURI`.
    Art,
    /// The same by ERC-1155's `uri`.
    Art1155,
    /// The token's hash, which is its seed: Art Blocks' `tokenIdToHash`.
    Hash,
    /// The same from the event of its mint.
    Event,
}

/// An event that gives a token its hash: the token's number is its first indexed word, the hash its second, or the first
/// that is not indexed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mint {
    /// Its first topic: `keccak256` of its signature.
    pub(crate) topic: B256,
    /// No event is in a block before this one.
    pub(crate) since: u64,
}

/// A collection's contract, and what is read of it.
pub(crate) struct Contract {
    pub(crate) slug: String,
    pub(crate) chain: Chain,
    pub(crate) address: Address,
    pub(crate) reading: Reading,
    /// What gives tokens their hashes, for [`Reading::Event`].
    pub(crate) mint: Option<Mint>,
    /// The numbers that its tokens may have.
    pub(crate) numbers: RangeInclusive<u64>,
    /// How often it is looked at.
    pub(crate) every: Duration,
}

/// What the chain has of a token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Read {
    /// It is not minted, or burnt.
    Nothing,
    /// Its hash.
    Hash(B256),
    /// What its URI is.
    Uri(String),
}

/// What the events of some blocks say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// The numbers of tokens, in ranges that do not overlap: one event can name all tokens, and there are many events.
    pub(super) numbers: Vec<RangeInclusive<u64>>,
    /// The hashes that mints gave.
    pub(super) hashes: BTreeMap<u64, B256>,
}

impl Contract {
    /// The tokens that events of these blocks name.
    pub(super) async fn events(&self, from: u64, to: u64) -> Result<Named, String> {
        use abi::Art::{BatchMetadataUpdate, MetadataUpdate, Transfer};
        let kinds = match self.mint {
            Some(mint) => vec![mint.topic],
            None => vec![
                Transfer::SIGNATURE_HASH,
                MetadataUpdate::SIGNATURE_HASH,
                BatchMetadataUpdate::SIGNATURE_HASH,
            ],
        };
        let filter = Filter::new().address(self.address).event_signature(kinds).from_block(from).to_block(to);
        let events = self
            .chain
            .agree("the contract's events", move |provider| {
                let filter = filter.clone();
                Box::pin(async move {
                    let logs = provider.rpc.get_logs(&filter).await.map_err(said)?;
                    if logs.len() > EVENTS {
                        return Err(format!("{} events, at most {EVENTS}", logs.len()));
                    }
                    let event = |log: Log| (log.block_hash, log.log_index, log.inner);
                    Ok(logs.into_iter().map(event).collect::<Vec<_>>())
                })
            })
            .await?;
        let mut named = Named::default();
        for (_, _, log) in events {
            let (from, to) = if self.mint.is_some() {
                let Some((id, hash)) = minted(&log) else { continue };
                if let Ok(number) = u64::try_from(id)
                    && self.numbers.contains(&number)
                {
                    named.hashes.insert(number, hash);
                }
                (id, id)
            } else if let Ok(minted) = Transfer::decode_log(&log) {
                // A token that only changes hands looks as before.
                if !minted.from.is_zero() {
                    continue;
                }
                (minted.id, minted.id)
            } else if let Ok(one) = MetadataUpdate::decode_log(&log) {
                (one.id, one.id)
            } else if let Ok(batch) = BatchMetadataUpdate::decode_log(&log) {
                (batch.from, batch.to)
            } else {
                continue;
            };
            let bound = |id: U256| id.saturating_to::<u64>();
            // A number past 64 bits is none of the collection's.
            let range = bound(from).max(*self.numbers.start())..=bound(to).min(*self.numbers.end());
            named.numbers.push(range);
        }
        named.numbers = merged(named.numbers);
        Ok(named)
    }

    /// What the contract says of a token. `hash` is what an event said.
    pub(super) async fn read(&self, pinned: Pinned, number: u64, hash: Option<B256>) -> Result<Read, String> {
        let id = U256::from(number);
        let uri = |uri: Option<String>| uri.map_or(Read::Nothing, Read::Uri);
        Ok(match self.reading {
            Reading::Art => uri(self.chain.call(pinned, self.address, abi::Art::tokenURICall { id }).await?),
            Reading::Art1155 => uri(self.chain.call(pinned, self.address, abi::Art::uriCall { id }).await?),
            Reading::Hash => {
                let hash = self.chain.call(pinned, self.address, abi::Art::tokenIdToHashCall { id }).await?;
                // Art Blocks gives zero for a token that is not minted.
                hash.filter(|hash| !hash.is_zero()).map_or(Read::Nothing, Read::Hash)
            }
            Reading::Event => hash.map_or(Read::Nothing, Read::Hash),
        })
    }
}

/// The same numbers in ranges that do not overlap. Empty ranges are left out.
fn merged(mut ranges: Vec<RangeInclusive<u64>>) -> Vec<RangeInclusive<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| *range.start());
    let mut all: Vec<RangeInclusive<u64>> = Vec::new();
    for range in ranges {
        match all.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=(*last.end()).max(*range.end());
            }
            _ => all.push(range),
        }
    }
    all
}

/// The number and the hash of a mint's event.
fn minted(log: &alloy::primitives::Log) -> Option<(U256, B256)> {
    let word = || log.data.data.get(..32).map(B256::from_slice);
    let id = log.topics().get(1)?;
    Some((U256::from_be_bytes(id.0), log.topics().get(2).copied().or_else(word)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn merged_ranges_hold_the_same_numbers_once(ranges in prop::collection::vec((0u64..60, 0u64..60), 0..20)) {
            let ranges: Vec<_> = ranges.into_iter().map(|(from, to)| from..=to).collect();
            let numbers: BTreeSet<u64> = ranges.iter().cloned().flatten().collect();
            let once: Vec<u64> = merged(ranges).into_iter().flatten().collect();
            prop_assert_eq!(once, numbers.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn ten_thousand_events_that_each_name_a_million_tokens_are_one_range() {
        assert_eq!(merged(vec![0..=999_999; 10_000]), [0..=999_999]);
    }
}
