//! A recorder: the task that reads the tokens of one collection and keeps what they are in the ledger.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use alloy::primitives::{B256, U256};
use ed25519_dalek::SigningKey;
use futures_util::{Stream, StreamExt as _, stream};
use iridule_publish::keys;
use iridule_records::{
    block::Block,
    seed::Seed,
    signed::TrustedKeys,
    token::{self, TokenRecord},
};
use serde_bytes::ByteBuf;
use tokio::sync::{Semaphore, watch};

use super::{
    contract::{Contract, Named, Read},
    document::{Documents, Mirrored, OF_ONE_COLLECTION, Unmirrored},
    queue::Queue,
};
use crate::{
    chain::Pinned,
    ledger::{Ledger, LedgerError, TokenWrites, Unrecorded},
    metrics::Metrics,
    status::TokensStatus,
};

/// Most tokens that one look reads.
const AT_A_LOOK: usize = 32;
/// Most tokens that are read at once.
const AT_ONCE: usize = 8;
/// How long what was read may wait for more before it is written down and published.
const BATCH: Duration = Duration::from_millis(200);
/// Most blocks whose events one look reads.
const BLOCKS: u64 = 2_000;
/// Own styles that a record remembers besides the newest, so that pinned URLs keep working.
const FORMER: usize = 4;
/// Tokens after which a recorder that resumes lets others run.
const AT_A_TIME: u64 = 256;
/// The shortest wait between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Reads the tokens of one collection.
pub(crate) struct Recorder {
    of: Arc<Contract>,
    documents: Documents,
    /// Permits for documents to be worked on.
    permits: Arc<Semaphore>,
    /// Up to which block events are known. The ledger follows once no token that they name is lost by a restart.
    heard: Option<u64>,
    /// How many blocks the next look asks for the events of: fewer after a question that failed.
    span: u64,
    /// The hashes that events gave, of numbers to be read.
    hashes: BTreeMap<u64, B256>,
    queue: Queue,
    /// The documents that were refused, by number: what [`Documents::digest`] gives.
    refused: BTreeMap<u64, B256>,
    /// The numbers that the ledger remembers as not read yet.
    unread: BTreeSet<u64>,
    recorded: u64,
    /// Up to which block events are known by the ledger.
    scanned: Option<u64>,
    /// Why the last look failed.
    why: Option<String>,
    /// Why the last token that could not be read could not.
    failing: Option<String>,
    shown: Arc<Mutex<TokensStatus>>,
}

/// What a recorder needs to run.
pub(crate) struct Needs {
    pub(crate) ledger: Ledger,
    pub(crate) key: SigningKey,
    pub(crate) metrics: Arc<Metrics>,
    /// Is told the highest place of a record.
    pub(crate) newest: watch::Sender<u64>,
}

/// What was found of a token.
#[derive(Debug)]
enum Found {
    /// The contract has no such token, or says only its hash.
    Read(Read),
    /// What the contract says has a style.
    Mirrored { mirrored: Box<Mirrored>, digest: B256 },
    /// What the contract says cannot be shown; a word for metrics when it exceeded a limit.
    Refused { digest: B256, why: String, ended: Option<&'static str> },
    /// What the contract says was refused before, and has not changed.
    StillRefused,
    /// It could not be found out.
    Failed(String),
}

impl Recorder {
    pub(crate) fn new(of: Contract, documents: Documents) -> Self {
        let shown = TokensStatus { collection: of.slug.clone(), ..TokensStatus::default() };
        Self {
            of: Arc::new(of),
            documents,
            permits: Arc::new(Semaphore::new(OF_ONE_COLLECTION)),
            heard: None,
            span: BLOCKS,
            hashes: BTreeMap::new(),
            queue: Queue::default(),
            refused: BTreeMap::new(),
            unread: BTreeSet::new(),
            recorded: 0,
            scanned: None,
            why: None,
            failing: None,
            shown: Arc::new(Mutex::new(shown)),
        }
    }

    /// How it does, from now on.
    pub(crate) fn shown(&self) -> Arc<Mutex<TokensStatus>> {
        self.shown.clone()
    }

