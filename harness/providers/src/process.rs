//! Another process of this machine, which can be asked to end and whose end can be waited for.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::leases::start_time;

/// A process as another one knows it: a pid alone may have been given to somebody else meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its pid.
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`.
    pub started: u64,
}

impl Process {
    /// This process; none where the system does not tell.
    #[must_use]
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// The parent of this process, unless it is gone already.
    #[must_use]
    pub fn parent() -> Option<Self> {
        Self::of(std::os::unix::process::parent_id())
    }

    fn of(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        Some(Self { pid, started: start_time(pid)? })
    }

    /// A hold on the process by which its end can be waited for.
    ///
    /// # Errors
    /// When it has, or the kernel cannot tell.
    pub fn watch(self) -> io::Result<Watched> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, format!("process {} has ended", self.pid));
        let pid = Pid::from_raw(self.pid).ok_or_else(gone)?;
        let handle = pidfd_open(pid, PidfdFlags::empty())?;
        // Only now the pid is known to stay the process's.
        if start_time(self.pid) != Some(self.started) {
            return Err(gone());
        }
        Ok(Watched(handle))
    }
}

/// A process whose end can be waited for.
pub struct Watched(OwnedFd);

impl Watched {
    /// Asks the process to end (SIGTERM).
    ///
    /// # Errors
    /// When it has ended, or is somebody else's.
    pub fn terminate(&self) -> io::Result<()> {
        pidfd_send_signal(&self.0, Signal::TERM).map_err(io::Error::from)
    }

    /// Returns when the process has ended. The thread that waits for that outlives a caller that stops polling.
    pub async fn ended(self) {
        // A pidfd becomes readable when its process ends (pidfd_open(2)).
        let wait = move || while poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None) == Err(Errno::INTR) {};
        // Where the kernel does not tell any more, it counts as the end: nobody else would end the keeper.
        let _ended = tokio::task::spawn_blocking(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn notices_the_end_of_a_process() {
        let mut child = tokio::process::Command::new("/bin/sh").args(["-c", "exec sleep 600"]).spawn().unwrap();
        let pid = i32::try_from(child.id().unwrap()).unwrap();
        let watched = Process { pid, started: start_time(pid).unwrap() }.watch().unwrap();
        child.start_kill().unwrap();
        watched.ended().await;
        child.wait().await.unwrap();
    }

    #[tokio::test]
    async fn does_not_take_another_process_for_the_one_that_had_its_pid() {
        let ours = Process { pid: i32::try_from(std::process::id()).unwrap(), started: 1 };
        assert_eq!(ours.watch().err().unwrap().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn knows_its_parent() {
        assert!(Process::parent().unwrap().watch().is_ok());
    }
}
