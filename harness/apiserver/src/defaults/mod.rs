//! Defaults that the API server fills in (pkg/apis/*/*/defaults.go and the strategies of pkg/registry, Kubernetes
//! 1.20). Fields that the original always writes are no defaults: `normal.rs` adds those.

mod access;
mod network;
mod pods;
mod storage;
mod workloads;

use base64::Engine as _;
use serde_json::{Map, Value, json};

use crate::registry::Resource;

pub use pods::{quality_class, tolerate};
pub use workloads::{count_template, keep_template_count};

fn child<'a>(value: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    as_map(as_map(value).entry(key).or_insert_with(|| Value::Object(Map::new())))
}

/// `value` as an object; what is not one becomes an empty one.
fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object just above"),
    }
}

/// Sets what is not there, or empty.
fn set(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    if map.get(key).is_none_or(|found| found.is_null() || found == "") {
        map.insert(key.to_owned(), value.into());
    }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(map: &'a mut Map<String, Value>, key: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn inner<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    map.get_mut(key).and_then(Value::as_object_mut)
}

/// Fills in what holds whenever an object of `resource` is read from a client.
pub fn fill(resource: &Resource, object: &mut Value) {
    match &*resource.full_name {
        "pods" => pods::pod(object),
        "podtemplates" => pods::template(as_map(object)),
        "replicationcontrollers" => workloads::replication_controller(object),
        "deployments.apps" => workloads::deployment(object),
        "replicasets.apps" => workloads::replica_set(object),
        "statefulsets.apps" => workloads::stateful_set(object),
        "daemonsets.apps" => workloads::daemon_set(object),
        "jobs.batch" => workloads::job(object),
        "cronjobs.batch" => workloads::cron_job(object),
        "horizontalpodautoscalers.autoscaling" => workloads::autoscaler(object),
        "services" => network::service(object),
        "endpoints" => network::endpoints(object),
        "endpointslices.discovery.k8s.io" => network::endpoint_slice(object),
        "networkpolicies.networking.k8s.io" => network::network_policy(object),
        "secrets" => secret(object),
        "namespaces" => set(child(object, "status"), "phase", "Active"),
        "limitranges" => limit_range(object),
        "nodes" => node_status(child(object, "status")),
        "persistentvolumeclaims" => storage::claim(as_map(object)),
        "persistentvolumes" => storage::volume(object),
        "storageclasses.storage.k8s.io" => storage::class(as_map(object)),
        "csidrivers.storage.k8s.io" => storage::driver(child(object, "spec")),
        "priorityclasses.scheduling.k8s.io" => set(as_map(object), "preemptionPolicy", "PreemptLowerPriority"),
        "podsecuritypolicies.policy" => set(child(object, "spec"), "allowPrivilegeEscalation", true),
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            access::binding(object);
        }
        "validatingwebhookconfigurations.admissionregistration.k8s.io" => access::webhooks(object, false),
        "mutatingwebhookconfigurations.admissionregistration.k8s.io" => access::webhooks(object, true),
        "apiservices.apiregistration.k8s.io" => {
            if let Some(service) = inner(child(object, "spec"), "service") {
                set(service, "port", 443);
            }
        }
        "flowschemas.flowcontrol.apiserver.k8s.io" => {
            let spec = child(object, "spec");
            if spec.get("matchingPrecedence").is_none_or(|found| found == 0) {
                spec.insert("matchingPrecedence".to_owned(), Value::from(1000));
            }
        }
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io" => access::priority_level(child(object, "spec")),
        "customresourcedefinitions.apiextensions.k8s.io" => crate::custom::definition::fill_defaults(object),
        _ => {}
    }
}

/// Fills in what a version other than the one in which objects are kept has of its own.
pub fn fill_version(resource: &Resource, object: &mut Value) {
    match (&*resource.full_name, &*resource.version) {
        ("ingresses.extensions", _) | ("ingresses.networking.k8s.io", "v1beta1") => network::beta_ingress(object),
        (
            "validatingwebhookconfigurations.admissionregistration.k8s.io"
            | "mutatingwebhookconfigurations.admissionregistration.k8s.io",
            "v1beta1",
        ) => access::beta_webhooks(object),
        ("customresourcedefinitions.apiextensions.k8s.io", "v1beta1") => {
            let spec = child(object, "spec");
            set(spec, "preserveUnknownFields", true);
            set(spec, "scope", "Namespaced");
        }
        ("certificatesigningrequests.certificates.k8s.io", "v1beta1") => {
            let spec = child(object, "spec");
            set(spec, "usages", json!(["digital signature", "key encipherment"]));
            set(spec, "signerName", "kubernetes.io/legacy-unknown");
        }
        ("horizontalpodautoscalers.autoscaling", version) => workloads::beta_autoscaler(object, version == "v2beta1"),
        _ => {}
    }
}

fn secret(object: &mut Value) {
    let map = as_map(object);
    if let Some(Value::Object(texts)) = map.remove("stringData") {
        let data = as_map(map.entry("data").or_insert_with(|| json!({})));
        for (key, text) in texts {
            let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or_default());
            data.insert(key, Value::from(encoded));
        }
    }
    set(map, "type", "Opaque");
}

