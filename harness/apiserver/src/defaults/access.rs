//! Defaults of bindings, webhooks and priority levels.

use serde_json::{Map, Value, json};

use super::{as_map, inner, items, set, text};

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn binding(object: &mut Value) {
    let map = as_map(object);
    for subject in items(map, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") {
            set(subject, "apiGroup", RBAC);
        }
    }
    set(as_map(map.entry("roleRef").or_insert_with(|| json!({}))), "apiGroup", RBAC);
}

pub(super) fn webhooks(object: &mut Value, mutating: bool) {
    for hook in items(as_map(object), "webhooks") {
        set(hook, "failurePolicy", "Fail");
        set(hook, "matchPolicy", "Equivalent");
        set(hook, "namespaceSelector", json!({}));
        set(hook, "objectSelector", json!({}));
        set(hook, "timeoutSeconds", 10);
        if mutating {
            set(hook, "reinvocationPolicy", "Never");
        }
        items(hook, "rules").for_each(|rule| set(rule, "scope", "*"));
        if let Some(service) = inner(hook, "clientConfig").and_then(|config| inner(config, "service")) {
            set(service, "port", 443);
        }
    }
}

/// What `v1beta1` had otherwise.
pub(super) fn beta_webhooks(object: &mut Value) {
    for hook in items(as_map(object), "webhooks") {
        set(hook, "failurePolicy", "Ignore");
        set(hook, "matchPolicy", "Exact");
        set(hook, "sideEffects", "Unknown");
        set(hook, "timeoutSeconds", 30);
        if hook.get("admissionReviewVersions").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            hook.insert("admissionReviewVersions".to_owned(), json!(["v1beta1"]));
        }
    }
}

pub(super) fn priority_level(spec: &mut Map<String, Value>) {
    if let Some(limited) = inner(spec, "limited") {
        if limited.get("assuredConcurrencyShares").is_none_or(|found| found == 0) {
            limited.insert("assuredConcurrencyShares".to_owned(), Value::from(30));
        }
        let response = as_map(limited.entry("limitResponse").or_insert_with(|| json!({})));
        if let Some(queuing) = inner(response, "queuing") {
            for (key, number) in [("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)] {
                if queuing.get(key).is_none_or(|found| found == 0) {
                    queuing.insert(key.to_owned(), Value::from(number));
                }
            }
        }
    }
}
