//! Whatever ends a run on a real provider, and whenever, nothing of it is left, and nothing of anybody else is touched.
//! For the provider in `KS_E2E_PROVIDER`; ignored without one. `KS_E2E_MOMENTS` says at how many moments a run is killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What a run of `SCENARIO` takes on two idle cores, whole.
const KIND_RUN: Duration = Duration::from_secs(80);
const ENVTEST_RUN: Duration = Duration::from_secs(12);
/// Has two clusters and does something on both.
const SCENARIO: &str = "member-post-install-kubectl";

fn main() -> ExitCode {
    let provider = std::env::var("KS_E2E_PROVIDER").unwrap_or_default();
    let ignored = !matches!(provider.as_str(), "envtest" | "containers" | "kind");
    if ignored {
        eprintln!("ignored: KS_E2E_PROVIDER names none of envtest, containers and kind");
    }
    let tests = [
        ("sigkill_and_sweep_leave_nothing", sigkill_and_sweep as fn(&str)),
        ("ctrl_c_leaves_nothing", ctrl_c),
        ("two_runs_at_once_never_meet", two_runs),
    ];
    let trials = tests.map(|(name, test)| {
        let provider = provider.clone();
        Trial::test(name, move || {
            test(&provider);
            Ok(())
        })
        .with_ignored_flag(ignored)
    });
    let mut arguments = Arguments::from_args();
    // What an engine holds is compared before and after.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

/// State, temporary files and a person's kubeconfig of one test.
struct Place {
    state: tempfile::TempDir,
    temporary: tempfile::TempDir,
    kubeconfig: PathBuf,
}

const KUBECONFIG: &str = "# mine\napiVersion: v1\nkind: Config\n";

impl Place {
    fn new() -> Self {
        let (state, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let kubeconfig = state.path().join("config");
        fs::write(&kubeconfig, KUBECONFIG).unwrap();
        Self { state, temporary, kubeconfig }
    }

    fn ks_e2e(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ks-e2e"));
        command.env("XDG_STATE_HOME", self.state.path()).env("TMPDIR", self.temporary.path());
        command.env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        command
    }

    fn run(&self, provider: &str) -> Child {
        let mut command = self.ks_e2e();
        command.args(["run", SCENARIO, "--provider", provider]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn sweep(&self) {
        let output = self.ks_e2e().arg("sweep").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Nothing of a run is here, and what was here before is as it was.
    fn assert_nothing_left(&self, before: &Engine) {
        let leases = self.state.path().join("ks-e2e/leases");
        for directory in [self.temporary.path(), leases.as_path()] {
            let left: Vec<_> = fs::read_dir(directory).into_iter().flatten().map(|one| one.unwrap().path()).collect();
            assert_eq!(left, Vec::<PathBuf>::new());
        }
        assert_eq!(processes_in(self.temporary.path()), Vec::<String>::new());
        assert_eq!(fs::read_to_string(&self.kubeconfig).unwrap(), KUBECONFIG);
        assert_eq!(Engine::now(), *before);
    }
}

/// Command lines of processes whose environment or arguments show that they work in `directory`.
fn processes_in(directory: &Path) -> Vec<String> {
    let mark = directory.display().to_string();
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let texts = all.filter(|pid| *pid != std::process::id()).filter_map(|pid| {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let environment = String::from_utf8_lossy(&read("environ")).into_owned();
        let home = format!("HOME={mark}");
        (line.contains(&mark) || environment.contains(&home)).then_some(line)
    });
    texts.collect()
}

/// What a container engine holds; nothing where there is none.
#[derive(Debug, PartialEq, Eq)]
struct Engine {
    containers: BTreeSet<String>,
    networks: BTreeSet<String>,
    volumes: BTreeSet<String>,
    images: BTreeSet<String>,
}

impl Engine {
    fn now() -> Self {
        let list = |arguments: &[&str]| {
            let output = Command::new("docker").args(arguments).output();
            let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        Self {
            containers: list(&["ps", "-aq", "--no-trunc"]),
            networks: list(&["network", "ls", "-q", "--no-trunc"]),
            volumes: list(&["volume", "ls", "-q"]),
            images: list(&["images", "-a", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"]),
        }
    }
}

/// A kind cluster that somebody made by hand.
struct Bystander {
    directory: tempfile::TempDir,
}

impl Bystander {
    const NAME: &'static str = "bystander";

    fn make() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let bystander = Self { directory };
        let image = std::env::var("KS_E2E_NODE_IMAGE").unwrap();
        let made = bystander.kind(&["create", "cluster", "--name", Self::NAME, "--image", &image, "--wait", "180s"]);
        assert!(made, "kind create cluster --name {}", Self::NAME);
        bystander
    }

    fn kind(&self, arguments: &[&str]) -> bool {
        let output = Command::new("kind").args(arguments).env("KUBECONFIG", self.kubeconfig()).output().unwrap();
        output.status.success()
    }

    fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    fn works(&self) -> bool {
        let node = format!("{}-control-plane", Self::NAME);
        let mut kubectl = Command::new("kubectl");
        kubectl.args(["wait", "--for=condition=Ready", "--timeout=60s", "node", &node]);
        kubectl.env("KUBECONFIG", self.kubeconfig()).output().unwrap().status.success()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.kind(&["delete", "cluster", "--name", Self::NAME]);
    }
}

fn sigkill_and_sweep(provider: &str) {
    let moments: u32 = std::env::var("KS_E2E_MOMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let bystander = (provider == "kind").then(Bystander::make);
    let whole = if provider == "kind" { KIND_RUN } else { ENVTEST_RUN };
    let before = Engine::now();
    for moment in 0..moments {
        let place = Place::new();
        let mut child = place.run(provider);
        // From just after the start to about the end, evenly.
        let at = whole * (2 * moment + 1) / (2 * moments);
        std::thread::sleep(at);
        kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        place.sweep();
        eprintln!("killed after {} ms and swept", at.as_millis());
        place.assert_nothing_left(&before);
    }
    if let Some(bystander) = &bystander {
        assert!(bystander.works(), "the cluster made by hand does not work any more");
    }
}

fn ctrl_c(provider: &str) {
    let before = Engine::now();
    let place = Place::new();
    let mut child = place.run(provider);
    std::thread::sleep(if provider == "kind" { KIND_RUN / 4 } else { ENVTEST_RUN / 4 });
    let begin = Instant::now();
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    place.assert_nothing_left(&before);
}

fn two_runs(provider: &str) {
    let before = Engine::now();
    let place = Place::new();
    let runs = [place.run(provider), place.run(provider)];
    for child in runs {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    place.assert_nothing_left(&before);
}
