//! Pictures that origins could not make, and what follows from that.
//!
//! One origin's word is not enough: it may be faulty, or lie. A picture is unpaintable once two origins with different keys
//! say so. Until then another origin is asked; where there is none, or two have failed on the same picture, nobody is asked
//! for a while, so that one picture that breaks painters does not take every origin out of the pool.

use alloc::vec::Vec;
use core::num::NonZeroUsize;

use lru::LruCache;

use crate::limits;
use iridule_records::render_key::RenderKey;

/// Why an origin did not make a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It says that the picture cannot be painted.
    Unpaintable,
    /// Its painter failed: crashed, hung, or ran out of memory.
    MachineFault,
}

/// What follows from a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another origin may paint it.
    AskAnother,
    /// Two origins agree that it cannot be painted.
    Unpaintable,
    /// Two origins failed on it, in whatever way: the picture is to blame, not the second machine.
    NotNow,
}

/// What origins have refused lately.
#[derive(Debug)]
pub struct Refusals(LruCache<RenderKey, Refused>);

#[derive(Debug)]
struct Refused {
    until: u64,
    by: Vec<(usize, Refusal)>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self(LruCache::new(NonZeroUsize::new(limits::ISOLATE_REFUSALS).unwrap_or(NonZeroUsize::MIN)))
    }
}

impl Refusals {
    /// Notes a member's refusal at this time, microseconds. `same_machine` says whether two members share a key.
    pub fn note(
        &mut self,
        key: &RenderKey,
        member: usize,
        refusal: Refusal,
        now: u64,
        same_machine: impl Fn(usize, usize) -> bool,
    ) -> Verdict {
        let known = self.0.get_mut(key).filter(|known| known.until > now);
        let others: Vec<Refusal> = known
            .iter()
            .flat_map(|known| &known.by)
            .filter_map(|(other, refusal)| {
                (*other != member && !same_machine(*other, member)).then_some(*refusal)
            })
            .collect();
        let until = now.saturating_add(limits::REFUSAL_MS * 1000);
        match known {
            Some(known) => {
                known.until = until;
                known.by.retain(|(other, _)| *other != member);
                known.by.push((member, refusal));
            }
            None => drop(self.0.put(*key, Refused { until, by: Vec::from([(member, refusal)]) })),
        }
        match others.as_slice() {
            [] => Verdict::AskAnother,
            others if refusal == Refusal::Unpaintable && others.contains(&refusal) => Verdict::Unpaintable,
            _ => Verdict::NotNow,
        }
    }

    /// The members that refused this picture lately.
    #[must_use]
    pub fn members(&self, key: &RenderKey, now: u64) -> Vec<usize> {
        let known = self.0.peek(key).filter(|known| known.until > now);
        known.map(|known| known.by.iter().map(|(member, _)| *member).collect()).unwrap_or_default()
    }

    /// Forgets what was said of this picture; gives the members that called it unpaintable.
    pub fn take(&mut self, key: &RenderKey) -> Vec<usize> {
        let known = self.0.pop(key);
        let by = known.into_iter().flat_map(|known| known.by);
        by.filter(|(_, refusal)| *refusal == Refusal::Unpaintable).map(|(member, _)| member).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> RenderKey {
        RenderKey([1; 32].into())
    }

    #[test]
    fn a_picture_is_unpaintable_once_two_different_machines_say_so() {
        let mut refusals = Refusals::default();
        let mut note =
            |member, refusal, now| refusals.note(&key(), member, refusal, now, |a, b| a / 10 == b / 10);
        assert_eq!(note(0, Refusal::Unpaintable, 0), Verdict::AskAnother);
        assert_eq!(note(0, Refusal::Unpaintable, 1), Verdict::AskAnother, "the same member again");
        assert_eq!(note(1, Refusal::Unpaintable, 2), Verdict::AskAnother, "a member with the same key");
        assert_eq!(note(10, Refusal::MachineFault, 3), Verdict::NotNow);
        assert_eq!(note(20, Refusal::Unpaintable, 4), Verdict::Unpaintable);
        let later = 5 + limits::REFUSAL_MS * 1000;
        assert_eq!(note(0, Refusal::Unpaintable, later), Verdict::AskAnother, "what was said is forgotten");
    }

    #[test]
    fn members_that_refused_are_known_until_the_picture_comes() {
        let mut refusals = Refusals::default();
        refusals.note(&key(), 3, Refusal::Unpaintable, 0, |_, _| false);
        refusals.note(&key(), 4, Refusal::MachineFault, 0, |_, _| false);
        assert_eq!(refusals.members(&key(), 1), [3, 4]);
        assert!(refusals.members(&key(), limits::REFUSAL_MS * 1000).is_empty());
        assert_eq!(refusals.take(&key()), [3], "a machine's fault has been counted already");
        assert!(refusals.members(&key(), 1).is_empty());
    }
}
