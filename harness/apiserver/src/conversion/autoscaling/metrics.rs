//! Metrics of autoscalers in their two forms: flat, as `v1`'s annotations and `v2beta1` have them, and nested, as
//! `v2beta2` has them (pkg/apis/autoscaling/v1/conversion.go, Kubernetes 1.20).

use serde_json::{Map, Value, json};

/// Of each type of metric: the field that holds it, and what its parts are called, flat and nested.
const FORMS: &[(&str, &[(&str, &str)])] = &[
    (
        "resource",
        &[("targetAverageUtilization", "target.averageUtilization"), ("targetAverageValue", "target.averageValue")],
    ),
    (
        "containerResource",
        &[("targetAverageUtilization", "target.averageUtilization"), ("targetAverageValue", "target.averageValue")],
    ),
    (
        "pods",
        &[
            ("metricName", "metric.name"),
            ("selector", "metric.selector"),
            ("targetAverageValue", "target.averageValue"),
        ],
    ),
    (
        "object",
        &[
            ("target", "describedObject"),
            ("metricName", "metric.name"),
            ("selector", "metric.selector"),
            ("targetValue", "target.value"),
            ("averageValue", "target.averageValue"),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "metric.name"),
            ("metricSelector", "metric.selector"),
            ("targetValue", "target.value"),
            ("targetAverageValue", "target.averageValue"),
        ],
    ),
];

/// The same for what metrics are now.
const CURRENT: &[(&str, &[(&str, &str)])] = &[
    (
        "resource",
        &[("currentAverageUtilization", "current.averageUtilization"), ("currentAverageValue", "current.averageValue")],
    ),
    (
        "containerResource",
        &[("currentAverageUtilization", "current.averageUtilization"), ("currentAverageValue", "current.averageValue")],
    ),
    (
        "pods",
        &[
            ("metricName", "metric.name"),
            ("selector", "metric.selector"),
            ("currentAverageValue", "current.averageValue"),
        ],
    ),
    (
        "object",
        &[
            ("target", "describedObject"),
            ("metricName", "metric.name"),
            ("selector", "metric.selector"),
            ("currentValue", "current.value"),
            ("averageValue", "current.averageValue"),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "metric.name"),
            ("metricSelector", "metric.selector"),
            ("currentValue", "current.value"),
            ("currentAverageValue", "current.averageValue"),
        ],
    ),
];

fn forms(current: bool) -> &'static [(&'static str, &'static [(&'static str, &'static str)])] {
    if current { CURRENT } else { FORMS }
}

fn each(metrics: &mut Value, current: bool, change: impl Fn(&mut Map<String, Value>, &[(&str, &str)])) {
    for metric in metrics.as_array_mut().into_iter().flatten() {
        for (kind, names) in forms(current) {
            if let Some(map) = metric.get_mut(*kind).and_then(Value::as_object_mut) {
                change(map, names);
            }
        }
    }
}

/// The flat form of nested metrics.
pub(super) fn flatten(metrics: &mut Value, current: bool) {
    each(metrics, current, |map, names| {
        let nested = Value::Object(std::mem::take(map));
        let pointer = |path: &str| format!("/{}", path.replace('.', "/"));
        for (flat, path) in names {
            if let Some(value) = nested.pointer(&pointer(path)) {
                map.insert((*flat).to_owned(), value.clone());
            }
        }
        for kept in ["name", "container"] {
            if let Some(value) = nested.get(kept) {
                map.insert(kept.to_owned(), value.clone());
            }
        }
    });
}

/// The nested form of flat metrics.
pub(super) fn nest(metrics: &mut Value, current: bool) {
    each(metrics, current, |map, names| {
        let mut nested = Value::Object(Map::new());
        for (flat, path) in names {
            let Some(value) = map.shift_remove(*flat) else { continue };
            match path.split_once('.') {
                Some((outer, inner)) => nested[outer][inner] = value,
                None => nested[*path] = value,
            }
        }
        if let Some(Value::Object(target)) = nested.get_mut("target") {
            let kind = if target.contains_key("averageUtilization") {
                "Utilization"
            } else if target.contains_key("averageValue") {
                "AverageValue"
            } else {
                "Value"
            };
            // An amount of zero stands for none where there is an average.
            if kind == "AverageValue" && target.get("value") == Some(&json!("0")) {
                target.shift_remove("value");
            }
            target.insert("type".to_owned(), Value::from(kind));
        }
        if let Value::Object(nested) = nested {
            map.extend(nested);
        }
    });
}

fn keyed(value: Value, change: fn(char) -> char) -> Value {
    match value {
        Value::Object(map) => {
            let rename = |key: String| {
                let mut letters = key.chars();
                letters.next().map(change).into_iter().chain(letters).collect::<String>()
            };
            map.into_iter().map(|(key, value)| (rename(key), keyed(value, change))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(|item| keyed(item, change)).collect::<Vec<_>>().into(),
        other => other,
    }
}

/// How an autoscaler behaves, by the names of Go's fields, as `v1`'s annotation has it.
pub(super) fn capitalized(behavior: Value) -> Value {
    keyed(behavior, |letter| letter.to_ascii_uppercase())
}

/// The other way.
pub(super) fn lowered(behavior: Value) -> Value {
    let mut lowered = keyed(behavior, |letter| letter.to_ascii_lowercase());
    if let Some(map) = lowered.as_object_mut() {
        map.retain(|_, rules| !rules.is_null());
    }
    lowered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_went() {
        let nested = json!([
            {"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}}},
            {"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1k"}}},
        ]);
        let mut metrics = nested.clone();
        flatten(&mut metrics, false);
        assert_eq!(metrics[0]["resource"], json!({"name": "memory", "targetAverageUtilization": 70}));
        nest(&mut metrics, false);
        assert_eq!(metrics, nested);
    }
}
