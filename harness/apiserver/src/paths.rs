//! The paths that the original lists, and the checks behind its health endpoints (kube-apiserver 1.20.2).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::registry::Registry;

/// The checks of the server, in their order; those that the last server of the chain has too are marked.
const CHECKS: &[(&str, bool)] = &[
    ("ping", true),
    ("log", true),
    ("etcd", true),
    ("poststarthook/start-kube-apiserver-admission-initializer", false),
    ("poststarthook/generic-apiserver-start-informers", true),
    ("poststarthook/priority-and-fairness-config-consumer", true),
    ("poststarthook/priority-and-fairness-filter", true),
    ("poststarthook/start-apiextensions-informers", true),
    ("poststarthook/start-apiextensions-controllers", true),
    ("poststarthook/crd-informer-synced", true),
    ("poststarthook/bootstrap-controller", false),
    ("poststarthook/rbac/bootstrap-roles", false),
    ("poststarthook/scheduling/bootstrap-system-priority-classes", false),
    ("poststarthook/priority-and-fairness-config-producer", false),
    ("poststarthook/start-cluster-authentication-info-controller", false),
    ("poststarthook/start-kube-aggregator-informers", false),
    ("poststarthook/apiservice-registration-controller", false),
    ("poststarthook/apiservice-status-available-controller", false),
    ("poststarthook/kube-apiserver-autoregistration", false),
    ("autoregister-completion", false),
    ("poststarthook/apiservice-openapi-controller", false),
];

/// The checks of a health endpoint.
fn checks(endpoint: &str) -> Vec<&'static str> {
    let mut checks: Vec<&str> = CHECKS.iter().map(|(check, _)| *check).collect();
    if endpoint == "readyz" {
        checks.insert(3, "informer-sync");
        checks.push("shutdown");
    }
    checks
}

/// Whether a health endpoint has the check.
#[must_use]
pub fn is_check(endpoint: &str, check: &str) -> bool {
    checks(endpoint).contains(&check)
}

/// The text of a health endpoint.
#[must_use]
pub fn health(endpoint: &str, verbose: bool, excluded: &[&str]) -> String {
    if !verbose {
        return "ok".to_owned();
    }
    let line = |check: &&str| {
        let word = if excluded.contains(check) { "excluded: ok" } else { "ok" };
        format!("[+]{check} {word}\n")
    };
    format!("{}{endpoint} check passed\n", checks(endpoint).iter().map(line).collect::<String>())
}

fn sorted(mut paths: Vec<String>) -> Value {
    paths.sort();
    json!({"paths": paths})
}

fn texts(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

/// The paths of `/`.
#[must_use]
pub fn all(registry: &Registry, remembered: BTreeSet<String>) -> Value {
    let mut paths = texts(&[
        "/.well-known/openid-configuration",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/logs",
        "/metrics",
        "/openapi/v2",
        "/openid/v1/jwks",
        "/version",
    ]);
    let mut groups = remembered;
    groups.extend(registry.groups().into_iter().map(|(group, _)| group));
    paths.extend(groups.iter().filter(|group| !group.is_empty()).map(|group| format!("/apis/{group}")));
    for (group, versions) in registry.groups() {
        paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
    }
    for endpoint in ["healthz", "livez", "readyz"] {
        paths.push(format!("/{endpoint}"));
        paths.extend(checks(endpoint).iter().map(|check| format!("/{endpoint}/{check}")));
    }
    sorted(paths)
}

/// The paths that a 404 names: those of the server for definitions, which is the last to be asked.
#[must_use]
pub fn of_the_last_server() -> Value {
    let mut paths = texts(&[
        "/apis",
        "/apis/",
        "/apis/apiextensions.k8s.io",
        "/apis/apiextensions.k8s.io/v1",
        "/apis/apiextensions.k8s.io/v1beta1",
        "/metrics",
        "/openapi/v2",
        "/version",
    ]);
    for endpoint in ["healthz", "livez", "readyz"] {
        paths.push(format!("/{endpoint}"));
        let own = CHECKS.iter().filter(|(_, last)| *last).map(|(check, _)| *check);
        let more: &[&str] = if endpoint == "readyz" { &["informer-sync", "shutdown"] } else { &[] };
        paths.extend(own.chain(more.iter().copied()).map(|check| format!("/{endpoint}/{check}")));
    }
    sorted(paths)
}
