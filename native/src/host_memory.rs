//! How much memory the host has left. The processor and software GPUs keep their buffers there. Operating systems grant more
//! memory than there is, and later kill a process that uses it.

use std::path::{Path, PathBuf};

/// Bytes that stay free for the program itself and for other processes.
const MARGIN_BYTES: u64 = 256 << 20;

/// Bytes that buffers may take; `None` where the system does not report free memory.
pub fn budget() -> Option<u64> {
    let mut free = field_bytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    for group in groups.lines() {
        if let Some(left) = left_in_group(group) {
            free = free.min(left);
        }
    }
    Some(free.saturating_sub(MARGIN_BYTES))
}

/// Bytes of the line `name`, for example `MemAvailable:  123 kB`.
fn field_bytes(meminfo: &str, name: &str) -> Option<u64> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Bytes that a control group may still take. `line` is a line `hierarchy:controllers:/path` of `/proc/self/cgroup`: version 2 (no
/// controllers named) or the memory controller of version 1. A container sees its own group as the root.
fn left_in_group(line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
    let (root, limit, used, cache) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        _ => return None,
    };
    let folders: [PathBuf; 2] = [Path::new(root).join(path), PathBuf::from(root)];
    let number = |folder: &Path, name| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    folders.iter().find_map(|folder| {
        let (limit, used) = (number(folder, limit)?, number(folder, used)?);
        // The system reclaims cached file pages before memory runs out.
        let statistics = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let cached = statistics.lines().find_map(|line| line.strip_prefix(cache)?.trim().parse::<u64>().ok());
        Some(limit.saturating_sub(used.saturating_sub(cached.unwrap_or(0))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_in_bytes() {
        let text = "MemTotal:       100 kB\nMemAvailable:   64 kB\n";
        assert_eq!(field_bytes(text, "MemAvailable:"), Some(65_536));
        assert_eq!(field_bytes(text, "MemFree:"), None);
    }

    #[test]
    fn other_controllers_are_ignored() {
        assert_eq!(left_in_group("3:cpuset:/"), None);
        assert_eq!(left_in_group("nonsense"), None);
    }
}
