//! A command as it runs: its output so far, what it waits for, its end.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use regex::Regex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// By itself.
    Code(i32),
    /// It was killed after it had shown what was awaited, or by somebody else.
    Killed,
    /// It was killed since it took too long.
    TimedOut,
}

/// What a command left.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) exit: Exit,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// A running command, with everything below it in a process group of its own.
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
    stdout: Output,
    stderr: Output,
}

struct Output {
    so_far: watch::Receiver<Vec<u8>>,
    reader: JoinHandle<()>,
}

impl Output {
    fn of(stream: Option<impl AsyncRead + Send + Unpin + 'static>) -> Self {
        let (sender, so_far) = watch::channel(Vec::new());
        let reader = tokio::spawn(async move {
            let Some(mut stream) = stream else { return };
            let mut buffer = [0; 8192];
            // A pipe that breaks has nothing more to say.
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                sender.send_modify(|so_far| so_far.extend(buffer.iter().take(read)));
            }
        });
        Self { so_far, reader }
    }
}

impl Process {
    /// Starts `command`, which reads `stdin`.
    pub(super) fn start(mut command: Command, stdin: &str) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let (stdout, stderr) = (Output::of(child.stdout.take()), Output::of(child.stderr.take()));
        if let Some(mut input) = child.stdin.take() {
            let stdin = stdin.to_owned();
            tokio::spawn(async move {
                // Whoever does not read its input does not have to.
                let _ = input.write_all(stdin.as_bytes()).await;
            });
        }
        Ok(Self { child, group, stdout, stderr })
    }

    /// Waits until the standard output has `pattern`; false when it ended without, or `limit` passed.
    pub(super) async fn shows(&mut self, pattern: &Regex, limit: Duration) -> bool {
        let found = |so_far: &Vec<u8>| pattern.is_match(&String::from_utf8_lossy(so_far));
        let waited = tokio::time::timeout(limit, self.stdout.so_far.wait_for(found)).await;
        waited.is_ok_and(|found| found.is_ok())
    }

    /// Waits for its end, at most for `limit`.
    pub(super) async fn end(mut self, limit: Duration) -> io::Result<Ended> {
        let exit = if let Ok(status) = tokio::time::timeout(limit, self.child.wait()).await {
            status?.code().map_or(Exit::Killed, Exit::Code)
        } else {
            self.kill();
            self.child.wait().await?;
            Exit::TimedOut
        };
        self.ended(exit).await
    }

    /// Kills it, if it has not ended yet.
    pub(super) async fn stop(mut self) -> io::Result<Ended> {
        let exit = if let Some(status) = self.child.try_wait()? {
            status.code().map_or(Exit::Killed, Exit::Code)
        } else {
            self.kill();
            self.child.wait().await?;
            Exit::Killed
        };
        self.ended(exit).await
    }

    async fn ended(self, exit: Exit) -> io::Result<Ended> {
        // What it started may still hold the pipes.
        self.kill();
        let (stdout, stderr) = (self.stdout.so_far.clone(), self.stderr.so_far.clone());
        for reader in [self.stdout.reader, self.stderr.reader] {
            reader.await.map_err(io::Error::other)?;
        }
        let text = |so_far: &watch::Receiver<Vec<u8>>| String::from_utf8_lossy(&so_far.borrow()).into_owned();
        Ok(Ended { exit, stdout: text(&stdout), stderr: text(&stderr) })
    }

    fn kill(&self) {
        if let Some(group) = self.group {
            // It may be gone already.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, stdin: &str) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Process::start(command, stdin).unwrap()
    }

    #[tokio::test]
    async fn tells_exit_code_and_both_outputs() {
        let ended = shell("cat; echo no >&2; exit 3", "yes").end(Duration::from_secs(10)).await.unwrap();
        assert_eq!((ended.exit, ended.stdout.as_str(), ended.stderr.as_str()), (Exit::Code(3), "yes", "no\n"));
    }

    #[tokio::test]
    async fn waits_for_what_is_shown_and_stops() {
        let mut process = shell("echo one; sleep 1000", "");
        assert!(process.shows(&Regex::new("one").unwrap(), Duration::from_secs(10)).await);
        let ended = process.stop().await.unwrap();
        assert_eq!((ended.exit, ended.stdout.as_str()), (Exit::Killed, "one\n"));
    }

    #[tokio::test]
    async fn sees_that_it_ended_without() {
        let mut process = shell("echo one", "");
        assert!(!process.shows(&Regex::new("two").unwrap(), Duration::from_secs(10)).await);
    }

    #[tokio::test]
    async fn kills_what_takes_too_long() {
        let ended = shell("sleep 1000 & sleep 1000", "").end(Duration::from_millis(50)).await.unwrap();
        assert_eq!(ended.exit, Exit::TimedOut);
    }
}
