//! Kinds with few rules of their own (pkg/apis/*/validation, Kubernetes 1.20).

use base64::Engine as _;
use serde_json::Value;

use super::at::{At, Causes};
use super::{go, meta, resources, scheduling, words, workloads};
use crate::gojson;
use crate::status::quoted;

/// The most that a `ConfigMap` or Secret may hold.
const MOST_DATA: usize = 1024 * 1024;

/// What is wrong with a `ConfigMap`.
pub fn config_map(at: &At<'_>, causes: &mut Causes) {
    let (data, binary) = (at.child("data"), at.child("binaryData"));
    for (key, entry) in data.entries() {
        causes.extend(words::data_key(key).iter().map(|fault| entry.invalid(quoted(key), fault)));
        if binary.key(key).is_set() {
            causes.push(entry.invalid(quoted(key), "duplicate of key present in binaryData"));
        }
    }
    for (key, entry) in binary.entries() {
        causes.extend(words::data_key(key).iter().map(|fault| entry.invalid(quoted(key), fault)));
    }
    let text: usize = data.entries().map(|(_, entry)| entry.text().len()).sum();
    let size = text + binary.entries().map(|(_, entry)| decoded(&entry).len()).sum::<usize>();
    if size > MOST_DATA {
        causes.push(at.too_long(MOST_DATA));
    }
}

fn decoded(at: &At<'_>) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(at.text()).unwrap_or_default()
}

/// What is wrong with a Secret.
pub fn secret(at: &At<'_>, causes: &mut Causes) {
    let data = at.child("data");
    for (key, entry) in data.entries() {
        causes.extend(words::data_key(key).iter().map(|fault| entry.invalid(quoted(key), fault)));
    }
    if data.entries().map(|(_, entry)| decoded(&entry).len()).sum::<usize>() > MOST_DATA {
        causes.push(data.too_long(MOST_DATA));
    }
    let has = |key: &str| data.key(key).is_set();
    match at.child("type").text() {
        "kubernetes.io/service-account-token" => {
            let account = at.down("metadata.annotations").key("kubernetes.io/service-account.name");
            if account.text().is_empty() {
                causes.push(account.required(""));
            }
        }
        "kubernetes.io/dockercfg" => docker_config(&data.key(".dockercfg"), causes),
        "kubernetes.io/dockerconfigjson" => docker_config(&data.key(".dockerconfigjson"), causes),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            // The original's placeholder is never filled in.
            for key in ["username", "password"] {
                causes.push(At::new(&Value::Null, format!("data[%s][{key}]")).required(""));
            }
        }
        "kubernetes.io/ssh-auth" if data.key("ssh-privatekey").text().is_empty() => {
            causes.push(At::new(&Value::Null, "data[%s][ssh-privatekey]").required(""));
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"].into_iter().filter(|key| !has(key)) {
                causes.push(data.key(key).required(""));
            }
        }
        _ => {}
    }
}

fn docker_config(at: &At<'_>, causes: &mut Causes) {
    if !at.is_set() {
        causes.push(at.required(""));
        return;
    }
    let text = String::from_utf8_lossy(&decoded(at)).into_owned();
    let why = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(_) | Value::Null) => return,
        Ok(value) => {
            let kind = match value {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                _ => "number",
            };
            format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
        }
        Err(error) => gojson::check(text.as_bytes()).err().unwrap_or_else(|| error.to_string()),
    };
    causes.push(at.invalid("\"<secret contents redacted>\"", &why));
}

/// What of data that is declared immutable has changed.
pub fn immutable_data(at: &At<'_>, before: &At<'_>, fields: &[&str], causes: &mut Causes) {
    if !before.child("immutable").is_true() {
        return;
    }
    let detail = "field is immutable when `immutable` is set";
    if !at.child("immutable").is_true() {
        causes.push(at.child("immutable").forbidden(detail));
    }
    for field in fields {
        if at.child(field).value() != before.child(field).value() {
            causes.push(at.child(field).forbidden(detail));
        }
    }
}

/// What is wrong with a Lease.
pub fn lease(at: &At<'_>, causes: &mut Causes) {
    let duration = at.down("spec.leaseDurationSeconds");
    if duration.int().is_some_and(|seconds| seconds <= 0) {
        causes.push(duration.wrong("must be greater than 0"));
    }
    let transitions = at.down("spec.leaseTransitions");
    if transitions.int().is_some_and(|count| count < 0) {
        causes.push(transitions.wrong("must to greater or equal than 0"));
    }
}

/// The classes of priority that a cluster has from its beginning.
pub const SYSTEM_PRIORITIES: &[(&str, i64, &str)] = &[
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
];

