//! What one isolate remembers between requests: the innermost tier.
//!
//! Renders, decoded styles and records, each bounded. Nothing here outlives the isolate, and losing it costs only
//! time. A lock is held for the length of a look-up, never over an `await`.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{hash::Hash, num::NonZeroUsize};
use std::sync::Mutex;

use bytes::Bytes;
use cid::Cid;
use lru::LruCache;

use crate::{limits, settings::Settings};
use iridule_origin_api::{pool::Pool, sync::lock};
use iridule_records::{
    collection::Collection, render_key::RenderKey, snapshot::Snapshot, token::TokenRecord,
};
use iridule_style::style::Style;

/// One isolate's memory and settings.
#[derive(Debug)]
pub struct Isolate {
    /// What the operator has set.
    pub settings: Settings,
    /// The origins, and what was seen of them.
    pub pool: Pool,
    renders: Mutex<Bounded<RenderKey>>,
    assets: Mutex<Bounded<Vec<Cid>>>,
    styles: Mutex<LruCache<Cid, Arc<Style>>>,
    /// Styles that could not be loaded, and until when not to try again, Unix milliseconds.
    broken: Mutex<LruCache<Cid, u64>>,
    /// Renders that failed. A style paints the same every time, so they would fail again.
    failed: Mutex<LruCache<RenderKey, ()>>,
    /// What was last complained of, by what it was about.
    complaints: Mutex<LruCache<String, String>>,
    collections: Mutex<LruCache<String, Held<Arc<Collection>>>>,
    tokens: Mutex<LruCache<String, Held<Arc<TokenRecord>>>>,
    snapshot: Mutex<HeldSnapshot>,
    /// Renders that a request of this isolate has asked an origin for and not got yet.
    awaited: Mutex<LruCache<RenderKey, u64>>,
    /// Which render was shown last, by the trail of `serve/interim.rs`.
    shown: Mutex<LruCache<RenderKey, RenderKey>>,
}

/// A record as it was last read.
#[derive(Debug, Clone)]
pub struct Held<T> {
    /// When it was read, Unix milliseconds.
    pub read_ms: u64,
    /// Its bytes, to see whether it changed without decoding it again.
    pub bytes: Bytes,
    /// What they say.
    pub value: T,
}

/// The snapshot in force, and when its record was last looked at.
#[derive(Debug, Clone, Default)]
pub struct HeldSnapshot {
    /// When the record was last read, Unix milliseconds.
    pub read_ms: Option<u64>,
    /// The bytes of the snapshot in force, to see whether the record changed without opening it again.
    pub bytes: Bytes,
    /// The snapshot in force.
    pub snapshot: Option<Arc<Snapshot>>,
}

