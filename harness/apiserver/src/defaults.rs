//! Defaults that the API server fills in, as kube-apiserver 1.20.2 was seen to.

use base64::Engine as _;
use serde_json::{Map, Value, json};

use crate::registry::Resource;

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

fn set(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    map.entry(key).or_insert_with(|| value.into());
}

fn items<'a>(map: &'a mut Map<String, Value>, key: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Fills in what holds whenever an object of `resource` is read from a client.
pub fn fill(resource: &Resource, object: &mut Value) {
    match &*resource.full_name {
        "pods" => {
            pod_spec(child(object, "spec"));
            if let Some(Value::Object(status)) = object.get_mut("status") {
                pod_status(status);
            }
        }
        "deployments.apps" => deployment(object),
        "replicasets.apps" => replica_set(object),
        "services" => service(object),
        "secrets" => secret(object),
        "endpoints" => endpoints(object),
        "persistentvolumeclaims" => {
            let spec = child(object, "spec");
            set(spec, "volumeMode", "Filesystem");
            set(child(object, "status"), "phase", "Pending");
        }
        "persistentvolumes" => {
            let spec = child(object, "spec");
            set(spec, "persistentVolumeReclaimPolicy", "Retain");
            set(spec, "volumeMode", "Filesystem");
            set(child(object, "status"), "phase", "Pending");
        }
        "storageclasses.storage.k8s.io" => {
            let map = as_map(object);
            set(map, "reclaimPolicy", "Delete");
            set(map, "volumeBindingMode", "Immediate");
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => binding(object),
        "validatingwebhookconfigurations.admissionregistration.k8s.io"
        | "mutatingwebhookconfigurations.admissionregistration.k8s.io" => webhooks(object),
        "clusterroles.rbac.authorization.k8s.io" | "roles.rbac.authorization.k8s.io" => {
            set(as_map(object), "rules", Value::Null);
        }
        "events" => event(as_map(object)),
        "customresourcedefinitions.apiextensions.k8s.io" => crate::custom::definition::fill_defaults(object),
        _ => {}
    }
}

fn deployment(object: &mut Value) {
    let spec = child(object, "spec");
    set(spec, "replicas", 1);
    template(spec);
    let strategy = as_map(spec.entry("strategy").or_insert_with(|| json!({})));
    set(strategy, "type", "RollingUpdate");
    if strategy.get("type") == Some(&Value::from("RollingUpdate")) {
        let rolling = as_map(strategy.entry("rollingUpdate").or_insert_with(|| json!({})));
        set(rolling, "maxUnavailable", "25%");
        set(rolling, "maxSurge", "25%");
    }
    set(spec, "revisionHistoryLimit", 10);
    set(spec, "progressDeadlineSeconds", 600);
    child(object, "status");
}

fn replica_set(object: &mut Value) {
    let spec = child(object, "spec");
    set(spec, "replicas", 1);
    template(spec);
    set(child(object, "status"), "replicas", 0);
}

fn template(spec: &mut Map<String, Value>) {
    let template = spec.entry("template").or_insert_with(|| json!({}));
    child(template, "metadata").insert("creationTimestamp".to_owned(), Value::Null);
    pod_spec(child(template, "spec"));
}

fn pod_spec(spec: &mut Map<String, Value>) {
    for key in ["containers", "initContainers"] {
        items(spec, key).for_each(container);
    }
    items(spec, "volumes").for_each(volume);
    set(spec, "restartPolicy", "Always");
    set(spec, "terminationGracePeriodSeconds", 30);
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "securityContext", json!({}));
    set(spec, "schedulerName", "default-scheduler");
    // Two names of one field.
    if let Some(account) = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount")).cloned() {
        spec.insert("serviceAccountName".to_owned(), account.clone());
        spec.insert("serviceAccount".to_owned(), account);
    }
}

/// What the original always writes of a pod's status, and the one list and field that say the same.
fn pod_status(status: &mut Map<String, Value>) {
    if let Some(ip) = status.get("podIP").cloned() {
        let first = status.get("podIPs").and_then(|ips| ips.pointer("/0/ip")).cloned();
        if first.as_ref() != Some(&ip) {
            status.insert("podIPs".to_owned(), json!([{"ip": ip}]));
        }
    }
    for condition in items(status, "conditions") {
        set(condition, "lastProbeTime", Value::Null);
        set(condition, "lastTransitionTime", Value::Null);
    }
    for key in ["containerStatuses", "initContainerStatuses"] {
        for container in items(status, key) {
            set(container, "state", json!({}));
            set(container, "lastState", json!({}));
            for state in ["state", "lastState"] {
                if let Some(Value::Object(running)) =
                    container.get_mut(state).and_then(|state| state.get_mut("running"))
                {
                    set(running, "startedAt", Value::Null);
                }
                if let Some(Value::Object(ended)) =
                    container.get_mut(state).and_then(|state| state.get_mut("terminated"))
                {
                    set(ended, "startedAt", Value::Null);
                    set(ended, "finishedAt", Value::Null);
                }
            }
        }
    }
}

fn container(container: &mut Map<String, Value>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    let latest = !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    let policy = if latest { "Always" } else { "IfNotPresent" };
    set(container, "imagePullPolicy", policy);
    set(container, "resources", json!({}));
    if let Some(Value::Object(resources)) = container.get_mut("resources")
        && let Some(Value::Object(limits)) = resources.get("limits").cloned()
    {
        let requests = as_map(resources.entry("requests").or_insert_with(|| json!({})));
        for (name, limit) in limits {
            set(requests, &name, limit);
        }
    }
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    items(container, "ports").for_each(|port| set(port, "protocol", "TCP"));
    for variable in items(container, "env") {
        if let Some(Value::Object(field)) = variable.get_mut("valueFrom").and_then(|from| from.get_mut("fieldRef")) {
            set(field, "apiVersion", "v1");
        }
    }
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(Value::Object(probe)) = container.get_mut(key) {
            set(probe, "timeoutSeconds", 1);
            set(probe, "periodSeconds", 10);
            set(probe, "successThreshold", 1);
            set(probe, "failureThreshold", 3);
            if let Some(Value::Object(get)) = probe.get_mut("httpGet") {
                set(get, "scheme", "HTTP");
                set(get, "path", "/");
            }
        }
    }
}

