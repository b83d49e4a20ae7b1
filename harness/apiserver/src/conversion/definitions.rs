//! `CustomResourceDefinition`s of `v1beta1`, kept as `v1` (apiextensions-apiserver's conversion of Kubernetes 1.20):
//! what stands at the top of a beta definition holds for all of its versions.

use serde_json::{Map, Value, json};

use super::rename;

/// What a version may have of its own, or all may share.
const SHARED: &[(&str, &str)] = &[
    ("validation", "schema"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
];

fn versions(definition: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let versions = definition.pointer_mut("/spec/versions").and_then(Value::as_array_mut);
    versions.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn rename_columns(definition: &mut Value, from: &str, to: &str) {
    for version in versions(definition) {
        let columns = version.get_mut("additionalPrinterColumns").and_then(Value::as_array_mut);
        columns.into_iter().flatten().for_each(|column| rename(column, &[(from, to)]));
    }
}

/// As `v1` has it.
pub(super) fn to_stable(definition: &mut Value) {
    let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let version = spec.swap_remove("version").filter(|version| version.as_str().is_some_and(|name| !name.is_empty()));
    if let Some(version) = version {
        let versions = spec.entry("versions").or_insert(Value::Null);
        if versions.as_array().is_none_or(Vec::is_empty) {
            *versions = json!([{"name": version, "served": true, "storage": true}]);
        }
    }
    let shared: Vec<(&str, Option<Value>)> = SHARED.iter().map(|(top, own)| (*own, spec.swap_remove(*top))).collect();
    if let Some(conversion) = spec.get_mut("conversion") {
        let config = conversion.as_object_mut().and_then(|map| map.swap_remove("webhookClientConfig"));
        let reviews = conversion.as_object_mut().and_then(|map| map.swap_remove("conversionReviewVersions"));
        if config.is_some() || reviews.is_some() {
            conversion["webhook"] = json!({"clientConfig": config, "conversionReviewVersions": reviews});
        }
    }
    for version in versions(definition) {
        for (own, value) in &shared {
            if let Some(value) = value {
                version.entry(*own).or_insert_with(|| value.clone());
            }
        }
    }
    rename_columns(definition, "JSONPath", "jsonPath");
}

/// As `v1beta1` has it.
pub(super) fn from_stable(definition: &mut Value) {
    rename_columns(definition, "jsonPath", "JSONPath");
    let mut top = Map::new();
    for (shared, own) in SHARED {
        let values: Vec<Option<Value>> = versions(definition).map(|version| version.get(*own).cloned()).collect();
        let first = values.first().cloned().flatten();
        if first.is_some() && values.iter().all(|value| *value == first) {
            versions(definition).for_each(|version| drop(version.swap_remove(*own)));
            top.extend(first.map(|value| ((*shared).to_owned(), value)));
        }
    }
    if let Some(first) = versions(definition).next().and_then(|version| version.get("name").cloned()) {
        top.insert("version".to_owned(), first);
    }
    let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) else { return };
    spec.extend(top);
    if let Some(webhook) =
        spec.get_mut("conversion").and_then(Value::as_object_mut).and_then(|c| c.swap_remove("webhook"))
    {
        spec["conversion"]["webhookClientConfig"] = webhook.get("clientConfig").cloned().unwrap_or_default();
        spec["conversion"]["conversionReviewVersions"] =
            webhook.get("conversionReviewVersions").cloned().unwrap_or_default();
    }
}
