//! Rules of the built-in kinds: those that a user of kubectl meets, in the words of kube-apiserver 1.20.2.

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::names;
use crate::registry::Resource;
use crate::selector::LabelSelector;
use crate::status::{Cause, quoted};

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A map of texts as Go's `%#v` writes it.
fn go_map(map: Option<&Map<String, Value>>) -> String {
    let Some(map) = map else { return "map[string]string(nil)".to_owned() };
    let mut entries: Vec<String> = map.iter().map(|(key, value)| format!("{}:{value}", quoted(key))).collect();
    entries.sort();
    format!("map[string]string{{{}}}", entries.join(", "))
}

/// What is wrong with `object`.
#[must_use]
pub fn validate(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    names::metadata(resource, object, &mut causes);
    match &*resource.full_name {
        "pods" => pod_spec(object.pointer("/spec").unwrap_or(&Value::Null), "spec", &mut causes),
        "deployments.apps" | "replicasets.apps" => workload(object, &mut causes),
        "services" => service(object, &mut causes),
        "configmaps" => {
            names::data_keys(object.get("data"), "data", &mut causes);
            names::data_keys(object.get("binaryData"), "binaryData", &mut causes);
        }
        "secrets" => secret(object, &mut causes),
        "endpoints" => endpoints(object, &mut causes),
        "storageclasses.storage.k8s.io" if text(object, "/provisioner").is_empty() => {
            causes.push(Cause::required("provisioner", "provisioner is required"));
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            binding(resource.namespaced, object, &mut causes);
        }
        "leases.coordination.k8s.io" => lease(object, &mut causes),
        "events" => {
            let (own, involved) = (text(object, "/metadata/namespace"), text(object, "/involvedObject/namespace"));
            if !involved.is_empty() && involved != own {
                let detail = "does not match event.namespace";
                causes.push(Cause::invalid("involvedObject.namespace", quoted(involved), detail));
            }
        }
        "clusterroles.rbac.authorization.k8s.io" | "roles.rbac.authorization.k8s.io" => role(object, &mut causes),
        _ => {}
    }
    causes
}

fn pod_spec(spec: &Value, field: &str, causes: &mut Vec<Cause>) {
    if list(spec, "/containers").is_empty() {
        causes.push(Cause::required(format!("{field}.containers"), ""));
    }
    let mut seen: Vec<&str> = Vec::new();
    for key in ["containers", "initContainers"] {
        for (index, container) in list(spec, &format!("/{key}")).iter().enumerate() {
            let place = format!("{field}.{key}[{index}]");
            let name = text(container, "/name");
            causes.extend(names::container_name(&format!("{place}.name"), name));
            if seen.contains(&name) {
                let message = format!("Duplicate value: {}", quoted(name));
                causes.push(Cause { reason: "FieldValueDuplicate", message, field: format!("{place}.name") });
            }
            seen.push(name);
            if text(container, "/image").is_empty() {
                causes.push(Cause::required(format!("{place}.image"), ""));
            }
            let policy = text(container, "/imagePullPolicy");
            let policies = ["Always", "IfNotPresent", "Never"];
            if !policies.contains(&policy) {
                let field = format!("{place}.imagePullPolicy");
                causes.push(Cause::unsupported(field, quoted(policy), &policies.map(quoted)));
            }
            for (mount, item) in list(container, "/volumeMounts").iter().enumerate() {
                let wanted = text(item, "/name");
                if !list(spec, "/volumes").iter().any(|volume| text(volume, "/name") == wanted) {
                    let message = format!("Not found: {}", quoted(wanted));
                    let field = format!("{place}.volumeMounts[{mount}].name");
                    causes.push(Cause { reason: "FieldValueNotFound", message, field });
                }
            }
        }
    }
    let policy = text(spec, "/restartPolicy");
    if !["Always", "OnFailure", "Never"].contains(&policy) {
        let supported = ["Always", "OnFailure", "Never"].map(quoted);
        causes.push(Cause::unsupported(format!("{field}.restartPolicy"), quoted(policy), &supported));
    }
}

fn workload(object: &Value, causes: &mut Vec<Cause>) {
    let labels = object.pointer("/spec/template/metadata/labels");
    let selector = object.pointer("/spec/selector");
    let empty = selector.is_none_or(|selector| LabelSelector::from_value(selector).is_empty());
    match selector {
        None => causes.push(Cause::required("spec.selector", "")),
        Some(_) if empty => {
            let shown = "v1.LabelSelector{MatchLabels:map[string]string(nil), MatchExpressions:[]v1.LabelSelectorRequirement(nil)}";
            causes.push(Cause::invalid("spec.selector", shown, "empty selector is invalid for deployment"));
        }
        Some(_) => {}
    }
    if empty || !selector.is_some_and(|selector| LabelSelector::from_value(selector).matches_labels(labels)) {
        let shown = go_map(labels.and_then(Value::as_object));
        let detail = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", shown, detail));
    }
    names::labels(labels, "spec.template.labels", causes);
    if object.pointer("/spec/replicas").and_then(Value::as_i64).is_some_and(|replicas| replicas < 0) {
        let shown = object.pointer("/spec/replicas").cloned().unwrap_or_default();
        causes.push(Cause::invalid("spec.replicas", shown, "must be greater than or equal to 0"));
    }
    pod_spec(object.pointer("/spec/template/spec").unwrap_or(&Value::Null), "spec.template.spec", causes);
}

