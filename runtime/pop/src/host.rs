//! What one guest instance sees and may use: WASI without files, sockets or environment; HTTP out through
//! `outbound.rs`; Spin's stores and variables through `keyvalue.rs`; memory up to its limit.
//!
//! How long instances live and who gets which request is `instance.rs`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};
use wasmtime::{
    Engine, ResourceLimiterAsync, Store, UpdateDeadline,
    component::{Component, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView, p3::bindings::ServicePre};

use crate::{
    config::Limits,
    crashes::{Crashes, Risks},
    engine::TICK,
    guest_memory::{Grant, GuestMemory},
    keyvalue,
    logs::{GuestLog, Stream},
    metrics::Metrics,
    outbound::Outbound,
    store::Stores,
};

/// What all instances of one host share.
pub(crate) struct Shared {
    pub(crate) stores: Arc<Stores>,
    pub(crate) variables: Arc<BTreeMap<String, String>>,
    pub(crate) outbound: Outbound,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    pub(crate) memory: Arc<GuestMemory>,
    pub(crate) crashes: Arc<Crashes>,
    pub(crate) ticks: Arc<AtomicU64>,
    /// Ends idle instances.
    pub(crate) leaving: CancellationToken,
    /// What the host waits for when it leaves. Last, so that all the rest is gone when it is: no instance is alive and
    /// nobody has the stores open.
    pub(crate) _alive: TaskTrackerToken,
}

/// The data of one instance.
pub(crate) struct Host {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    outbound: Outbound,
    stores: Arc<Stores>,
    variables: Arc<BTreeMap<String, String>>,
    opened: usize,
    crashes: Arc<Crashes>,
    risks: Risks,
    memory: MemoryLimit,
}

impl Host {
    /// What the guest was doing that may have ended it.
    pub(crate) fn take_risks(&mut self) -> Vec<String> {
        self.risks.take()
    }

    /// Whether the guest ended because others held the memory that it needed.
    pub(crate) fn is_starved(&self) -> bool {
        self.memory.starved
    }

    pub(crate) fn capabilities(&mut self) -> keyvalue::View<'_> {
        keyvalue::View {
            table: &mut self.table,
            stores: &self.stores,
            variables: &self.variables,
            opened: &mut self.opened,
            crashes: &self.crashes,
            risks: &mut self.risks,
        }
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outbound, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Links the component against what this host offers.
///
/// # Errors
/// When it imports something else, or does not export the handler.
pub(crate) fn link(engine: &Engine, component: &Component) -> wasmtime::Result<ServicePre<Host>> {
    let mut linker = Linker::new(engine);
    // WASI 0.2 is what Rust's standard library calls, 0.3 what spin-sdk calls. Neither gives anything away: the
    // context below has no folder, no address and no variable in it.
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    keyvalue::add_to_linker(&mut linker)?;
    ServicePre::new(linker.instantiate_pre(component)?)
}

/// A store for one instance. `may_take_whole` is whether it may take a whole place of the guests' memory.
pub(crate) fn store(
    engine: &Engine,
    shared: &Shared,
    instance: u64,
    pulse: Arc<Pulse>,
    may_take_whole: bool,
) -> Store<Host> {
    let wasi = WasiCtxBuilder::new()
        .stdout(GuestLog::new(Stream::Stdout, instance))
        .stderr(GuestLog::new(Stream::Stderr, instance))
        .allow_blocking_current_thread(false)
        .build();
    let host = Host {
        wasi,
        http: WasiHttpCtx::new(),
        table: ResourceTable::new(),
        outbound: shared.outbound.clone(),
        stores: shared.stores.clone(),
        variables: shared.variables.clone(),
        opened: 0,
        crashes: shared.crashes.clone(),
        risks: Risks::default(),
        memory: MemoryLimit {
            most: shared.limits.instance_memory,
            // Half of the deadline, so that a request that waits in vain can still be told to come back.
            grant: Grant::new(shared.memory.clone(), may_take_whole, shared.limits.deadline / 2),
            starved: false,
            metrics: shared.metrics.clone(),
        },
    };
    let mut store = Store::new(engine, host);
    store.limiter_async(|host| &mut host.memory);
    interrupt(&mut store, shared, pulse);
    store
}

/// Makes running guest code give way at every tick, and stops code that runs for twice the deadline without a pause.
///
/// Giving way is what lets the worker around it notice that a request is late. The second rule is for code that no
/// request waits for any more: it cannot run on for ever.
fn interrupt(store: &mut Store<Host>, shared: &Shared, pulse: Arc<Pulse>) {
    let ticks = shared.ticks.clone();
    let longest =
        u64::try_from(2 * shared.limits.deadline.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        let ran = pulse.beat(ticks.load(Ordering::Relaxed));
        Ok(if ran > longest { UpdateDeadline::Interrupt } else { UpdateDeadline::Yield(1) })
    });
}

/// Tells guest code that runs from guest code that waits. Both leave the worker with nothing to do for now.
#[derive(Default)]
pub(crate) struct Pulse {
    /// The guest gave way, in the middle of running, since the worker last looked.
    gave_way: AtomicBool,
    /// The tick at which it first gave way since its last pause; 0 when it has not.
    since: AtomicU64,
    /// How often it gave way for the current request: about how many ticks it ran.
    ran: AtomicU64,
}

impl Pulse {
    /// The guest gives way; for how many ticks it has run.
    fn beat(&self, now: u64) -> u64 {
        self.gave_way.store(true, Ordering::Relaxed);
        self.ran.fetch_add(1, Ordering::Relaxed);
        match self.since.load(Ordering::Relaxed) {
            0 => {
                self.since.store(now.max(1), Ordering::Relaxed);
                0
            }
            since => now.saturating_sub(since),
        }
    }

    /// A request begins.
    pub(crate) fn begin(&self) {
        self.ran.store(0, Ordering::Relaxed);
    }

    /// For about how long the guest ran for the current request, without the time for which it waited.
    pub(crate) fn ran(&self) -> Duration {
        TICK.saturating_mul(u32::try_from(self.ran.load(Ordering::Relaxed)).unwrap_or(u32::MAX))
    }

    /// The worker has nothing to do for now: unless the guest only gave way, it is a pause.
    pub(crate) fn rest(&self) {
        if !self.gave_way.swap(false, Ordering::Relaxed) {
            self.since.store(0, Ordering::Relaxed);
        }
    }
}

/// Refuses linear memory over the limit of one instance, and waits for memory that others hold. A refused guest usually
/// aborts, which is a trap.
struct MemoryLimit {
    most: usize,
    grant: Grant,
    starved: bool,
    metrics: Arc<Metrics>,
}

#[async_trait::async_trait]
impl ResourceLimiterAsync for MemoryLimit {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.most || maximum.is_some_and(|maximum| desired > maximum) {
            self.metrics.memory_refused.inc();
            tracing::warn!(desired, most = self.most, "a guest asked for more memory than it may have");
            return Ok(false);
        }
        if !self.grant.grow(desired.saturating_sub(current)).await {
            self.starved = true;
            return Err(wasmtime::format_err!("other guests held the memory for too long"));
        }
        Ok(true)
    }

    async fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= 100_000 && maximum.is_none_or(|maximum| desired <= maximum))
    }
}
