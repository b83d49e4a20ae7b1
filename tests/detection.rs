//! The suite fails when the procedure is wrong, and says where.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use rstest::rstest;
use serde_json::Value;

#[path = "detection/output.rs"]
mod output;
#[path = "detection/shards.rs"]
mod shards;

fn run(arguments: &[&str], report: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ks-e2e"))
        .arg("run")
        .args(arguments)
        .args(["--release", "3.3.2", "--report"])
        .arg(report)
        .output()
        .unwrap()
}

/// The report's only cell, and what was printed.
fn only_cell(arguments: &[&str]) -> (Value, String) {
    let directory = tempfile::tempdir().unwrap();
    let output = run(arguments, directory.path());
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report =
        fs::read_to_string(directory.path().join("report.json")).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let report: Value = serde_json::from_str(&report).unwrap();
    let cells = report["scenarios"].as_array().unwrap();
    assert_eq!(cells.len(), 1, "{text}");
    (cells[0].clone(), text)
}

fn failed_checks(cell: &Value) -> Vec<&str> {
    let checks = cell["checks"].as_array().unwrap();
    checks.iter().filter(|check| check["result"] == "failed").filter_map(|check| check["name"].as_str()).collect()
}

/// A copy of a built-in scenario without one line of it.
fn without(scenario: &str, part: &str) -> (tempfile::TempDir, String) {
    replaced(scenario, part, "")
}

/// A copy of a built-in scenario with `other` in place of `part`.
fn replaced(scenario: &str, part: &str, other: &str) -> (tempfile::TempDir, String) {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(scenario)).unwrap();
    assert!(text.contains(part), "{scenario} does not hold {part}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("changed.yaml");
    fs::write(&path, text.replace(part, other)).unwrap();
    let path = path.display().to_string();
    (directory, path)
}

#[rstest]
#[case("member/member-post-install-kubectl.yaml")]
#[case("member/member-pre-install-k8s.yaml")]
#[case("import/direct-connection.yaml")]
fn a_member_without_the_hosts_secret_fails(#[case] scenario: &str) {
    let (_directory, path) = without(scenario, "spec.authentication.jwtSecret: \"${jwtSecret}\", ");
    let (cell, text) = only_cell(&[&path]);
    assert_eq!(cell["result"], "failed", "{text}");
    if scenario.starts_with("member") {
        assert!(failed_checks(&cell).contains(&"jwt-secret-equal"), "{text}");
    } else {
        // The console refuses the import before any check.
        assert!(text.contains("hostcluster Jwt is not equal to member cluster jwt"), "{text}");
    }
}

/// Adds to the import a step that watches for a join that failed so.
#[rstest]
#[case::account("first-join-account-race", "the object has been modified")]
#[case::token("first-join-token-race", "not found in service account secret")]
fn a_first_join_loses_the_race_that_is_asked_for(#[case] defect: &str, #[case] reason: &str) {
    let step = format!(
        r#"    - name: watch the join
      on: host
      run: kubectl get cluster member1 -w -o jsonpath='{{.status.conditions[?(@.type=="Federated")].reason}}{{"\n"}}'
      until: {{output: {reason}, within: 5m}}
"#
    );
    let (_directory, path) = replaced("import/import-form.yaml", "  checks:\n", &format!("{step}  checks:\n"));
    for (arguments, expected) in [(&[&path, "--defect", defect][..], "passed"), (&[&path], "failed")] {
        let (cell, text) = only_cell(arguments);
        assert_eq!(cell["result"], expected, "{text}");
    }
}

