//! Processes of a run that left their process group (`setsid`), known by the home directory that every step is given.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::sys::signal::{Signal, kill as signal};
use nix::unistd::Pid;

/// Kills every process whose `HOME` is below `directory`, and says how many there were. Finds none where there is no
/// `/proc`.
pub(super) fn kill(directory: &Path) -> usize {
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
    fn kills_who_lives_in_the_directory_and_nobody_else() {
        if fs::metadata("/proc/self/environ").is_err() {
            return;
        }
        let (run, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut ours, mut neighbour) = (at_home(&run.path().join("cell/home")), at_home(&other.path().join("home")));
        // The environment is there once the shell has been started.
        while kill(run.path()) == 0 {
            std::thread::yield_now();
        }
        assert!(!ours.wait().unwrap().success());
        assert!(neighbour.try_wait().unwrap().is_none());
        neighbour.kill().unwrap();
        neighbour.wait().unwrap();
    }
}
