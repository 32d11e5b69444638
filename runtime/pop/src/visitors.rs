//! Visitors by address: how many connections one may hold, and how often it may ask.
//!
//! An IPv6 visitor is the /64 that it can choose its addresses from.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use lru::LruCache;

/// Addresses whose rate is remembered. One that is forgotten starts with a full bucket.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1 << 16).unwrap();
/// Seconds of its rate that a visitor may ask for at once.
const BURST: f64 = 2.0;

/// Who is here.
pub(crate) struct Visitors {
    most: usize,
    /// Requests per second of one visitor; 0 for no bound.
    rate: f64,
    here: Mutex<HashMap<IpAddr, usize>>,
    buckets: Mutex<LruCache<IpAddr, Bucket>>,
}

/// What a visitor may still ask for, and as of when.
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// One connection's place.
pub(crate) struct Visit {
    visitors: Arc<Visitors>,
    address: IpAddr,
}

impl Visitors {
    pub(crate) fn new(most: usize, rate: u32) -> Arc<Self> {
        let (here, buckets) = (Mutex::default(), Mutex::new(LruCache::new(REMEMBERED)));
        Arc::new(Self { most, rate: rate.into(), here, buckets })
    }

    /// Takes a place for a connection, unless its visitor holds as many as one may.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Visit> {
        let address = client_of(address);
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let count = here.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Visit { visitors: self.clone(), address })
    }

    /// Whether a visitor may ask now.
    pub(crate) fn may_ask(&self, address: IpAddr) -> bool {
        self.rate == 0.0 || self.may_ask_at(client_of(address), Instant::now())
    }

    fn may_ask_at(&self, address: IpAddr, now: Instant) -> bool {
        let most = self.rate * BURST;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.get_or_insert_mut(address, || Bucket { tokens: most, at: now });
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * self.rate).min(most);
        bucket.at = now;
        let may = bucket.tokens >= 1.0;
        if may {
            bucket.tokens -= 1.0;
        }
        may
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut here = self.visitors.here.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = here.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                here.remove(&self.address);
            }
        }
    }
}

/// The client behind an address: itself, or the /64 of an IPv6 address.
pub(crate) fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_visitor_holds_so_many_connections_and_no_more() {
        let visitors = Visitors::new(2, 0);
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let other: IpAddr = "192.0.2.1".parse().unwrap();
        let first = visitors.enter(one).unwrap();
        let _second = visitors.enter(neighbour).unwrap();
        assert!(visitors.enter(one).is_none());
        assert!(visitors.enter(other).is_some());
        drop(first);
        assert!(visitors.enter(neighbour).is_some());
    }

    #[test]
    fn a_visitor_asks_in_bursts_and_at_its_rate() {
        let visitors = Visitors::new(1, 10);
        let (one, now) = ("192.0.2.1".parse().unwrap(), Instant::now());
        assert_eq!((0..100).filter(|_| visitors.may_ask_at(one, now)).count(), 20);
        let later = now + Duration::from_millis(550);
        assert_eq!((0..100).filter(|_| visitors.may_ask_at(one, later)).count(), 5);
        assert!(visitors.may_ask_at("192.0.2.2".parse().unwrap(), later));
    }
}
