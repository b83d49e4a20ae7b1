//! Clusters that stay after a run, cells that come again, and their end.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use rstest::rstest;
use serde_json::Value;

use super::{Place, signal};

/// Fails at its last step but one.
const FAILING: &str = "\
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata:
  name: failing
spec:
  given:
    host: {kubesphere: absent}
  steps:
    - name: say something
      on: host
      run: kubectl create namespace made-by-a-step
    - name: fail
      on: host
      run: kubectl get namespace not-there
    - name: go on
      on: host
      run: kubectl delete namespace made-by-a-step
";

impl Place {
    fn scenario(&self, content: &str) -> PathBuf {
        let path = self.state.path().join("failing.yaml");
        fs::write(&path, content).unwrap();
        path
    }

    fn run(&self, path: &Path, arguments: &[&str]) -> Command {
        let mut command = self.ks_e2e();
        command.arg("run").arg(path).args(["--release", "3.4.1"]).args(arguments);
        command
    }

    /// A run that holds clusters, and what it said until then.
    fn holding(&self, path: &Path, keep: &str) -> (Child, Vec<String>) {
        let mut child = self.run(path, &["--keep", keep]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut said = Vec::new();
        for line in lines {
            said.push(line);
            if said.last().unwrap().contains(" stay while this runs") {
                break;
            }
        }
        (child, said)
    }
}

/// What stands behind `word` in a line that begins so.
fn after<'a>(said: &'a [String], word: &str) -> &'a str {
    said.iter().find_map(|line| line.trim_start().strip_prefix(word)).unwrap_or_else(|| panic!("{said:?}")).trim_start()
}

