//! The command as a user runs it, without kubectl or clusters.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::fs;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use assert_cmd::Command;
use rstest::rstest;

#[path = "cli/reports.rs"]
mod reports;
#[path = "cli/schema.rs"]
mod schema;
#[path = "cli/telling.rs"]
mod telling;

fn ks_e2e() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ks-e2e"));
    command.env("NO_COLOR", "1").env_remove("KS_E2E_PROVIDER");
    command
}

const GOOD: &str = "\
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata:
  name: a-scenario
spec:
  given:
    host: {kubesphere: installed, clusterRole: host}
  steps:
    - name: say something
      on: host
      run: echo hello
  checks:
    - cluster-role: {on: host, is: host}
";

fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.yaml");
    fs::write(&path, content).unwrap();
    (directory, path)
}

fn stderr_of_run(path: &std::path::Path) -> String {
    // No kubectl to be found: if anything were started, the exit code would be 3.
    let output = ks_e2e().arg("run").arg(path).env("PATH", "/nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stderr).unwrap()
}

#[rstest]
#[case::unknown_key(GOOD.replace("  steps:", "  stepz:"), ":8:3:", "steps")]
#[case::wrong_type(GOOD.replace("run: echo hello", "run: {echo: hello}"), ":11:12:", "")]
#[case::unknown_check(GOOD.replace("cluster-role:", "cluster-rool:"), ":13:7:", "cluster-role")]
#[case::undefined_variable(GOOD.replace("echo hello", "echo ${secret}"), ":11:12:", "")]
#[case::missing_key(GOOD.replace("  name: a-scenario\n", "  labels: {}\n"), ":4:3:", "name")]
fn refuses_a_bad_file_with_position_and_suggestion(
    #[case] content: String,
    #[case] position: &str,
    #[case] suggestion: &str,
) {
    let (_directory, path) = file(content.as_bytes());
    let stderr = stderr_of_run(&path);
    assert!(stderr.contains(&format!("{}{position}", path.display())), "{stderr}");
    assert!(stderr.contains("help: "), "{stderr}");
    assert!(stderr.contains(suggestion), "{stderr}");
}

#[test]
fn refuses_a_file_that_is_not_utf_8() {
    let (_directory, path) = file(&[GOOD.as_bytes(), b"# \xff\n"].concat());
    let stderr = stderr_of_run(&path);
    assert!(stderr.contains(&format!("{}:14:3:", path.display())), "{stderr}");
}

#[test]
fn refuses_an_alias_bomb_quickly() {
    let levels = (1..10).map(|level| {
        let alias = format!("*a{}", level - 1);
        format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 9].join(","))
    });
    let bomb: String = std::iter::once("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned()).chain(levels).collect();
    let (_directory, path) = file(bomb.as_bytes());
    let begin = std::time::Instant::now();
    let stderr = stderr_of_run(&path);
    assert!(stderr.contains(&path.display().to_string()), "{stderr}");
    assert!(begin.elapsed().as_secs() < 10);
}

#[test]
fn refuses_a_file_that_is_not_there() {
    let stderr = stderr_of_run(std::path::Path::new("not/there.yaml"));
    assert!(stderr.contains("not/there.yaml:1:1:"), "{stderr}");
}

#[test]
fn refuses_two_scenarios_of_one_name() {
    let (directory, _path) = file(GOOD.as_bytes());
    fs::write(directory.path().join("b.yaml"), GOOD).unwrap();
    let stderr = stderr_of_run(&directory.path().join(""));
    assert!(stderr.contains("b.yaml:4:"), "{stderr}");
    assert!(stderr.contains("a-scenario"), "{stderr}");
}

#[test]
fn leaves_other_manifests_of_a_directory_alone() {
    let (directory, _path) = file(GOOD.as_bytes());
    fs::write(directory.path().join("deployment.yaml"), "apiVersion: apps/v1\nkind: Deployment\n").unwrap();
    ks_e2e().arg("lint").arg(directory.path()).assert().success().stdout("1 scenario in 1 file, no problem\n");
}