fn volume(volume: &mut Map<String, Value>) {
    for key in ["configMap", "secret", "projected", "downwardAPI"] {
        if let Some(Value::Object(source)) = volume.get_mut(key) {
            set(source, "defaultMode", 420);
        }
    }
    if let Some(Value::Object(source)) = volume.get_mut("hostPath") {
        set(source, "type", "");
    }
    let named_only = volume.keys().all(|key| key == "name");
    if named_only {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
}

fn service(object: &mut Value) {
    let spec = child(object, "spec");
    for port in items(spec, "ports") {
        set(port, "protocol", "TCP");
        let number = port.get("port").cloned().unwrap_or(Value::from(0));
        let unset = matches!(port.get("targetPort"), None | Some(Value::Null))
            || port.get("targetPort") == Some(&Value::from(0));
        if unset {
            port.insert("targetPort".to_owned(), number);
        }
    }
    set(spec, "type", "ClusterIP");
    set(spec, "sessionAffinity", "None");
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind == "NodePort" || kind == "LoadBalancer" {
        set(spec, "externalTrafficPolicy", "Cluster");
    }
    let status = child(object, "status");
    set(status, "loadBalancer", json!({}));
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

fn endpoints(object: &mut Value) {
    for subset in items(as_map(object), "subsets") {
        items(subset, "ports").for_each(|port| set(port, "protocol", "TCP"));
    }
}

/// What the original always writes of an event.
fn event(map: &mut Map<String, Value>) {
    set(map, "source", json!({}));
    for key in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        set(map, key, Value::Null);
    }
    for key in ["reportingComponent", "reportingInstance"] {
        set(map, key, "");
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn binding(object: &mut Value) {
    let map = as_map(object);
    for subject in items(map, "subjects") {
        if matches!(subject.get("kind").and_then(Value::as_str), Some("User" | "Group")) {
            set(subject, "apiGroup", RBAC);
        }
    }
    let role = as_map(map.entry("roleRef").or_insert_with(|| json!({})));
    if role.get("apiGroup").and_then(Value::as_str).is_none_or(str::is_empty) {
        role.insert("apiGroup".to_owned(), Value::from(RBAC));
    }
}

fn webhooks(object: &mut Value) {
    for hook in items(as_map(object), "webhooks") {
        set(hook, "failurePolicy", "Fail");
        set(hook, "matchPolicy", "Equivalent");
        set(hook, "namespaceSelector", json!({}));
        set(hook, "objectSelector", json!({}));
        set(hook, "timeoutSeconds", 10);
        items(hook, "rules").for_each(|rule| set(rule, "scope", "*"));
        if let Some(Value::Object(service)) = hook.get_mut("clientConfig").and_then(|config| config.get_mut("service"))
        {
            set(service, "port", 443);
        }
    }
}

/// Fills in what holds for a new object only.
pub fn fill_new(resource: &Resource, object: &mut Value) {
    match &*resource.full_name {
        "namespaces" => {
            set(child(object, "spec"), "finalizers", json!(["kubernetes"]));
            as_map(object).insert("status".to_owned(), json!({"phase": "Active"}));
        }
        "pods" => new_pod(object),
        "nodes" => {
            child(object, "spec");
            let status = child(object, "status");
            set(status, "daemonEndpoints", json!({"kubeletEndpoint": {"Port": 0}}));
            set(
                status,
                "nodeInfo",
                json!({"machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "",
                    "containerRuntimeVersion": "", "kubeletVersion": "", "kubeProxyVersion": "",
                    "operatingSystem": "", "architecture": ""}),
            );
        }
        _ => {}
    }
}

fn new_pod(object: &mut Value) {
    let spec = child(object, "spec");
    set(spec, "enableServiceLinks", true);
    set(spec, "priority", 0);
    set(spec, "preemptionPolicy", "PreemptLowerPriority");
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let Some(present) = tolerations.as_array_mut() else { continue };
        let covered = present.iter().any(|t| {
            t.get("key").is_none_or(|found| found == key) && t.get("effect").is_none_or(|found| found == "NoExecute")
        });
        if !covered {
            present.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    let class = quality_class(spec);
    // A client cannot create a pod with a status of its own.
    as_map(object).insert("status".to_owned(), json!({"phase": "Pending", "qosClass": class}));
}

/// The quality of service class, by the requests and limits of the containers.
fn quality_class(spec: &mut Map<String, Value>) -> &'static str {
    let (mut any, mut all) = (false, true);
    for container in items(spec, "containers") {
        let limits = container.get("resources").and_then(|r| r.get("limits")).and_then(Value::as_object);
        let requests = container.get("resources").and_then(|r| r.get("requests")).and_then(Value::as_object);
        any |= limits.is_some_and(|map| !map.is_empty()) || requests.is_some_and(|map| !map.is_empty());
        all &= ["cpu", "memory"].iter().all(|key| {
            let limit = limits.and_then(|map| map.get(*key));
            limit.is_some() && requests.is_none_or(|map| map.get(*key).is_none_or(|request| Some(request) == limit))
        });
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