/// What is wrong with a class of priority.
pub fn priority_class(at: &At<'_>, causes: &mut Causes) {
    let (name, value) = (at.down("metadata.name"), at.child("value"));
    if name.text().starts_with("system-") {
        let known = SYSTEM_PRIORITIES.iter().find(|(known, ..)| *known == name.text());
        let why = match known {
            None => Some(format!("{} is not a known system priority class", name.text())),
            Some((known, number, _)) if value.int() != Some(*number) => {
                Some(format!("value of {known} PriorityClass must be {number}"))
            }
            Some((known, ..)) if at.child("globalDefault").is_true() => {
                Some(format!("globalDefault of {known} PriorityClass must be false"))
            }
            Some(_) => None,
        };
        causes.extend(why.map(|why| {
            name.forbidden(&format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {why}"
            ))
        }));
    } else if value.int().is_some_and(|value| value > 1_000_000_000) {
        causes.push(value.forbidden("maximum allowed value of a user defined priority is 1000000000"));
    }
    let policy = at.child("preemptionPolicy");
    if policy.is_set() {
        policy.one_of(&["PreemptLowerPriority", "Never"], causes);
    }
}

/// What of a class of priority may not change has changed.
pub fn priority_class_update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    if at.child("value").value() != before.child("value").value() {
        causes.push(At::new(&Value::Null, "Value").forbidden("may not be changed in an update."));
    }
    let policy = at.child("preemptionPolicy");
    policy.immutable(before.child("preemptionPolicy").value(), go::pointer(policy.value()), causes);
}

/// What is wrong with an autoscaler.
pub fn autoscaler(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    let (least, most) = (spec.child("minReplicas"), spec.child("maxReplicas"));
    // HPAScaleToZero is off: whether zero is allowed is left to the metrics, below.
    if least.int().is_some_and(|least| least < 1) {
        causes.push(least.wrong("must be greater than or equal to 1"));
    }
    let number = most.int().unwrap_or(0);
    if number < 1 {
        causes.push(most.invalid(number, "must be greater than 0"));
    }
    if least.int().is_some_and(|least| number < least) {
        causes.push(most.invalid(number, "must be greater than or equal to `minReplicas`"));
    }
    let target = spec.child("scaleTargetRef");
    for field in ["kind", "name"] {
        target.child(field).check_required(words::path_segment, causes);
    }
    let percent = spec.child("targetCPUUtilizationPercentage");
    if percent.int().is_some_and(|percent| percent < 1) {
        let place = At::new(percent.value(), "spec.metrics[0].resource.target.averageUtilization");
        causes.push(place.wrong("must be greater than 0"));
    }
    let others = at.down("metadata.annotations").key("autoscaling.alpha.kubernetes.io/metrics");
    let outside = ["\"Object\"", "\"External\""].iter().any(|kind| others.text().contains(kind));
    if least.int() == Some(0) && !outside {
        let detail = "must specify at least one Object or External metric to support scaling to zero replicas";
        causes.push(spec.child("metrics").forbidden(detail));
    }
}

/// What is wrong with a budget for disruptions.
pub fn disruption_budget(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    let (least, most) = (spec.child("minAvailable"), spec.child("maxUnavailable"));
    if least.is_set() && most.is_set() {
        let shown = "policy.PodDisruptionBudgetSpec{}";
        causes.push(spec.invalid(shown, "minAvailable and maxUnavailable cannot be both set"));
    }
    for field in [&least, &most].into_iter().filter(|field| field.is_set()) {
        workloads::int_or_percent(field, causes);
        workloads::not_above_all(field, causes);
    }
    meta::selector(&spec.child("selector"), causes);
}

/// What is wrong with a namespace.
pub fn namespace(at: &At<'_>, causes: &mut Causes) {
    let finalizers = at.down("spec.finalizers");
    for finalizer in finalizers.items() {
        let name = finalizer.text();
        causes.extend(words::qualified_name(name).iter().map(|fault| finalizers.invalid(quoted(name), fault)));
        if !name.contains('/') && !["kubernetes", "orphan", "foregroundDeletion"].contains(&name) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(finalizers.invalid(quoted(name), detail));
        }
    }
}

/// What is wrong with the phase of a namespace.
pub fn namespace_status(at: &At<'_>, causes: &mut Causes) {
    let phase = At::new(at.down("status.phase").value(), "status.Phase");
    let ending = at.down("metadata.deletionTimestamp").is_set();
    if !ending && phase.text() != "Active" {
        causes.push(phase.wrong("may only be 'Active' if `deletionTimestamp` is empty"));
    }
    if ending && phase.text() != "Terminating" {
        causes.push(phase.wrong("may only be 'Terminating' if `deletionTimestamp` is not empty"));
    }
}

/// What is wrong with a node.
pub fn node(at: &At<'_>, causes: &mut Causes) {
    scheduling::taints(&At::new(at.down("spec.taints").value(), "metadata.taints"), causes);
    node_resources(at, causes);
    for range in at.down("spec.podCIDRs").items().filter(|range| words::cidr(range.text()).is_none()) {
        let shown = go::strings(at.down("spec.podCIDRs").value());
        causes.push(range.invalid(shown, "must be valid CIDR"));
    }
}

