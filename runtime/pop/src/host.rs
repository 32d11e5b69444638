//! What one guest instance sees and may use: WASI without files, sockets or environment; HTTP out through
//! `outbound.rs`; Spin's stores and variables through `keyvalue.rs`; memory up to its limit.
//!
//! How long instances live and who gets which request is `instance.rs`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use wasmtime::{
    Engine, ResourceLimiter, Store, UpdateDeadline,
    component::{Component, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView, p3::bindings::ServicePre};

use crate::{
    config::Limits,
    engine::TICK,
    keyvalue,
    logs::{GuestLog, Stream},
    metrics::Metrics,
    outbound::Outbound,
    store::Stores,
};

/// Ticks that guest code may miss and still count as running without a pause: others had the thread meanwhile.
const MISSED_TICKS: u64 = 4;

/// What all instances of one host share.
pub(crate) struct Shared {
    pub(crate) stores: Arc<Stores>,
    pub(crate) variables: Arc<BTreeMap<String, String>>,
    pub(crate) outbound: Outbound,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    pub(crate) ticks: Arc<AtomicU64>,
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
    memory: MemoryLimit,
}

impl Host {
    pub(crate) fn capabilities(&mut self) -> keyvalue::View<'_> {
        keyvalue::View {
            table: &mut self.table,
            stores: &self.stores,
            variables: &self.variables,
            opened: &mut self.opened,
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

/// A store for one instance.
pub(crate) fn store(engine: &Engine, shared: &Shared, instance: u64) -> Store<Host> {
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
        memory: MemoryLimit { most: shared.limits.instance_memory, metrics: shared.metrics.clone() },
    };
    let mut store = Store::new(engine, host);
    store.limiter(|host| &mut host.memory);
    interrupt(&mut store, shared);
    store
}

/// Makes running guest code give way at every tick, and stops code that ran from tick to tick for the whole deadline.
///
/// Giving way is what lets the worker around it notice that a request is late. The second rule is for code that no
/// request waits for any more: it cannot run on for ever.
fn interrupt(store: &mut Store<Host>, shared: &Shared) {
    let ticks = shared.ticks.clone();
    let longest = u64::try_from(shared.limits.deadline.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX);
    let (mut since, mut last) = (0, 0);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        let now = ticks.load(Ordering::Relaxed);
        if now > last + MISSED_TICKS {
            since = now;
        }
        last = now;
        if now - since > longest { Ok(UpdateDeadline::Interrupt) } else { Ok(UpdateDeadline::Yield(1)) }
    });
}

/// Refuses linear memory over the limit, and counts it. A refused guest usually aborts, which is a trap.
struct MemoryLimit {
    most: usize,
    metrics: Arc<Metrics>,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = desired <= self.most && maximum.is_none_or(|maximum| desired <= maximum);
        if !granted {
            self.metrics.memory_refused.inc();
            tracing::warn!(desired, most = self.most, "a guest asked for more memory than it may have");
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 100_000 && maximum.is_none_or(|maximum| desired <= maximum))
    }
}
