//! Guest instances: who gets which request, and when an instance ends.
//!
//! **An instance answers one request at a time, until nothing of it is left.** In wasmtime a trap ends the whole
//! instance and a busy loop stalls it, so any company in it would suffer for what it did not do. Sharing also gains
//! nothing here: a hit runs from start to end without a pause, a paint is pure CPU, and an instance that waits for an
//! origin costs only its memory. So the next request comes in when the last one's reply is out of the guest and its
//! work after the reply is done; a trap or a loop costs exactly the request that it belongs to. What the guest was doing
//! then is noted (`crashes.rs`), and the request is tried once more with that knowledge (`gate.rs`).
//!
//! Event streams are the exception. They last minutes and do next to nothing, so requests that ask for
//! `text/event-stream` go to instances of their own kind, which hold many. A trap there ends the streams beside it;
//! their clients reconnect, which is what that protocol is for.
//!
//! wasmtime does not cancel the task of a request that is late; here the instance is dropped, and the task with it.
//!
//! What a request waits for before it gets here is `gate.rs`.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use wasmtime::{Engine, Store, StoreContextMut, component::GuestTaskId};
use wasmtime_wasi_http::{
    WasiHttpView as _,
    handler::{HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus},
    p3::bindings::ServicePre,
};

use crate::{
    guest_memory::Wanted,
    host::{self, Host, Pulse, Shared},
    queue::Permit,
};

/// Running for this share of the deadline is the guest's own doing; whoever ran for less was late because the machine was
/// busy.
const BUSY_SHARE: u32 = 8;
/// How long to wait for the end of an instance that failed.
const ENDING: Duration = Duration::from_secs(1);

/// How an instance spends itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One request at a time.
    Exclusive,
    /// Many event streams.
    Streams,
}

/// What a request leaves with its instance.
pub(crate) struct Ticket {
    /// Given back, by being dropped, when the instance is free again.
    pub(crate) _permit: Option<Permit>,
    pub(crate) trace: Arc<Trace>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.trace.ended.cancel();
    }
}

/// What an instance tells the request that it works for, and the other way round.
#[derive(Default)]
pub(crate) struct Trace {
    late: AtomicBool,
    streaming: AtomicBool,
    starved: AtomicBool,
    crashed: AtomicBool,
    ended: CancellationToken,
}

impl Trace {
    /// Whether the instance was dropped because the request took too long.
    pub(crate) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// Waits for the end of an instance that failed, after which [`Self::is_starved`] and [`Self::has_crashed`] hold.
    pub(crate) async fn ended(&self) {
        let _ = tokio::time::timeout(ENDING, self.ended.cancelled()).await;
    }

    /// Whether the instance ended because there was no memory left for it.
    pub(crate) fn is_starved(&self) -> bool {
        self.starved.load(Ordering::Relaxed)
    }

    /// Whether the instance ended during work that guests now know not to try again.
    pub(crate) fn has_crashed(&self) -> bool {
        self.crashed.load(Ordering::Relaxed)
    }

    /// The reply is a stream: let it run for as long as a stream may.
    pub(crate) fn set_streaming(&self) {
        self.streaming.store(true, Ordering::Relaxed);
    }
}

/// Makes instances of one kind.
pub(crate) struct Nursery {
    pub(crate) kind: Kind,
    pub(crate) engine: Engine,
    pub(crate) component: ServicePre<Host>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) next: AtomicU64,
}

impl HandlerState for Nursery {
    type StoreData = Host;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Host, Expiration, Worker>> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let pulse = Arc::new(Pulse::default());
        let may_take_whole = self.kind == Kind::Exclusive;
        let mut store = host::store(&self.engine, &self.shared, id, pulse.clone(), may_take_whole);
        let making = ProxyPre::P3(self.component.clone());
        let made =
            tokio::time::timeout(self.shared.limits.deadline, making.instantiate_async(&mut store)).await;
        let proxy = made.map_err(|_| wasmtime::format_err!("the guest took too long to start"))??;
        self.shared.metrics.instances.inc();
        self.shared.metrics.instantiated.inc();
        let desk = Arc::new(Desk::default());
        Ok(Instance {
            store,
            proxy,
            view: Host::http,
            expiration: Expiration {
                kind: self.kind,
                shared: self.shared.clone(),
                desk: desk.clone(),
                pulse: pulse.clone(),
                wanted: self.shared.memory.watch(),
                alarm: Box::pin(tokio::time::sleep(self.shared.limits.idle)),
                leaving: Box::pin(self.shared.leaving.clone().cancelled_owned()),
            },
            state: Worker { id, kind: self.kind, shared: self.shared.clone(), desk, pulse },
        })
    }
}

/// Where a worker and its expiration meet.
struct Desk {
    /// Nothing of an earlier request is left.
    free: AtomicBool,
    expired: AtomicBool,
    ticket: Mutex<Option<Ticket>>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { free: AtomicBool::new(true), expired: AtomicBool::new(false), ticket: Mutex::default() }
    }
}

impl Desk {
    fn put(&self, ticket: Option<Ticket>) {
        let before =
            std::mem::replace(&mut *self.ticket.lock().unwrap_or_else(PoisonError::into_inner), ticket);
        drop(before);
    }

