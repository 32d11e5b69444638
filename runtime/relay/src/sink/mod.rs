//! Sinks: whom a relay tells. Each has a task of its own, so that one that is down holds up no other.
//!
//! A sink is given the newest snapshot, again and again until it has taken it, with waits that double up to a minute. A
//! snapshot says everything, so a sink that was away is given only the newest: what it missed is in there. Sequences
//! that a sink sees only rise. Whoever is told of states rather than snapshots (a webhook, a contract) is told when they
//! differ from what it was told last, which the ledger remembers.

mod contract;
mod place;
mod snapshot;
mod target;
mod task;
mod tokens;
mod webhook;

pub(crate) use self::{
    contract::Announcer,
    snapshot::{Shown, Signed},
    target::Target,
    task::{Common, Sink},
    tokens::Giving,
    webhook::Webhook,
};
