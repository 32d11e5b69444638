//! Token records on their way to a place: each that it does not have yet, in the order in which they were made.
//!
//! A task of its own beside the snapshots', so that a collection that a place does not know yet holds up no snapshot.

use std::sync::Arc;

use iridule_core::package::Block;
use iridule_publish::{Address, Place, PlaceError};
use tokio::sync::watch;

use super::{LONGEST, WAIT};
use crate::{
    ledger::{Kept, Ledger, LedgerError},
    metrics::Metrics,
};

/// What gives a place its tokens.
pub(crate) struct Giving {
    /// The place's name.
    pub(crate) name: String,
    pub(crate) address: Address,
    pub(crate) token: String,
    pub(crate) ledger: Ledger,
    /// The highest place of a record.
    pub(crate) newest: watch::Receiver<u64>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Giving {
    /// Runs until there is nothing newer to come.
    pub(crate) async fn run(mut self) {
        let mut wait = WAIT;
        loop {
            self.newest.borrow_and_update();
            match self.give_all().await {
                Ok(()) => wait = WAIT,
                Err(why) => {
                    self.metrics.refusals(&self.name).inc();
                    tracing::warn!(
                        sink = self.name,
                        why,
                        wait_ms = wait.as_millis(),
                        "a token is not taken; again soon"
                    );
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST);
                    continue;
                }
            }
            if self.newest.changed().await.is_err() {
                return;
            }
        }
    }

    async fn give_all(&self) -> Result<(), String> {
        let broken = |why: LedgerError| why.to_string();
        let cursor = format!("tokens of {}", self.name);
        let mut place = None;
        loop {
            let told = self.ledger.told(&cursor).map_err(broken)?;
            let told = told.and_then(|told| told.try_into().ok()).map_or(0, u64::from_be_bytes);
            let Some((next, name)) = self.ledger.token_after(told).map_err(broken)? else { return Ok(()) };
            // One that was made anew meanwhile has a higher place, and its turn comes.
            if let Some(kept) = self.ledger.token(&name).map_err(broken)?.filter(|kept| kept.place == next) {
                let open = match place.take() {
                    Some(open) => open,
                    None => Place::open(&self.address, &self.token).await.map_err(|why| why.to_string())?,
                };
                give(&open, kept).await.map_err(|why| why.to_string())?;
                place = Some(open);
            }
            self.ledger.tell(&cursor, &next.to_be_bytes()).map_err(broken)?;
        }
    }
}

async fn give(place: &Place, kept: Kept) -> Result<(), PlaceError> {
    for block in kept.blocks {
        place.put_block(&Block { cid: block.cid, bytes: block.bytes.into_vec() }).await?;
    }
    let (slug, number) = (&kept.record.slug, kept.record.number);
    match place.put_token(slug, number, &kept.signed).await {
        // It has this one, or a newer one that another relay gave it.
        Err(PlaceError::Refused { status: 409, .. }) => Ok(()),
        put => put,
    }
}
