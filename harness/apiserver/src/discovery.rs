//! Discovery documents, versions, health and the OpenAPI document.

use base64::Engine as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::registry::{Registry, Resource, Subresource};

/// `/version`, as the kube-apiserver 1.20.2 that this models was seen to answer.
#[must_use]
pub fn version() -> Value {
    json!({
        "major": "1",
        "minor": "20",
        "gitVersion": "v1.20.2",
        "gitCommit": "faecb196815e248d3ecfb03c680a4507229c2a56",
        "gitTreeState": "archive",
        "buildDate": "2021-01-13T13:20:00Z",
        "goVersion": "go1.19.8",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

/// `/api`.
#[must_use]
pub fn api_versions(address: std::net::SocketAddr) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address.to_string()}],
    })
}

fn group(name: &str, versions: &[String]) -> Value {
    let entries: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    json!({"name": name, "versions": entries, "preferredVersion": entries.first()})
}

/// `/apis`.
#[must_use]
pub fn groups(registry: &Registry) -> Value {
    let groups: Vec<Value> = registry.groups().iter().map(|(name, versions)| group(name, versions)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
#[must_use]
pub fn one_group(registry: &Registry, name: &str) -> Option<Value> {
    let (_, versions) = registry.groups().into_iter().find(|(found, _)| found == name)?;
    let mut document = json!({"kind": "APIGroup", "apiVersion": "v1"});
    for (key, value) in group(name, &versions).as_object()? {
        document[key] = value.clone();
    }
    Some(document)
}

/// Group and version in which the original keeps a resource in etcd: the preferred version, but for a few kinds
/// (pkg/kubeapiserver/default_storage_factory_builder.go, Kubernetes 1.20, and the codecs of the delegated servers).
fn encoded_in(resource: &Resource) -> (&str, &str) {
    if let Some(custom) = &resource.custom {
        let version = custom.storage_version.rsplit('/').next().unwrap_or_default();
        return (&resource.group, version);
    }
    let kept = resource.hub.as_deref().unwrap_or(resource);
    match &*kept.full_name {
        "apiservices.apiregistration.k8s.io"
        | "customresourcedefinitions.apiextensions.k8s.io"
        | "ingressclasses.networking.k8s.io"
        | "ingresses.networking.k8s.io"
        | "csidrivers.storage.k8s.io"
        | "mutatingwebhookconfigurations.admissionregistration.k8s.io"
        | "validatingwebhookconfigurations.admissionregistration.k8s.io"
        | "certificatesigningrequests.certificates.k8s.io"
        | "leases.coordination.k8s.io"
        | "runtimeclasses.node.k8s.io" => (&kept.group, "v1beta1"),
        _ => (&kept.group, &kept.version),
    }
}

/// What tells a client whether two resources are stored as one: none for what is not stored.
fn storage_hash(resource: &Resource) -> Option<String> {
    if !resource.verbs.contains(&"watch") {
        return None;
    }
    let (group, version) = encoded_in(resource);
    let digest = Sha256::digest(format!("{group}/{version}/{}", resource.kind));
    Some(base64::engine::general_purpose::STANDARD.encode(digest.get(..8)?))
}

fn entry(resource: &Resource) -> Value {
    let mut entry = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    });
    for (key, names) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
        if !names.is_empty() {
            entry[key] = json!(names);
        }
    }
    if let Some(hash) = storage_hash(resource) {
        entry["storageVersionHash"] = Value::from(hash);
    }
    entry
}

fn sub_entry(resource: &Resource, sub: &Subresource) -> Value {
    let mut entry = json!({
        "name": format!("{}/{}", resource.plural, sub.name),
        "singularName": "",
        "namespaced": resource.namespaced,
    });
    if let Some((group, version)) = sub.group_version {
        entry["group"] = Value::from(group);
        entry["version"] = Value::from(version);
    }
    entry["kind"] = Value::from(sub.kind.as_str());
    entry["verbs"] = json!(sub.verbs);
    entry
}

/// `/api/v1` or `/apis/GROUP/VERSION`.
#[must_use]
pub fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut entries = Vec::new();
    for resource in registry.resources().filter(|resource| resource.group == group && resource.version == version) {
        entries.push(entry(resource));
        entries.extend(resource.subresources.iter().map(|sub| sub_entry(resource, sub)));
    }
    if entries.is_empty() {
        return None;
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut document = json!({"kind": "APIResourceList"});
    // Two groups whose list has no version, for old clients (`keepUnversioned` in apiserver's discovery of 1.20).
    if !matches!(group, "" | "extensions") {
        document["apiVersion"] = Value::from("v1");
    }
    document["groupVersion"] = Value::from(group_version);
    document["resources"] = Value::from(entries);
    Some(document)
}
