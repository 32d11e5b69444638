//! Memory for the requests that wait for the origin, all together: keys and fields, counted in bytes.
//!
//! A fetch goes on when its client leaves, so the number of clients bounds neither how many there are nor what they hold.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::HeaderMap;

use crate::canonical::CanonicalRequest;

/// What a waiting request takes beside its key and fields, bytes, about.
const OVERHEAD: usize = 1024;
/// What a field takes beside its name and value, bytes, about.
const FIELD: usize = 64;

/// The memory that there is, and what is taken of it.
pub(crate) struct Admission {
    most: usize,
    taken: Arc<AtomicUsize>,
}

/// What one request takes, given back when dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    bytes: usize,
    taken: Arc<AtomicUsize>,
}

impl Admission {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// Takes the memory for a request and its key, where there is enough.
    pub(crate) fn admit<B>(&self, request: &CanonicalRequest<B>) -> Option<Admitted> {
        // The URL is held three times: by the request, by the fetch, and by the index of all fetches.
        let bytes = OVERHEAD + 3 * request.url().len() + fields(request.headers());
        let before = self.taken.fetch_add(bytes, Ordering::Relaxed);
        let admitted = Admitted { bytes, taken: self.taken.clone() };
        (before + bytes <= self.most).then_some(admitted)
    }

    #[cfg(test)]
    fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Once in the request, and once in the copy that its answer is judged by.
fn fields(headers: &HeaderMap) -> usize {
    2 * headers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Keying;

    #[test]
    fn requests_take_their_bytes_and_give_them_back() {
        let admission = Admission::new(100_000);
        let url = format!("http://a/{}", "a".repeat(7990));
        let request = CanonicalRequest::get(&url, &Keying::default()).unwrap();
        let admitted: Vec<_> = std::iter::from_fn(|| admission.admit(&request)).collect();
        assert_eq!(admitted.len(), 3, "of 25 kB each");
        assert!(admission.taken() <= 100_000, "a request that is refused takes nothing");
        drop(admitted);
        assert_eq!(admission.taken(), 0);
    }
}