impl Isolate {
    /// An isolate that remembers nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            pool: Pool::new(settings.origins.clone(), &settings.region),
            settings,
            renders: Mutex::new(Bounded::new(limits::ISOLATE_RENDER_BYTES)),
            assets: Mutex::new(Bounded::new(limits::ISOLATE_ASSET_BYTES)),
            styles: Mutex::new(LruCache::new(capacity(limits::ISOLATE_STYLES))),
            broken: Mutex::new(LruCache::new(capacity(limits::ISOLATE_STYLES))),
            failed: Mutex::new(LruCache::new(capacity(limits::ISOLATE_FAILED))),
            complaints: Mutex::new(LruCache::new(capacity(limits::ISOLATE_COMPLAINTS))),
            collections: Mutex::new(LruCache::new(capacity(limits::ISOLATE_COLLECTIONS))),
            tokens: Mutex::new(LruCache::new(capacity(limits::ISOLATE_TOKENS))),
            snapshot: Mutex::new(HeldSnapshot::default()),
            awaited: Mutex::new(LruCache::new(capacity(limits::ISOLATE_AWAITED))),
            shown: Mutex::new(LruCache::new(capacity(limits::ISOLATE_SHOWN))),
        }
    }

    /// A finished picture, if it is here.
    #[must_use]
    pub fn render(&self, key: &RenderKey) -> Option<Bytes> {
        lock(&self.renders).cache.get(key).cloned()
    }

    /// Keeps a finished picture, and lets go of the least recently used ones that no longer fit.
    pub fn keep_render(&self, key: RenderKey, body: Bytes) {
        lock(&self.renders).put(key, body);
    }

    /// A picture file of a style, by its blocks, if it is here.
    #[must_use]
    pub fn asset(&self, blocks: &[Cid]) -> Option<Bytes> {
        lock(&self.assets).cache.get(blocks).cloned()
    }

    /// Keeps a picture file of a style.
    pub fn keep_asset(&self, blocks: &[Cid], bytes: Bytes) {
        lock(&self.assets).put(blocks.into(), bytes);
    }

    /// A decoded style, if it is here.
    #[must_use]
    pub fn style(&self, cid: &Cid) -> Option<Arc<Style>> {
        lock(&self.styles).get(cid).cloned()
    }

    /// Keeps a decoded style.
    pub fn keep_style(&self, style: &Arc<Style>) {
        lock(&self.styles).put(style.cid, Arc::clone(style));
    }

    /// Whether a style could not be loaded a moment ago. A time further off than that is of a clock that was set back since.
    #[must_use]
    pub fn is_broken(&self, cid: &Cid, now_ms: u64) -> bool {
        let left = |until: &u64| until.saturating_sub(now_ms);
        lock(&self.broken).get(cid).is_some_and(|until| (1..=limits::BROKEN_STYLE_MS).contains(&left(until)))
    }

    /// Notes that a style could not be loaded, so that not every request tries again.
    pub fn note_broken(&self, cid: Cid, until_ms: u64) {
        lock(&self.broken).put(cid, until_ms);
    }

    /// Whether this render is known to fail.
    #[must_use]
    pub fn has_failed(&self, key: &RenderKey) -> bool {
        lock(&self.failed).get(key).is_some()
    }

    /// Notes that a render failed.
    pub fn note_failed(&self, key: RenderKey) {
        lock(&self.failed).put(key, ());
    }

    /// Notes that a request of this isolate asks an origin for this render, until then at most, Unix milliseconds. `false`
    /// when another does already.
    pub fn await_render(&self, key: &RenderKey, now_ms: u64, until_ms: u64) -> bool {
        let mut awaited = lock(&self.awaited);
        // Later than this one's own end is of a clock that was set back since.
        let free = awaited.peek(key).is_none_or(|until| *until <= now_ms || *until > until_ms);
        if free {
            awaited.put(*key, until_ms);
        }
        free
    }

    /// Whether a request of this isolate is asking an origin for this render.
    #[must_use]
    pub fn is_awaited(&self, key: &RenderKey) -> bool {
        lock(&self.awaited).contains(key)
    }

    /// Notes that nobody of this isolate asks for this render any more.
    pub fn end_wait(&self, key: &RenderKey) {
        lock(&self.awaited).pop(key);
    }

    /// Which render was shown last, of those that stand for one another.
    #[must_use]
    pub fn shown(&self, trail: &RenderKey) -> Option<RenderKey> {
        lock(&self.shown).get(trail).copied()
    }

    /// Notes which render was shown last. Whether that is news.
    pub fn note_shown(&self, trail: RenderKey, key: RenderKey) -> bool {
        lock(&self.shown).put(trail, key) != Some(key)
    }

    /// Whether this complaint is another than the last one about the same thing. A record that is refused is read again
    /// and again; its reader is told once.
    #[must_use]
    pub fn is_news(&self, about: &str, complaint: &str) -> bool {
        let mut complaints = lock(&self.complaints);
        let known = complaints.get(about).is_some_and(|last| last == complaint);
        if !known {
            complaints.put(about.into(), complaint.into());
        }
        !known
    }

    /// Notes that there is nothing more to complain of; what goes wrong next is news again.
    pub fn note_good(&self, about: &str) {
        lock(&self.complaints).pop(about);
    }

    /// A collection's record as it was last read.
    #[must_use]
    pub fn collection(&self, slug: &str) -> Option<Held<Arc<Collection>>> {
        lock(&self.collections).get(slug).cloned()
    }

    /// Keeps a collection's record.
    pub fn keep_collection(&self, slug: &str, held: Held<Arc<Collection>>) {
        renew(&mut lock(&self.collections), slug, held);
    }

    /// A token's record as it was last read, by its key.
    #[must_use]
    pub fn token(&self, key: &str) -> Option<Held<Arc<TokenRecord>>> {
        lock(&self.tokens).get(key).cloned()
    }

    /// Keeps a token's record.
    pub fn keep_token(&self, key: &str, held: Held<Arc<TokenRecord>>) {
        renew(&mut lock(&self.tokens), key, held);
    }

    /// The snapshot in force.
    #[must_use]
    pub fn snapshot(&self) -> HeldSnapshot {
        lock(&self.snapshot).clone()
    }

    /// Notes that the record was read, and puts a snapshot in force unless a newer one came meanwhile.
    pub fn keep_snapshot(&self, read_ms: u64, bytes: Bytes, snapshot: Option<Arc<Snapshot>>) {
        let mut held = lock(&self.snapshot);
        held.read_ms = Some(read_ms);
        held.bytes = bytes;
        let newer =
            |new: &Arc<Snapshot>| held.snapshot.as_ref().is_none_or(|old| new.sequence > old.sequence);
        if let Some(new) = snapshot.filter(newer) {
            held.snapshot = Some(new);
        }
    }
}

/// Puts a value in, as the most recently used one; the key is copied only where it is new.
fn renew<T>(cache: &mut LruCache<String, T>, key: &str, value: T) {
    match cache.get_mut(key) {
        Some(known) => *known = value,
        None => drop(cache.put(key.into(), value)),
    }
}

fn capacity(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}

/// The most recently used bodies, bounded in bytes.
#[derive(Debug)]
struct Bounded<K: Hash + Eq> {
    cache: LruCache<K, Bytes>,
    bytes: usize,
    most: usize,
}

impl<K: Hash + Eq> Bounded<K> {
    fn new(most: usize) -> Self {
        Self { cache: LruCache::unbounded(), bytes: 0, most }
    }

    fn put(&mut self, key: K, body: Bytes) {
        // A body that would push out most others is not worth it; the tier beyond has it.
        if body.len() > self.most / 4 {
            return;
        }
        self.bytes += body.len();
        if let Some(old) = self.cache.put(key, body) {
            self.bytes -= old.len();
        }
        while self.bytes > self.most {
            let Some((_, oldest)) = self.cache.pop_lru() else { break };
            self.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_stay_within_their_bytes() {
        let isolate = Isolate::new(Settings::default());
        let body = Bytes::from(alloc::vec![0; 1 << 20]);
        let key = |n: u8| RenderKey([n; 32].into());
        for n in 0..40 {
            isolate.keep_render(key(n), body.clone());
            isolate.keep_render(key(n), body.clone());
        }
        let held = (0..40).filter(|n| isolate.render(&key(*n)).is_some()).count();
        assert_eq!(held, limits::ISOLATE_RENDER_BYTES >> 20);
        assert!(isolate.render(&key(39)).is_some() && isolate.render(&key(0)).is_none());
        isolate.keep_render(key(50), Bytes::from(alloc::vec![0; limits::ISOLATE_RENDER_BYTES]));
        assert!(isolate.render(&key(50)).is_none() && isolate.render(&key(39)).is_some());
    }
}
