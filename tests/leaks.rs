//! Whatever ends a run, nothing is left: no process, no file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rstest::rstest;

#[path = "leaks/keep.rs"]
mod keep;
#[path = "leaks/pairs.rs"]
mod pairs;
#[path = "leaks/up.rs"]
mod up;

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
        self.endless(self.ks_e2e().stdout(Stdio::null()).stderr(Stdio::null()))
    }

    fn endless(&self, command: &mut Command) -> Child {
        let text =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/host/host-verify-logs.yaml"))
                .unwrap();
        let path = self.state.path().join("endless.yaml");
        fs::write(&path, text.replace("Welcome to KubeSphere, within: 5m", "Never said, within: 100000h")).unwrap();
        let child = command.arg("run").arg(&path).spawn().unwrap();
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
#[case(Signal::SIGHUP)]
fn leaves_nothing_after_a_signal(#[case] wanted: Signal) {
    let place = Place::new();
    let mut child = place.endless_run();
    ends_cleanly_after(wanted, &place, &mut child);
}

fn ends_cleanly_after(wanted: Signal, place: &Place, child: &mut Child) {
    let begin = Instant::now();
    signal(child, wanted);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(place.processes(), Vec::<i32>::new());
    assert_eq!(place.files(), Vec::<String>::new());
}

/// A pipe that nobody reads.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn leaves_nothing_after_a_signal_with_nobody_to_tell() {
    let place = Place::new();
    let mut child = place.endless(place.ks_e2e().stdout(unread()).stderr(unread()));
    ends_cleanly_after(Signal::SIGINT, &place, &mut child);
}

#[test]
fn outlives_its_terminal_if_told_to() {
    let place = Place::new();
    let mut nohup = Command::new("nohup");
    nohup.arg(place.ks_e2e().get_program()).env("XDG_STATE_HOME", place.state.path());
    nohup.env("TMPDIR", place.temporary.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = place.endless(&mut nohup);
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 1, 1, "SIGHUP is still ignored: {ignored}");
    ends_cleanly_after(Signal::SIGINT, &place, &mut child);
}

#[test]
fn leaves_no_lease_where_there_is_no_temporary_directory() {
    let place = Place::new();
    let missing = place.temporary.path().join("missing");
    let output = place.ks_e2e().args(["run", "jwt-get"]).env("TMPDIR", &missing).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains(&missing.display().to_string()), "{stderr}");
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn says_after_a_run_that_the_standard_output_is_full() {
    let place = Place::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let child = place.ks_e2e().args(["run", "jwt-get"]).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("standard output"), "{stderr}");
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
