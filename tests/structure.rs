//! The house's own rules: dependencies point down, every scenario is in the map, programs see only their context.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::batch::v1::Job;

/// The crates from the ground up (harness/README.md), with those below that each may use.
const MAY_USE: [(&str, &[&str]); 10] = [
    ("kubesphere", &[]),
    ("scenario", &[]),
    ("apiserver", &[]),
    ("nodes", &[]),
    ("stub", &["kubesphere", "nodes"]),
    ("checks", &["kubesphere", "scenario"]),
    ("providers", &["kubesphere", "scenario", "apiserver", "nodes", "stub", "checks"]),
    ("report", &["scenario"]),
    ("engine", &["kubesphere", "scenario", "nodes", "stub", "checks", "providers"]),
    ("cli", &["scenario", "providers", "engine", "report"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn dependencies(manifest: &Path) -> Vec<String> {
    let text = fs::read_to_string(manifest).unwrap();
    let section = text.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn dependencies_point_down() {
    let allowed: BTreeMap<_, _> = MAY_USE.into_iter().collect();
    for (name, may_use) in &allowed {
        let manifest =
            if *name == "cli" { root().join("Cargo.toml") } else { root().join(format!("harness/{name}/Cargo.toml")) };
        for dependency in dependencies(&manifest) {
            if allowed.contains_key(dependency.as_str()) {
                assert!(may_use.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
            }
        }
    }
}

#[test]
fn every_crate_has_its_place() {
    let mut crates: Vec<_> = fs::read_dir(root().join("harness"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    crates.sort();
    let mut known: Vec<_> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    known.sort();
    assert_eq!(crates, known);
}

#[test]
fn every_scenario_is_in_the_map() {
    let map = fs::read_to_string(root().join("scenarios/README.md")).unwrap();
    for path in files(&root().join("scenarios"), "yaml") {
        let path = path.strip_prefix(root().join("scenarios")).unwrap().display().to_string();
        assert!(map.contains(&format!("({path})")), "scenarios/README.md does not name {path}");
    }
}

/// What a program must not use, since its context is its whole world.
const FORBIDDEN: [&str; 7] =
    ["std::env", "TcpStream", "TcpListener", "SystemTime::now", "tokio::time", "thread::sleep", "Client::try_default"];

#[test]
fn programs_see_only_their_context() {
    let programs = files(&root().join("harness/stub/src"), "rs");
    for path in programs.iter().filter(|path| !path.ends_with("tests.rs")) {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for forbidden in FORBIDDEN {
            assert!(!code.contains(forbidden), "{} uses {forbidden}", path.display());
        }
    }
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Pipelines of other places cannot run here: that they can be read and name what is there is what can be seen.
#[test]
fn pipelines_name_what_is_there() {
    for (file, names) in [
        ("ci/github/action.yaml", "$GITHUB_ACTION_PATH/../suite"),
        ("ci/github/workflow.yaml", "kubesphere/ks-e2e/ci/github@main"),
        ("ci/gitlab-ci.yaml", "ks-e2e/ci/suite"),
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let _read: serde_yaml::Value = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(names), "{file} does not name {names}");
    }
    for script in ["ci/suite", "ci/setup", "ci/images", "ci/suite-image", "ci/static", "ci/kubernetes/run"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(root().join(script)).unwrap().permissions().mode();
        assert!(mode & 0o111 != 0, "{script} is not executable");
    }
}

/// Kubernetes drops keys that it does not know: without its mode the Job would run the same shard over and over.
#[test]
fn job_says_nothing_that_kubernetes_does_not_know() {
    let text = fs::read_to_string(root().join("ci/kubernetes/job.yaml")).unwrap();
    let text = text.replace("SHARDS", "4").replace("IMAGE", "ks-e2e-suite:v1").replace("RUN", "run");
    let mut written: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    // An empty list is left out where Kubernetes' types are written.
    let container = written.pointer_mut("/spec/template/spec/containers/0").unwrap();
    assert_eq!(container.as_object_mut().unwrap().remove("env"), Some(serde_json::json!([])));
    let read: Job = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), written);
    assert_eq!(read.spec.unwrap().completion_mode.as_deref(), Some("Indexed"));
}
