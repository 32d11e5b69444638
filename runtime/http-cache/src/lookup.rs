//! What is stored for a request, and how a response is kept beside its variants (RFC 9111, section 4.1). What is then done
//! with it is `front.rs`.

use std::sync::Arc;

use http::HeaderMap;

use crate::{
    clock::Tick,
    directives::Directives,
    entry::{Record, Response as Kept, Variants},
    flight::Selection,
    freshness::Standing,
    front::Cache,
    purge::Left,
    vary,
};

/// What is stored for a request.
pub(crate) enum Found {
    Nothing,
    /// There are responses under the URL, but none for these fields.
    OtherVariants,
    Response {
        response: Arc<Kept>,
        softly: bool,
    },
}

impl Cache {
    /// What lies in memory under a key for a request, and how it was selected.
    pub(crate) fn in_memory(&self, key: &str, request: &HeaderMap, now: Tick) -> Option<(Found, Selection)> {
        let mut record = self.store.at_hand(key)?;
        let mut selection = Selection::default();
        if let Record::Variants(index) = &*record {
            selection = self.selection(&index.names, request);
            record = self.store.at_hand(&variant_key(key, index, &selection))?;
        }
        let Record::Response(response) = &*record else { return None };
        Some((self.found(key, response, now), selection))
    }

    /// What is stored under a key for a request, and how it was selected.
    pub(crate) async fn find(&self, key: &str, request: &HeaderMap, now: Tick) -> (Found, Selection) {
        let (found, selection) = self.find_at(key, key, request, now).await;
        if !matches!(found, Found::OtherVariants) {
            return (found, selection);
        }
        match self.find_at(&second_slot(key), key, request, now).await {
            (Found::Response { response, softly }, selection) => {
                (Found::Response { response, softly }, selection)
            }
            _ => (found, selection),
        }
    }

    async fn find_at(&self, slot: &str, key: &str, request: &HeaderMap, now: Tick) -> (Found, Selection) {
        let mut record = self.store.find(slot).await;
        let mut selection = Selection::default();
        if let Some(Record::Variants(index)) = record.as_deref() {
            selection = self.selection(&index.names, request);
            record = self.store.find(&variant_key(key, index, &selection)).await;
        }
        let found = match record.as_deref() {
            Some(Record::Response(response)) => self.found(key, response, now),
            _ if selection.names.is_empty() => Found::Nothing,
            _ => Found::OtherVariants,
        };
        (found, selection)
    }

    pub(crate) fn found(&self, key: &str, response: &Arc<Kept>, now: Tick) -> Found {
        // Stored by an earlier process whose clock was ahead: nobody knows how old it is.
        if response.times.came > now {
            return Found::Nothing;
        }
        match self.purges.left(key, &response.fields, response.times.asked) {
            Left::Nothing => Found::Nothing,
            left => Found::Response { response: response.clone(), softly: left == Left::Stale },
        }
    }

    pub(crate) fn selection(&self, names: &[http::HeaderName], request: &HeaderMap) -> Selection {
        let values = vary::selecting(names, request, self.keying.normalise);
        Selection { names: names.to_vec(), values }
    }

    /// Keeps a response under a key, beside those that other fields select.
    pub(crate) async fn keep(&self, key: &str, selection: &Selection, response: Arc<Kept>) {
        self.clock.note_use();
        if self.has_better(key, selection, &response).await {
            return;
        }
        let record = Arc::new(Record::Response(response));
        if selection.names.is_empty() {
            self.store.put(key.to_owned(), record);
            return;
        }
        let mut slot = key.to_owned();
        let mut there = self.store.find(&slot).await;
        if let Some(Record::Variants(index)) = there.as_deref()
            && index.names.len() < selection.names.len()
            && selection.restricted(&index.names).is_some()
        {
            // Variants by fewer fields stay where they are: one client's unusual field takes nothing from the others.
            slot = second_slot(key);
            there = self.store.find(&slot).await;
        }
        let index = match there.as_deref() {
            Some(Record::Variants(index)) if index.names == selection.names => index.clone(),
            _ => {
                let index = Variants { names: selection.names.clone(), identity: self.clock.now().0 };
                self.store.put(slot, Arc::new(Record::Variants(index.clone())));
                index
            }
        };
        self.store.put(variant_key(key, &index, selection), record);
    }

    /// Whether a fresh response is stored that is for more requests than this one: the whole of which this is a part, or one
    /// that varies on fewer fields. One client's request, with a range or an unusual field, does not take its place.
    async fn has_better(&self, key: &str, selection: &Selection, response: &Kept) -> bool {
        let mut record = self.store.find(key).await;
        let mut names = 0;
        if let Some(Record::Variants(index)) = record.as_deref() {
            let Some(wider) = selection.restricted(&index.names) else { return false };
            names = index.names.len();
            record = self.store.find(&variant_key(key, index, &wider)).await;
        }
        let Some(Record::Response(stored)) = record.as_deref() else { return false };
        let now = self.clock.now();
        let Found::Response { response: stored, softly } = self.found(key, stored, now) else { return false };
        let standing = stored.freshness.standing(&Directives::default(), now, softly, 0);
        let is_whole = stored.part.is_none();
        matches!(standing, Standing::Fresh { .. })
            && is_whole
            && (response.part.is_some() || names < selection.names.len())
    }
}

/// Where the index lies of variants by more fields than those that are under the key itself.
pub(crate) fn second_slot(key: &str) -> String {
    format!("{key}\n")
}

pub(crate) fn variant_key(key: &str, index: &Variants, selection: &Selection) -> String {
    format!("{key}\n{}{}", index.identity, selection.values)
}
