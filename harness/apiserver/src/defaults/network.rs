//! Defaults of what leads to pods.

use serde_json::{Map, Value, json};

use super::{as_map, child, inner, items, set, text};

pub(super) fn service(object: &mut Value) {
    let spec = child(object, "spec");
    for port in items(spec, "ports") {
        set(port, "protocol", "TCP");
        let number = port.get("port").cloned().unwrap_or(Value::from(0));
        let unset = matches!(port.get("targetPort"), None | Some(Value::Null))
            || port.get("targetPort").is_some_and(|target| target == 0 || target == "");
        if unset {
            port.insert("targetPort".to_owned(), number);
        }
    }
    set(spec, "type", "ClusterIP");
    set(spec, "sessionAffinity", "None");
    match text(spec, "sessionAffinity") {
        "None" => drop(spec.remove("sessionAffinityConfig")),
        "ClientIP" => {
            let known = spec.get("sessionAffinityConfig").and_then(|config| config.pointer("/clientIP/timeoutSeconds"));
            if known.is_none() {
                spec.insert("sessionAffinityConfig".to_owned(), json!({"clientIP": {"timeoutSeconds": 10800}}));
            }
        }
        _ => {}
    }
    if matches!(text(spec, "type"), "NodePort" | "LoadBalancer") {
        set(spec, "externalTrafficPolicy", "Cluster");
    }
}

/// One address is the first of several.
pub(super) fn new_service(object: &mut Value) {
    let spec = child(object, "spec");
    let address = text(spec, "clusterIP").to_owned();
    if !address.is_empty() && !spec.contains_key("clusterIPs") {
        spec.insert("clusterIPs".to_owned(), json!([address]));
    }
}

pub(super) fn endpoints(object: &mut Value) {
    for subset in items(as_map(object), "subsets") {
        items(subset, "ports").for_each(|port| set(port, "protocol", "TCP"));
    }
}

pub(super) fn endpoint_slice(object: &mut Value) {
    for port in items(as_map(object), "ports") {
        port.entry("name").or_insert_with(|| Value::from(""));
        set(port, "protocol", "TCP");
    }
}

pub(super) fn network_policy(object: &mut Value) {
    let spec = child(object, "spec");
    let protocol = |rule: &mut Map<String, Value>| items(rule, "ports").for_each(|port| set(port, "protocol", "TCP"));
    for direction in ["ingress", "egress"] {
        items(spec, direction).for_each(protocol);
    }
    if spec.get("policyTypes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
        let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        spec.insert("policyTypes".to_owned(), types);
    }
}

pub(super) fn beta_ingress(object: &mut Value) {
    for rule in items(child(object, "spec"), "rules") {
        if let Some(http) = inner(rule, "http") {
            items(http, "paths").for_each(|path| set(path, "pathType", "ImplementationSpecific"));
        }
    }
}
