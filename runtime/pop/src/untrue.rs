//! What a publication makes untrue, and so takes out of the cache: by tag, and only that.
//!
//! A snapshot makes the live pictures of those collections untrue whose state it changes; a collection's record makes all
//! of it untrue, a token's what is of that token. What was refused, and what lists there are, may be otherwise after either.

use iridule_edge::reply::{TAG_OF_LISTS, TAG_OF_REFUSALS, tag_of_live};
use iridule_http_cache::{Cache, Purge};
use iridule_records::{signed::TrustedKeys, snapshot::Snapshot};

use crate::store::Records;

/// Where to look and what to purge.
pub(crate) struct Untrue<'a> {
    pub(crate) cache: Option<&'a Cache>,
    pub(crate) records: &'a Records,
    pub(crate) trusted: &'a TrustedKeys,
    pub(crate) publishers: &'a TrustedKeys,
}

impl Untrue<'_> {
    /// A snapshot replaced another, or was the first. `now_ms` is Unix time.
    pub(crate) fn snapshot(&self, before: Option<&[u8]>, after: &[u8], now_ms: u64) {
        let Some(cache) = self.cache else { return };
        let open = |bytes: &[u8]| Snapshot::open(bytes, self.trusted, u64::MAX).ok();
        let before = before.and_then(open).filter(|before| before.expires > now_ms);
        let after = open(after);
        match self.records.collections(self.publishers) {
            Ok(all) => {
                for (collection, manifest) in all {
                    let state = |snapshot: &Option<Snapshot>| snapshot.as_ref()?.state(&manifest.gauges);
                    // The style on trial may see other gauges.
                    let changed = collection.canary.is_some() || state(&before) != state(&after);
                    if changed && !manifest.gauges.is_empty() {
                        purge(cache, Purge::Tag(tag_of_live(&collection.slug)));
                    }
                }
            }
            Err(why) => {
                tracing::warn!(%why, "which collections a snapshot changes is not known; everything is purged");
                purge(cache, Purge::Everything);
            }
        }
        purge(cache, Purge::Tag(TAG_OF_REFUSALS.to_owned()));
    }

    /// A collection's record was written.
    pub(crate) fn collection(&self, slug: &str) {
        let Some(cache) = self.cache else { return };
        for tag in [slug, TAG_OF_LISTS, TAG_OF_REFUSALS] {
            purge(cache, Purge::Tag(tag.to_owned()));
        }
    }

    /// A token's record was written.
    pub(crate) fn token(&self, slug: &str, number: &str) {
        let Some(cache) = self.cache else { return };
        for tag in [format!("{slug}/{number}"), TAG_OF_REFUSALS.to_owned()] {
            purge(cache, Purge::Tag(tag));
        }
    }
}

fn purge(cache: &Cache, what: Purge) {
    if let Err(why) = cache.purge(what, false) {
        tracing::error!(%why, "a purge holds, but could not be written down");
    }
}