#[test]
fn refuses_a_directory_without_scenarios() {
    let directory = tempfile::tempdir().unwrap();
    let output = ks_e2e().arg("lint").arg(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("holds no scenario file"), "{said}");
}

#[test]
fn names_the_file_that_a_name_stands_for() {
    let (directory, _path) = file(GOOD.as_bytes());
    let named = ks_e2e().args(["run", "a"]).current_dir(directory.path()).output().unwrap();
    let said = String::from_utf8(named.stderr).unwrap();
    assert!(said.contains("`./a.yaml` names the file"), "{said}");
}

/// Nothing is started for them, so that no kubectl is missed.
#[rstest]
#[case::of_another_provider(&["--host-context", "prod"], "--host-context is for --provider existing, and the provider is embedded")]
#[case::of_kind(&["--provider", "envtest", "--node-image", "x"], "--node-image is for --provider kind, and the provider is envtest")]
#[case::two_providers(
    &["--provider", "embedded", "--require", "kind"],
    "--require kind stands for --provider kind, and --provider embedded is given"
)]
#[case::unknown_release(&["jwt-get@3.9.9"], "\"jwt-get@3.9.9\": no profile of KubeSphere \"3.9.9\"; choose one of 3.2.1")]
#[case::left_out(&["jwt-get@3.4.1", "--release", "3.3.2"], "\"jwt-get@3.4.1\" is left out by --release 3.3.2")]
#[case::beside_a_matrix(&["jwt-get", "--matrix", "pairing"], "--matrix runs in place of the built-in scenarios")]
#[case::label(&["jwt-secret"], "--select 'part == jwt-secret'")]
#[case::report_that_is_a_file(&["jwt-get", "--report", "Cargo.toml"], "--report Cargo.toml is a file; name a directory")]
fn refuses_what_cannot_be_meant(#[case] arguments: &[&str], #[case] expected: &str) {
    is_refused(&[&["run"], arguments].concat(), expected);
}

#[rstest]
#[case::up(&["up", "--member-context", "prod"], "--member-context is for --provider existing, and the provider is embedded")]
#[case::parity(
    &["parity", "--providers", "embedded,envtest", "--host-config", "default"],
    "--host-config is for --provider kind, and the provider is embedded, envtest"
)]
fn refuses_options_of_other_providers_wherever_there_are_some(#[case] arguments: &[&str], #[case] expected: &str) {
    is_refused(arguments, expected);
}

fn is_refused(arguments: &[&str], expected: &str) {
    let output = ks_e2e().args(arguments).env("PATH", "/nonexistent").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(expected), "{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
}

