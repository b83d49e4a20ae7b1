//! Commands that read reports: `report merge` and `parity --reports`.

use std::fs;
use std::path::{Path, PathBuf};

use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::ks_e2e;

fn cell(id: &str, result: &str, reason: Option<&str>) -> Value {
    let (name, release) = id.split_once('@').unwrap();
    json!({
        "id": id, "name": name, "release": release, "params": {}, "basis": "observed", "provider": "embedded",
        "labels": {}, "result": result, "reason": reason, "durationMs": 5, "steps": [], "checks": [],
    })
}

/// Writes a report of `cells` into `directory`, and returns where it is.
fn written(directory: &Path, provider: &str, cells: &[Value]) -> PathBuf {
    let count = |result: &str| cells.iter().filter(|cell| cell["result"] == result).count();
    let report = json!({
        "schemaVersion": 1, "tool": {"name": "ks-e2e", "version": "0.1.0"}, "provider": provider,
        "startedAt": "2026-01-01T10:00:00Z", "durationMs": 1000, "seed": 7,
        "summary": {"passed": count("passed"), "failed": count("failed"), "knownIssue": 0, "skipped": count("skipped")},
        "kubectl": {"version": "v1.20.2", "processes": 3, "cpuMs": 300}, "scenarios": cells,
    });
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("report.json"), report.to_string()).unwrap();
    directory.to_owned()
}

/// Two shards of a run; in the second one a cell ended so.
fn shards(result: &str) -> (TempDir, [PathBuf; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let one = written(&directory.path().join("1"), "embedded", &[cell("jwt-get@3.4.1", "passed", None)]);
    let two = written(&directory.path().join("2"), "embedded", &[cell("direct-connection@3.4.1", result, None)]);
    (directory, [one, two])
}

#[rstest]
#[case("passed", 0)]
#[case("failed", 1)]
fn merges_shards_and_tells_whether_a_cell_failed(#[case] result: &str, #[case] code: i32) {
    let (directory, parts) = shards(result);
    let into = directory.path().join("merged");
    ks_e2e().args(["report", "merge"]).args(parts).arg("--report").arg(&into).assert().code(code);
    let merged: Value = serde_json::from_str(&fs::read_to_string(into.join("report.json")).unwrap()).unwrap();
    let ids: Vec<&str> =
        merged["scenarios"].as_array().unwrap().iter().filter_map(|cell| cell["id"].as_str()).collect();
    let mut listed = vec!["direct-connection@3.4.1", "jwt-get@3.4.1"];
    let names = ks_e2e().args(["list", "-o", "name"]).output().unwrap().stdout;
    let names = String::from_utf8(names).unwrap();
    listed.sort_by_key(|id| names.lines().position(|name| name == *id));
    assert_eq!(ids, listed, "in the order of `list`");
    assert!(into.join("junit.xml").exists() && into.join("summary.md").exists());
}

#[test]
fn refuses_a_shard_that_is_there_twice() {
    let (directory, [one, _]) = shards("passed");
    let output = ks_e2e().args(["report", "merge"]).args([&one, &one]).arg("--report").arg(directory.path()).output();
    let output = output.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("jwt-get@3.4.1 is in two of them"), "{stderr}");
}

#[test]
fn says_where_a_file_is_no_report() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.json");
    fs::write(&file, "{\n  \"schemaVersion\": true}").unwrap();
    let output = ks_e2e().args(["report", "merge"]).arg(&file).arg("--report").arg(directory.path()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("report.json:2:"), "{stderr}");
}

#[rstest]
#[case::alike("passed", None, 0, "2 alike, 0 different for a known reason, 0 for none")]
#[case::held(
    "skipped",
    Some("unsupported: no virtual clock"),
    0,
    "1 alike, 1 different for a known reason, 0 for none"
)]
#[case::other("failed", None, 1, "1 alike, 0 different for a known reason, 1 for none")]
fn lays_verdicts_side_by_side(
    #[case] result: &str,
    #[case] reason: Option<&str>,
    #[case] code: i32,
    #[case] totals: &str,
) {
    let directory = tempfile::tempdir().unwrap();
    let same = cell("jwt-get@3.4.1", "passed", None);
    let one = [same.clone(), cell("direct-connection@3.4.1", "passed", None)];
    let other = [same, cell("direct-connection@3.4.1", result, reason)];
    let one = written(&directory.path().join("one"), "embedded", &one);
    let other = written(&directory.path().join("other"), "kind", &other);
    let reports = format!("{},{}", one.display(), other.display());
    let output = ks_e2e().args(["parity", "--reports", &reports]).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{stdout}");
    assert!(stdout.contains(totals), "{stdout}");
}

#[test]
fn refuses_to_compare_one_report() {
    let (_directory, [one, _]) = shards("passed");
    ks_e2e().args(["parity", "--reports"]).arg(one).assert().code(2);
}

#[test]
fn says_what_a_provider_lacks_before_any_has_run() {
    let place = tempfile::tempdir().unwrap();
    let mut command = ks_e2e();
    command.args(["parity", "--providers", "embedded,envtest"]).env("KUBEBUILDER_ASSETS", place.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("KUBEBUILDER_ASSETS") && !said.contains("PASS"), "{said}");
}
