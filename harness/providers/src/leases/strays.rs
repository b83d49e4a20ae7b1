//! Processes of a run that left their process group (`setsid`), known by the home directory that every step is given.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill as signal};
use nix::unistd::Pid;

/// How long the kernel gets to put killed processes away; whatever it takes, they do nothing any more.
const PUT_AWAY: Duration = Duration::from_secs(5);

/// How often is looked whether it has: nobody can wait for the end of processes that are not its children.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Kills every process whose `HOME` is below `directory`, waits until none is left, and says how many there were. Finds
/// none where there is no `/proc`. Blocks.
pub(super) fn kill(directory: &Path) -> usize {
    let begin = Instant::now();
    let killed = kill_once(directory);
    while kill_once(directory) > 0 && begin.elapsed() < PUT_AWAY {
        std::thread::sleep(LOOK_AGAIN);
    }
    killed
}

fn kill_once(directory: &Path) -> usize {
    let mark = [b"HOME=", directory.as_os_str().as_bytes(), b"/"].concat();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let ours = pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(&mark))
    });
    ours.filter(|pid| signal(Pid::from_raw(*pid), Signal::SIGKILL).is_ok()).count()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn at_home(home: &Path) -> std::process::Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exec sleep 600"]).env("HOME", home).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    #[test]
    #[cfg_attr(not(target_os = "linux"), ignore = "finds nobody without /proc")]
    fn kills_who_lives_in_the_directory_and_nobody_else() {
        let (run, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut ours, mut neighbour) = (at_home(&run.path().join("cell/home")), at_home(&other.path().join("home")));
        // The environment is there once the shell has been started.
        while kill(run.path()) == 0 {
            assert!(ours.try_wait().unwrap().is_none(), "somebody else has ended it");
            std::thread::yield_now();
        }
        assert_eq!(kill_once(run.path()), 0, "it is gone already");
        assert!(!ours.wait().unwrap().success());
        assert!(neighbour.try_wait().unwrap().is_none());
        neighbour.kill().unwrap();
        neighbour.wait().unwrap();
    }
}
