//! Work that ended instances: which picture a guest was painting, or which style it was loading, when it trapped or used
//! up its time.
//!
//! A trap ends the whole instance, so the functions cannot fall back to a former style by themselves, as they do when a
//! style fails with an error. Therefore a guest says what it is about to do (a *risk*, by name) and when that is done,
//! through the key-value label `risks` (`keyvalue.rs`). If the instance ends in between, the name is noted here, and
//! guests are told not to try it again for a while; they then show the former style.
//!
//! A note is about one name alone, and a name contains all that the work depends on: the render key of a picture, the CID
//! of a style. So whoever finds an odd variant that ends an instance disables that variant of that token, and nothing
//! else. Loading a style concerns everybody who looks at it, so one crash is not enough there: it may have been the fault
//! of what the instance had done before.
//!
//! Notes expire, later each time the same work crashes again, so that a fault of the moment heals by itself.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lru::LruCache;

use crate::metrics::Metrics;

/// Names that are remembered; the least recently crashed ones are forgotten first.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// How long the first note holds. It doubles each time.
const FIRST: Duration = Duration::from_secs(60);
/// How long a note holds at most, and after how long without a crash all is forgotten.
const LONGEST: Duration = Duration::from_secs(3600);
/// Risks that one instance may have begun at once.
const AT_ONCE: usize = 16;
/// How names of risks begin that concern all pictures of a style; they crash twice before they are refused.
const SHARED: &str = "style/";

/// The notes of one host.
pub(crate) struct Crashes {
    notes: Mutex<LruCache<String, Note>>,
    metrics: Arc<Metrics>,
}

struct Note {
    /// Crashes so far.
    times: u32,
    last: Instant,
    /// Refused until then.
    until: Instant,
}

impl Crashes {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { notes: Mutex::new(LruCache::new(REMEMBERED)), metrics }
    }

    /// Whether this work ended an instance lately, and must not be tried.
    pub(crate) fn refuses(&self, name: &str) -> bool {
        self.refuses_at(name, Instant::now())
    }

    /// Notes that an instance ended during this work.
    pub(crate) fn note(&self, name: String) {
        self.metrics.crashes.inc();
        let held = self.note_at(name.clone(), Instant::now());
        tracing::warn!(name, refused_s = held.as_secs(), "this work ended an instance");
    }

    fn refuses_at(&self, name: &str, now: Instant) -> bool {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.peek(name).is_some_and(|note| now < note.until)
    }

    /// Gives for how long the work is refused now.
    fn note_at(&self, name: String, now: Instant) -> Duration {
        let allowed = if name.starts_with(SHARED) { 1 } else { 0 };
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let note = notes.get_or_insert_mut(name, || Note { times: 0, last: now, until: now });
        if now.duration_since(note.last) > LONGEST + LONGEST {
            note.times = 0;
        }
        note.times = note.times.saturating_add(1);
        note.last = now;
        let held = match note.times.checked_sub(allowed + 1) {
            Some(doublings) => (FIRST * 2_u32.saturating_pow(doublings.min(10))).min(LONGEST),
            None => Duration::ZERO,
        };
        note.until = now + held;
        held
    }
}

/// The risks that one instance has begun and not ended.
#[derive(Debug, Default)]
pub(crate) struct Risks(Vec<String>);

impl Risks {
    pub(crate) fn begin(&mut self, name: String) {
        if self.0.len() < AT_ONCE {
            self.0.push(name);
        }
    }

    pub(crate) fn end(&mut self, name: &str) {
        self.0.retain(|begun| begun != name);
    }

    /// What was under way when the instance ended.
    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crashes() -> Crashes {
        Crashes::new(Metrics::new())
    }

    #[test]
    fn what_crashed_is_refused_for_a_while_and_for_longer_each_time() {
        let (crashes, mut now) = (crashes(), Instant::now());
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(!crashes.refuses_at("picture/a", now));
            crashes.note_at("picture/a".into(), now);
            assert!(crashes.refuses_at("picture/a", now));
            assert!(!crashes.refuses_at("picture/b", now), "other pictures of the style are not refused");
            now += FIRST * minutes;
            assert!(crashes.refuses_at("picture/a", now - Duration::from_secs(1)), "{minutes}");
        }
        now += 3 * LONGEST;
        crashes.note_at("picture/a".into(), now);
        assert!(!crashes.refuses_at("picture/a", now + FIRST), "it was forgotten");
    }

    #[test]
    fn a_style_is_refused_to_everybody_only_after_its_second_crash() {
        let (crashes, now) = (crashes(), Instant::now());
        crashes.note_at("style/a".into(), now);
        assert!(!crashes.refuses_at("style/a", now));
        crashes.note_at("style/a".into(), now);
        assert!(crashes.refuses_at("style/a", now));
    }

    #[test]
    fn a_flood_of_crashing_variants_takes_no_more_memory_than_is_set() {
        let (crashes, now) = (crashes(), Instant::now());
        for variant in 0..3 * REMEMBERED.get() {
            crashes.note_at(format!("picture/{variant}"), now);
        }
        assert_eq!(crashes.notes.lock().unwrap().len(), REMEMBERED.get());
        let mut risks = Risks::default();
        (0..1000).for_each(|name| risks.begin(name.to_string()));
        risks.end("3");
        assert_eq!(risks.take().len(), AT_ONCE - 1);
    }
}
