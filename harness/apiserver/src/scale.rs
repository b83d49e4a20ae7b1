//! The scale subresource.

use serde_json::{Value, json};

use crate::jsonpath;
use crate::registry::Resource;
use crate::status::{Cause, Failure};

fn paths(resource: &Resource) -> (&str, &str) {
    let custom = resource.custom.as_ref().and_then(|custom| custom.scale.as_ref());
    custom.map_or((".spec.replicas", ".status.replicas"), |scale| (&scale.spec_replicas, &scale.status_replicas))
}

fn number(object: &Value, path: &str) -> i64 {
    jsonpath::first(object, path).and_then(Value::as_i64).unwrap_or(0)
}

/// The `Scale` of `object`.
#[must_use]
pub fn read(resource: &Resource, object: &Value) -> Value {
    let meta = |key: &str| object.pointer(&format!("/metadata/{key}")).cloned();
    let mut metadata = json!({});
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = meta(key) {
            metadata[key] = value;
        }
    }
    let (spec, status) = paths(resource);
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": number(object, spec)},
        "status": {"replicas": number(object, status)},
    });
    let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    if let Some(labels) = labels.filter(|_| resource.custom.is_none()) {
        let mut pairs: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        pairs.sort();
        scale["status"]["selector"] = Value::from(pairs.join(","));
    }
    scale
}

/// What is said where there is no object to scale: the built-in kinds name the scale of it, but for StatefulSets.
#[must_use]
pub fn missing(resource: &Resource, name: &str) -> Failure {
    if resource.custom.is_some() || resource.plural == "statefulsets" {
        return Failure::not_found(resource, name);
    }
    Failure::not_found_below(resource, "scale", name)
}

/// `object` with the replicas that `scale` wants.
///
/// # Errors
/// 422 when it wants none of a number.
pub fn write(resource: &Resource, object: &Value, scale: &Value) -> Result<Value, Failure> {
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
    let name = text(object, "/metadata/name");
    let mut causes = Vec::new();
    if text(scale, "/metadata/namespace").is_empty() {
        causes.push(Cause::required("metadata.namespace", ""));
    }
    if replicas < 0 {
        causes.push(Cause::invalid("spec.replicas", replicas, "must be greater than or equal to 0"));
    }
    if !causes.is_empty() {
        return Err(Failure::invalid("Scale", "autoscaling", &name, &causes));
    }
    let (uid, known) = (text(scale, "/metadata/uid"), text(object, "/metadata/uid"));
    if !uid.is_empty() && uid != known {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {known}");
        return Err(Failure::conflict_below(resource, "scale", &name, &why));
    }
    let mut scaled = object.clone();
    let mut at = &mut scaled;
    for part in paths(resource).0.trim_start_matches('.').split('.') {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[part];
    }
    *at = Value::from(replicas);
    // The revision that the scale names is the object's own; none means any.
    if let Some(Value::Object(meta)) = scaled.get_mut("metadata") {
        match scale.pointer("/metadata/resourceVersion").cloned() {
            Some(revision) => {
                let same = object.pointer("/metadata/resourceVersion") == Some(&revision);
                meta.insert("resourceVersion".to_owned(), if same { Value::from("") } else { revision });
            }
            None => {
                meta.remove("resourceVersion");
            }
        }
    }
    Ok(scaled)
}