fn node_resources(at: &At<'_>, causes: &mut Causes) {
    for kind in ["capacity", "allocatable"] {
        let amounts = at.child("status").child(kind);
        for (name, amount) in amounts.entries() {
            resources::amount(&At::new(amount.value(), format!("{}.{name}", amounts.path())), name, causes);
        }
    }
}

/// What of a node may not change has changed.
pub fn node_update(at: &At<'_>, before: &At<'_>, causes: &mut Causes) {
    node_resources(at, causes);
    let mut addresses: Vec<&Value> = Vec::new();
    for address in at.down("status.addresses").items() {
        if addresses.contains(&address.value()) {
            let part = |field: &str| quoted(address.child(field).text());
            let shown = format!("core.NodeAddress{{Type:{}, Address:{}}}", part("type"), part("address"));
            causes.push(address.duplicate(shown));
        }
        addresses.push(address.value());
    }
    let (new, old) = (at.child("spec"), before.child("spec"));
    for (field, named) in [("podCIDRs", "podCIDR"), ("providerID", "providerID")] {
        if old.child(field).is_set() && new.child(field).value() != old.child(field).value() {
            let detail = format!("node updates may not change {named} except from \"\" to valid");
            causes.push(new.child(field).forbidden(&detail));
        }
    }
    scheduling::taints(&At::new(new.child("taints").value(), "metadata.taints"), causes);
    let fixed = |spec: &At<'_>| {
        let mut spec = spec.value().clone();
        if let Some(map) = spec.as_object_mut() {
            map.retain(|field, _| {
                let free = ["taints", "unschedulable", "configSource"].contains(&field.as_str());
                // These may be set once.
                let once =
                    ["podCIDR", "podCIDRs", "providerID"].contains(&field.as_str()) && !old.child(field).is_set();
                !free && !once
            });
        }
        spec
    };
    if fixed(&new) != fixed(&old) {
        let detail = "node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig feature gate is enabled)";
        causes.push(At::new(&Value::Null, "[]").forbidden(detail));
    }
}

/// What is wrong with a class of runtimes.
pub fn runtime_class(at: &At<'_>, causes: &mut Causes) {
    at.child("handler").check(words::label, causes);
    for (name, amount) in at.down("overhead.podFixed").entries() {
        let place = At::new(amount.value(), format!("overhead.limits[{name}]"));
        resources::container_resource_name(&place, name, causes);
        resources::amount(&place, name, causes);
    }
    meta::labels(&at.down("scheduling.nodeSelector"), causes);
}

/// What is wrong with a revision of a controller.
pub fn revision(at: &At<'_>, causes: &mut Causes) {
    if !at.child("data").is_set() {
        causes.push(at.child("data").required("data is mandatory"));
    }
    at.child("revision").nonnegative(causes);
}

/// What is wrong with a group version that is served.
pub fn api_service(at: &At<'_>, causes: &mut Causes) {
    let spec = at.child("spec");
    let (group, version) = (spec.child("group"), spec.child("version"));
    let (name, required) = (at.down("metadata.name"), format!("{}.{}", version.text(), group.text()));
    if name.text() != required {
        let detail = format!("must be `spec.version+\".\"+spec.group`: {}", quoted(&required));
        causes.push(name.wrong(&detail));
    }
    group.check_given(words::subdomain, causes);
    version.check(words::label_1035, causes);
    for (field, most) in [("groupPriorityMinimum", 20000), ("versionPriority", 1000)] {
        let number = spec.child(field);
        if !(1..=most).contains(&number.int().unwrap_or(0)) {
            let detail = format!("must be positive and less than {most}");
            causes.push(number.invalid(number.int().unwrap_or(0), &detail));
        }
    }
    let service = spec.child("service");
    if !service.is_set() {
        if !spec.child("caBundle").is_empty() || !spec.child("caBundle").text().is_empty() {
            causes.push(spec.child("caBundle").invalid("[]byte{}", "local APIServices may not have a caBundle"));
        }
        if spec.child("insecureSkipTLSVerify").is_true() {
            let detail = "local APIServices may not have insecureSkipTLSVerify";
            causes.push(spec.child("insecureSkipTLSVerify").invalid(true, detail));
        }
        return;
    }
    for field in ["namespace", "name"] {
        if service.child(field).text().is_empty() {
            causes.push(service.child(field).required(""));
        }
    }
    if spec.child("insecureSkipTLSVerify").is_true() && !spec.child("caBundle").text().is_empty() {
        let detail = "may not be true if caBundle is present";
        causes.push(spec.child("insecureSkipTLSVerify").invalid(true, detail));
    }
}
