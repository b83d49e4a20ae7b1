//! The process that runs the tests, whose end is the keeper's.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::leases::start_time;

/// A process as another one knows it: a pid alone may have been given to somebody else meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Runner {
    pub(super) pid: i32,
    /// Field 22 of `/proc/PID/stat`.
    pub(super) started: u64,
}

impl Runner {
    /// The parent of this process, unless it is gone already.
    pub(super) fn parent() -> Option<Self> {
        let pid = i32::try_from(std::os::unix::process::parent_id()).ok()?;
        Some(Self { pid, started: start_time(pid)? })
    }

    /// A hold on the process by which its end can be waited for.
    ///
    /// # Errors
    /// When it has, or the kernel cannot tell.
    pub(super) fn watch(self) -> io::Result<Watched> {
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
pub(super) struct Watched(OwnedFd);

impl Watched {
    /// Returns when the process has ended. The thread that waits for that outlives a caller that stops polling.
    pub(super) async fn ended(self) {
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
        let watched = Runner { pid, started: start_time(pid).unwrap() }.watch().unwrap();
        child.start_kill().unwrap();
        watched.ended().await;
        child.wait().await.unwrap();
    }

    #[tokio::test]
    async fn does_not_take_another_process_for_the_one_that_had_its_pid() {
        let ours = Runner { pid: i32::try_from(std::process::id()).unwrap(), started: 1 };
        assert_eq!(ours.watch().err().unwrap().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn knows_its_parent() {
        assert!(Runner::parent().unwrap().watch().is_ok());
    }
}
