//! The first playbooks: what a cluster must have, and its namespaces.

use kubesphere::names::{labels, namespaces, objects};
use serde_json::{Value, json};

use super::ansible::{Failed, Playbook};
use super::apply::Owner;
use super::kubectl::Target;
use super::run::{Facts, Run};
use super::spec::{at, python};

/// The cluster's version as (major, minor); (0, 0) when it does not tell.
pub async fn kubernetes_version(client: &kube::Client) -> (u32, u32) {
    let version = client.apiserver_version().await.map(|info| info.git_version).unwrap_or_default();
    parse_version(&version).unwrap_or_default()
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Playbook `preinstall`: stops when the cluster cannot carry KubeSphere.
pub async fn check(run: &Run<'_>, facts: &Facts, playbook: &mut Playbook<'_>) -> Result<(), Failed> {
    playbook.task("preinstall", "KubeSphere | Check the Kubernetes version");
    if facts.kubernetes < run.release.oldest_kubernetes {
        return Err(Failed::assertion(
            "kubernetes_version is version(oldest_kubernetes, '>=')",
            "The current Kubernetes version is not supported !",
        ));
    }
    playbook.ok();
    playbook.task("preinstall", "KubeSphere | Check the StorageClass");
    storage_class(run, facts).await?;
    playbook.ok();
    playbook.task("preinstall", "KubeSphere | Check the administrator's password");
    match at(&facts.spec, "authentication.adminPassword") {
        Some(Value::String(password)) if !password.is_empty() => {
            if !is_strong(password) {
                return Err(Failed::assertion(
                    "authentication.adminPassword",
                    "The administrator's password needs 8 to 64 characters with lower case, upper case and digits.",
                ));
            }
            playbook.ok();
        }
        _ => playbook.skipped(),
    }
    Ok(())
}

async fn storage_class(run: &Run<'_>, facts: &Facts) -> Result<(), Failed> {
    let classes = run.kubectl.list(Target::new("storage.k8s.io/v1", "StorageClass", "", ""), "").await?;
    let name = at(&facts.spec, "persistence.storageClass").filter(|name| !name.is_null()).map(python);
    match name.filter(|name| !name.is_empty()) {
        Some(name) => {
            let found =
                classes.iter().any(|class| class.pointer("/metadata/name").and_then(Value::as_str) == Some(&name));
            let message = format!("StorageClass {name} was not found !");
            if found { Ok(()) } else { Err(Failed::assertion("persistence.storageClass", &message)) }
        }
        None if classes.iter().any(is_default) => Ok(()),
        None => Err(Failed::assertion("default StorageClass", "Default StorageClass was not found !")),
    }
}

fn is_default(class: &Value) -> bool {
    let annotations = class.pointer("/metadata/annotations");
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
        .iter()
        .any(|key| annotations.and_then(|all| all.get(key)).and_then(Value::as_str) == Some("true"))
}

fn is_strong(password: &str) -> bool {
    (8..=64).contains(&password.chars().count())
        && password.chars().any(|c| c.is_ascii_lowercase())
        && password.chars().any(|c| c.is_ascii_uppercase())
        && password.chars().any(|c| c.is_ascii_digit())
}

/// Playbook `common`: the namespaces, labelled as KubeSphere's own. The federation's namespace is for a host only.
pub async fn namespaces(run: &Run<'_>, facts: &Facts, playbook: &mut Playbook<'_>) -> Result<(), Failed> {
    let mut names =
        vec![namespaces::SYSTEM, namespaces::CONTROLS, namespaces::MONITORING, namespaces::MONITORING_FEDERATED];
    if at(&facts.spec, "multicluster.clusterRole").and_then(Value::as_str) == Some("host") {
        names.push(namespaces::FEDERATION);
    }
    playbook.task("common", "KubeSphere | Create and label the namespaces");
    for name in names {
        let labels = json!({labels::WORKSPACE: objects::SYSTEM_WORKSPACE});
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        // The original creates and labels in two commands, which leave no last applied configuration.
        run.kubectl.apply(&object, Owner::Nobody).await?;
    }
    playbook.changed();
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("v1.20.2", Some((1, 20)))]
    #[case("v1.24.17-eks-1", Some((1, 24)))]
    #[case("", None)]
    fn parses_versions(#[case] text: &str, #[case] expected: Option<(u32, u32)>) {
        assert_eq!(parse_version(text), expected);
    }

    #[rstest]
    #[case("P@88w0rd", true)]
    #[case("short1A", false)]
    #[case("alllowercase1", false)]
    #[case("NoDigitsHere", false)]
    fn judges_passwords(#[case] password: &str, #[case] strong: bool) {
        assert_eq!(is_strong(password), strong);
    }
}
