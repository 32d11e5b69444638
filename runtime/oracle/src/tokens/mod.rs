//! Tokens: what a contract says of them, read once, verified, recorded and signed; and read again when it says so.
//!
//! A recorder looks at its chain at one block, as feeds do. The first look reads every number of the supply that the
//! contract has; later ones follow its events: a mint (`Transfer` from nobody), and ERC-4906's `MetadataUpdate` and
//! `BatchMetadataUpdate`. What a token's record says is kept in the ledger with the style that is its own, and each place
//! is given what it does not have yet (`sink/tokens.rs`).

mod art;
mod mirror;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, B256, U256},
    providers::Provider as _,
    rpc::types::Filter,
    sol_types::SolEvent as _,
};
use ed25519_dalek::SigningKey;
use futures_util::{StreamExt as _, stream};
use iridule_core::{
    package::Block,
    seed::Seed,
    signed::TrustedKeys,
    token::{self, TokenRecord},
};
use iridule_publish::keys;
use serde::Deserialize;

use self::art::Art;
use crate::{
    chain::{Chain, Pinned, said},
    ledger::{Ledger, LedgerError},
    status::TokensStatus,
};

/// Tokens that one look reads.
const AT_A_LOOK: usize = 32;
/// Questions under way at once.
const AT_ONCE: usize = 8;
/// Most tokens of a collection.
pub(crate) const SUPPLY: u64 = 1_000_000;
/// Blocks whose events one look reads.
const BLOCKS: u64 = 2_000;
/// Most events of one look. More come in smaller ranges.
const EVENTS: usize = 10_000;
/// Own styles that a record remembers besides the newest, so that pinned URLs keep working.
const FORMER: usize = 4;

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

/// Reads the tokens of one collection.
pub(crate) struct Recorder {
    of: Contract,
    looked: Option<Instant>,
    /// Up to which block events are in `wanted`. The ledger follows once those tokens were read.
    heard: Option<u64>,
    /// The hashes that events gave, of numbers to be read.
    hashes: BTreeMap<u64, B256>,
    /// Numbers to be read; all of them to begin with, unless the ledger says otherwise.
    wanted: Option<BTreeSet<u64>>,
    refused: BTreeMap<u64, String>,
    recorded: u64,
    why: Option<String>,
}

/// What the chain has of a token.
#[derive(Debug, Clone, PartialEq)]
enum Read {
    /// It is not minted, or burnt.
    Nothing,
    /// Its hash.
    Hash(B256),
    /// What its URI is.
    Uri(String),
}

impl Recorder {
    pub(crate) fn new(of: Contract) -> Self {
        Self {
            of,
            looked: None,
            heard: None,
            hashes: BTreeMap::new(),
            wanted: None,
            refused: BTreeMap::new(),
            recorded: 0,
            why: None,
        }
    }

    /// Looks whether there is something new, and keeps it in the ledger. Gives the highest place of a record that is new,
    /// and whether there is more at once.
    pub(crate) async fn look(
        &mut self,
        ledger: &Ledger,
        key: &SigningKey,
    ) -> Result<(Option<u64>, bool), LedgerError> {
        if self.looked.is_some_and(|looked| looked.elapsed() < self.of.every) {
            return Ok((None, false));
        }
        match self.step(ledger, key).await? {
            Ok((place, more)) => {
                self.why = None;
                self.looked = (!more).then(Instant::now);
                Ok((place, more))
            }
            Err(why) => {
                if self.why.as_ref() != Some(&why) {
                    tracing::warn!(collection = self.of.slug, why, "tokens are not read");
                }
                self.why = Some(why);
                self.looked = Some(Instant::now());
                Ok((None, false))
            }
        }
    }

    pub(crate) fn status(&self) -> TokensStatus {
        TokensStatus {
            collection: self.of.slug.clone(),
            recorded: self.recorded,
            waiting: self.wanted.as_ref().map_or(0, |wanted| wanted.len() as u64),
            refused: self.refused.len() as u64,
            why: self.why.clone().or_else(|| {
                self.refused.first_key_value().map(|(number, why)| format!("token {number}: {why}"))
            }),
        }
    }

