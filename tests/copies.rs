//! Embedded cells that presuppose the same begin with copies of one cluster, unless each is to be made anew.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;

use assert_cmd::Command;
use rstest::rstest;
use serde_json::Value;

const SCENARIO: &str = r#"
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata:
  name: NAME
spec:
  releases: "=3.3.2"
  given:
    host: GIVEN
  steps:
    - name: read what tells clusters apart
      on: host
      run: kubectl get namespace kube-system -o jsonpath={.metadata.uid}
CHECKS"#;

#[rstest]
#[case::the_same(&["none", "none"], &[], true)]
#[case::the_same_without_kubesphere(&["", ""], &[], true)]
#[case::one_without_kubesphere(&["none", ""], &[], false)]
#[case::something_else(&["none", "host"], &[], false)]
#[case::isolated(&["none", "none"], &["--isolate"], false)]
#[case::repeated(&["none"], &["--repeat", "2"], false)]
#[case::with_a_defect(&["none", "none"], &["--defect", "role-ignored"], false)]
fn begins_with_a_copy_of(#[case] roles: &[&str], #[case] arguments: &[&str], #[case] copied: bool) {
    let (directory, report) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (number, role) in roles.iter().enumerate() {
        let (given, checks) = match *role {
            "" => ("{kubesphere: absent}".to_owned(), String::new()),
            role => (
                format!("{{kubesphere: installed, clusterRole: {role}}}"),
                format!("  checks:\n    - cluster-role: {{on: host, is: {role}}}\n"),
            ),
        };
        let text = SCENARIO.replace("NAME", &format!("cell{number}"));
        let text = text.replace("GIVEN", &given).replace("CHECKS", &checks);
        fs::write(directory.path().join(format!("cell{number}.yaml")), text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_ks-e2e"));
    command.arg("run").arg(directory.path()).args(["--jobs", "1", "--report"]).arg(report.path()).args(arguments);
    command.assert().success();
    let report: Value = serde_json::from_str(&fs::read_to_string(report.path().join("report.json")).unwrap()).unwrap();
    let cells = report["scenarios"].as_array().unwrap();
    let uids: Vec<_> = cells.iter().map(|cell| cell["steps"][0]["stdout"].as_str().unwrap()).collect();
    assert_eq!(uids.len(), 2);
    assert_eq!(uids[0] == uids[1], copied, "{uids:?}");
}