#[test]
fn keeps_the_clusters_of_a_cell_that_failed_until_they_are_taken_down() {
    let place = Place::new();
    let path = place.scenario(FAILING);
    let (mut child, said) = place.holding(&path, "on-failure");
    assert!(said.iter().any(|line| line == "kept failing@3.4.1 (failed at the step \"fail\")"), "{said:?}");
    let kubeconfig = after(&said, "both").strip_prefix("export KUBECONFIG=").unwrap().trim_matches('\'');
    let made =
        Command::new("kubectl").args(["get", "namespace", "made-by-a-step"]).env("KUBECONFIG", kubeconfig).output();
    assert!(made.unwrap().status.success());
    assert!(Path::new(after(&said, "sandbox").strip_prefix("cd ").unwrap().trim_matches('\'')).is_dir());
    let script = after(&said, "to go on").strip_prefix("bash ").unwrap().trim_matches('\'');
    let text = fs::read_to_string(script).unwrap();
    assert!(text.contains("kubectl get namespace not-there") && !text.contains("kubectl create namespace"), "{text}");
    // It goes on from the failed step, once that is mended.
    fs::write(script, text.replace("kubectl get namespace not-there", "true")).unwrap();
    let went_on = Command::new("bash").arg(script).output().unwrap();
    assert!(went_on.status.success(), "{}", String::from_utf8_lossy(&went_on.stderr));
    let run = said.last().unwrap().split_whitespace().nth(1).unwrap();
    let down = place.ks_e2e().args(["down", run]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&down.stdout), format!("clusters {run} are gone\n"));
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn leaves_nothing_to_do_where_all_steps_are_done_and_a_check_failed() {
    let place = Place::new();
    let check = "  checks:\n    - no-cluster-object: {name: m}\n    - host-cluster-object: {name: host}\n";
    let path = place.scenario(&format!("{}{check}", FAILING.replace("not-there", "default")));
    let (mut child, said) = place.holding(&path, "on-failure");
    assert!(said.iter().any(|line| line.starts_with("kept failing@3.4.1 (failed at the check ")), "{said:?}");
    assert!(said.iter().all(|line| !line.contains("to go on")), "{said:?}");
    signal(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn keeps_the_clusters_of_a_cell_that_passed_until_a_signal() {
    let place = Place::new();
    let path = place.scenario(&FAILING.replace("not-there", "default"));
    let (mut child, said) = place.holding(&path, "always");
    assert!(said.iter().any(|line| line == "kept failing@3.4.1 (passed)"), "{said:?}");
    signal(&child, Signal::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn keeps_nothing_of_a_cell_that_passed_if_only_failures_are_asked_for() {
    let place = Place::new();
    let path = place.scenario(&FAILING.replace("not-there", "default"));
    assert!(place.run(&path, &["--keep", "on-failure"]).stdout(Stdio::null()).status().unwrap().success());
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn repeats_cells_with_seeds_that_can_be_given_again() {
    let place = Place::new();
    let path = place.scenario(FAILING);
    let report = place.state.path().join("report");
    let directory = report.display().to_string();
    let output = place.run(&path, &["--repeat", "3", "--seed", "7", "--report", &directory]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&fs::read(report.join("report.json")).unwrap()).unwrap();
    let cells = report["scenarios"].as_array().unwrap();
    let ids: Vec<&str> = cells.iter().map(|cell| cell["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["failing@3.4.1", "failing@3.4.1#2", "failing@3.4.1#3"]);
    assert_eq!(cells[0]["repetition"], serde_json::json!({"number": 1, "seed": 7}));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let seed = cells[2]["repetition"]["seed"].as_u64().unwrap();
    assert!(said.contains(&format!("failing@3.4.1#3  --seed {seed}")), "{said}");
}

#[test]
fn repeats_rounds_until_one_fails() {
    let place = Place::new();
    // The third round finds the file that the first two have written to.
    let count = place.state.path().join("count");
    let step = format!("echo x >>{0}; test $(wc -l <{0}) -lt 3", count.display());
    let path = place.scenario(&FAILING.replace("kubectl get namespace not-there", &step));
    let output = place.run(&path, &["--until-failure", "--seed", "7"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let rounds: Vec<&str> = said.lines().filter(|line| line.starts_with("round ")).collect();
    assert_eq!(rounds[0], "round 1, --seed 7");
    assert_eq!(rounds.len(), 3, "{said}");
    assert!(said.contains("FAILED failing@3.4.1"), "{said}");
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn goes_on_no_longer_than_somebody_reads() {
    let place = Place::new();
    let path = place.scenario(&FAILING.replace("kubectl get namespace not-there", "echo"));
    let mut run = place.run(&path, &["--until-failure"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    // The reader goes with the line.
    BufReader::new(run.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("round 1, --seed "), "{first}");
    assert!(run.wait().unwrap().success());
    assert_eq!(place.files(), Vec::<String>::new());
}

/// Fails before it waits for what is there, in each way.
const WAITING: &str = "\
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata:
  name: failing
spec:
  given: {host: {kubesphere: installed, clusterRole: host}}
  steps:
    - name: fail
      on: host
      run: kubectl get namespace not-there
    - {name: of this phase, on: host, assert: {apiVersion: v1, kind: Namespace, metadata: {name: default}, status: {phase: Active}}}
    - {name: a node, on: host, assert: {apiVersion: v1, kind: Node, metadata: {labels: {kubernetes.io/os: linux}}}}
    - {name: no other phase, on: host, error: {apiVersion: v1, kind: Namespace, metadata: {name: default}, status: {phase: Terminating}}}
    - {name: nothing of that name, on: host, absent: {apiVersion: v1, kind: Namespace, metadata: {name: not-there}}}
";

#[rstest]
#[case::as_it_is("", "", true)]
#[case::another_phase("= Active", "= Terminating", false)]
#[case::another_label("os=linux", "os=plan9", false)]
#[case::that_phase("= Terminating", "= Active", false)]
#[case::a_name_that_is_there("get Namespace not-there", "get Namespace default", false)]
fn goes_on_once_what_is_waited_for_is_so(#[case] wanted: &str, #[case] other: &str, #[case] goes_on: bool) {
    let place = Place::new();
    let (mut child, said) = place.holding(&place.scenario(WAITING), "on-failure");
    let script = after(&said, "to go on").strip_prefix("bash ").unwrap().trim_matches('\'');
    let text = fs::read_to_string(script).unwrap().replace("kubectl get namespace not-there", "true");
    let changed = text.replace("again 300 ", "again 1 ").replace(wanted, other);
    assert!(changed.contains(other), "{changed}");
    fs::write(script, changed).unwrap();
    let went_on = Command::new("bash").arg(script).output().unwrap();
    assert_eq!(went_on.status.success(), goes_on, "{}", String::from_utf8_lossy(&went_on.stderr));
    signal(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

/// Fails before the import.
const NOT_IMPORTED: &str = "\
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata:
  name: failing
spec:
  given:
    host: {kubesphere: installed, clusterRole: host}
    member: {kubesphere: installed, clusterRole: member, jwtSecret: host}
  steps:
    - name: fail
      on: host
      run: kubectl get namespace not-there
    - name: add the cluster
      on: host
      console:
        importCluster: {name: member1, kubeconfig: {of: member}}
";

#[test]
fn goes_on_with_a_kubeconfig_that_the_other_cluster_reaches() {
    let place = Place::new();
    let path = place.scenario(NOT_IMPORTED);
    let (mut child, said) = place.holding(&path, "on-failure");
    let script = after(&said, "to go on").strip_prefix("bash ").unwrap().trim_matches('\'');
    let text = fs::read_to_string(script).unwrap();
    assert!(text.contains("\nhost_add_cluster member1 "), "{text}");
    fs::write(script, text.replace("kubectl get namespace not-there", "true")).unwrap();
    let went_on = Command::new("bash").arg(script).output().unwrap();
    assert!(went_on.status.success(), "{}", String::from_utf8_lossy(&went_on.stderr));
    signal(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(place.files(), Vec::<String>::new());
}