    fn look<R>(&self, at: impl FnOnce(&Trace) -> R) -> Option<R> {
        let ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        ticket.as_ref().map(|ticket| at(&ticket.trace))
    }
}

/// Decides which requests an instance takes.
pub(crate) struct Worker {
    id: u64,
    kind: Kind,
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    pulse: Arc<Pulse>,
}

impl Worker {
    /// Notes what the guest was doing when it ended. Whether anything was noted.
    fn note(&self, risks: Vec<String>) -> bool {
        let any = !risks.is_empty();
        risks.into_iter().for_each(|risk| self.shared.crashes.note(risk));
        any
    }
}

impl WorkerState for Worker {
    type StoreData = Host;
    type RequestData = Ticket;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        let (most, free) = match self.kind {
            Kind::Exclusive => (self.shared.limits.instance_reuse, self.desk.free.load(Ordering::Relaxed)),
            // Never more streams than this, for they are never more than the requests it took.
            Kind::Streams => (self.shared.limits.streams_per_instance, true),
        };
        if total >= most {
            ShouldAccept::Never
        } else if self.kind == Kind::Exclusive && concurrent == 0 && free && self.shared.memory.is_wanted() {
            // Its memory goes to those that wait for some.
            ShouldAccept::Never
        } else if concurrent == 0 && free {
            // Only now does the place go to the next request: a moment sooner, and it would find no instance available
            // and have one made.
            self.desk.put(None);
            ShouldAccept::Yes
        } else {
            ShouldAccept::No
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, Host>,
        ticket: Ticket,
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        match self.kind {
            Kind::Exclusive => {
                self.desk.free.store(false, Ordering::Relaxed);
                self.desk.put(Some(ticket));
                self.pulse.begin();
                // `Expiration` keeps the time for both: it runs also while the guest is busy, and needs no timer of
                // its own per request.
                Box::pin(std::future::pending())
            }
            Kind::Streams => Box::pin(tokio::time::sleep(self.shared.limits.deadline)),
        }
    }

    fn drop(&self, mut store: Store<Host>, result: Result<(), wasmtime::Error>) {
        let (risks, starved) = (store.data_mut().take_risks(), store.data().is_starved());
        // First, so that its memory is free for whoever tries again.
        drop(store);
        let metrics = &self.shared.metrics;
        metrics.instances.dec();
        let mut crashed = false;
        if self.desk.expired.load(Ordering::Relaxed) {
            metrics.expired.inc();
            tracing::warn!(instance = self.id, kind = ?self.kind, "an instance ran past its time and was dropped");
            crashed = self.pulse.ran() >= self.shared.limits.deadline / BUSY_SHARE && self.note(risks);
        } else if starved {
            metrics.starved.inc();
            tracing::warn!(
                instance = self.id,
                "an instance ended, for others held the memory that it needed"
            );
        } else if let Err(why) = result {
            metrics.traps.inc();
            tracing::warn!(instance = self.id, kind = ?self.kind, why = format!("{why:#}"), "an instance died");
            crashed = self.note(risks);
        }
        self.desk.look(|trace| {
            trace.starved.store(starved, Ordering::Relaxed);
            trace.crashed.store(crashed, Ordering::Relaxed);
        });
        self.desk.put(None);
    }
}

/// Decides when an instance ends.
pub(crate) struct Expiration {
    kind: Kind,
    shared: Arc<Shared>,
    desk: Arc<Desk>,
    pulse: Arc<Pulse>,
    wanted: Wanted,
    alarm: Pin<Box<tokio::time::Sleep>>,
    leaving: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Expiration {
    fn allowance(&self, status: WorkerStatus) -> Duration {
        let limits = &self.shared.limits;
        let streaming = || match self.kind {
            Kind::Exclusive => {
                self.desk.look(|trace| trace.streaming.load(Ordering::Relaxed)).unwrap_or(false)
            }
            Kind::Streams => true,
        };
        match (status, self.kind) {
            (WorkerStatus::Idle, _) => limits.idle,
            (WorkerStatus::Requests, Kind::Exclusive) => limits.deadline,
            // The request's own timer comes first, and spares the streams beside it.
            (WorkerStatus::Requests, Kind::Streams) => limits.deadline * 2,
            (WorkerStatus::PostReturn, _) if streaming() => limits.stream_lifetime + limits.deadline,
            (WorkerStatus::PostReturn, _) => limits.deadline,
        }
    }
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        self.pulse.rest();
        if status == WorkerStatus::Idle && !self.desk.free.swap(true, Ordering::Relaxed) {
            // All of the last request is done. The worker was told No while the guest was finishing: it is to ask
            // again.
            cx.waker().wake_by_ref();
        }
        if status == WorkerStatus::Idle
            && (self.leaving.as_mut().poll(cx).is_ready() || self.wanted.poll(cx).is_ready())
        {
            return Poll::Ready(());
        }
        let due = start.checked_add(self.allowance(status)).unwrap_or(start);
        // The alarm is not set anew for every request: one that rings too early is set again then.
        if self.alarm.deadline().into_std() > due {
            self.alarm.as_mut().reset(due.into());
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            if Instant::now() >= due {
                if status != WorkerStatus::Idle {
                    self.desk.expired.store(true, Ordering::Relaxed);
                    self.desk.look(|trace| trace.late.store(true, Ordering::Relaxed));
                }
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(due.into());
        }
        Poll::Pending
    }
}
