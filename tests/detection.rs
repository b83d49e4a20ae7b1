//! The suite fails when the procedure is wrong, and says where.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use rstest::rstest;
use serde_json::Value;

fn run(arguments: &[&str], report: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ks-e2e")).arg("run").args(arguments).arg("--report").arg(report).output().unwrap()
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
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(scenario)).unwrap();
    assert!(text.contains(part), "{scenario} does not hold {part}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("changed.yaml");
    fs::write(&path, text.replace(part, "")).unwrap();
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

#[rstest]
#[case("host-post-install-kubectl")]
#[case("member-post-install-kubectl")]
fn an_installer_that_ignores_the_role_fails(#[case] scenario: &str) {
    let (cell, text) = only_cell(&[scenario, "--defect", "role-ignored"]);
    assert_eq!(cell["result"], "failed", "{text}");
    assert!(text.contains("cluster-role"), "{text}");
}

#[test]
fn an_unreachable_kubeconfig_names_the_layer() {
    let text = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/import/import-unreachable-kubeconfig.yaml"),
    )
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("changed.yaml");
    fs::write(&path, text.replace("  checks:\n", "  checks:\n    - kubeconfig-reachable\n")).unwrap();
    let (cell, text) = only_cell(&[&path.display().to_string()]);
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

#[test]
fn no_secret_is_shown_anywhere() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(&["direct-connection", "jwt-get"], directory.path());
    let mut written = [output.stdout, output.stderr].concat();
    for entry in fs::read_dir(directory.path()).unwrap() {
        written.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    let text = String::from_utf8(written).unwrap();
    assert!(
        text.contains("jwtSecret: sha256:")
            || text.contains("jwtSecret: \\\"sha256:")
            || text.contains("jwtSecret: \"sha256:"),
        "{text}"
    );
    for canary in ["P@88w0rd", "PRIVATE KEY", "eyJhbGciOi"] {
        assert!(!text.contains(canary), "{canary} is shown");
    }
}
