//! What the ledger holds of tokens: their newest records, those that have none, and what a sink has not taken.

use cid::Cid;
use iridule_records::{block::Block, token::TokenRecord};
use redb::{ReadableDatabase as _, ReadableTable as _};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{
    error::{LedgerError, broken},
    store::Ledger,
    tables::{SCANNED, SET_ASIDE, TOKEN_ORDER, TOKENS, TOLD, UNRECORDED},
};

/// A token's newest record, as it is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// Its place among all records: higher than that of every record before.
    pub(crate) place: u64,
    /// What it says.
    pub(crate) record: TokenRecord,
    /// The same, signed.
    pub(crate) signed: ByteBuf,
    /// The blocks of the style that is the token's own.
    pub(crate) blocks: Vec<KeptBlock>,
}

/// A token without a record of what its contract says now, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Unrecorded {
    /// What the contract says cannot be shown.
    Refused {
        /// Names the document and the bounds that it was worked on under.
        digest: ByteBuf,
        /// Why.
        why: String,
    },
    /// What the contract says could not be read yet.
    Unread,
}

/// What one look at a collection's tokens writes down.
#[derive(Debug, Default)]
pub(crate) struct TokenWrites {
    /// Records, each with its signature and the blocks of its style.
    pub(crate) records: Vec<(TokenRecord, Vec<u8>, Vec<Block>)>,
    /// Numbers that have no record, or had none and need none any more.
    pub(crate) unrecorded: Vec<(u64, Option<Unrecorded>)>,
    /// Up to which block the collection's events are known.
    pub(crate) scanned: Option<u64>,
}

/// A block of a style.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptBlock {
    /// Its name.
    pub(crate) cid: Cid,
    /// Its bytes.
    pub(crate) bytes: ByteBuf,
}

impl Ledger {
    /// A token's newest record.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn token(&self, name: &str) -> Result<Option<Kept>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(TOKENS).map_err(broken)?;
        let bytes = table.get(name).map_err(broken)?;
        bytes.map(|bytes| serde_ipld_dagcbor::from_slice(bytes.value()).map_err(broken)).transpose()
    }

    /// The first token whose record has a place above this one.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn token_after(&self, place: u64) -> Result<Option<(u64, String)>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(TOKEN_ORDER).map_err(broken)?;
        let mut range = table.range(place.saturating_add(1)..).map_err(broken)?;
        let first = range.next().transpose().map_err(broken)?;
        Ok(first.map(|(place, name)| (place.value(), name.value().to_owned())))
    }

    /// Writes down what a look at a collection's tokens gave, all of it or nothing. Gives the highest place of a record.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn keep_tokens(&self, slug: &str, writes: TokenWrites) -> Result<u64, LedgerError> {
        let write = self.db.begin_write().map_err(broken)?;
        let highest = {
            let mut tokens = write.open_table(TOKENS).map_err(broken)?;
            let mut order = write.open_table(TOKEN_ORDER).map_err(broken)?;
            let mut place = order.last().map_err(broken)?.map_or(0, |(place, _)| place.value());
            for (record, signed, blocks) in writes.records {
                let name = format!("{}/{}", record.slug, record.number);
                let before = tokens.get(&*name).map_err(broken)?.map(|bytes| bytes.value().to_vec());
                if let Some(before) = before {
                    let before: Kept = serde_ipld_dagcbor::from_slice(&before).map_err(broken)?;
                    order.remove(before.place).map_err(broken)?;
                }
                place += 1;
                let kept = |block: Block| KeptBlock { cid: block.cid, bytes: ByteBuf::from(block.bytes) };
                let blocks = blocks.into_iter().map(kept).collect();
                let kept = Kept { place, record, signed: ByteBuf::from(signed), blocks };
                tokens
                    .insert(&*name, &*serde_ipld_dagcbor::to_vec(&kept).map_err(broken)?)
                    .map_err(broken)?;
                order.insert(place, &*name).map_err(broken)?;
            }
            let mut unrecorded = write.open_table(UNRECORDED).map_err(broken)?;
            for (number, why) in writes.unrecorded {
                let name = format!("{slug}/{number}");
                match why {
                    Some(why) => {
                        let bytes = serde_ipld_dagcbor::to_vec(&why).map_err(broken)?;
                        unrecorded.insert(&*name, &*bytes).map_err(broken)?;
                    }
                    None => drop(unrecorded.remove(&*name).map_err(broken)?),
                }
            }
            if let Some(scanned) = writes.scanned {
                write.open_table(SCANNED).map_err(broken)?.insert(slug, scanned).map_err(broken)?;
            }
            place
        };
        write.commit().map_err(broken)?;
        Ok(highest)
    }

    /// The tokens of a collection that have no record of what their contract says now, by number.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn unrecorded(&self, slug: &str) -> Result<Vec<(u64, Unrecorded)>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(UNRECORDED).map_err(broken)?;
        // '0' comes after '/'.
        let (from, to) = (format!("{slug}/"), format!("{slug}0"));
        let rows = table.range(&*from..&*to).map_err(broken)?;
        rows.map(|row| {
            let (name, bytes) = row.map_err(broken)?;
            let number = name.value()[from.len()..].parse().map_err(broken)?;
            Ok((number, serde_ipld_dagcbor::from_slice(bytes.value()).map_err(broken)?))
        })
        .collect()
    }

    /// Why a token has no record of what its contract says now, if it has none.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn why_unrecorded(&self, slug: &str, number: u64) -> Result<Option<Unrecorded>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(UNRECORDED).map_err(broken)?;
        let bytes = table.get(&*format!("{slug}/{number}")).map_err(broken)?;
        bytes.map(|bytes| serde_ipld_dagcbor::from_slice(bytes.value()).map_err(broken)).transpose()
    }

    /// Sets a record aside for a sink that did not take it, and remembers that the sink was given everything up to there.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn set_aside(
        &self,
        sink: &str,
        cursor: &str,
        place: u64,
        name: &str,
    ) -> Result<(), LedgerError> {
        let write = self.db.begin_write().map_err(broken)?;
        write.open_table(SET_ASIDE).map_err(broken)?.insert((sink, name), place).map_err(broken)?;
        write.open_table(TOLD).map_err(broken)?.insert(cursor, &place.to_be_bytes()[..]).map_err(broken)?;
        write.commit().map_err(broken)
    }

    /// The records that are set aside for a sink, after this name, at most so many: names and places.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn aside(
        &self,
        sink: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<(String, u64)>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(SET_ASIDE).map_err(broken)?;
        let mut found = Vec::new();
        for row in table.range((sink, after)..).map_err(broken)? {
            let (key, place) = row.map_err(broken)?;
            let (of, name) = key.value();
            if of != sink || found.len() >= most {
                break;
            }
            if name > after {
                found.push((name.to_owned(), place.value()));
            }
        }
        Ok(found)
    }

    /// Forgets that a record was set aside.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn not_aside(&self, sink: &str, name: &str) -> Result<(), LedgerError> {
        let write = self.db.begin_write().map_err(broken)?;
        write.open_table(SET_ASIDE).map_err(broken)?.remove((sink, name)).map_err(broken)?;
        write.commit().map_err(broken)
    }

    /// Up to which block a collection's events are known.
    ///
    /// # Errors
    /// [`LedgerError::Broken`].
    pub(crate) fn scanned(&self, slug: &str) -> Result<Option<u64>, LedgerError> {
        let read = self.db.begin_read().map_err(broken)?;
        let table = read.open_table(SCANNED).map_err(broken)?;
        Ok(table.get(slug).map_err(broken)?.map(|block| block.value()))
    }
}
