//! Autoscalers of `v2beta1` and `v2beta2`, kept as `v1`: what that version has no field for is kept in annotations
//! (pkg/apis/autoscaling/v1/conversion.go, Kubernetes 1.20).

use serde_json::{Map, Value, json};

/// Annotations of `v1`, and where `v2` has what they hold.
const HELD: &[(&str, &str, &str)] = &[
    ("autoscaling.alpha.kubernetes.io/metrics", "spec", "metrics"),
    ("autoscaling.alpha.kubernetes.io/behavior", "spec", "behavior"),
    ("autoscaling.alpha.kubernetes.io/conditions", "status", "conditions"),
    ("autoscaling.alpha.kubernetes.io/current-metrics", "status", "currentMetrics"),
];

fn cpu_utilization(metric: &Value) -> Option<Value> {
    let resource = metric.get("resource")?;
    if metric.get("type")? != "Resource" || resource.get("name")? != "cpu" {
        return None;
    }
    let found = resource.get("targetAverageUtilization").or_else(|| resource.pointer("/target/averageUtilization"));
    found.filter(|value| value.is_number()).cloned()
}

/// As `v1` has it.
pub(super) fn to_first(autoscaler: &mut Value) {
    let metrics = autoscaler.pointer_mut("/spec/metrics").and_then(Value::as_array_mut);
    let target = metrics.and_then(|metrics| {
        let place = metrics.iter().position(|metric| cpu_utilization(metric).is_some())?;
        cpu_utilization(&metrics.remove(place))
    });
    if let Some(target) = target {
        autoscaler["spec"]["targetCPUUtilizationPercentage"] = target;
    }
    for (annotation, part, field) in HELD {
        let held = autoscaler.get_mut(*part).and_then(Value::as_object_mut).and_then(|map| map.swap_remove(*field));
        if let Some(held) = held.filter(|held| !held.is_null() && *held != json!([])) {
            autoscaler["metadata"]["annotations"][*annotation] = Value::from(held.to_string());
        }
    }
}

/// As the beta versions have it; the first of them has other names for the target.
pub(super) fn from_first(autoscaler: &mut Value, flat_targets: bool) {
    let mut found: Vec<(&str, &str, Value)> = Vec::new();
    if let Some(annotations) = autoscaler.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        for (annotation, part, field) in HELD {
            let text = annotations.shift_remove(*annotation);
            let value = text.as_ref().and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
            found.extend(value.map(|value| (*part, *field, value)));
        }
    }
    for (part, field, value) in found {
        autoscaler[part][field] = value;
    }
    let spec = autoscaler.get_mut("spec").and_then(Value::as_object_mut);
    let target = spec.and_then(|spec: &mut Map<String, Value>| spec.swap_remove("targetCPUUtilizationPercentage"));
    if let Some(target) = target {
        let resource = if flat_targets {
            json!({"name": "cpu", "targetAverageUtilization": target})
        } else {
            json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}})
        };
        let metric = json!({"type": "Resource", "resource": resource});
        match autoscaler.pointer_mut("/spec/metrics").and_then(Value::as_array_mut) {
            Some(metrics) => metrics.push(metric),
            None => autoscaler["spec"]["metrics"] = json!([metric]),
        }
    }
}