#[test]
fn an_unreachable_kubeconfig_names_the_layer() {
    let checks = "  checks:\n";
    let (_directory, path) =
        replaced("import/import-unreachable-kubeconfig.yaml", checks, &format!("{checks}    - kubeconfig-reachable\n"));
    let (cell, text) = only_cell(&[&path]);
    assert_eq!(failed_checks(&cell), ["kubeconfig-reachable"], "{text}");
    // The last pasted kubeconfig names a host that only the member's own network knows.
    let message = cell["checks"].to_string();
    for part in ["it stops at DNS", "node host-node1 does not reach", "and from one more node"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn a_failure_shows_step_command_output_expected_and_actual() {
    let (_directory, path) = without("host/host-post-install-kubectl.yaml", "cc ks-installer ");
    let (cell, text) = only_cell(&[&path]);
    assert_eq!(cell["result"], "failed");
    for part in ["set the role", "kubectl edit", "expected", "exit code 0", "exit code 1"] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[test]
fn a_known_issue_that_does_not_occur_fails() {
    let (_directory, path) = without("known-issues/log-selector-of-older-pages.yaml", "app=ks-install");
    let text = fs::read_to_string(&path).unwrap().replace("-l  -o", "-l app=ks-installer -o");
    fs::write(&path, text).unwrap();
    let (cell, text) = only_cell(&[&path]);
    assert_eq!(cell["result"], "failed", "{text}");
    assert!(text.contains("remove knownIssue"), "{text}");
}

/// Prints a secret in several ways, each once more at the end, where a failure makes all of it evidence. What was printed
/// is kept in `DIRECTORY` too.
const CANARIES: &str = r#"
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata:
  name: canaries
  labels: {part: jwt-secret, phase: post-install, via: kubectl}
spec:
  releases: "=3.3.2"
  given:
    host: {kubesphere: installed, clusterRole: host}
  steps:
    - name: keep the value
      on: host
      run: kubectl -n kubesphere-system get cm kubesphere-config -o yaml | sed -nE 's/.*jwtSecret. *"?([^" ]+)"?.*/\1/p' | head -n 1 | tr -d '\n' > DIRECTORY/secret
    - name: keep the kubeconfig
      on: host
      run: cp "$HOME/.kube/config" DIRECTORY/kubeconfig
    - name: raw
      on: host
      run: (printf '<canary %s>\n' raw; cat DIRECTORY/secret; echo) | tee DIRECTORY/jwt-raw
    - name: base64
      on: host
      run: (printf '<canary %s>\n' base64; base64 -w 0 DIRECTORY/secret; echo) | tee DIRECTORY/jwt-base64
    - name: wrapped
      on: host
      run: (printf '<canary %s>\n' wrapped; kubectl -n kubesphere-system get cm kubesphere-config -o yaml | base64) | tee DIRECTORY/jwt-wrapped
    - name: narrow
      on: host
      run: (printf '<canary %s>\n' narrow; base64 -w 5 DIRECTORY/secret) | tee DIRECTORY/jwt-narrow
    - name: wrapped twice
      on: host
      run: (printf '<canary %s>\n' twice; kubectl -n kubesphere-system get cm kubesphere-config -o yaml | base64 -w 64 | base64) | tee DIRECTORY/jwt-twice
    - name: URL
      on: host
      run: (printf '<canary %s>\n' url; od -An -v -tx1 DIRECTORY/secret | tr -d ' \n' | sed 's/../%&/g'; echo) | tee DIRECTORY/jwt-url
    - name: JSON in JSON
      on: host
      run: (printf '<canary %s>\n' json; kubectl -n kubesphere-system get cm kubesphere-config -o json | tr -d '\n' | sed 's/[\\"]/\\&/g; s/.*/{"nested":"&"}/'; echo) | tee DIRECTORY/jwt-json
    - name: kubeconfig
      on: host
      run: (printf '<canary %s>\n' kubeconfig; base64 "$HOME/.kube/config") | tee DIRECTORY/kube-wrapped
    - name: password
      on: host
      run: (printf '<canary %s>\n' password; echo 'sign in as admin with P@88w0rd, then change P@88w0rd.') | tee DIRECTORY/password-prose
    - name: fail
      on: host
      run: cat DIRECTORY/*-*; cat DIRECTORY/*-* >&2; exit 3
  checks:
    - cluster-role: {on: host, is: host}
"#;

/// Everything that `text` says: with escapes undone, lines joined, and base64 decoded, as often as a canary needs it.
fn readings(text: &str) -> Vec<String> {
    let mut readings = vec![text.to_owned()];
    for _ in 0..4 {
        let unescaped = readings[0].replace("\\n", "\n").replace("\\\"", "\"").replace("\\\\", "\\");
        readings.insert(0, unescaped);
    }
    let mut encoded = vec![readings[0].clone()];
    for _ in 0..3 {
        let decoded: Vec<String> =
            encoded.iter().flat_map(|text| [percent_decoded(text), base64_decoded(text)]).collect();
        readings.extend(decoded.iter().cloned());
        encoded = decoded;
    }
    readings
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap().to_owned();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => decoded.extend([&char::from(byte).to_string(), &part[2..]]),
            None => decoded.extend(["%", part]),
        }
    }
    decoded
}

/// Every run of base64, with line ends in it or not, wherever its groups begin.
fn base64_decoded(text: &str) -> String {
    let joined: String = text.split_whitespace().collect();
    let mut decoded = Vec::new();
    let runs = |text: &str| -> Vec<Vec<u32>> {
        let digit =
            |character: char| "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".find(character);
        text.split(|character| digit(character).is_none())
            .map(|run| run.chars().filter_map(digit).map(|digit| u32::try_from(digit).unwrap()).collect())
            .filter(|run: &Vec<u32>| run.len() > 10)
            .collect()
    };
    for run in runs(text).into_iter().chain(runs(&joined)) {
        for shift in 0..4 {
            for group in run[shift..].chunks(4) {
                let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
                decoded.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
            }
            decoded.push(b' ');
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The secrets behind what the canaries printed, by the beginning of the canary's file name.
fn canary_values(kept: &Path) -> Vec<(&'static str, String)> {
    let secret = fs::read_to_string(kept.join("secret")).unwrap();
    assert!(secret.len() >= 8, "no secret was kept");
    let mut values = vec![("jwt-", secret), ("password-", "P@88w0rd".to_owned())];
    let kubeconfig = fs::read_to_string(kept.join("kubeconfig")).unwrap();
    for line in kubeconfig.lines() {
        if let Some((name, value)) = line.trim().split_once(": ")
            && ["client-key-data", "token", "password"].contains(&name)
        {
            values.push(("kube-", value.trim_matches(['"', '\'']).to_owned()));
        }
    }
    assert!(values.len() > 2, "the kubeconfig holds no credential");
    values
}

#[test]
fn no_secret_is_shown_anywhere() {
    let kept = tempfile::tempdir().unwrap();
    let scenario = kept.path().join("canaries.yaml");
    fs::write(&scenario, CANARIES.replace("DIRECTORY", &kept.path().display().to_string())).unwrap();
    let report = tempfile::tempdir().unwrap();
    let output = run(&[&scenario.display().to_string(), "direct-connection", "jwt-get"], report.path());
    let mut shown = vec![("stdout".to_owned(), output.stdout), ("stderr".to_owned(), output.stderr)];
    for name in ["report.json", "junit.xml", "summary.md"] {
        shown.push((name.to_owned(), fs::read(report.path().join(name)).unwrap()));
    }
    let shown: Vec<(String, String)> =
        shown.into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect();

    // Each canary is in the evidence, and a reader of what was printed could tell the secret.
    let values = canary_values(kept.path());
    let mut canaries = 0;
    for entry in fs::read_dir(kept.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let printed = fs::read_to_string(&path).unwrap();
        let Some(title) = printed.lines().next().filter(|line| line.starts_with("<canary ")) else { continue };
        let title = title.trim_matches(['<', '>']);
        for (file, text) in shown.iter().filter(|(file, _)| file != "stderr") {
            assert!(text.contains(title), "{name} is not in {file}:\n{text}");
        }
        canaries += 1;
        let readings = readings(&printed);
        for (_, value) in values.iter().filter(|(of, _)| name.starts_with(of)) {
            assert!(readings.iter().any(|text| text.contains(value)), "{name} does not hold its secret");
        }
    }
    assert_eq!(canaries, 9);

    for (name, text) in &shown {
        for reading in readings(text) {
            for (of, value) in &values {
                assert!(!reading.contains(value), "{name} shows the secret of {of}");
            }
            for canary in ["PRIVATE KEY", "eyJhbGciOi"] {
                assert!(!reading.contains(canary), "{name} shows {canary}");
            }
        }
    }
}

#[test]
fn the_scenario_of_the_readme_passes_and_fails_as_it_says() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let scenario = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("my-member.yaml");
    fs::write(&path, scenario).unwrap();
    let (cell, text) = only_cell(&[&path.display().to_string()]);
    assert_eq!(cell["result"], "passed", "{text}");
    fs::write(&path, scenario.replace("spec.authentication.jwtSecret: \"${jwtSecret}\", ", "")).unwrap();
    let (cell, text) = only_cell(&[&path.display().to_string()]);
    assert_eq!(failed_checks(&cell), ["jwt-secret-equal"], "{text}");
}

/// The first imports come before the member's installer has written its part.
#[rstest]
#[case::never("", "failed")]
#[case::long_enough("      retry: 10m\n", "passed")]
fn the_console_is_asked_again(#[case] retry: &str, #[case] result: &str) {
    let refusal = "      expect: {refused: failed to validate member cluster configuration}\n";
    let (_directory, path) = replaced("import/import-too-early.yaml", refusal, retry);
    let text = fs::read_to_string(&path).unwrap();
    let (steps, rest) = text.split_once("    - name: let it go on\n").unwrap();
    let steps = steps.replace("    - name: let the installer's run take its time\n      hold: installer-task\n", "");
    let checks = rest.split_once("  checks:\n").unwrap().1;
    fs::write(&path, format!("{steps}  checks:\n{checks}")).unwrap();
    let (cell, text) = only_cell(&[&path]);
    assert_eq!(cell["result"], result, "{text}");
    let last = cell["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["name"], &last["result"]), (&"add the cluster at once".into(), &result.into()), "{text}");
}

/// The banner comes without the kubelets, and the host's Cluster only when they have brought the changed ConfigMap.
#[rstest]
#[case::held("", "failed")]
#[case::released("    - {name: go on, release: config-mount}\n", "passed")]
fn a_held_delay_does_not_end_before_it_is_released(#[case] release: &str, #[case] result: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (path, root) = (directory.path().join("held.yaml"), Path::new(env!("CARGO_MANIFEST_DIR")));
    let kubectl = fs::read_to_string(root.join("scenarios/host/host-post-install-kubectl.yaml")).unwrap();
    let steps = kubectl.split("  steps:\n").nth(1).unwrap().split("  checks:\n").next().unwrap();
    let scenario = format!(
        "\
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata: {{name: held}}
spec:
  given: {{host: {{kubesphere: installed, clusterRole: none}}}}
  steps:
    - {{name: stop, hold: config-mount}}
{steps}{release}    - {{name: find the host, on: host, run: kubectl get clusters.cluster.kubesphere.io host, retry: 90s}}
  checks: []
"
    );
    fs::write(&path, scenario).unwrap();
    let (cell, text) = only_cell(&[&path.display().to_string()]);
    assert_eq!(cell["result"], result, "{text}");
    let last = cell["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["name"], &last["result"]), (&"find the host".into(), &result.into()), "{text}");
}

#[test]
fn a_process_of_a_steps_own_time_is_not_cut_short() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own-time.yaml");
    let scenario = "\
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata: {name: own-time}
spec:
  given: {host: {kubesphere: absent}}
  steps:
    - {name: sleep, on: host, run: sleep 1; echo awake, expect: {stdout: awake}}
    - name: wait in vain
      on: host
      run: kubectl wait --for=condition=Never node/host-node1 --timeout=1s
      expect: {exitCode: 1, stderr: timed out waiting for the condition}
  checks: []
";
    fs::write(&path, scenario).unwrap();
    let (cell, text) = only_cell(&[&path.display().to_string()]);
    assert_eq!(cell["result"], "passed", "{text}");
}

#[test]
fn a_request_that_the_embedded_server_does_not_serve_fails_the_cell() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("beyond.yaml");
    let scenario = "\
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata: {name: beyond}
spec:
  given: {host: {kubesphere: absent}}
  steps:
    - {name: ask for metrics, on: host, run: kubectl get --raw /metrics, expect: {exitCode: 1}}
  checks: []
";
    fs::write(&path, scenario).unwrap();
    let (cell, text) = only_cell(&[&path.display().to_string()]);
    assert_eq!(cell["result"], "failed", "{text}");
    assert!(text.contains("surface.toml"), "{text}");
}

const SECRET_CHANGED_LATER: &str = "
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata:
  name: host-secret-changed-later
spec:
  given:
    host: {kubesphere: installed, clusterRole: host}
    member: {kubesphere: installed, clusterRole: member, jwtSecret: host}
  steps:
    - name: add the cluster
      on: host
      console:
        importCluster: {name: member1, kubeconfig: {of: member}}
    - name: change the host's secret
      on: host
      run: kubectl edit cc ks-installer -n kubesphere-system
      edit: {spec.authentication.jwtSecret: abcdefghijklmnopqrstuvwxyz012345}
    - name: watch the host's installer
      on: host
      run: kubectl logs -n kubesphere-system deploy/ks-installer -f
      until: {output: Welcome to KubeSphere, within: 10m}
  checks:
    - dispatch-reaches-member
";

/// At the banner ks-apiserver still works with the old secret, and the member is reached with it.
#[test]
fn looks_at_what_a_changed_secret_comes_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scenario.yaml");
    fs::write(&path, SECRET_CHANGED_LATER).unwrap();
    let (cell, text) = only_cell(&[&path.display().to_string()]);
    assert_eq!(failed_checks(&cell), ["dispatch-reaches-member"], "{text}");
    assert!(text.contains("401 Unauthorized: signature is invalid"), "{text}");
}

const OLD_LINE: &str = "
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata: {name: old-line}
spec:
  given:
    host: {kubesphere: installed, clusterRole: host}
  steps:
    - {name: change nothing, on: host, run: kubectl get nodes}
    - name: follow the log
      on: host
      run: kubectl logs -n kubesphere-system deployment/ks-controller-manager -f
      until: {output: setting up manager, within: 5s}
  checks:
    - cluster-role: {on: host, is: host}
";

#[test]
fn takes_no_old_line_of_any_log_for_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scenario.yaml");
    fs::write(&path, OLD_LINE).unwrap();
    let (cell, text) = only_cell(&[&path.display().to_string()]);
    assert_eq!(cell["result"], "failed", "{text}");
    assert!(text.contains("nothing of it within 5 s"), "{text}");
    let followed = cell["steps"][1]["stdout"].as_str().unwrap();
    assert!(followed.contains("setting up manager"), "the line is there, and old: {followed}");
}

#[test]
fn leaves_the_logs_of_the_pods_where_a_cell_failed() {
    let report = tempfile::tempdir().unwrap();
    let (_directory, path) = replaced("host/host-all-in-one.yaml", "is: host", "is: member");
    run(&[&path, "--select", "release == 3.3.2"], report.path());
    let logs = fs::read_dir(report.path().join("clusters/host-all-in-one_3.3.2/host")).unwrap();
    let names: Vec<String> = logs.map(|log| log.unwrap().file_name().into_string().unwrap()).collect();
    for program in ["ks-installer", "ks-apiserver", "ks-controller-manager"] {
        assert!(names.iter().any(|name| name.starts_with(program)), "{names:?}");
    }
}
