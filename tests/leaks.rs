//! Whatever ends a run, nothing is left: no process, no file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rstest::rstest;

struct Place {
    state: tempfile::TempDir,
    temporary: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { state: tempfile::tempdir().unwrap(), temporary: tempfile::tempdir().unwrap() }
    }

    fn ks_e2e(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ks-e2e"));
        command.env("XDG_STATE_HOME", self.state.path()).env("TMPDIR", self.temporary.path());
        command
    }

    /// A run in the middle of following a log, which would go on for ever.
    fn endless_run(&self) -> Child {
        let text =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/host/host-verify-logs.yaml"))
                .unwrap();
        let path = self.state.path().join("endless.yaml");
        fs::write(&path, text.replace("Welcome to KubeSphere, within: 5m", "Never said, within: 100000h")).unwrap();
        let child = self.ks_e2e().arg("run").arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("kubectl runs", || !self.processes().is_empty());
        child
    }

    /// Processes whose environment shows that they belong to a sandbox of this place.
    fn processes(&self) -> Vec<i32> {
        let mark = format!("HOME={}/", self.temporary.path().display());
        let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        all.filter(|pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&mark)
        })
        .collect()
    }

    fn files(&self) -> Vec<String> {
        let leases = self.state.path().join("ks-e2e/leases");
        let directories = [self.temporary.path().to_owned(), leases];
        let entries = directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten();
        entries.map(|entry| entry.unwrap().path().display().to_string()).collect()
    }
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_mins(1), "{what}: not within 60 s");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

#[rstest]
#[case(Signal::SIGINT)]
#[case(Signal::SIGTERM)]
fn leaves_nothing_after_a_signal(#[case] wanted: Signal) {
    let place = Place::new();
    let mut child = place.endless_run();
    let begin = Instant::now();
    signal(&child, wanted);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(place.processes(), Vec::<i32>::new());
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn leaves_nothing_after_sigkill_and_sweep() {
    let place = Place::new();
    let mut child = place.endless_run();
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    wait_until("the supervisor killed every process", || place.processes().is_empty());
    assert_ne!(place.files(), Vec::<String>::new());
    assert!(place.ks_e2e().arg("sweep").status().unwrap().success());
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn leaves_nothing_after_a_run_that_passed() {
    let place = Place::new();
    assert!(place.ks_e2e().args(["run", "jwt-get"]).stdout(Stdio::null()).status().unwrap().success());
    assert_eq!(place.processes(), Vec::<i32>::new());
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn sweeping_spares_a_run_that_lives() {
    let place = Place::new();
    let mut child = place.endless_run();
    assert!(place.ks_e2e().arg("sweep").status().unwrap().success());
    assert_ne!(place.files(), Vec::<String>::new());
    assert_ne!(place.processes(), Vec::<i32>::new());
    signal(&child, Signal::SIGINT);
    child.wait().unwrap();
    assert_eq!(place.files(), Vec::<String>::new());
}
