//! What envtest's programs lack.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use rstest::rstest;

use crate::machine::*;

/// A kube-apiserver that tells its version and then waits for etcd for ever.
const WAITING: &str = r#"
[ "$*" != --version ] || { echo 'Kubernetes v1.20.2'; exit 0; }
exec sleep 1000
"#;

const ETCD: &str = r#"
[ "$*" != --version ] || { echo 'etcd Version: 3.4.23'; exit 0; }
echo 'etcd: begins'
echo '{"level":"fatal","msg":"discovery failed","error":"cannot access data directory: no space left on device"}' >&2
exit 1
"#;

/// `ks-e2e run jwt-get --provider envtest` with the programs in `assets`.
fn on_envtest(machine: &Machine) -> Command {
    let mut command = machine.ks_e2e();
    command.args(["run", "jwt-get", "--provider", "envtest"]).env("KUBEBUILDER_ASSETS", machine.path("assets"));
    command
}

fn assets(etcd: &str, kube_apiserver: &str, mode: u32) -> Machine {
    let machine = Machine::bare();
    fs::create_dir(machine.path("assets")).unwrap();
    for (program, script) in [("etcd", etcd), ("kube-apiserver", kube_apiserver)] {
        // These run without any environment of their own.
        let path = std::env::var("PATH").unwrap();
        let path = machine.file(&format!("assets/{program}"), &format!("#!/bin/sh\nPATH={path}\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    machine
}

#[test]
fn says_where_envtests_programs_come_from() {
    let machine = Machine::bare();
    let said = lacking(on_envtest(&machine));
    let named = machine.path("assets").display().to_string();
    has(&said, &[&named, "does not hold etcd and kube-apiserver", "setup-envtest", "set KUBEBUILDER_ASSETS"]);
    let mut unset = on_envtest(&machine);
    unset.env_remove("KUBEBUILDER_ASSETS");
    let looked = machine.path("home/.local/share/kubebuilder-envtest").display().to_string();
    // A machine may have them where everybody's are.
    if !Path::new("/usr/local/kubebuilder/bin/etcd").exists() {
        has(&lacking(unset), &["KUBEBUILDER_ASSETS (not set)", &looked, "setup-envtest"]);
    }
}

#[rstest]
#[case::etcd_hangs(HANGS, WAITING, 0o755, &["assets/etcd does not tell its version: no answer within 3 s"])]
#[case::server_hangs(ETCD, HANGS, 0o755, &["assets/kube-apiserver does not tell its version: no answer within 3 s"])]
#[case::fails(ETCD, "exit 7", 0o755, &["assets/kube-apiserver does not tell its version: exit status: 7"])]
#[case::another_program(ETCD, "echo hello", 0o755, &["assets/kube-apiserver does not tell its version: hello"])]
#[case::not_executable(ETCD, WAITING, 0o644, &["assets/etcd does not tell its version: it does not start: Permission"])]
fn says_which_of_envtests_programs_does_not_run(
    #[case] etcd: &str,
    #[case] kube_apiserver: &str,
    #[case] mode: u32,
    #[case] expected: &[&str],
) {
    let said = lacking(on_envtest(&assets(etcd, kube_apiserver, mode)));
    has(&said, expected);
    has(&said, &["install them with setup-envtest", "for this machine"]);
}

#[rstest]
#[case::etcd(ETCD, WAITING, &["etcd ended early (exit status: 1)", "no space left on device", "etcd: begins"])]
#[case::kube_apiserver(
    &ETCD.replace("exit 1", "exec sleep 1000"),
    &WAITING.replace("exec sleep 1000", "echo 'Error: unknown flag: --egress-selector-config-file' >&2; exit 1"),
    &["kube-apiserver ended early (exit status: 1)", "unknown flag: --egress-selector-config-file"]
)]
fn reports_an_early_end_with_the_last_lines(
    #[case] etcd: &str,
    #[case] kube_apiserver: &str,
    #[case] expected: &[&str],
) {
    let machine = assets(etcd, kube_apiserver, 0o755);
    let said = lacking(on_envtest(&machine));
    has(&said, &["provider-failed: envtest provider: cannot start kube-apiserver of the ", "set KUBEBUILDER_ASSETS"]);
    has(&said, expected);
    assert_eq!(machine.left(), Vec::<PathBuf>::new());
}