    /// Reads for as long as the relay runs. What it does is written down in whole steps: it can be dropped at any time.
    pub(crate) async fn run(mut self, needs: Needs) -> Result<Infallible, LedgerError> {
        let ours = TrustedKeys::parse(&keys::public(&needs.key)).unwrap_or_default();
        self.resume(&needs.ledger, &ours).await?;
        loop {
            let more = self.look(&needs, &ours).await?;
            self.show(&needs.ledger)?;
            let due = self.queue.due().map(|due| due.saturating_duration_since(Instant::now()));
            let wait = if more { Duration::ZERO } else { due.unwrap_or(self.of.every).min(self.of.every) };
            tokio::time::sleep(wait.max(PAUSE)).await;
        }
    }

    /// Takes up what the ledger says. Numbers without a record are read, those of a former key too, and those whose
    /// documents were refused: they may have changed.
    async fn resume(&mut self, ledger: &Ledger, ours: &TrustedKeys) -> Result<(), LedgerError> {
        self.scanned = ledger.scanned(&self.of.slug)?;
        self.heard = self.scanned;
        for (number, why) in ledger.unrecorded(&self.of.slug)? {
            if !self.of.numbers.contains(&number) {
                continue;
            }
            self.queue.add(number);
            match why {
                Unrecorded::Unread => drop(self.unread.insert(number)),
                Unrecorded::Refused { digest, .. } => {
                    let digest = B256::try_from(&digest[..]).unwrap_or_default();
                    self.refused.insert(number, digest);
                }
            }
        }
        for number in self.of.numbers.clone() {
            match ledger.token(&format!("{}/{number}", self.of.slug))? {
                Some(kept) if TokenRecord::open(&kept.signed, ours).is_ok() => self.recorded += 1,
                _ => self.queue.add(number),
            }
            if number % AT_A_TIME == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Looks once. Gives whether there is more at once.
    async fn look(&mut self, needs: &Needs, ours: &TrustedKeys) -> Result<bool, LedgerError> {
        let pinned = match self.of.chain.pin().await {
            Ok(pinned) => pinned,
            Err(why) => {
                self.fails(why);
                return Ok(false);
            }
        };
        let further = match self.hear(pinned.number).await {
            Ok(further) => {
                self.why = None;
                further
            }
            Err(why) => {
                self.fails(why);
                false
            }
        };
        self.failing = self.failing.take().filter(|_| self.queue.lengths().1 > 0);
        let numbers = self.queue.take(Instant::now(), AT_A_LOOK);
        let find = |number: u64| {
            let (of, documents, permits) = (self.of.clone(), self.documents.clone(), self.permits.clone());
            let (hash, refused) = (self.hashes.get(&number).copied(), self.refused.get(&number).copied());
            let metrics = needs.metrics.clone();
            async move {
                let read = match of.read(pinned, number, hash).await {
                    Ok(Read::Uri(uri)) => uri,
                    Ok(read) => return (number, Found::Read(read)),
                    Err(why) => return (number, Found::Failed(why)),
                };
                let digest = documents.digest(&read);
                if refused == Some(digest) {
                    return (number, Found::StillRefused);
                }
                let Ok(_permit) = permits.acquire().await else {
                    return (number, Found::Failed("the relay ends".into()));
                };
                metrics.documents.inc();
                let seed = of.seed(number);
                let found = match documents.mirror(read, number, &seed).await {
                    Ok(mirrored) => Found::Mirrored { mirrored: Box::new(mirrored), digest },
                    Err(Unmirrored::Refused { why, ended }) => {
                        Found::Refused { digest, why, ended: ended.map(|ended| ended.limit.name()) }
                    }
                    Err(Unmirrored::Unavailable(why)) => Found::Failed(why.to_string()),
                };
                (number, found)
            }
        };
        let finds: Vec<_> = numbers.into_iter().map(find).collect();
        let mut found = stream::iter(finds).buffer_unordered(AT_ONCE);
        loop {
            let batch = next_batch(&mut found).await;
            if batch.is_empty() {
                break;
            }
            self.settle(batch, pinned, needs, ours)?;
            self.show(&needs.ledger)?;
        }
        // Events count as known once each token that they name was read, or is remembered not to be.
        if !self.queue.has_new() && self.scanned != self.heard {
            let writes = TokenWrites { scanned: self.heard, ..TokenWrites::default() };
            needs.ledger.keep_tokens(&self.of.slug, writes)?;
            self.scanned = self.heard;
        }
        Ok(further || self.queue.has_new())
    }

    /// Asks which tokens events name, up to this block. Gives whether there are further blocks.
    async fn hear(&mut self, newest: u64) -> Result<bool, String> {
        // What happened before the first look is in what it reads, unless events alone tell.
        let before = self.of.mint.map(|mint| mint.since.saturating_sub(1));
        let heard = self.heard.or(before).unwrap_or(newest);
        let to = newest.min(heard.saturating_add(self.span));
        if heard < to {
            let Named { numbers, hashes } = match self.of.events(heard + 1, to).await {
                Ok(named) => named,
                Err(why) => {
                    // There may be more events than an answer may hold.
                    self.span = (self.span / 2).max(1);
                    return Err(why);
                }
            };
            self.span = (self.span * 2).min(BLOCKS);
            numbers.into_iter().flatten().for_each(|number| self.queue.add(number));
            self.hashes.extend(hashes);
        }
        self.heard = Some(to.max(heard));
        Ok(to < newest)
    }

    /// Takes in what was found, and writes it down.
    fn settle(
        &mut self,
        batch: Vec<(u64, Found)>,
        pinned: Pinned,
        needs: &Needs,
        ours: &TrustedKeys,
    ) -> Result<(), LedgerError> {
        let mut writes = TokenWrites::default();
        for (number, found) in batch {
            let (digest, found) = match found {
                Found::Failed(why) => {
                    needs.metrics.token_failures.inc();
                    if self.queue.fail(number, Instant::now()) {
                        tracing::warn!(
                            collection = self.of.slug,
                            number,
                            why,
                            "a token is not read; again soon"
                        );
                        // What was refused is read again after a restart anyway.
                        if !self.refused.contains_key(&number) && self.unread.insert(number) {
                            writes.unrecorded.push((number, Some(Unrecorded::Unread)));
                        }
                    }
                    self.failing = Some(format!("token {number}: {why}"));
                    continue;
                }
                Found::StillRefused => {
                    self.queue.settle(number);
                    continue;
                }
                Found::Refused { digest, why, ended } => {
                    if let Some(limit) = ended {
                        needs.metrics.ended(limit).inc();
                    }
                    self.refuse(number, digest, why, &mut writes);
                    continue;
                }
                Found::Mirrored { mirrored, digest } => (digest, Ok(*mirrored)),
                Found::Read(read) => (B256::ZERO, Err(read)),
            };
            let record = self.record(&needs.ledger, number, found, pinned.number, ours)?;
            if let Some((record, blocks)) = record {
                match record.seal(&needs.key) {
                    Ok(signed) => {
                        self.recorded += u64::from(record.sequence == 1);
                        writes.records.push((record, signed, blocks));
                    }
                    Err(why) => {
                        self.refuse(number, digest, why, &mut writes);
                        continue;
                    }
                }
            }
            self.hashes.remove(&number);
            self.queue.settle(number);
            if self.refused.remove(&number).is_some() | self.unread.remove(&number) {
                writes.unrecorded.push((number, None));
            }
        }
        let new = !writes.records.is_empty();
        if new || !writes.unrecorded.is_empty() {
            let place = needs.ledger.keep_tokens(&self.of.slug, writes)?;
            if new {
                needs.newest.send_modify(|newest| *newest = place.max(*newest));
            }
        }
        Ok(())
    }

    fn refuse(&mut self, number: u64, digest: B256, why: String, writes: &mut TokenWrites) {
        self.queue.settle(number);
        self.hashes.remove(&number);
        self.unread.remove(&number);
        if self.refused.insert(number, digest) != Some(digest) {
            tracing::warn!(collection = self.of.slug, number, why, "a token cannot be mirrored");
            let digest = ByteBuf::from(digest.to_vec());
            writes.unrecorded.push((number, Some(Unrecorded::Refused { digest, why })));
        }
    }

    /// The record of what was found, with the blocks of its style, when it is not what the ledger has.
    fn record(
        &self,
        ledger: &Ledger,
        number: u64,
        found: Result<Mirrored, Read>,
        block: u64,
        ours: &TrustedKeys,
    ) -> Result<Option<(TokenRecord, Vec<Block>)>, LedgerError> {
        let kept = ledger.token(&format!("{}/{number}", self.of.slug))?;
        let (before, signed) = kept.map(|kept| (kept.record, kept.signed)).unzip();
        let mut record = TokenRecord {
            version: token::VERSION,
            slug: self.of.slug.clone(),
            number,
            sequence: before.as_ref().map_or(1, |before: &TokenRecord| before.sequence + 1),
            block,
            seed: self.of.seed(number).0.0.into(),
            styles: Vec::new(),
            name: None,
            description: None,
            attributes: Vec::new(),
        };
        let mut blocks = Vec::new();
        match (found, &before) {
            // An event is not heard twice; what it said stands in the ledger.
            (Err(Read::Nothing), Some(before)) if self.of.mint.is_some() => record.seed = before.seed,
            (Err(Read::Hash(hash)), _) => record.seed = hash.0.into(),
            (Err(Read::Nothing | Read::Uri(_)), _) => return Ok(None),
            (Ok(mut mirrored), _) => {
                record.name = mirrored.name.take();
                record.description = mirrored.description.take();
                record.attributes = std::mem::take(&mut mirrored.attributes);
                let Some((style, own)) = mirrored.style() else { return Ok(None) };
                let former =
                    before.iter().flat_map(|before| &before.styles).filter(|former| **former != style);
                record.styles = [style].into_iter().chain(former.copied().take(FORMER)).collect();
                blocks = own;
            }
        }
        let as_before = before.is_some_and(|before| {
            let (sequence, block) = (before.sequence, before.block);
            TokenRecord { sequence, block, ..record.clone() } == before
        });
        let ours = signed.is_some_and(|signed| TokenRecord::open(&signed, ours).is_ok());
        Ok((!(as_before && ours)).then_some((record, blocks)))
    }

    fn fails(&mut self, why: String) {
        if self.why.as_ref() != Some(&why) {
            tracing::warn!(collection = self.of.slug, why, "tokens are not read");
        }
        self.why = Some(why);
    }

    /// Tells how it does.
    fn show(&self, ledger: &Ledger) -> Result<(), LedgerError> {
        let first = self.refused.first_key_value().map(|(number, _)| *number);
        let refusal = match first {
            Some(number) if self.why.is_none() && self.failing.is_none() => {
                match ledger.why_unrecorded(&self.of.slug, number)? {
                    Some(Unrecorded::Refused { why, .. }) => Some(format!("token {number}: {why}")),
                    Some(Unrecorded::Unread) | None => None,
                }
            }
            _ => None,
        };
        let (waiting, failing) = self.queue.lengths();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = TokensStatus {
            collection: self.of.slug.clone(),
            recorded: self.recorded,
            waiting,
            failing,
            refused: self.refused.len() as u64,
            why: self.why.clone().or_else(|| self.failing.clone()).or(refusal),
        };
        Ok(())
    }
}

impl Contract {
    /// The seed that a token has unless its contract gives it another.
    fn seed(&self, number: u64) -> Seed {
        Seed::derived(self.chain.id, self.address, U256::from(number))
    }
}

/// What is there within a short time of the first; empty when nothing comes any more.
async fn next_batch<T>(from: &mut (impl Stream<Item = T> + Unpin)) -> Vec<T> {
    let mut batch: Vec<T> = from.next().await.into_iter().collect();
    let until = tokio::time::Instant::now() + BATCH;
    while !batch.is_empty() && batch.len() < AT_A_LOOK {
        match tokio::time::timeout_at(until, from.next()).await {
            Ok(Some(item)) => batch.push(item),
            Ok(None) | Err(_) => break,
        }
    }
    batch
}
