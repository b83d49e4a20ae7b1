//! What is asked of somebody's own clusters, and refused, before anything is made there.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use rstest::rstest;
use serde_json::Value;

/// Clusters that somebody has, embedded ones, until they are dropped.
struct Theirs {
    home: tempfile::TempDir,
    run: String,
    kubeconfig: PathBuf,
}

impl Theirs {
    fn stand(on_them: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let output = ks_e2e(&home)
            .args(["up", "--detach", "-o", "json", "--release", "3.4.1", "--host", on_them, "--member", on_them])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let up: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |key: &str| up[key].as_str().unwrap().to_owned();
        Self { run: text("runId"), kubeconfig: text("kubeconfig").into(), home }
    }

    /// Runs a scenario on them; standard error, and the exit code.
    fn run(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let mut command = ks_e2e(&self.home);
        command.env("KUBECONFIG", &self.kubeconfig).args(["run", "jwt-get", "--release", "3.4.1"]);
        let output = command.args(["--require", "existing", "--stub-image", "ks-e2e:v1"]).args(arguments).output();
        let output = output.unwrap();
        (String::from_utf8(output.stderr).unwrap(), output.status.code())
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        ks_e2e(&self.home).args(["down", &self.run]).assert().success();
    }
}

fn ks_e2e(home: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ks-e2e"));
    command.env("NO_COLOR", "1").env("HOME", home.path()).env("TMPDIR", home.path()).write_stdin("");
    for variable in ["KS_E2E_PROVIDER", "KS_E2E_STUB_IMAGE", "KUBECONFIG", "XDG_STATE_HOME"] {
        command.env_remove(variable);
    }
    command
}

const BOTH: [&str; 4] = ["--host-context", "host", "--member-context", "member"];

#[test]
fn shows_what_it_will_write_and_asks() {
    let theirs = Theirs::stand("absent");
    let (stderr, code) = theirs.run(&[&BOTH[..], &["--allow-install"]].concat());
    assert_eq!(code, Some(2), "{stderr}");
    for part in [
        "host   context host, https://127.0.0.1:",
        "Kubernetes v1.20.2, 1 node, no KubeSphere",
        "the namespace ks-e2e, with short-lived pods of ks-e2e:v1",
        "scenarios install its stand-in from ks-e2e:v1: the namespaces kubesphere-system, ",
        "error: nobody can be asked whether that is right; --yes says that it is",
    ] {
        assert!(stderr.contains(part), "no {part:?} in {stderr}");
    }
    let (stderr, code) = theirs.run(&[&BOTH[..], &["--yes"]].concat());
    assert!(stderr.contains("nothing is installed: --allow-install is not given"), "{stderr}");
    assert!(stderr.contains("no cell has run on the provider that --require names"), "{stderr}");
    assert_eq!(code, Some(3), "what was asked for could not be run: {stderr}");
}

/// Clusters that a person holds up are theirs as much as those of a run.
#[test]
fn installs_nothing_without_leave() {
    let theirs = Theirs::stand("absent");
    let mut command = ks_e2e(&theirs.home);
    command.env("KUBECONFIG", &theirs.kubeconfig).args(["up", "--provider", "existing", "--stub-image", "ks-e2e:v1"]);
    let output = command.args(BOTH).arg("--yes").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("KubeSphere is not on the host cluster, and --allow-install is not given"), "{stderr}");
    let (stderr, _) = theirs.run(&BOTH);
    assert!(stderr.contains("no KubeSphere"), "nothing is left there: {stderr}");
}

