//! What the machine grants this process: memory and disk, as Linux tells them. Elsewhere nothing is known, and nothing said.

use super::float;
use crate::config::{Config, Store};
use std::{fs, path::PathBuf};

/// Where to look.
#[derive(Debug)]
pub(super) struct Machine {
    /// The directory of the embedded store.
    store: Option<PathBuf>,
}

/// Room on a disk, in octets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Disk {
    /// For this process: what is reserved for others is not counted.
    pub(super) free: f64,
    pub(super) size: f64,
}

impl Machine {
    pub(super) fn new(config: &Config) -> Self {
        let store = match &config.store {
            Store::Embedded { path, .. } => Some(path.clone()),
            Store::Redis { .. } => None,
        };
        Self { store }
    }

    pub(super) fn disk(&self) -> Option<Disk> {
        let disk = rustix::fs::statvfs(self.store.as_ref()?).ok()?;
        let octets = |blocks: u64| float(blocks.saturating_mul(disk.f_frsize));
        Some(Disk { free: octets(disk.f_bavail), size: octets(disk.f_blocks) })
    }
}

/// Octets of memory that this process may use: the least of its control groups' limits and the machine's memory. Infinite
/// where nobody says.
pub(super) fn memory_limit() -> f64 {
    limits().into_iter().chain(total()).min().map_or(f64::INFINITY, float)
}

/// The limits of the control group and those above it, version 2 and version 1.
fn limits() -> Vec<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut limits = Vec::new();
    for group in groups.lines() {
        let mut parts = group.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let mut directory = PathBuf::from(root).join(path.trim_start_matches('/'));
        while directory.starts_with(root) {
            let said = fs::read_to_string(directory.join(file)).unwrap_or_default();
            // Version 2 says `max`, version 1 a number beyond every memory.
            limits.extend(said.trim().parse::<u64>().ok().filter(|limit| *limit < 1 << 60));
            if !directory.pop() {
                break;
            }
        }
    }
    limits
}

fn total() -> Option<u64> {
    let said = fs::read_to_string("/proc/meminfo").ok()?;
    let line = said.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linux_machine_says_what_memory_and_disk_there_is() {
        let here = std::env::temp_dir();
        let machine = Machine { store: Some(here) };
        let memory = memory_limit();
        assert!((1e6..1e18).contains(&memory), "{memory}");
        let disk = machine.disk().unwrap();
        assert!(disk.free > 0.0 && disk.free <= disk.size, "{disk:?}");
        assert_eq!(Machine { store: Some("/no/such/place".into()) }.disk(), None);
    }
}
