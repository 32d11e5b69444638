//! The memory that guests share: an instance takes its linear memory from here as it grows, and waits where there is
//! none.
//!
//! Most instances stay small, so memory is not set aside for the worst of each. All draw on one pool, in units. When the
//! pool is empty, an instance that must grow takes one of a few *whole* places, which cover an instance up to its limit;
//! it never waits again, so it finishes and gives the place to the next. Hence instances that wait for each other cannot
//! come to a standstill, and all guests together never hold more than the pool and the whole places.
//!
//! An instance keeps its memory while it is idle, for the next request. When another has to wait, idle ones end.
//!
//! How large the pool is, `budget.rs` settles.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, futures::OwnedNotified};

use crate::budget::Budget;

/// Bytes that are accounted for together.
pub(crate) const UNIT_BYTES: usize = 1 << 20;

/// What all instances of a host share.
pub(crate) struct GuestMemory {
    pool: Arc<Semaphore>,
    whole: Arc<Semaphore>,
    /// Instances that wait for memory.
    waiting: AtomicUsize,
    wanted: Arc<Notify>,
}

/// The memory that one instance holds.
pub(crate) struct Grant {
    shared: Arc<GuestMemory>,
    /// Whether it may take a whole place. Event streams last for minutes and may not.
    may_take_whole: bool,
    /// How long it waits at most.
    patience: Duration,
    bytes: usize,
    part: Option<OwnedSemaphorePermit>,
    whole: Option<OwnedSemaphorePermit>,
}

impl GuestMemory {
    pub(crate) fn new(budget: &Budget) -> Arc<Self> {
        let units = (budget.pool / UNIT_BYTES).min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            pool: Arc::new(Semaphore::new(units)),
            whole: Arc::new(Semaphore::new(budget.whole_instances)),
            waiting: AtomicUsize::new(0),
            wanted: Arc::default(),
        })
    }

    /// Whether an instance waits for memory now.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Tells an idle instance when memory is wanted.
    pub(crate) fn watch(self: &Arc<Self>) -> Wanted {
        Wanted { shared: self.clone(), notified: Box::pin(self.wanted.clone().notified_owned()) }
    }
}

impl Grant {
    pub(crate) fn new(shared: Arc<GuestMemory>, may_take_whole: bool, patience: Duration) -> Self {
        Self { shared, may_take_whole, patience, bytes: 0, part: None, whole: None }
    }

    /// Takes so many more bytes; waits for them where others hold them. `false` when they did not come in time.
    pub(crate) async fn grow(&mut self, more: usize) -> bool {
        let bytes = self.bytes.saturating_add(more);
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let held = self.part.as_ref().map_or(0, |part| u32::try_from(part.num_permits()).unwrap_or(u32::MAX));
        let missing = units.saturating_sub(held);
        if self.whole.is_none() && missing > 0 {
            match self.shared.pool.clone().try_acquire_many_owned(missing) {
                Ok(permit) => self.keep(permit),
                Err(_) if !self.wait(missing).await => return false,
                Err(_) => {}
            }
        }
        self.bytes = bytes;
        true
    }

    fn keep(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.part {
            Some(part) => part.merge(permit),
            None => self.part = Some(permit),
        }
    }

    /// Waits for units of the pool or for a whole place, whichever is free first.
    async fn wait(&mut self, missing: u32) -> bool {
        let _waiting = Waiting::new(&self.shared);
        let shared = self.shared.clone();
        let whole = async {
            match self.may_take_whole {
                true => shared.whole.clone().acquire_owned().await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Ok(permit) = whole => {
                // The place covers all that this instance can come to.
                self.part = None;
                self.whole = Some(permit);
                true
            }
            Ok(permit) = shared.pool.clone().acquire_many_owned(missing) => {
                self.keep(permit);
                true
            }
            () = tokio::time::sleep(self.patience) => false,
        }
    }
}

/// Counts one that waits, and lets idle instances know.
struct Waiting(Arc<GuestMemory>);

impl Waiting {
    fn new(shared: &Arc<GuestMemory>) -> Self {
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        shared.wanted.notify_waiters();
        Self(shared.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What an idle instance watches.
pub(crate) struct Wanted {
    shared: Arc<GuestMemory>,
    notified: Pin<Box<OwnedNotified>>,
}

impl Wanted {
    /// Ready when an instance waits for memory.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.notified.as_mut().poll(cx).is_ready() {
            self.notified.set(self.shared.wanted.clone().notified_owned());
        }
        if self.shared.is_wanted() { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;
    const SHORT: Duration = Duration::from_millis(50);

    fn memory(pool: usize, whole_instances: usize) -> Arc<GuestMemory> {
        GuestMemory::new(&Budget { total: 0, caches: 0, pool: pool * MIB, whole_instances })
    }

    #[tokio::test]
    async fn all_guests_together_stay_within_the_pool_and_the_whole_places() {
        let memory = memory(10, 1);
        let grant = || Grant::new(memory.clone(), true, SHORT);
        let (mut first, mut second, mut third) = (grant(), grant(), grant());
        assert!(first.grow(6 * MIB).await && second.grow(4 * MIB).await);
        // The pool is empty: the first to need more takes the whole place and leaves its part of the pool.
        assert!(first.grow(100 * MIB).await);
        assert!(third.grow(6 * MIB).await);
        // Nothing is left for the next, until somebody ends.
        assert!(!second.grow(MIB).await);
        drop(first);
        assert!(second.grow(MIB).await);
    }

    #[tokio::test]
    async fn guests_that_all_grow_at_once_all_finish_in_the_end() {
        let memory = memory(16, 2);
        let guests = (0..24).map(|_| {
            let mut grant = Grant::new(memory.clone(), true, Duration::from_secs(10));
            tokio::spawn(async move {
                for _ in 0..32 {
                    assert!(grant.grow(MIB).await);
                    tokio::task::yield_now().await;
                }
            })
        });
        for guest in guests.collect::<Vec<_>>() {
            guest.await.unwrap();
        }
        assert!(!memory.is_wanted());
        assert_eq!((memory.pool.available_permits(), memory.whole.available_permits()), (16, 2));
    }

    #[tokio::test]
    async fn event_streams_take_no_whole_place_and_idle_instances_learn_that_memory_is_wanted() {
        let memory = memory(4, 1);
        let mut watch = memory.watch();
        let mut is_wanted = || {
            let mut context = Context::from_waker(std::task::Waker::noop());
            watch.poll(&mut context).is_ready()
        };
        assert!(!is_wanted());
        let mut streams = Grant::new(memory.clone(), false, SHORT);
        assert!(streams.grow(4 * MIB).await);
        let (grown, wanted) = tokio::join!(streams.grow(MIB), async {
            tokio::task::yield_now().await;
            is_wanted()
        });
        assert!(!grown && wanted);
        assert!(!is_wanted());
        assert_eq!(memory.whole.available_permits(), 1);
    }
}
