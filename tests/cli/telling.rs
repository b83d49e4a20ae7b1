//! Commands that write and tell: `explain`, `new`, `completion`, `man`.

use std::fs;
use std::process::{Command, Stdio};

use rstest::rstest;

use super::ks_e2e;

fn stdout(arguments: &[&str]) -> String {
    let output = ks_e2e().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn explains_a_scenario_on_its_newest_release_or_another_one() {
    assert!(stdout(&["explain", "jwt-get"]).starts_with("jwt-get on KubeSphere 3.4.1\n"));
    let data = stdout(&["explain", "jwt-get", "--release", "3.2.1", "-o", "json"]);
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(data["release"], "3.2.1");
    assert!(stdout(&["explain", "jwt-get", "-o", "sh"]).starts_with("#!/usr/bin/env bash\n"));
}

#[rstest]
#[case::several("host-*", "host-post-install-kubectl")]
#[case::misspelled("jwt-gte", "jwt-get")]
fn refuses_to_explain_anything_but_one_scenario(#[case] name: &str, #[case] suggestion: &str) {
    let output = ks_e2e().args(["explain", name]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(suggestion), "{stderr}");
}

#[rstest]
#[case("kubectl")]
#[case("console")]
#[case("kk")]
fn writes_a_scenario_that_is_good_as_it_is(#[case] via: &str) {
    let directory = tempfile::tempdir().unwrap();
    let new = || {
        let mut command = ks_e2e();
        command.args(["new", "my-scenario", "--via", via]).current_dir(directory.path());
        command
    };
    new().assert().success();
    let path = directory.path().join("my-scenario.yaml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# yaml-language-server: $schema="), "{text}");
    ks_e2e().arg("lint").arg(&path).assert().success();
    // The second time it is there.
    let output = new().output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("my-scenario.yaml is there already"), "{stderr}");
    assert_eq!(stdout(&["new", "my-scenario", "--via", via, "-o", "-"]), text);
}

#[test]
fn refuses_the_name_of_a_built_in_scenario() {
    let output = super::ks_e2e().args(["new", "jwt-get", "-o", "-"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "error: a built-in scenario is called jwt-get; choose another name\n");
}

#[test]
fn refuses_a_name_that_no_scenario_may_have() {
    let directory = tempfile::tempdir().unwrap();
    ks_e2e().args(["new", "My Scenario"]).current_dir(directory.path()).assert().code(2);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[rstest]
#[case("bash")]
#[case("zsh")]
#[case("fish")]
fn completes_commands_and_options(#[case] shell: &str) {
    let script = stdout(&["completion", shell]);
    assert!(script.contains("explain") && script.contains("until-failure"), "{script}");
}

#[test]
fn completes_scenario_names_in_bash() {
    let script = r#"
        source <(ks-e2e completion bash)
        COMP_WORDS=(ks-e2e run jwt) COMP_CWORD=2
        _ks-e2e_with_names ks-e2e jwt run
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let directory = std::path::Path::new(env!("CARGO_BIN_EXE_ks-e2e")).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash").args(["-c", script]).env("PATH", path).stdin(Stdio::null()).output().unwrap();
    let names = String::from_utf8_lossy(&output.stdout);
    assert!(names.lines().any(|name| name == "jwt-get"), "{names}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn writes_a_manual_page_for_each_command() {
    assert!(stdout(&["man"]).contains(".SH SUBCOMMANDS"));
    let directory = tempfile::tempdir().unwrap();
    ks_e2e().arg("man").arg("-o").arg(directory.path().join("man1")).assert().success();
    let page = fs::read_to_string(directory.path().join("man1/ks-e2e-run.1")).unwrap();
    assert!(page.contains("\\-\\-fail\\-fast"), "{page}");
}
