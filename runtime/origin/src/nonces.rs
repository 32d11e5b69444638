//! The nonces of requests that were carried out: a signed request is accepted once.
//!
//! Each edge has its own set, so that no edge can use up another's nonces or space. A nonce is remembered for as long as
//! its request would be valid. Where an edge sends more requests than can be remembered, its oldest requests are rejected
//! instead. Requests sent before this process started are rejected, because an earlier process may have carried them out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use iridule_origin_api::limits;

use crate::lock::lock;

/// Maximum number of nonces that are remembered for one edge: a few megabytes.
const MAX_REMEMBERED: usize = 1 << 16;

/// The result of checking a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceCheck {
    /// New. It is remembered from now on.
    New,
    /// It was used before.
    Again,
    /// The request is too old to know.
    TooOld,
}

/// The nonces of all requests that would still be valid.
#[derive(Debug)]
pub struct Nonces {
    /// Requests sent up to this time are rejected, Unix milliseconds.
    since_ms: u64,
    edges: Mutex<BTreeMap<String, EdgeNonces>>,
}

#[derive(Debug)]
struct EdgeNonces {
    /// Requests of this edge sent up to this time are rejected, Unix milliseconds.
    since_ms: u64,
    /// Pairs of sending time and nonce.
    seen: BTreeSet<(u64, u64)>,
}

impl Nonces {
    /// Starts without any nonce, at this time (Unix milliseconds). Requests are rejected until [`limits::ORDER_AHEAD_MS`]
    /// later, since an earlier process may have accepted requests that were dated as far ahead.
    #[must_use]
    pub fn since(now_ms: u64) -> Self {
        Self { since_ms: now_ms.saturating_add(limits::ORDER_AHEAD_MS), edges: Mutex::default() }
    }

    /// Checks and records the nonce of a request that the edge sent at this time, Unix milliseconds.
    pub fn note(&self, edge: &str, nonce: u64, sent_ms: u64, now_ms: u64) -> NonceCheck {
        let mut edges = lock(&self.edges);
        let fresh = || EdgeNonces { since_ms: self.since_ms, seen: BTreeSet::new() };
        let edge = edges.entry(edge.to_owned()).or_insert_with(fresh);
        let oldest = now_ms.saturating_sub(limits::ORDER_AGE_MS);
        while let Some((sent, _)) = edge.seen.first().copied()
            && (sent < oldest || edge.seen.len() >= MAX_REMEMBERED)
        {
            edge.seen.pop_first();
            // `max`, because the clock may be set back.
            edge.since_ms = edge.since_ms.max(sent);
        }
        if sent_ms <= edge.since_ms {
            return NonceCheck::TooOld;
        }
        if edge.seen.insert((sent_ms, nonce)) { NonceCheck::New } else { NonceCheck::Again }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_000_000;
    const AHEAD: u64 = limits::ORDER_AHEAD_MS;
    const AGE: u64 = limits::ORDER_AGE_MS;

    #[test]
    fn an_order_is_taken_once_and_forgotten_when_it_is_too_old_to_be_taken() {
        let nonces = Nonces::since(START);
        let now = START + AHEAD + 1;
        assert_eq!(nonces.note("a", 1, now, now), NonceCheck::New);
        assert_eq!(nonces.note("a", 2, now, now), NonceCheck::New);
        assert_eq!(nonces.note("a", 1, now, now + AGE), NonceCheck::Again);
        assert_eq!(nonces.note("a", 3, now + AGE, now + AGE + 1), NonceCheck::New);
        assert_eq!(nonces.edges.lock().unwrap()["a"].seen.len(), 1);
        assert_eq!(nonces.note("a", 1, now, now), NonceCheck::TooOld, "also when the clock is set back");
    }

    #[test]
    fn one_edge_cannot_use_up_the_numbers_or_the_room_of_another() {
        let nonces = Nonces::since(START);
        let now = START + AHEAD + 1;
        assert_eq!(nonces.note("a", 7, now, now), NonceCheck::New);
        assert_eq!(nonces.note("b", 7, now, now), NonceCheck::New);
        for nonce in 0..=(MAX_REMEMBERED as u64) {
            assert_eq!(nonces.note("c", nonce, now + 1 + nonce / 100, now), NonceCheck::New);
        }
        assert_eq!(nonces.note("c", 0, now + 1, now), NonceCheck::TooOld, "its own oldest orders make room");
        assert_eq!(nonces.note("a", 8, now, now), NonceCheck::New);
        assert!(nonces.edges.lock().unwrap()["c"].seen.len() <= MAX_REMEMBERED);
    }

    #[test]
    fn an_order_that_an_earlier_process_may_have_carried_out_is_refused() {
        let nonces = Nonces::since(START);
        for sent in [START - AGE, START, START + AHEAD] {
            assert_eq!(nonces.note("a", 1, sent, START + AHEAD), NonceCheck::TooOld);
        }
        assert_eq!(nonces.note("a", 1, START + AHEAD + 1, START + AHEAD + 1), NonceCheck::New);
    }
}
