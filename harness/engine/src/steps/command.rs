//! Runs one command line: a process group of its own, watched until it ends, says what it should, or is too late.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use nodes::clock::{Clock, Delay};
use nodes::quiescence;
use providers::leases::{Lease, LeaseError, gated};
use providers::program;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::sandbox::Sandbox;
use crate::tools::Tools;

/// A command line to run.
pub struct CommandLine<'a> {
    /// What the shell is given.
    pub text: &'a str,
    /// Variables on top of the sandbox's.
    pub environment: Vec<(&'static str, OsString)>,
    /// Ends the command by its own output.
    pub until: Option<Wanted<'a>>,
    /// Longest duration: on the clusters' clock for a command that waits for a text, since it is the clusters that
    /// make it wait; else in real time, since nothing but that moves a process's own timers.
    pub timeout: Duration,
}

/// Text that ends a command.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The text.
    pub text: &'a str,
    /// How many times it was there before the change that the command watches.
    pub known: usize,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    ByItself,
    /// It said what was waited for, and was stopped.
    ByUntil,
    /// It was too late, and was stopped.
    ByDeadline,
    /// The run was interrupted.
    Interrupted,
}

/// What a command did.
#[derive(Debug, Clone)]
pub struct CommandOutcome {
    /// How it ended.
    pub ended: Ended,
    /// Exit code, if it ended by itself and not by a signal.
    pub exit_code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A command that could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The shell did not start.
    #[error("cannot start {shell}: {source}")]
    Start {
        /// The shell.
        shell: String,
        /// Why.
        source: std::io::Error,
    },
    /// No lease could be written for it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

/// How often the state of the processes is looked at, while they wait.
const LOOK: Duration = Duration::from_millis(10);
/// The same while they work.
const LOOK_AT_WORK: Duration = Duration::from_millis(20);
/// When they are looked at first, if nothing is known to wait for the clusters: most commands have ended by then, and a
/// process that was looked at takes the kernel longer to clear away.
const FIRST_LOOK: Duration = Duration::from_millis(200);
/// How many looks in a row must find every process waiting before the clusters' clock may move.
const STILL: u32 = 3;

/// How long a command must have had nothing to do, in real time, before it counts as too late on the clusters' clock: its
/// own timers run in real time.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs `line` in `sandbox`.
///
/// # Errors
/// When the command could not be started; whatever it does itself is an outcome.
pub async fn run(
    line: &CommandLine<'_>,
    sandbox: &Sandbox,
    tools: &Tools,
    clock: &Clock,
    lease: &Lease,
    stop: &CancellationToken,
) -> Result<CommandOutcome, CommandError> {
    let mut child = spawn(line, sandbox, &tools.shell)?;
    let pid = lease.own(&mut child).await?;
    let outcome = watch(line, &mut child, pid, clock, stop).await;
    stop_group(&mut child, pid).await;
    lease.process_group_ended(pid).await?;
    Ok(outcome)
}

fn spawn(line: &CommandLine<'_>, sandbox: &Sandbox, shell: &Path) -> Result<Child, CommandError> {
    let mut arguments: Vec<OsString> = Vec::new();
    if shell.ends_with("bash") {
        arguments.extend(["--noprofile".into(), "--norc".into()]);
    }
    arguments.extend(["-c".into(), line.text.into()]);
    let mut command = gated(shell, arguments);
    command
        .env_clear()
        .envs(sandbox.environment())
        .envs(line.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(sandbox.work())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    program::start(&mut command).map_err(|source| CommandError::Start { shell: shell.display().to_string(), source })
}

async fn watch(
    line: &CommandLine<'_>,
    child: &mut Child,
    pid: i32,
    clock: &Clock,
    stop: &CancellationToken,
) -> CommandOutcome {
    let mut stdout = Output::of(child.stdout.take());
    let mut stderr = Output::of(child.stderr.take());
    let deadline = async {
        match line.until {
            Some(_) => clock.sleep(Delay::new("step", line.timeout)).await,
            None => tokio::time::sleep(line.timeout).await,
        }
    };
    tokio::pin!(deadline);
    let mut too_late = false;
    let mut stillness = Stillness::new(pid, if line.until.is_some() { LOOK_AT_WORK } else { FIRST_LOOK });
    let mut progress = None;
    let (ended, exit_code) = loop {
        if let Some(wanted) = line.until
            && stdout.text().matches(wanted.text).count() > wanted.known
        {
            break (Ended::ByUntil, None);
        }
        if too_late && (line.until.is_none() || stillness.lasts(PATIENCE)) {
            break (Ended::ByDeadline, None);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break (Ended::Interrupted, None),
            () = stdout.read(), if stdout.is_open() => stillness.restart(),
            () = stderr.read(), if stderr.is_open() => stillness.restart(),
            status = child.wait(), if !stdout.is_open() && !stderr.is_open() => {
                break (Ended::ByItself, status.ok().and_then(|status| status.code()));
            }
            // The clusters' time may have run ahead of a process that the machine did not let run: it is too late
            // only once the process has nothing more to do.
            () = &mut deadline, if !too_late => {
                too_late = true;
                stillness.restart();
            }
            () = tokio::time::sleep(stillness.pause()) => stillness.look(),
        }
        // Time moves on only while the command waits for the clusters and not they for it.
        progress =
            if stillness.is_still() && !too_late { progress.or_else(|| clock.process_wants_progress()) } else { None };
    };
    drop(progress);
    CommandOutcome { ended, exit_code, stdout: stdout.into_text(), stderr: stderr.into_text() }
}

/// Ends what is left of the group: first politely, then not, and waits for the leader.
async fn stop_group(child: &mut Child, pid: i32) {
    let group = Pid::from_raw(pid);
    if pid <= 0 || killpg(group, Signal::SIGTERM) == Err(Errno::ESRCH) {
        let _status = child.wait().await;
        return;
    }
    let ended = tokio::time::timeout(Duration::from_millis(200), child.wait()).await;
    let _gone = killpg(group, Signal::SIGKILL);
    if ended.is_err() {
        let _status = child.wait().await;
    }
}

/// Whether the processes of a command wait, over several looks.
struct Stillness {
    pid: u32,
    looks: u32,
    since: std::time::Instant,
    /// Until the next look, unless they were found waiting.
    pause: Duration,
}

impl Stillness {
    fn new(pid: i32, first: Duration) -> Self {
        Self { pid: u32::try_from(pid).unwrap_or_default(), looks: 0, since: std::time::Instant::now(), pause: first }
    }

    fn pause(&self) -> Duration {
        if self.looks > 0 { LOOK } else { self.pause }
    }

    fn restart(&mut self) {
        self.looks = 0;
        self.since = std::time::Instant::now();
    }

    fn look(&mut self) {
        self.pause = LOOK_AT_WORK;
        match quiescence::tree_waits(self.pid) {
            Some(true) => self.looks += 1,
            Some(false) => self.restart(),
            // Nobody can tell here: a second without output has to do.
            None if self.since.elapsed() > Duration::from_secs(1) => self.looks = STILL,
            None => {}
        }
    }

    fn is_still(&self) -> bool {
        self.looks >= STILL
    }

    fn lasts(&self, duration: Duration) -> bool {
        self.is_still() && self.since.elapsed() >= duration
    }
}

/// One output stream, collected.
struct Output<R> {
    from: Option<R>,
    bytes: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Output<R> {
    fn of(from: Option<R>) -> Self {
        Self { from, bytes: Vec::new() }
    }

    fn is_open(&self) -> bool {
        self.from.is_some()
    }

    async fn read(&mut self) {
        let Some(from) = &mut self.from else { return };
        if !matches!(from.read_buf(&mut self.bytes).await, Ok(length) if length > 0) {
            self.from = None;
        }
    }

    fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    fn into_text(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
