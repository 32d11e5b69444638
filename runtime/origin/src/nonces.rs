//! Numbers of orders that were seen: each order is carried out once.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

/// Most orders remembered at once: those of the last [`iridule_core::limits::ORDER_MS`].
const MOST: usize = 1 << 20;

/// What a nonce is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is new, and remembered until its deadline.
    New,
    /// It came before.
    Again,
    /// More orders are under way than can be remembered: none can be taken.
    Full,
}

/// The nonces of orders whose deadlines are not over.
#[derive(Debug, Default)]
pub struct Nonces(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    seen: HashSet<(u64, u64)>,
    by_deadline: BTreeMap<u64, Vec<u64>>,
}

impl Nonces {
    /// Notes the nonce of an order with this deadline, Unix milliseconds.
    pub fn note(&self, nonce: u64, deadline_ms: u64, now_ms: u64) -> Seen {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Held { seen, by_deadline } = &mut *held;
        while let Some(entry) = by_deadline.first_entry()
            && *entry.key() <= now_ms
        {
            let deadline = *entry.key();
            for nonce in entry.remove() {
                seen.remove(&(nonce, deadline));
            }
        }
        if seen.contains(&(nonce, deadline_ms)) {
            return Seen::Again;
        }
        if seen.len() >= MOST {
            return Seen::Full;
        }
        seen.insert((nonce, deadline_ms));
        by_deadline.entry(deadline_ms).or_default().push(nonce);
        Seen::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_taken_once_and_forgotten_when_it_is_over() {
        let nonces = Nonces::default();
        assert_eq!(nonces.note(1, 100, 0), Seen::New);
        assert_eq!(nonces.note(2, 100, 0), Seen::New);
        assert_eq!(nonces.note(1, 100, 99), Seen::Again);
        assert_eq!(nonces.note(3, 300, 100), Seen::New);
        let held = nonces.0.lock().unwrap();
        assert_eq!((held.seen.len(), held.by_deadline.len()), (1, 1));
    }
}
