//! What makes kind clusters fail on a machine, found before they are made.

use std::fs;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;

use super::configuration::HostPort;
use crate::provider::Missing;

/// Memory that a node takes until KubeSphere's stand-in is installed on it, measured: 505 to 575 MiB.
const NODE_MIB: u64 = 600;
/// Disk that a node's writable layer and volume take, images included.
const NODE_DISK_MIB: u64 = 500;
/// inotify instances that a node with its pods holds: systemd, kubelet, containerd, and one for each pod that mounts a
/// ConfigMap.
const NODE_INOTIFY_INSTANCES: u64 = 24;

/// What is free on this machine; nothing where it cannot be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Free {
    memory_mib: Option<u64>,
    disk_mib: Option<u64>,
    inotify_instances: Option<u64>,
}

impl Free {
    /// What is free now; `storage` is where the engine keeps its containers.
    pub(super) fn now(storage: &Path) -> Self {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let stat = nix::sys::statvfs::statvfs(storage).ok();
        let bytes = stat.map(|stat| stat.blocks_available() * stat.fragment_size());
        Self {
            memory_mib: available_mib(&meminfo),
            disk_mib: bytes.map(|bytes| bytes >> 20),
            inotify_instances: free_instances(),
        }
    }

    /// Whether `nodes` more nodes find room.
    pub(super) fn has_room_for(&self, nodes: u64) -> Result<(), Missing> {
        let short = |what: &str, free: Option<u64>, needed: u64| match free {
            Some(free) if free < needed => {
                Some(format!("{nodes} kind nodes need {needed} {what}, and {free} are free"))
            }
            _ => None,
        };
        if let Some(what) = short("MiB of memory", self.memory_mib, nodes * NODE_MIB) {
            return Err(Missing::new(what, "end other programs or containers"));
        }
        if let Some(what) = short("MiB where the engine keeps containers", self.disk_mib, nodes * NODE_DISK_MIB) {
            return Err(Missing::new(what, "make room, with `docker system prune` perhaps"));
        }
        let instances = nodes * NODE_INOTIFY_INSTANCES;
        if let Some(what) = short("inotify instances of this user", self.inotify_instances, instances) {
            return Err(Missing::new(what, "raise the limit: `sysctl fs.inotify.max_user_instances=512`"));
        }
        Ok(())
    }
}

/// Whether nobody listens on `ports`, and none is asked for twice.
pub(super) fn are_free(ports: impl IntoIterator<Item = HostPort>) -> Result<(), Missing> {
    let mut seen: Vec<HostPort> = Vec::new();
    for port in ports {
        if seen.iter().any(|other| other.excludes(port)) {
            let what = format!("port {port} is asked for twice by the kind configurations");
            return Err(Missing::new(what, "change one of them"));
        }
        seen.push(port);
        let bound = match port {
            HostPort { udp: true, at } => UdpSocket::bind(at).map(drop),
            HostPort { udp: false, at } => TcpListener::bind(at).map(drop),
        };
        match bound {
            // The engine may have more rights than this user.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => {
                let what = format!("port {port}, which the kind configuration asks for, cannot be had: {error}");
                return Err(Missing::new(what, "end what listens there (`ss -lntup`), or change the configuration"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// `MemAvailable` of `/proc/meminfo`.
fn available_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib >> 10)
}

/// The limit counts per user; nodes run as the engine's user, which is this one where we can look at its processes.
fn free_instances() -> Option<u64> {
    let limit: u64 = fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").ok()?.trim().parse().ok()?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let tables = processes.filter_map(|process| fs::read_dir(process.path().join("fd")).ok());
    let files = tables.flat_map(|table| table.flatten().filter_map(|file| fs::read_link(file.path()).ok()));
    let used = files.filter(|link| link.as_os_str() == "anon_inode:inotify").count();
    Some(limit.saturating_sub(u64::try_from(used).ok()?))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::room(Free { memory_mib: Some(1200), disk_mib: Some(1000), inotify_instances: Some(48) }, "")]
    #[case::unknown(Free::default(), "")]
    #[case::memory(Free { memory_mib: Some(1199), ..Free::default() }, "2 kind nodes need 1200 MiB of memory, and 1199 are free")]
    #[case::disk(Free { disk_mib: Some(10), ..Free::default() }, "2 kind nodes need 1000 MiB where the engine")]
    #[case::inotify(Free { inotify_instances: Some(47), ..Free::default() }, "2 kind nodes need 48 inotify instances")]
    fn says_what_is_short(#[case] free: Free, #[case] expected: &str) {
        let text = free.has_room_for(2).err().map(|missing| missing.to_string()).unwrap_or_default();
        assert!(text.starts_with(expected) && text.is_empty() == expected.is_empty(), "{text}");
    }

    #[test]
    fn reads_the_available_memory() {
        assert_eq!(available_mib("MemTotal: 9 kB\nMemAvailable:   24000000 kB\n"), Some(23437));
    }

    #[test]
    fn finds_a_port_that_is_taken() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = taken.local_addr().unwrap();
        let everywhere = HostPort { at: (std::net::Ipv4Addr::UNSPECIFIED, at.port()).into(), udp: false };
        for port in [HostPort { at, udp: false }, everywhere] {
            let text = are_free([port]).unwrap_err().to_string();
            assert!(text.contains(&at.port().to_string()), "{text}");
        }
        assert!(are_free([HostPort { at, udp: true }]).is_ok());
        drop(taken);
        assert!(are_free([HostPort { at, udp: false }]).is_ok());
        assert!(are_free([HostPort { at, udp: false }, everywhere]).unwrap_err().to_string().contains("twice"));
    }
}
