//! Defaults of pods and of the templates of pods.

use serde_json::{Map, Value, json};

use super::{as_list, as_map, child, inner, items, set, text};

/// Fills in a pod.
pub(super) fn pod(object: &mut Value) {
    let spec = child(object, "spec");
    pod_spec(spec);
    for key in ["containers", "initContainers"] {
        items(spec, key).for_each(request_limits);
    }
    set(spec, "enableServiceLinks", true);
    if let Some(status) = inner(as_map(object), "status") {
        pod_status(status);
    }
}

/// Fills in the template of pods in `owner`.
pub(super) fn template(owner: &mut Map<String, Value>) {
    let template = owner.entry("template").or_insert_with(|| json!({}));
    pod_spec(child(template, "spec"));
}

/// What a container may use at most is what it asks for, if it asks for nothing itself.
fn request_limits(container: &mut Map<String, Value>) {
    let Some(resources) = inner(container, "resources") else { return };
    if let Some(Value::Object(limits)) = resources.get("limits").cloned() {
        let requests = as_map(resources.entry("requests").or_insert_with(|| json!({})));
        for (name, limit) in limits {
            requests.entry(name).or_insert(limit);
        }
    }
}

fn pod_spec(spec: &mut Map<String, Value>) {
    let on_host = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for key in ["containers", "initContainers"] {
        for container in items(spec, key) {
            fill_container(container);
            if on_host {
                for port in items(container, "ports") {
                    let own = port.get("containerPort").cloned().unwrap_or_default();
                    if port.get("hostPort").is_none_or(|found| found == 0) {
                        port.insert("hostPort".to_owned(), own);
                    }
                }
            }
        }
    }
    items(spec, "ephemeralContainers").for_each(fill_container);
    items(spec, "volumes").for_each(volume);
    set(spec, "restartPolicy", "Always");
    set(spec, "terminationGracePeriodSeconds", 30);
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "securityContext", json!({}));
    set(spec, "schedulerName", "default-scheduler");
    // Two names of one field.
    let account = [text(spec, "serviceAccountName"), text(spec, "serviceAccount")];
    if let Some(account) = account.iter().find(|name| !name.is_empty()).map(|name| Value::from(*name)) {
        spec.insert("serviceAccountName".to_owned(), account.clone());
        spec.insert("serviceAccount".to_owned(), account);
    }
}

/// The one list and field of a pod's status that say the same.
fn pod_status(status: &mut Map<String, Value>) {
    if let Some(ip) = status.get("podIP").cloned() {
        let first = status.get("podIPs").and_then(|ips| ips.pointer("/0/ip")).cloned();
        if first.as_ref() != Some(&ip) {
            status.insert("podIPs".to_owned(), json!([{"ip": ip}]));
        }
    }
}

/// Whether an image is named without a tag, or with the tag `latest`.
fn is_latest(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn fill_container(container: &mut Map<String, Value>) {
    let policy = if is_latest(text(container, "image")) { "Always" } else { "IfNotPresent" };
    set(container, "imagePullPolicy", policy);
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    items(container, "ports").for_each(|port| set(port, "protocol", "TCP"));
    for variable in items(container, "env") {
        if let Some(field) = inner(variable, "valueFrom").and_then(|from| inner(from, "fieldRef")) {
            set(field, "apiVersion", "v1");
        }
    }
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = inner(container, key) {
            set(probe, "timeoutSeconds", 1);
            set(probe, "periodSeconds", 10);
            set(probe, "successThreshold", 1);
            set(probe, "failureThreshold", 3);
            handler(probe);
        }
    }
    if let Some(lifecycle) = inner(container, "lifecycle") {
        for key in ["postStart", "preStop"] {
            if let Some(found) = inner(lifecycle, key) {
                handler(found);
            }
        }
    }
}

fn handler(handler: &mut Map<String, Value>) {
    if let Some(get) = inner(handler, "httpGet") {
        set(get, "scheme", "HTTP");
        set(get, "path", "/");
    }
}

fn volume(volume: &mut Map<String, Value>) {
    for key in ["configMap", "secret", "projected", "downwardAPI"] {
        if let Some(source) = inner(volume, key) {
            set(source, "defaultMode", 420);
        }
    }
    if let Some(source) = inner(volume, "projected") {
        for part in items(source, "sources") {
            if let Some(found) = inner(part, "downwardAPI") {
                downward(found);
            }
            if let Some(token) = inner(part, "serviceAccountToken") {
                set(token, "expirationSeconds", 3600);
            }
        }
    }
    if let Some(found) = inner(volume, "downwardAPI") {
        downward(found);
    }
    if let Some(source) = inner(volume, "hostPath") {
        source.entry("type").or_insert_with(|| Value::from(""));
    }
    super::storage::source(volume);
    let named_only = volume.keys().all(|key| key == "name");
    if named_only {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
}

fn downward(source: &mut Map<String, Value>) {
    for item in items(source, "items") {
        if let Some(field) = inner(item, "fieldRef") {
            set(field, "apiVersion", "v1");
        }
    }
}

/// What a new pod gets: tolerations, and the status that the server begins.
pub(super) fn new_pod(object: &mut Value) {
    tolerate(object);
    let class = quality_class(object);
    // A client cannot create a pod with a status of its own.
    as_map(object).insert("status".to_owned(), json!({"phase": "Pending", "qosClass": class}));
}

/// What admission `DefaultTolerationSeconds` adds.
pub fn tolerate(object: &mut Value) {
    let spec = child(object, "spec");
    let tolerations = as_list(spec.entry("tolerations").or_insert_with(|| json!([])));
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covered = tolerations.iter().any(|toleration| {
            let fits = |field: &str, wanted: &str| {
                toleration.get(field).and_then(Value::as_str).is_none_or(|found| found.is_empty() || found == wanted)
            };
            fits("key", key) && fits("effect", "NoExecute")
        });
        if !covered {
            tolerations
                .push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
}

/// The quality of service class of a pod, by the requests and limits of its containers.
#[must_use]
pub fn quality_class(pod: &Value) -> &'static str {
    let (mut any, mut all) = (false, true);
    for key in ["/spec/containers", "/spec/initContainers"] {
        for container in pod.pointer(key).and_then(Value::as_array).into_iter().flatten() {
            let part = |key: &str| container.pointer(&format!("/resources/{key}")).and_then(Value::as_object);
            let (limits, requests) = (part("limits"), part("requests"));
            let counted = |map: Option<&Map<String, Value>>, key: &str| {
                map.and_then(|map| map.get(key)).filter(|quantity| *quantity != "0").cloned()
            };
            for key in ["cpu", "memory"] {
                let (limit, request) = (counted(limits, key), counted(requests, key));
                any |= limit.is_some() || request.is_some();
                all &= limit.is_some() && request.is_none_or(|request| Some(request) == limit);
            }
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
