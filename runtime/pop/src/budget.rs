//! The memory budget of a host: what the caches, the guests and the rest may use together, settled before it starts.
//!
//! How much there is, `iridule-machine` reads; how guests share their part while they run is `guest_memory.rs`.

use iridule_machine::{Memory, MemorySource};

use crate::{
    config::{Config, Limits},
    error::PopError,
    guest_memory::UNIT_BYTES,
    store::renders_buffers,
};

/// Memory of the host itself: its code and that of the component, records that are being checked, the runtime.
const HOST_BYTES: usize = 64 << 20;
/// Memory of one connection: what was read of a request, and what a reply has still to send.
const CONNECTION_BYTES: usize = 8 << 10;
/// The HTTP cache's buffers for its disk.
const CACHE_DISK_BYTES: usize = 64 << 20;
/// The most of the budget that the caches get together: a quarter.
const CACHES_SHARE: usize = 4;
/// What a guest that paints nothing large needs: its code's data, records, decoded styles.
const SMALL_INSTANCE_BYTES: usize = 16 << 20;
/// The least that is worth starting with, bytes.
const LEAST_BYTES: usize = 256 << 20;

/// How a host's memory is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Budget {
    /// All of it, bytes.
    pub(crate) total: usize,
    /// The caches: HTTP, renders, records.
    pub(crate) caches: usize,
    /// Linear memory that guests share in pieces, as they grow.
    pub(crate) pool: usize,
    /// Guests that may grow to the limit of one instance whatever the others hold.
    pub(crate) whole_instances: usize,
}

impl Budget {
    /// Divides the memory, and lowers the limits of a configuration to what fits.
    ///
    /// # Errors
    /// [`PopError::Config`], when the operator sets less than a host can work with.
    pub(crate) fn settle(config: &mut Config, machine: Memory) -> Result<Self, PopError> {
        let total = match config.memory {
            Some(bytes) if bytes < LEAST_BYTES => {
                let why = format!("memory is {bytes} bytes, at least {LEAST_BYTES}");
                return Err(PopError::Config(why));
            }
            Some(bytes) => bytes,
            None => share(machine),
        };
        let caches = scale_caches(config, total / CACHES_SHARE);
        let limits = &mut config.limits;
        let cache_disk = config.cache.as_ref().is_some_and(|cache| cache.disk > 0);
        let rest = HOST_BYTES
            + limits.max_connections.saturating_mul(CONNECTION_BYTES).min(total / 8)
            + renders_buffers(limits)
            + if cache_disk { CACHE_DISK_BYTES } else { 0 }
            + config.reserved_memory;
        let guests = total.saturating_sub(caches).saturating_sub(rest);
        // One instance must be able to do the worst that is admitted. Half of the memory is for such instances, the
        // other half is shared.
        let whole_instances = (guests / 2 / limits.instance_memory).clamp(1, limits.instances);
        let pool = guests.saturating_sub(whole_instances * limits.instance_memory);
        let pool = pool.max(2 * SMALL_INSTANCE_BYTES) / UNIT_BYTES * UNIT_BYTES;
        limits.instances = limits.instances.min((pool / SMALL_INSTANCE_BYTES).max(whole_instances));
        let budget = Self { total, caches, pool, whole_instances };
        budget.report(config, machine, guests);
        Ok(budget)
    }

    fn report(&self, config: &Config, machine: Memory, guests: usize) {
        let source = match config.memory {
            Some(_) => "setting".to_owned(),
            None => format!("{}: {} MiB", machine.source, machine.bytes >> 20),
        };
        tracing::info!(
            total_mib = self.total >> 20,
            caches_mib = self.caches >> 20,
            guests_mib = (self.pool + self.whole_instances * config.limits.instance_memory) >> 20,
            instances = config.limits.instances,
            whole_instances = self.whole_instances,
            source,
            "memory budget"
        );
        if guests < config.limits.instance_memory + 2 * SMALL_INSTANCE_BYTES {
            tracing::warn!(
                total_mib = self.total >> 20,
                "there is too little memory for the worst picture that an edge paints; give more, or lower the caches"
            );
        }
    }
}

