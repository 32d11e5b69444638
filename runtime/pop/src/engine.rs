//! The engine: how guest code is compiled, where instances lie in memory, and the clock that interrupts them.
//!
//! One engine and one ticking thread per host. What an instance may do is `host.rs`; how long it lives is `instance.rs`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use wasmtime::{Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::config::Limits;

/// How often running guest code looks up: the longest it can hold a thread before others get a turn.
///
/// Short, because guests share their threads (`guest_threads.rs`), and those look for IO only after several turns: a guest
/// that has little to do waits for so many ticks of guests that paint. A tick costs a thread's wake-up, and a busy guest
/// some microseconds.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// An engine for guests under these limits.
///
/// Instances come from a pool of reserved address space, so making one is a matter of microseconds. Where the system
/// does not give that much address space, they are allocated one by one: slower, and else the same.
///
/// # Errors
/// When neither kind can be set up.
pub(crate) fn engine(limits: &Limits) -> wasmtime::Result<Engine> {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model(true).wasm_component_model_async(true).epoch_interruption(true);
    // Relaxed SIMD may differ between processors; the same key must give the same bytes everywhere.
    config.wasm_relaxed_simd(false);
    #[cfg(feature = "profile")]
    config.profiler(wasmtime::ProfilingStrategy::PerfMap);
    let mut pooled = config.clone();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
    Engine::new(&pooled).or_else(|why| {
        tracing::warn!(%why, "no pool of instances on this system; allocating each by itself");
        Engine::new(&config)
    })
}

/// Slots for every instance that may live at once: those answering, as many again between their last byte and their
/// end, and one per stream for the case that each holds an instance of its own.
fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let slots = u32::try_from(limits.instances * 2 + limits.max_streams + 8).unwrap_or(u32::MAX / 16);
    let mut pool = PoolingAllocationConfig::new();
    // A component built from Rust has one memory; its core instances and tables come from the linker's shims.
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(8))
        .total_memories(slots)
        .total_tables(slots.saturating_mul(4))
        .total_stacks(slots.saturating_mul(2))
        .max_core_instances_per_component(16)
        .max_memories_per_component(2)
        .max_tables_per_component(8)
        .table_elements(100_000)
        .max_memory_size(limits.instance_memory)
        // Instances are reused for many requests and made in bursts: keep the first pages of a slot mapped.
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(16 << 10)
        .max_unused_warm_slots(64);
    pool
}

/// The thread that moves an engine's epoch on, until dropped.
pub(crate) struct Ticker {
    ticks: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts ticking.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(engine: Engine) -> std::io::Result<Self> {
        let ticks = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new().name("iridule-epoch".into()).spawn({
            let (ticks, stop) = (ticks.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    thread::sleep(TICK);
                    ticks.fetch_add(1, Ordering::Relaxed);
                    engine.increment_epoch();
                }
            }
        })?;
        Ok(Self { ticks, stop, thread: Some(thread) })
    }

    /// Ticks so far; shared.
    pub(crate) fn ticks(&self) -> Arc<AtomicU64> {
        self.ticks.clone()
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The thread cannot panic, and there is nothing to do here if it did.
            let _ = thread.join();
        }
    }
}
