//! What the machine allows this process: memory, from the control group or the system, and open files.
//!
//! A PoP and an origin read their defaults here. How each divides its memory is its own decision.
//!
//! ```
//! // Where the system does not say how much memory there is, one gibibyte is assumed.
//! let memory = iridule_machine::Memory::read(1 << 30);
//! println!("{} MiB, from {}", memory.bytes >> 20, memory.source);
//! ```

use std::{fmt, fs, path::Path};

/// Limits of this many bytes and more mean "no limit": version 1 of control groups writes a number close to 2⁶³.
const NO_LIMIT: u64 = 1 << 50;

/// Where a limit on the memory was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemorySource {
    /// `memory.max` or `memory.high` of a control group of version 2.
    CgroupV2,
    /// `memory.limit_in_bytes` of a control group of version 1.
    CgroupV1,
    /// The total memory of the system.
    System,
    /// Nowhere: the system does not say, and the caller's value is assumed.
    Unknown,
}

impl fmt::Display for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CgroupV2 => "cgroup v2",
            Self::CgroupV1 => "cgroup v1",
            Self::System => "system",
            Self::Unknown => "unknown",
        })
    }
}

/// How much memory this process may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// The limit, bytes.
    pub bytes: u64,
    /// Where it was read.
    pub source: MemorySource,
}

impl Memory {
    /// Reads the lowest limit that applies to this process. Where there is none, it is `assumed` bytes.
    #[must_use]
    pub fn read(assumed: u64) -> Self {
        Self::read_under(Path::new("/"), assumed)
    }

    /// As [`Self::read`], with the files of `/proc` and `/sys` under another root.
    fn read_under(root: &Path, assumed: u64) -> Self {
        let system = system_memory(root).map(|bytes| Self { bytes, source: MemorySource::System });
        let groups = cgroup_limits(root);
        groups
            .into_iter()
            .chain(system)
            .min_by_key(|memory| memory.bytes)
            .unwrap_or(Self { bytes: assumed, source: MemorySource::Unknown })
    }
}

fn system_memory(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Reads the limits of the control groups that this process is in, and of all groups above them.
///
/// Inside a container the path in `/proc/self/cgroup` may be the host's path, of which only the last part or nothing is
/// mounted. So every level of the path is tried, down to the mount itself.
fn cgroup_limits(root: &Path) -> Vec<Memory> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut found = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (mount, files, source): (_, &[&str], _) = match controllers {
            "" => ("sys/fs/cgroup", &["memory.max", "memory.high"], MemorySource::CgroupV2),
            names if names.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", &["memory.limit_in_bytes"], MemorySource::CgroupV1)
            }
            _ => continue,
        };
        for level in Path::new(path.trim_start_matches('/')).ancestors() {
            for file in files {
                let limit = fs::read_to_string(root.join(mount).join(level).join(file)).ok();
                // "max" means that there is no limit; it does not parse as a number.
                let limit = limit.and_then(|text| text.trim().parse().ok());
                found.extend(
                    limit.filter(|bytes| (1..NO_LIMIT).contains(bytes)).map(|bytes| Memory { bytes, source }),
                );
            }
        }
    }
    found
}

/// Raises the soft limit on open files to the hard limit, and returns how many files may be open then. `None` where the
/// system does not say, or sets no limit.
#[must_use]
pub fn raise_open_files() -> Option<u64> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if limit.current == limit.maximum {
            return limit.current;
        }
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit.maximum,
            Err(why) => {
                tracing::warn!(%why, "the limit on open files could not be raised");
                limit.current
            }
        }
    }
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with these files in it.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const ASSUMED: u64 = 7 << 30;
    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:        4194304 kB\nMemFree: 1 kB\n");

    #[track_caller]
    fn expect(files: &[(&str, &str)], bytes: u64, source: MemorySource) {
        assert_eq!(Memory::read_under(root(files).path(), ASSUMED), Memory { bytes, source });
    }

    #[test]
    fn the_lowest_limit_of_the_cgroups_and_the_system_applies() {
        expect(&[MEMINFO], 4 << 30, MemorySource::System);
        expect(&[], ASSUMED, MemorySource::Unknown);
        // In a container with a cgroup namespace of its own.
        let inside = ("proc/self/cgroup", "0::/\n");
        expect(
            &[MEMINFO, inside, ("sys/fs/cgroup/memory.max", "805306368\n")],
            768 << 20,
            MemorySource::CgroupV2,
        );
        expect(&[MEMINFO, inside, ("sys/fs/cgroup/memory.max", "max\n")], 4 << 30, MemorySource::System);
        let high = ("sys/fs/cgroup/memory.high", "104857600\n");
        expect(
            &[MEMINFO, inside, ("sys/fs/cgroup/memory.max", "805306368\n"), high],
            100 << 20,
            MemorySource::CgroupV2,
        );
        // A service, whose slice has the lower limit.
        let service = ("proc/self/cgroup", "0::/system.slice/iridule.service\n");
        let (own, slice) = (
            "sys/fs/cgroup/system.slice/iridule.service/memory.max",
            "sys/fs/cgroup/system.slice/memory.max",
        );
        expect(
            &[MEMINFO, service, (own, "1073741824"), (slice, "536870912")],
            512 << 20,
            MemorySource::CgroupV2,
        );
        // Version 1: the path is the host's, and only the mount is there.
        let docker = ("proc/self/cgroup", "12:cpu,cpuacct:/docker/ab\n5:memory:/docker/ab\n0::/x\n");
        let mount = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        expect(&[MEMINFO, docker, (mount, "268435456\n")], 256 << 20, MemorySource::CgroupV1);
        expect(&[MEMINFO, docker, (mount, "9223372036854771712\n")], 4 << 30, MemorySource::System);
    }

    #[cfg(unix)]
    #[test]
    fn the_soft_limit_on_open_files_becomes_the_hard_one() {
        use rustix::process::{Resource, getrlimit};
        let raised = raise_open_files();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, now.maximum);
        assert_eq!(raised, now.current);
    }
}