#[rstest]
#[case("run")]
#[case("up")]
#[case("parity")]
fn puts_no_option_below_the_heading_of_another_one(#[case] command: &str) {
    let output = ks_e2e().args([command, "-h"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let (own, of_providers) = help.split_once("Options for --provider").unwrap();
    for option in ["--report <", "--detach", "--seed", "--output", "--allow-unsupported"] {
        assert!(!of_providers.contains(option), "{option} in {of_providers}");
    }
    assert!(own.contains("--yes"), "{own}");
}

/// They are set once for runs on any provider.
#[test]
fn takes_no_variable_for_a_mistake() {
    let mut run = ks_e2e();
    let output =
        run.args(["run", "jwt-get"]).env("KS_E2E_NODE_IMAGE", "x").env("PATH", "/nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn tells_for_which_releases_a_file_is() {
    let (_directory, path) = file(GOOD.replace("  given:", "  releases: \">=3.4.0\"\n  given:").as_bytes());
    let output = ks_e2e().arg("run").arg(path).args(["--release", "3.3.2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("\"a-scenario\" is for releases >=3.4.0"), "{said}");
}

#[test]
fn refuses_a_name_that_matches_nothing() {
    let output = ks_e2e().args(["run", "no-such-scenario"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn refuses_an_unknown_option() {
    ks_e2e().args(["run", "--no-such-option"]).assert().code(2);
}

#[test]
fn says_how_to_install_kubectl_where_it_is_missing() {
    let output =
        ks_e2e().args(["run", "jwt-get"]).env("PATH", "/nonexistent").env_remove("KS_E2E_KUBECTL").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("kubectl") && stderr.contains("ci/setup"), "{stderr}");
}

#[test]
fn lists_every_cell_by_name() {
    let output = ks_e2e().args(["list", "-o", "name"]).output().unwrap();
    assert!(output.status.success());
    let names = String::from_utf8(output.stdout).unwrap();
    assert!(names.lines().any(|name| name == "member-post-install-kubectl@3.3.2"), "{names}");
}

#[test]
fn lists_cells_as_json() {
    let output = ks_e2e().args(["list", "import-*", "-o", "json"]).output().unwrap();
    let cells: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(cells.as_array().unwrap().iter().all(|cell| cell["labels"]["part"] == "import"));
}

#[test]
fn shards_share_out_every_cell_once() {
    let names = |arguments: &[&str]| {
        let output = ks_e2e().args(["list", "-o", "name"]).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut shards = [names(&["--shard", "1/2"]), names(&["--shard", "2/2"])].concat();
    let mut all = names(&[]);
    shards.sort();
    all.sort();
    assert_eq!(shards, all);
}

#[test]
fn selects_cells_by_an_expression_over_labels_and_releases() {
    let select = "part == import && release >= 3.3.0 && !(variant in (negative, edge))";
    let output = ks_e2e().args(["list", "-o", "name", "import-form*", "--select", select]).output().unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        names,
        "import-form-complete@3.3.2\nimport-form-complete@3.4.0\nimport-form-complete@3.4.1\n\
         import-form@3.3.2\nimport-form@3.4.0\nimport-form@3.4.1\n"
    );
}

#[rstest]
#[case::key("prat == import", "did you mean \"part\"?")]
#[case::value("part == improt", "did you mean \"import\"?")]
#[case::sign("part = import", "column 6")]
fn refuses_an_expression_that_chooses_nothing(#[case] select: &str, #[case] help: &str) {
    let output = ks_e2e().args(["run", "--select", select]).env("PATH", "/nonexistent").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(help), "{stderr}");
}

#[test]
fn finds_no_problem_in_the_built_in_scenarios() {
    ks_e2e().arg("lint").assert().success();
}

/// The command without what `assert_cmd` does to its output.
fn plain() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ks-e2e"));
    command.env("NO_COLOR", "1").env_remove("KS_E2E_PROVIDER").current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// A pipe that nobody reads.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

#[rstest]
#[case::list(&["list"])]
#[case::list_json(&["list", "-o", "json"])]
#[case::lint(&["lint"])]
#[case::help(&["--help"])]
fn takes_a_reader_that_went_away_for_no_error(#[case] arguments: &[&str]) {
    let output = plain().args(arguments).stdout(unread()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[rstest]
#[case::list(&["list"])]
#[case::list_json(&["list", "-o", "json"])]
#[case::lint(&["lint"])]
#[case::help(&["--help"])]
fn says_that_the_standard_output_is_full(#[case] arguments: &[&str]) {
    let output = plain().args(arguments).stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("standard output"), "{stderr}");
}

#[rstest]
#[case::name(&["run", "nope"], full())]
#[case::name_unread(&["run", "nope"], unread())]
#[case::option(&["run", "--no-such-option"], full())]
fn keeps_the_exit_code_where_nothing_can_be_said(#[case] arguments: &[&str], #[case] stderr: Stdio) {
    assert_eq!(plain().args(arguments).stderr(stderr).status().unwrap().code(), Some(2));
}

#[test]
fn refuses_a_file_whose_scenario_has_the_name_of_a_built_in_one() {
    let output = plain().args(["list", "jwt-get", "scenarios/jwt-secret/jwt-get.yaml"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("the scenario name \"jwt-get\" is taken"), "{stderr}");
}

#[test]
fn lists_a_release_once_however_often_it_is_asked_for() {
    let output = plain().args(["list", "-o", "name", "jwt-get", "--release", "3.3.2,v3.3.2,3.3.2"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "jwt-get@3.3.2\n");
}

#[test]
fn takes_names_after_releases() {
    let output = plain().args(["list", "-o", "name", "--release", "3.3.2", "jwt-get"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "jwt-get@3.3.2\n");
}

#[rstest]
#[case::unknown("9.9.9")]
#[case::nothing("")]
fn refuses_a_release_that_there_is_not(#[case] release: &str) {
    ks_e2e().args(["list", "--release", release]).assert().code(2);
}

#[test]
fn takes_a_provider_set_to_nothing_for_not_set() {
    // Parsing is past where kubectl is missed.
    let mut command = ks_e2e();
    command.args(["run", "jwt-get"]).env("PATH", "/nonexistent").env_remove("KS_E2E_KUBECTL");
    command.env("KS_E2E_PROVIDER", "").assert().code(3);
    command.env("KS_E2E_PROVIDER", "no-such-provider").assert().code(2);
}

#[test]
fn takes_a_directory_that_is_there_for_a_path() {
    let names = |what: &[&str]| plain().args(["list", "-o", "name"]).args(what).output().unwrap();
    let output = names(&["scenarios"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, names(&["./scenarios"]).stdout);
}

#[test]
fn takes_a_file_that_is_there_for_a_path() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("mine"), GOOD).unwrap();
    let output = plain()
        .args(["list", "-o", "name", "mine", "--release", "3.3.2"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a-scenario@3.3.2\n");
}

#[test]
fn refuses_a_report_directory_that_cannot_be_made_before_anything_runs() {
    let (_directory, file) = file(GOOD.as_bytes());
    let report = file.join("report");
    // kubectl is missed later than this.
    let mut command = ks_e2e();
    command.args(["run", "jwt-get", "--report"]).arg(&report).env("PATH", "/nonexistent");
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains(&report.display().to_string()) && stderr.contains("--report"), "{stderr}");
}

#[test]
fn leaves_a_report_directory_without_a_probe() {
    let directory = tempfile::tempdir().unwrap();
    let report: &Path = &directory.path().join("a/b");
    let mut command = ks_e2e();
    command.args(["run", "jwt-get", "--report"]).arg(report).env("PATH", "/nonexistent");
    command.env_remove("KS_E2E_KUBECTL").assert().code(3);
    assert_eq!(fs::read_dir(report).unwrap().count(), 0);
}

/// What bash is offered for the last of `words`, by the script as a person sources it.
fn completed(words: &[&str]) -> Vec<String> {
    let script = r#"
        source <(ks-e2e completion bash)
        function=$(complete -p ks-e2e | sed -E 's/.*-F ([^ ]+).*/\1/')
        COMP_WORDS=(ks-e2e "$@") COMP_CWORD=$#
        "$function" ks-e2e "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let built = Path::new(env!("CARGO_BIN_EXE_ks-e2e")).parent().unwrap().to_owned();
    let path = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let path = std::env::join_paths(std::iter::once(built).chain(path)).unwrap();
    let output = Command::new("bash").args(["-c", script, "bash"]).args(words).env("PATH", path).output().unwrap();
    let (offered, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(said, "", "{words:?}");
    offered.lines().map(str::to_owned).collect()
}

#[rstest]
#[case::a_command(&["pari"], &["parity"])]
#[case::an_option(&["run", "--until"], &["--until-failure"])]
#[case::a_scenario(&["run", "host-all"], &["host-all-in-one"])]
#[case::a_release(&["explain", "--release", "3.4"], &["3.4.0", "3.4.1"])]
#[case::a_value(&["run", "--provider", "e"], &["embedded", "envtest", "existing"])]
fn completes_in_bash(#[case] words: &[&str], #[case] offered: &[&str]) {
    assert_eq!(completed(words), offered);
}
