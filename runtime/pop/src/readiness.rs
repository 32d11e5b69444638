//! Whether this host does all that it is there for, and in plain words what it does not: `/readyz` on the second listener.
//!
//! A host that is alive but not ready still serves visitors from what it has; `/healthz` says that it is alive.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What is wrong just now, by part. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Readiness {
    /// Says what is wrong with a part, until it is [`clear`](Self::clear)ed. Whether that is news.
    pub(crate) fn set(&self, part: &'static str, why: String) -> bool {
        let mut wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.insert(part, why).is_none()
    }

    /// Nothing is wrong with a part any more. Whether something was.
    pub(crate) fn clear(&self, part: &'static str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(part).is_some()
    }

    /// A line for each part that something is wrong with.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.iter().map(|(part, why)| format!("{part}: {why}")).collect()
    }
}
