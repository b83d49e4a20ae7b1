//! Processes that are still the ones they were: pid, start time and boot.

use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// A process group, known by its leader's pid, the leader's start time and the boot it lives in, so that a pid that
/// was given to somebody else is never killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessGroup {
    pid: i32,
    started: Option<u64>,
    boot: Option<String>,
}

impl ProcessGroup {
    /// The group led by the running process `pid`.
    #[must_use]
    pub fn of(pid: i32) -> Self {
        Self { pid, started: start_time(pid), boot: boot_id() }
    }

    /// The leader's pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether the group may still hold processes of ours: same boot, and its leader is either the same process or
    /// gone (a group outlives its leader). Where that cannot be known, it is not.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        let leader = start_time(self.pid);
        self.started.is_some()
            && self.boot.is_some()
            && self.boot == boot_id()
            && (leader.is_none() || leader == self.started)
    }

    /// Kills every process of the group; false when it was gone already.
    ///
    /// # Errors
    /// When the processes may not be killed.
    pub fn kill(&self) -> Result<bool, Errno> {
        match killpg(Pid::from_raw(self.pid), Signal::SIGKILL) {
            Ok(()) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Field 22 of `/proc/PID/stat` (proc(5)): start time in clock ticks since boot.
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_this_process_again() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(ProcessGroup::of(pid).is_ours());
    }

    #[test]
    fn disowns_a_pid_given_to_somebody_else() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let other = ProcessGroup { started: Some(1), ..ProcessGroup::of(pid) };
        assert!(!other.is_ours());
    }

    #[test]
    fn disowns_a_pid_of_another_boot() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let other = ProcessGroup { boot: Some("another".to_owned()), ..ProcessGroup::of(pid) };
        assert!(!other.is_ours());
    }
}