/// What a host takes of the machine's memory by default: all but an eighth of a cgroup, which is for this process; half of
/// a system, which others use too.
fn share(machine: Memory) -> usize {
    let bytes = match machine.source {
        MemorySource::CgroupV2 | MemorySource::CgroupV1 => machine.bytes / 8 * 7,
        MemorySource::System | MemorySource::Unknown => machine.bytes / 2,
    };
    usize::try_from(bytes).unwrap_or(usize::MAX).max(LEAST_BYTES)
}

/// Lowers the caches in proportion, where they are more than `most` together; gives what they come to.
fn scale_caches(config: &mut Config, most: usize) -> usize {
    let Limits { records_cache, renders_memory, .. } = &mut config.limits;
    let mut caches = vec![records_cache, renders_memory];
    caches.extend(config.cache.as_mut().map(|cache| &mut cache.memory));
    let sum = |caches: &[&mut usize]| caches.iter().fold(0_usize, |sum, cache| sum.saturating_add(**cache));
    let wanted = sum(&caches);
    if wanted > most {
        tracing::info!(
            wanted_mib = wanted >> 20,
            most_mib = most >> 20,
            "the caches are made smaller, to leave memory for guests"
        );
        for cache in &mut caches {
            let part = **cache as u128 * most as u128 / wanted as u128;
            **cache = usize::try_from(part).unwrap_or(most);
        }
    }
    sum(&caches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(mebibytes: u64, change: impl FnOnce(&mut Config)) -> (Budget, Config) {
        let mut config = Config::new(Vec::new(), "data");
        change(&mut config);
        let machine = Memory { bytes: mebibytes << 20, source: MemorySource::CgroupV2 };
        let budget = Budget::settle(&mut config, machine).unwrap();
        (budget, config)
    }

    /// The most that guests and caches can come to.
    fn most(budget: &Budget, config: &Config) -> usize {
        budget.caches + budget.pool + budget.whole_instances * config.limits.instance_memory
    }

    #[test]
    fn guests_and_caches_fit_into_the_cgroup_whatever_its_size() {
        for mebibytes in [512, 640, 768, 1024, 2048, 3 * 1024, 16 * 1024, 256 * 1024] {
            let (budget, config) = settled(mebibytes, |_| {});
            let most = most(&budget, &config) + HOST_BYTES + renders_buffers(&config.limits);
            assert!(most as u64 <= mebibytes << 20, "{mebibytes}: {budget:?}");
            assert!(config.limits.instances >= 2, "{mebibytes}: {}", config.limits.instances);
            assert!(config.limits.instances <= Limits::default().instances);
        }
    }

    #[test]
    fn a_large_machine_keeps_every_default() {
        let (budget, config) = settled(64 * 1024, |_| {});
        assert_eq!(config.limits, Limits::default());
        assert!(budget.whole_instances > 32, "{budget:?}");
    }

    #[test]
    fn a_setting_is_taken_instead_of_the_machine_s_and_refused_when_too_low() {
        let (budget, _) = settled(64 * 1024, |config| config.memory = Some(768 << 20));
        assert_eq!(budget.total, 768 << 20);
        let mut config = Config::new(Vec::new(), "data");
        config.memory = Some(100 << 20);
        let machine = Memory { bytes: 1 << 30, source: MemorySource::System };
        assert!(matches!(Budget::settle(&mut config, machine), Err(PopError::Config(_))));
    }

    #[test]
    fn caches_that_an_operator_set_too_large_are_made_smaller_in_proportion() {
        let (budget, config) = settled(768, |config| config.limits.records_cache = 1 << 30);
        assert!(budget.caches <= budget.total / CACHES_SHARE, "{budget:?}");
        let cache = config.cache.unwrap().memory;
        assert!(config.limits.records_cache / cache >= 15, "{} {cache}", config.limits.records_cache);
    }
}
