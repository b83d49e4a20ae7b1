//! A child that outlives its parent by a moment: when the parent's end of the pipe closes, for whatever reason, it
//! kills the process groups it was told of.

use std::io;
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;

use crate::program;

/// POSIX shell on purpose: it is there on every system that kubectl runs on, costs a millisecond, and needs no second
/// binary to be found.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
groups=' '
while read -r verb group; do
  case $verb in
    watch) groups="$groups$group " ;;
    forget) groups="${groups%% "$group" *} ${groups#* "$group" }" ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
"#;

/// The supervising child of one run.
#[derive(Clone)]
pub struct Supervisor(Arc<Mutex<Option<(Child, ChildStdin)>>>);

impl Supervisor {
    /// Starts it, in a process group of its own so that the terminal's Ctrl-C does not reach it.
    ///
    /// # Errors
    /// When no shell can be started.
    pub fn start() -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "ks-e2e-supervisor"]).env_clear().process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = program::start(&mut command)?;
        let pipe = child.stdin.take().ok_or_else(|| io::Error::other("the supervisor has no standard input"))?;
        Ok(Self(Arc::new(Mutex::new(Some((child, pipe))))))
    }

    /// Makes it responsible for the process group `pid`.
    pub async fn watch(&self, pid: i32) {
        self.say(&format!("watch {pid}\n")).await;
    }

    /// Takes the process group `pid` from it.
    pub async fn forget(&self, pid: i32) {
        self.say(&format!("forget {pid}\n")).await;
    }

    /// Closes the pipe, so that it kills what it was not told to forget, and waits for its end.
    pub async fn stop(&self) {
        if let Some((mut child, pipe)) = self.0.lock().await.take() {
            drop(pipe);
            let _ended = child.wait().await;
        }
    }

    async fn say(&self, line: &str) {
        if let Some((_, pipe)) = self.0.lock().await.as_mut() {
            // It cannot be gone unless somebody killed it; the lease file then still names everything for `sweep`.
            let _written = pipe.write_all(line.as_bytes()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::kill;
    use nix::unistd::Pid;

    use super::*;

    fn sleeper() -> Child {
        Command::new("/bin/sh")
            .args(["-c", "exec sleep 600"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    async fn closed_pipe_kills(supervisor: Supervisor, child: &mut Child) -> bool {
        let (mut shell, pipe) = supervisor.0.lock().await.take().unwrap();
        drop(pipe);
        shell.wait().await.unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id().unwrap_or_default()).unwrap());
        let ended = child.try_wait().unwrap().is_some() || {
            // Killed but perhaps not reaped yet.
            tokio::time::timeout(std::time::Duration::from_millis(300), child.wait()).await.is_ok()
        };
        ended || kill(pid, None).is_err()
    }

    #[tokio::test]
    async fn kills_a_watched_group_when_the_pipe_closes() {
        let supervisor = Supervisor::start().unwrap();
        let mut child = sleeper();
        supervisor.watch(i32::try_from(child.id().unwrap()).unwrap()).await;
        assert!(closed_pipe_kills(supervisor, &mut child).await);
    }

    #[tokio::test]
    async fn spares_a_group_that_it_was_told_to_forget() {
        let supervisor = Supervisor::start().unwrap();
        let mut child = sleeper();
        let pid = i32::try_from(child.id().unwrap()).unwrap();
        supervisor.watch(1_000_000).await;
        supervisor.watch(pid).await;
        supervisor.watch(1_000_001).await;
        supervisor.forget(pid).await;
        assert!(!closed_pipe_kills(supervisor, &mut child).await);
    }
}