/// Limits of containers: the default is the most, the request is the default, or the least.
fn limit_range(object: &mut Value) {
    for item in items(child(object, "spec"), "limits") {
        if text(item, "type") != "Container" {
            continue;
        }
        for (key, sources) in [("default", &["max"][..]), ("defaultRequest", &["default", "min"])] {
            for source in sources {
                let Some(Value::Object(known)) = item.get(*source).cloned() else { continue };
                let target = as_map(item.entry(key).or_insert_with(|| json!({})));
                for (name, quantity) in known {
                    target.entry(name).or_insert(quantity);
                }
            }
        }
    }
}

fn node_status(status: &mut Map<String, Value>) {
    if let Some(capacity) = status.get("capacity").cloned() {
        status.entry("allocatable").or_insert(capacity);
    }
}

/// Removes what belongs to gates that are off. Who wrote it owns it all the same: the original removes it when it makes
/// the object that is stored (`DropDisabledPodFields` of pkg/api/pod, Kubernetes 1.20).
pub fn drop_disabled(resource: &Resource, object: &mut Value) {
    if &*resource.full_name == "serviceaccounts" {
        // Of the references to secrets the names alone are kept (pkg/registry/core/serviceaccount/strategy.go).
        items(as_map(object), "secrets").for_each(|secret| secret.retain(|key, _| key == "name"));
    }
    if &*resource.full_name == "services"
        && let Some(Value::Object(spec)) = object.get_mut("spec")
    {
        // `dropServiceDisabledFields` (pkg/registry/core/service/strategy.go).
        for field in ["ipFamilies", "ipFamilyPolicy", "topologyKeys", "allocateLoadBalancerNodePorts"] {
            spec.shift_remove(field);
        }
    }
    let at = match &*resource.full_name {
        "pods" => "/spec",
        "podtemplates" => "/template/spec",
        "cronjobs.batch" => "/spec/jobTemplate/spec/template/spec",
        "replicationcontrollers"
        | "deployments.apps"
        | "replicasets.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | "jobs.batch" => "/spec/template/spec",
        _ => return,
    };
    if let Some(Value::Object(spec)) = object.pointer_mut(at) {
        spec.shift_remove("ephemeralContainers");
    }
}

/// Fills in what holds for a new object only.
pub fn fill_new(resource: &Resource, object: &mut Value) {
    match &*resource.full_name {
        "namespaces" => {
            let spec = child(object, "spec");
            let finalizers = as_list(spec.entry("finalizers").or_insert_with(|| json!([])));
            if !finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
                finalizers.push(Value::from("kubernetes"));
            }
            as_map(object).insert("status".to_owned(), json!({"phase": "Active"}));
        }
        "pods" => pods::new_pod(object),
        "services" => network::new_service(object),
        "nodes" => new_node(object),
        "persistentvolumeclaims" => {
            as_map(object).insert("status".to_owned(), json!({"phase": "Pending"}));
            protect(object, "kubernetes.io/pvc-protection");
        }
        "persistentvolumes" => {
            as_map(object).insert("status".to_owned(), json!({"phase": "Pending"}));
            protect(object, "kubernetes.io/pv-protection");
        }
        "jobs.batch" => workloads::new_job(object),
        "daemonsets.apps" => workloads::count_template(object, None),
        _ => {}
    }
}

fn as_list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    match value {
        Value::Array(items) => items,
        _ => unreachable!("made a list just above"),
    }
}

/// What admission `StorageObjectInUseProtection` adds.
fn protect(object: &mut Value, finalizer: &str) {
    let finalizers = as_list(child(object, "metadata").entry("finalizers").or_insert_with(|| json!([])));
    if !finalizers.iter().any(|found| found == finalizer) {
        finalizers.push(Value::from(finalizer));
    }
}

/// What admission `TaintNodesByCondition` adds: nothing runs on a node before it says that it is ready.
fn new_node(object: &mut Value) {
    let taints = as_list(child(object, "spec").entry("taints").or_insert_with(|| json!([])));
    let taint = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
    if !taints.iter().any(|found| found.get("key") == taint.get("key") && found.get("effect") == taint.get("effect")) {
        taints.push(taint);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use crate::registry::Registry;
    use rstest::rstest;

    #[rstest]
    #[case::in_a_pod("", "pods", "/spec")]
    #[case::in_a_template("apps", "deployments", "/spec/template/spec")]
    fn drops_what_a_gate_keeps_off(#[case] group: &str, #[case] plural: &str, #[case] at: &str) {
        let spec = json!({"containers": [{"name": "c"}], "ephemeralContainers": [{"name": "e"}]});
        let mut object = at.rsplit('/').filter(|key| !key.is_empty()).fold(spec, |inner, key| json!({key: inner}));
        let registry = Registry::new(Vec::new());
        drop_disabled(registry.built_in(group, plural).unwrap(), &mut object);
        assert_eq!(object.pointer(at), Some(&json!({"containers": [{"name": "c"}]})));
    }
}