fn service(object: &Value, causes: &mut Vec<Cause>) {
    let kind = text(object, "/spec/type");
    let supported = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !supported.contains(&kind) {
        causes.push(Cause::unsupported("spec.type", quoted(kind), &supported.map(quoted)));
    }
    let ports = list(object, "/spec/ports");
    let headless = text(object, "/spec/clusterIP") == "None";
    if ports.is_empty() && kind != "ExternalName" && !headless {
        causes.push(Cause::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        if ports.len() > 1 && text(port, "/name").is_empty() {
            causes.push(Cause::required(format!("spec.ports[{index}].name"), ""));
        }
        let number = port.get("port").and_then(Value::as_i64).unwrap_or(0);
        if !(1..=65535).contains(&number) {
            let detail = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(format!("spec.ports[{index}].port"), number, detail));
        }
        if let Some(target) = port.get("targetPort").and_then(Value::as_i64).filter(|port| !(1..=65535).contains(port))
        {
            let detail = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(format!("spec.ports[{index}].targetPort"), target, detail));
        }
    }
}

fn secret(object: &Value, causes: &mut Vec<Cause>) {
    names::data_keys(object.get("data"), "data", causes);
    let required: &[&str] = match text(object, "/type") {
        "kubernetes.io/service-account-token" => {
            let account = "kubernetes.io/service-account.name";
            let given = object.pointer("/metadata/annotations").and_then(|annotations| annotations.get(account));
            if given.and_then(Value::as_str).is_none_or(str::is_empty) {
                causes.push(Cause::required(format!("metadata.annotations[{account}]"), ""));
            }
            &[]
        }
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in required {
        if object.get("data").and_then(|data| data.get(*key)).is_none() {
            causes.push(Cause::required(format!("data[{key}]"), ""));
        }
    }
}

fn endpoints(object: &Value, causes: &mut Vec<Cause>) {
    for (subset, value) in list(object, "/subsets").iter().enumerate() {
        for key in ["addresses", "notReadyAddresses"] {
            for (index, address) in list(value, &format!("/{key}")).iter().enumerate() {
                let ip = text(address, "/ip");
                let field = format!("subsets[{subset}].{key}[{index}].ip");
                let faults: &[&str] = match ip.parse::<IpAddr>() {
                    // Two checks, two texts.
                    Err(_) => {
                        &["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)", "must be a valid IP address"]
                    }
                    Ok(ip) if ip.is_unspecified() => &["may not be unspecified (0.0.0.0)"],
                    Ok(ip) if ip.is_loopback() => &["may not be in the loopback range (127.0.0.0/8)"],
                    Ok(_) => &[],
                };
                causes.extend(faults.iter().map(|fault| Cause::invalid(field.clone(), quoted(ip), fault)));
            }
        }
        let ports = list(value, "/ports");
        for (index, port) in ports.iter().enumerate() {
            if ports.len() > 1 && text(port, "/name").is_empty() {
                causes.push(Cause::required(format!("subsets[{subset}].ports[{index}].name"), ""));
            }
        }
    }
}

fn lease(object: &Value, causes: &mut Vec<Cause>) {
    for (key, least) in [("leaseDurationSeconds", 1), ("leaseTransitions", 0)] {
        let given = object.pointer(&format!("/spec/{key}")).and_then(Value::as_i64);
        if let Some(given) = given.filter(|given| *given < least) {
            let detail = if least == 0 { "must be greater than or equal to 0" } else { "must be greater than 0" };
            causes.push(Cause::invalid(format!("spec.{key}"), given, detail));
        }
    }
}

fn binding(namespaced: bool, object: &Value, causes: &mut Vec<Cause>) {
    let kind = text(object, "/roleRef/kind");
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&kind) {
        let supported: Vec<String> = kinds.iter().map(|kind| quoted(kind)).collect();
        causes.push(Cause::unsupported("roleRef.kind", quoted(kind), &supported));
    }
    if text(object, "/roleRef/name").is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    for (index, subject) in list(object, "/subjects").iter().enumerate() {
        let kind = text(subject, "/kind");
        if !["ServiceAccount", "User", "Group"].contains(&kind) {
            let supported = ["ServiceAccount", "User", "Group"].map(quoted);
            causes.push(Cause::unsupported(format!("subjects[{index}].kind"), quoted(kind), &supported));
        }
        if !namespaced && kind == "ServiceAccount" && text(subject, "/namespace").is_empty() {
            causes.push(Cause::required(format!("subjects[{index}].namespace"), ""));
        }
    }
}

