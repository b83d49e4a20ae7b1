//! Programs of this machine: where they are, how they are written and started, and what they answer in the time that a
//! person waits for an error.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use nodes::quiescence;
use tokio::process::{Child, Command};

/// How long a program that was asked a question may do nothing before it counts as not working. All questions of a probe
/// are asked at once, so that whatever hangs, a person knows after five seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// How long it may take if it does something: a loaded machine may not let it.
const WORK_LIMIT: Duration = Duration::from_mins(1);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Held while a program of ours is written, and shared while processes start: one that starts meanwhile has the open file
/// until it becomes another program, and so long nobody can execute it (`ETXTBSY`).
static WRITING: RwLock<()> = RwLock::new(());

/// Writes `content` as a program that can be executed at once, whatever else of this process starts at the same time.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, content: &str) -> io::Result<()> {
    let _alone = WRITING.write().unwrap_or_else(PoisonError::into_inner);
    fs::write(path, content)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// Starts `command`.
///
/// # Errors
/// When it does not start.
pub fn start(command: &mut Command) -> io::Result<Child> {
    let _nobody_writes = WRITING.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// The same where nothing is asynchronous.
///
/// # Errors
/// When it does not start.
pub fn start_blocking(command: &mut std::process::Command) -> io::Result<std::process::Child> {
    let _nobody_writes = WRITING.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// Runs `command` to its end, and returns what it has printed.
///
/// # Errors
/// When it does not start, or cannot be waited for.
pub async fn output(command: &mut Command) -> io::Result<Output> {
    start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?.wait_with_output().await
}

/// Where `program` is on the PATH; files that nobody may execute are passed over, as a shell does.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let candidates = std::env::split_paths(&paths).map(|directory| directory.join(program));
    candidates.into_iter().find(|path| {
        let metadata = path.metadata();
        metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    })
}

/// What `command` prints on its standard output, trimmed. It gets no input, and is killed when it takes too long.
///
/// # Errors
/// In words, when it does not start, says nothing in time or does not end well.
pub async fn answer(mut command: Command) -> Result<String, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let unstarted = |error: io::Error| format!("it does not start: {error}");
    let child = start(&mut command).map_err(unstarted)?;
    let pid = child.id();
    let output = tokio::select! {
        output = child.wait_with_output() => output.map_err(unstarted)?,
        limit = out_of_patience(pid) => return Err(format!("no answer within {} s", limit.as_secs())),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(if said.is_empty() { output.status.to_string() } else { said })
}

/// Returns when the program has had its time, with what that is.
async fn out_of_patience(pid: Option<u32>) -> Duration {
    let begin = Instant::now();
    let mut idle = begin;
    while idle.elapsed() < ANSWER_LIMIT {
        if begin.elapsed() >= WORK_LIMIT {
            return WORK_LIMIT;
        }
        tokio::time::sleep(LOOK).await;
        // Where nobody can tell, it counts as idle.
        if pid.and_then(quiescence::tree_waits) == Some(false) {
            idle = Instant::now();
        }
    }
    ANSWER_LIMIT
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::well("echo ' v1 '", Ok("v1"))]
    #[case::badly("echo no >&2; exit 1", Err("no"))]
    #[case::silently("exit 3", Err("exit status: 3"))]
    #[case::never("exec sleep 1000", Err("no answer within 3 s"))]
    #[cfg_attr(
        target_os = "linux",
        case::after_much_work(
            "end=$(($(date +%s) + 4)); while [ $(date +%s) -lt $end ]; do :; done; echo v1",
            Ok("v1")
        )
    )]
    #[tokio::test]
    async fn tells_what_a_program_says(#[case] script: &str, #[case] expected: Result<&str, &str>) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        assert_eq!(answer(command).await, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[tokio::test]
    async fn tells_of_a_program_that_does_not_start() {
        let said = answer(Command::new("/nowhere/program")).await.unwrap_err();
        assert!(said.starts_with("it does not start: No such file"), "{said}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn writes_programs_that_can_be_executed_while_others_start() {
        const ROUNDS: usize = 300;
        let directory = tempfile::tempdir().unwrap();
        let others: Vec<_> = (0..3)
            .map(|_| {
                tokio::spawn(async {
                    for _ in 0..ROUNDS {
                        output(&mut Command::new("/bin/true")).await.unwrap();
                    }
                })
            })
            .collect();
        for round in 0..ROUNDS {
            let path = directory.path().join(format!("program-{round}"));
            write(&path, "#!/bin/sh\nexit 0\n").unwrap();
            let output = output(&mut Command::new(&path)).await.unwrap();
            assert!(output.status.success());
        }
        for other in others {
            other.await.unwrap();
        }
    }
}