    async fn step(
        &mut self,
        ledger: &Ledger,
        key: &SigningKey,
    ) -> Result<Result<(Option<u64>, bool), String>, LedgerError> {
        let pinned = match self.of.chain.pin().await {
            Ok(pinned) => pinned,
            Err(why) => return Ok(Err(why)),
        };
        let scanned = ledger.scanned(&self.of.slug)?;
        let ours = TrustedKeys::parse(&keys::public(key)).unwrap_or_default();
        if self.wanted.is_none() {
            self.wanted = Some(self.missing(ledger, &ours)?);
        }
        // What happened before the first look is in what it reads, unless events alone tell.
        let before = self.of.mint.map(|mint| mint.since.saturating_sub(1));
        let heard = scanned.max(self.heard).or(before).unwrap_or(pinned.number);
        let to = pinned.number.min(heard.saturating_add(BLOCKS));
        if heard < to {
            match self.events(heard + 1, to).await {
                Ok(numbers) => self.wanted.get_or_insert_default().extend(numbers),
                Err(why) => return Ok(Err(why)),
            }
        }
        self.heard = Some(to);
        let wanted = self.wanted.get_or_insert_default();
        let now: Vec<u64> = wanted.iter().copied().take(AT_A_LOOK).collect();
        let (this, pinned) = (&*self, &pinned);
        let answers = stream::iter(now).map(async |number| (number, this.read(*pinned, number).await));
        let answers: Vec<(u64, Result<Read, String>)> = answers.buffered(AT_ONCE).collect().await;
        let mut records = Vec::new();
        let mut failed = None;
        for (number, read) in answers {
            let read = match read {
                Ok(read) => read,
                Err(why) => {
                    failed = Some(why);
                    continue;
                }
            };
            self.wanted.get_or_insert_default().remove(&number);
            self.hashes.remove(&number);
            match self.record(ledger, number, read, pinned.number, &ours)? {
                Ok(Some((record, blocks))) => match record.seal(key) {
                    Ok(signed) => {
                        self.refused.remove(&number);
                        self.recorded += u64::from(record.sequence == 1);
                        records.push((record, signed, blocks));
                    }
                    Err(why) => drop(self.refused.insert(number, why)),
                },
                Ok(None) => {}
                Err(why) => {
                    tracing::warn!(collection = self.of.slug, number, why, "a token cannot be mirrored");
                    self.refused.insert(number, why);
                }
            }
        }
        let new = !records.is_empty();
        // Events count as known only once the tokens that they name were read, or are remembered to be.
        let left = self.wanted.as_ref().is_some_and(|wanted| !wanted.is_empty());
        let place = ledger.keep_tokens(records, (!left).then_some((self.of.slug.as_str(), to)))?;
        match failed {
            Some(why) => Ok(Err(why)),
            None => Ok(Ok((new.then_some(place), left || to < pinned.number))),
        }
    }

    /// The numbers that the ledger has no record of. Records of a former key are signed anew.
    fn missing(&mut self, ledger: &Ledger, ours: &TrustedKeys) -> Result<BTreeSet<u64>, LedgerError> {
        let mut missing = BTreeSet::new();
        for number in self.of.numbers.clone() {
            match ledger.token(&format!("{}/{number}", self.of.slug))? {
                Some(kept) if TokenRecord::open(&kept.signed, ours).is_ok() => self.recorded += 1,
                _ => drop(missing.insert(number)),
            }
        }
        Ok(missing)
    }