#[test]
fn the_commands_of_the_readme_are_commands() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let section = readme.split("### On your own clusters").nth(1).unwrap();
    let block = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let home = tempfile::tempdir().unwrap();
    let executable = Path::new(env!("CARGO_BIN_EXE_ks-e2e")).parent().unwrap();
    let codes: Vec<_> = block
        .lines()
        .map(|line| {
            let mut shell = Command::new("sh");
            shell.args(["-c", line]).current_dir(home.path()).env("HOME", home.path()).env_remove("KUBECONFIG");
            let path = format!("{}:/usr/local/bin:/usr/bin:/bin", executable.display());
            let output = shell.env("PATH", path).env("TMPDIR", home.path()).output().unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        })
        .collect();
    let [(image, _), (run, told)] = &codes[..] else { panic!("two commands, not {block}") };
    assert_eq!(*image, Some(0));
    assert!(home.path().join("image.tar").is_file());
    // There is no kubeconfig here; what the command does where one is, is a promise of `tests/contract/existing.rs`.
    assert_eq!(*run, Some(3), "{told}");
    assert!(told.contains("name another one with --host-kubeconfig"), "{told}");
}

#[rstest]
#[case::by_the_current_context(&[], "no host cluster is named; name it with --host-context or --host-kubeconfig")]
#[case::twice(
    &["--host-context", "host", "--member-context", "host"],
    "contexts host and host lead to one cluster; name another one with --member-context"
)]
#[case::alone(&["--host-context", "host"], "host cluster, context host: KubeSphere is on it; name both clusters")]
#[case::unknown(&["--host-context", "prod"], "there is no context \"prod\" in the kubeconfig; name one of host, member")]
fn refuses_clusters_that_may_not_be_meant(#[case] arguments: &[&str], #[case] expected: &str) {
    let (stderr, code) = Theirs::stand("installed").run(arguments);
    assert!(stderr.contains(expected), "{stderr}");
    assert_eq!(code, Some(3));
}

#[rstest]
#[case::no_image(&["--provider", "existing", "--host-context", "a"], 3, "write it with `ks-e2e image --tag NAME")]
#[case::no_such_manifest(
    &["--kubesphere", "real", "--release", "3.4.1", "--installer-manifest", "a.yaml", "--cluster-configuration", "b.yaml"],
    2,
    "a.yaml"
)]
#[case::no_manifest(&["--kubesphere", "real"], 2, "--installer-manifest")]
#[case::manifests_of_nothing(
    &["--installer-manifest", "a.yaml", "--cluster-configuration", "b.yaml"],
    2,
    "manifests are for --kubesphere real"
)]
fn says_what_is_missing(#[case] arguments: &[&str], #[case] code: i32, #[case] expected: &str) {
    let home = tempfile::tempdir().unwrap();
    let output = ks_e2e(&home).args(["run", "jwt-get"]).args(arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn wants_real_nodes_for_kubesphere_itself() {
    let home = tempfile::tempdir().unwrap();
    let objects = [
        ("installer.yaml", "kind: Deployment\nmetadata: {name: ks-installer}\n"),
        ("configuration.yaml", "kind: ClusterConfiguration\nmetadata: {name: ks-installer}\n"),
    ];
    for (name, content) in objects {
        fs::write(home.path().join(name), content).unwrap();
    }
    let arguments = ["--kubesphere", "real", "--release", "3.4.1", "--installer-manifest", "installer.yaml"];
    let mut command = ks_e2e(&home);
    command.current_dir(home.path()).args(["run", "jwt-get", "--cluster-configuration", "configuration.yaml"]);
    let output = command.args(arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("KubeSphere itself needs real nodes: --provider kind or existing"), "{stderr}");
}

#[test]
fn writes_its_own_image() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("image.tar");
    let arguments = ["image", "--tag", "ks-e2e:mine", "--output", file.to_str().unwrap()];
    ks_e2e(&home).args(arguments).assert().success().stdout(format!("ks-e2e:mine is in {}\n", file.display()));
    assert!(fs::metadata(&file).unwrap().len() > 1_000_000);
    let nowhere = ["image", "--output", "/nowhere/image.tar"];
    let output = ks_e2e(&home).args(nowhere).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/image.tar"));
}