fn role(object: &Value, causes: &mut Vec<Cause>) {
    for (index, rule) in list(object, "/rules").iter().enumerate() {
        if list(rule, "/verbs").is_empty() {
            causes.push(Cause::required(format!("rules[{index}].verbs"), "verbs must contain at least one value"));
        }
        if list(rule, "/nonResourceURLs").is_empty() {
            if list(rule, "/apiGroups").is_empty() {
                let detail = "resource rules must supply at least one api group";
                causes.push(Cause::required(format!("rules[{index}].apiGroups"), detail));
            }
            if list(rule, "/resources").is_empty() {
                let detail = "resource rules must supply at least one resource";
                causes.push(Cause::required(format!("rules[{index}].resources"), detail));
            }
        }
    }
}

/// What is wrong with `object` as the successor of `before`.
#[must_use]
pub fn validate_update(resource: &Resource, object: &Value, before: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    metadata_update(object, before, &mut causes);
    match &*resource.full_name {
        "pods" => pod_update(object, before, &mut causes),
        "deployments.apps" | "replicasets.apps" => {
            let (new, old) = (object.pointer("/spec/selector"), before.pointer("/spec/selector"));
            if new != old && new.is_some() {
                let labels = new.and_then(|new| new.get("matchLabels")).and_then(Value::as_object);
                let shown = format!(
                    "v1.LabelSelector{{MatchLabels:{}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}}",
                    go_map(labels)
                );
                causes.push(Cause::invalid("spec.selector", shown, "field is immutable"));
            }
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io"
            if object.get("roleRef") != before.get("roleRef") =>
        {
            let part = |key: &str| quoted(text(object, &format!("/roleRef/{key}")));
            let shown =
                format!("rbac.RoleRef{{APIGroup:{}, Kind:{}, Name:{}}}", part("apiGroup"), part("kind"), part("name"));
            causes.push(Cause::invalid("roleRef", shown, "cannot change roleRef"));
        }
        "services" => service_update(object, before, &mut causes),
        "secrets" => {
            if object.get("type") != before.get("type") {
                causes.push(Cause::invalid("type", quoted(text(object, "/type")), "field is immutable"));
            }
            immutable_data(object, before, &mut causes);
        }
        "configmaps" => immutable_data(object, before, &mut causes),
        _ => {}
    }
    causes
}

fn immutable_data(object: &Value, before: &Value, causes: &mut Vec<Cause>) {
    if before.get("immutable") != Some(&Value::Bool(true)) {
        return;
    }
    if object.get("immutable") != before.get("immutable") {
        causes.push(Cause::forbidden("immutable", "field is immutable when `immutable` is set"));
    }
    for key in ["data", "binaryData"] {
        if object.get(key) != before.get(key) {
            causes.push(Cause::forbidden(key, "field is immutable when `immutable` is set"));
        }
    }
}

fn metadata_update(object: &Value, before: &Value, causes: &mut Vec<Cause>) {
    let given = text(object, "/metadata/uid");
    if given != text(before, "/metadata/uid") {
        causes.push(Cause::invalid("metadata.uid", quoted(given), "field is immutable"));
    }
    if before.pointer("/metadata/deletionTimestamp").is_some() {
        let old = list(before, "/metadata/finalizers");
        let new: Vec<String> = list(object, "/metadata/finalizers")
            .iter()
            .filter(|finalizer| !old.contains(finalizer))
            .map(ToString::to_string)
            .collect();
        if !new.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                new.join(", ")
            );
            causes.push(Cause::forbidden("metadata.finalizers", &detail));
        }
    }
}

/// The parts of a pod's spec that may change.
fn immutable_spec(pod: &Value) -> Value {
    let mut spec = pod.get("spec").cloned().unwrap_or_default();
    if let Some(map) = spec.as_object_mut() {
        for key in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            map.remove(key);
        }
        for key in ["containers", "initContainers"] {
            for container in map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(container) = container.as_object_mut() {
                    container.remove("image");
                }
            }
        }
    }
    spec
}

fn pod_update(object: &Value, before: &Value, causes: &mut Vec<Cause>) {
    if immutable_spec(object) != immutable_spec(before) {
        let detail = "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or `spec.tolerations` (only additions to existing tolerations)";
        causes.push(Cause::forbidden("spec", detail));
    }
}

fn service_update(object: &Value, before: &Value, causes: &mut Vec<Cause>) {
    let (new, old) = (text(object, "/spec/clusterIP"), text(before, "/spec/clusterIP"));
    if new != old && !old.is_empty() && text(object, "/spec/type") != "ExternalName" {
        let shown = format!("[]string{{{}}}", quoted(new));
        causes.push(Cause::invalid("spec.clusterIPs[0]", shown, "may not change once set"));
    }
}