    /// The tokens that events of these blocks name.
    async fn events(&mut self, from: u64, to: u64) -> Result<BTreeSet<u64>, String> {
        use abi::Art::{BatchMetadataUpdate, MetadataUpdate, Transfer};
        let kinds = match self.of.mint {
            Some(mint) => vec![mint.topic],
            None => vec![
                Transfer::SIGNATURE_HASH,
                MetadataUpdate::SIGNATURE_HASH,
                BatchMetadataUpdate::SIGNATURE_HASH,
            ],
        };
        let filter =
            Filter::new().address(self.of.address).event_signature(kinds).from_block(from).to_block(to);
        let events = self
            .of
            .chain
            .agree("the contract's events", move |provider| {
                let filter = filter.clone();
                Box::pin(async move {
                    let logs = provider.rpc.get_logs(&filter).await.map_err(said)?;
                    if logs.len() > EVENTS {
                        return Err(format!("{} events, at most {EVENTS}", logs.len()));
                    }
                    let event = |log: alloy::rpc::types::Log| (log.block_hash, log.log_index, log.inner);
                    Ok(logs.into_iter().map(event).collect::<Vec<_>>())
                })
            })
            .await?;
        let mut numbers = BTreeSet::new();
        for (_, _, log) in events {
            let (from, to) = if self.of.mint.is_some() {
                let Some((id, hash)) = minted(&log) else { continue };
                if let Ok(number) = u64::try_from(id) {
                    self.hashes.insert(number, hash);
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
            let range = bound(from).max(*self.of.numbers.start())..=bound(to).min(*self.of.numbers.end());
            numbers.extend(range);
        }
        Ok(numbers)
    }

    async fn read(&self, pinned: Pinned, number: u64) -> Result<Read, String> {
        let id = U256::from(number);
        let uri = |uri: Option<String>| uri.map_or(Read::Nothing, Read::Uri);
        Ok(match self.of.reading {
            Reading::Art => {
                uri(self.of.chain.call(pinned, self.of.address, abi::Art::tokenURICall { id }).await?)
            }
            Reading::Art1155 => {
                uri(self.of.chain.call(pinned, self.of.address, abi::Art::uriCall { id }).await?)
            }
            Reading::Hash => {
                let hash =
                    self.of.chain.call(pinned, self.of.address, abi::Art::tokenIdToHashCall { id }).await?;
                // Art Blocks gives zero for a token that is not minted.
                hash.filter(|hash| !hash.is_zero()).map_or(Read::Nothing, Read::Hash)
            }
            Reading::Event => self.hashes.get(&number).copied().map_or(Read::Nothing, Read::Hash),
        })
    }

    /// The record of what was read, with the blocks of its style, when it is not what the ledger has.
    #[expect(clippy::type_complexity, reason = "the ledger's fault, the token's, and what came of it")]
    fn record(
        &self,
        ledger: &Ledger,
        number: u64,
        read: Read,
        block: u64,
        ours: &TrustedKeys,
    ) -> Result<Result<Option<(TokenRecord, Vec<Block>)>, String>, LedgerError> {
        let kept = ledger.token(&format!("{}/{number}", self.of.slug))?;
        let (before, signed) = kept.map(|kept| (kept.record, kept.signed)).unzip();
        let derived = Seed::derived(self.of.chain.id, self.of.address, U256::from(number));
        let mut record = TokenRecord {
            version: token::VERSION,
            slug: self.of.slug.clone(),
            number,
            sequence: before.as_ref().map_or(1, |before: &TokenRecord| before.sequence + 1),
            block,
            seed: derived.0.0.into(),
            styles: Vec::new(),
            name: None,
            description: None,
            attributes: Vec::new(),
        };
        let mut blocks = Vec::new();
        match (read, &before) {
            // An event is not heard twice; what it said stands in the ledger.
            (Read::Nothing, Some(before)) if self.of.mint.is_some() => record.seed = before.seed,
            (Read::Nothing, _) => return Ok(Ok(None)),
            (Read::Hash(hash), _) => record.seed = hash.0.into(),
            (Read::Uri(uri), _) => {
                // Painting takes its time, and others have work to do.
                let style = |art: &Art| tokio::task::block_in_place(|| mirror::style(&art.svg, &derived));
                let made = Art::read(&uri, number).and_then(|art| Ok((style(&art)?, art)));
                let (package, art) = match made {
                    Ok(made) => made,
                    Err(why) => return Ok(Err(why)),
                };
                let former =
                    before.iter().flat_map(|before| &before.styles).filter(|style| **style != package.cid);
                record.styles = [package.cid].into_iter().chain(former.copied().take(FORMER)).collect();
                blocks = package.blocks;
                (record.name, record.description, record.attributes) =
                    (art.name, art.description, art.attributes);
            }
        }
        let as_before = before.is_some_and(|before| {
            let (sequence, block) = (before.sequence, before.block);
            TokenRecord { sequence, block, ..record.clone() } == before
        });
        let ours = signed.is_some_and(|signed| TokenRecord::open(&signed, ours).is_ok());
        Ok(Ok((!(as_before && ours)).then_some((record, blocks))))
    }
}

/// The number and the hash of a mint's event.
fn minted(log: &alloy::primitives::Log) -> Option<(U256, B256)> {
    let word = || log.data.data.get(..32).map(B256::from_slice);
    let id = log.topics().get(1)?;
    Some((U256::from_be_bytes(id.0), log.topics().get(2).copied().or_else(word)?))
}
