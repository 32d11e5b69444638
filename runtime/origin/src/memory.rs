//! How much memory this process may take: the limit of its control group, or else what the machine has.

use std::fs;

/// Where limits of control groups stand, versions 2 and 1, as a container sees them.
const LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
/// What is assumed where nothing says.
const UNKNOWN: u64 = 1 << 30;

/// Bytes.
#[must_use]
pub fn available() -> u64 {
    let read = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let limit = LIMITS.iter().find_map(|path| read(path));
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    limit.into_iter().chain(machine).min().unwrap_or(UNKNOWN)
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_machine_is_read() {
        assert_eq!(total("MemTotal:       24611308 kB\nMemFree: 1 kB\n"), Some(24_611_308 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        assert!(available() > 1 << 20);
    }
}
