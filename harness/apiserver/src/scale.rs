//! The scale subresource: of built-in kinds at fixed places, of custom resources where their definitions say
//! (apiextensions' `registry/customresource/etcd.go`, Kubernetes 1.20).

use serde_json::{Value, json};

use crate::custom::definition::ScalePaths;
use crate::go;
use crate::registry::Resource;
use crate::status::{Cause, Failure};

/// What stands for no number of replicas while a patch is applied: the smallest `int32`.
const NO_REPLICAS: i64 = -2_147_483_648;

/// The type of scales in the table of types.
pub const TYPE: &str = "autoscaling.v1.Scale";

fn steps(path: &str) -> Vec<&str> {
    path.strip_prefix('.').unwrap_or(path).split('.').collect()
}

/// The resource that the `Scale`s of `resource` are.
#[must_use]
pub fn resource(resource: &Resource) -> Resource {
    Resource {
        group: "autoscaling".to_owned(),
        version: "v1".to_owned(),
        kind: "Scale".to_owned(),
        type_name: resource.type_name.map(|_| TYPE),
        custom: None,
        hub: None,
        ..resource.clone()
    }
}

/// The value at `path`, if there is one (`unstructured.NestedFieldNoCopy`).
fn value_at<'a>(object: &'a Value, path: &str) -> Result<Option<&'a Value>, String> {
    let steps = steps(path);
    let mut at = object;
    for (index, step) in steps.iter().enumerate() {
        match at {
            Value::Null => return Ok(None),
            Value::Object(map) => match map.get(*step) {
                Some(value) => at = value,
                None => return Ok(None),
            },
            other => {
                let place = steps.get(..=index).unwrap_or_default().join(".");
                return Err(mismatch(&place, other, "map[string]interface{}"));
            }
        }
    }
    Ok(Some(at))
}

fn mismatch(place: &str, value: &Value, wanted: &str) -> String {
    let (shown, kind) = (go::plain(value), go::type_name(value));
    format!(".{place} accessor error: {shown} is of the type {kind}, expected {wanted}")
}

/// The whole number at `path`.
fn count_at(object: &Value, path: &str) -> Result<Option<i64>, String> {
    let Some(value) = value_at(object, path)? else { return Ok(None) };
    value.as_i64().map(Some).ok_or_else(|| mismatch(&steps(path).join("."), value, "int64"))
}

/// The text at `path`.
///
/// # Errors
/// When it is none.
pub fn text_at(object: &Value, path: &str) -> Result<Option<String>, String> {
    let Some(value) = value_at(object, path)? else { return Ok(None) };
    let text = value.as_str().map(|text| Some(text.to_owned()));
    text.ok_or_else(|| mismatch(&steps(path).join("."), value, "string"))
}

/// What is wrong with the number of replicas at `path` of a custom resource.
#[must_use]
pub fn count_fault(object: &Value, path: &str) -> Option<Cause> {
    let (count, detail) = match count_at(object, path) {
        Err(text) => (0, text),
        Ok(count) => match count.unwrap_or(0) {
            count @ ..0 => (count, "should be a non-negative integer".to_owned()),
            count if count > i64::from(i32::MAX) => (count, format!("should be less than or equal to {}", i32::MAX)),
            _ => return None,
        },
    };
    Some(Cause::invalid(path, count, &detail))
}

fn custom_paths(resource: &Resource) -> Option<&ScalePaths> {
    resource.custom.as_ref()?.scale.as_ref()
}

fn scale_of(object: &Value, replicas: i64, status: &Value) -> Value {
    let mut metadata = json!({});
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.pointer(&format!("/metadata/{key}")) {
            metadata[key] = value.clone();
        }
    }
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": if replicas == 0 { json!({}) } else { json!({"replicas": replicas}) },
        "status": status,
    })
}

/// The `Scale` of a custom resource; without replicas their number is that which stands for none.
fn read_custom(paths: &ScalePaths, object: &Value) -> Result<(Value, bool), Failure> {
    let count = |path: &str| count_at(object, path).map_err(Failure::internal);
    let wanted = count(&paths.spec_replicas_path)?;
    let mut status = json!({"replicas": count(&paths.status_replicas_path)?.unwrap_or(0)});
    if let Some(path) = paths.label_selector_path.as_deref().filter(|path| !path.is_empty()) {
        let selector = text_at(object, path).map_err(Failure::internal)?.unwrap_or_default();
        if !selector.is_empty() {
            status["selector"] = Value::from(selector);
        }
    }
    Ok((scale_of(object, wanted.unwrap_or(0), &status), wanted.is_some()))
}

/// The `Scale` of `object`.
///
/// # Errors
/// 500 for a custom resource without replicas, or with something else in their place.
pub fn read(resource: &Resource, object: &Value) -> Result<Value, Failure> {
    let Some(paths) = custom_paths(resource) else {
        return Ok(read_built_in(resource, object));
    };
    let (scale, found) = read_custom(paths, object)?;
    if !found {
        let shown = go::quoted(&paths.spec_replicas_path);
        return Err(Failure::internal_error(format!("the spec replicas field {shown} does not exist")));
    }
    Ok(scale)
}

/// The `Scale` that a custom resource has after a write: replicas or not.
///
/// # Errors
/// 400 where something else is in the place of a number.
pub fn read_written(resource: &Resource, object: &Value) -> Result<Value, Failure> {
    match custom_paths(resource) {
        Some(paths) => {
            read_custom(paths, object).map(|(scale, _)| scale).map_err(|failure| Failure::bad_request(failure.message))
        }
        None => Ok(read_built_in(resource, object)),
    }
}

/// The `Scale` that a patch is applied to.
///
/// # Errors
/// 500 where something else is in the place of a number.
pub fn read_for_patch(resource: &Resource, object: &Value) -> Result<Value, Failure> {
    let Some(paths) = custom_paths(resource) else {
        return Ok(read_built_in(resource, object));
    };
    let (mut scale, found) = read_custom(paths, object)?;
    if !found {
        scale["spec"]["replicas"] = Value::from(NO_REPLICAS);
    }
    Ok(scale)
}

fn read_built_in(resource: &Resource, object: &Value) -> Value {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let mut status = json!({"replicas": number("/status/replicas")});
    // The selector of a ReplicationController is a map of labels itself.
    let labels = match &*resource.full_name {
        "replicationcontrollers" => object.pointer("/spec/selector"),
        _ => object.pointer("/spec/selector/matchLabels"),
    };
    if let Some(labels) = labels.and_then(Value::as_object) {
        let mut pairs: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        pairs.sort();
        status["selector"] = Value::from(pairs.join(","));
    }
    scale_of(object, number("/spec/replicas"), &status)
}

/// What is said where there is no object to scale: the built-in kinds name the scale of it, but for those of stateful sets.
#[must_use]
pub fn missing(resource: &Resource, name: &str) -> Failure {
    if resource.custom.is_some() || resource.plural == "statefulsets" {
        return Failure::not_found(resource, name);
    }
    Failure::not_found_below(resource, "scale", name)
}

/// What the built-in kinds want of a scale.
fn check_built_in(resource: &Resource, object: &Value, scale: &Value, replicas: i64) -> Result<(), Failure> {
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
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
    Ok(())
}

/// `object` with the replicas that `scale` wants.
///
/// # Errors
/// 422 when it wants none of a number, 400 when it names none.
pub fn write(resource: &Resource, object: &Value, scale: &Value) -> Result<Value, Failure> {
    let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
    let custom = custom_paths(resource);
    match custom {
        Some(paths) if replicas == NO_REPLICAS => {
            let shown = go::quoted(&paths.spec_replicas_path);
            return Err(Failure::bad_request(format!("the spec replicas field {shown} cannot be empty")));
        }
        Some(_) => {}
        None => check_built_in(resource, object, scale, replicas)?,
    }
    let mut scaled = object.clone();
    let path = custom.map_or(".spec.replicas", |paths| &paths.spec_replicas_path);
    put(&mut scaled, &steps(path), Value::from(replicas)).map_err(Failure::internal)?;
    // The revision that the scale names is the object's own; none means any.
    if let Some(Value::Object(meta)) = scaled.get_mut("metadata") {
        match scale.pointer("/metadata/resourceVersion").cloned() {
            Some(revision) => {
                let same = object.pointer("/metadata/resourceVersion") == Some(&revision);
                meta.insert("resourceVersion".to_owned(), if same { Value::from("") } else { revision });
            }
            None => {
                meta.shift_remove("resourceVersion");
            }
        }
    }
    Ok(scaled)
}

/// Sets the value at the end of `steps` (`unstructured.SetNestedField`).
fn put(object: &mut Value, steps: &[&str], value: Value) -> Result<(), String> {
    let mut at = object;
    for (index, step) in steps.iter().enumerate() {
        if at.is_null() {
            *at = json!({});
        }
        let Value::Object(map) = at else {
            let place = steps.get(..index).unwrap_or_default().join(".");
            return Err(format!("value cannot be set because .{place} is not a map[string]interface{{}}"));
        };
        at = map.entry(*step).or_insert(Value::Null);
    }
    *at = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(json!({"spec": {"replicas": -1}}), "Invalid value: -1: should be a non-negative integer")]
    #[case(json!({"spec": {"replicas": 2_147_483_648_i64}}), "Invalid value: 2147483648: should be less than or equal to 2147483647")]
    #[case(
        json!({"spec": {"replicas": "x"}}),
        "Invalid value: 0: .spec.replicas accessor error: x is of the type string, expected int64"
    )]
    #[case(
        json!({"spec": 5}),
        "Invalid value: 0: .spec.replicas accessor error: 5 is of the type int64, expected map[string]interface{}"
    )]
    fn words_faults_of_replicas(#[case] object: Value, #[case] expected: &str) {
        let message = count_fault(&object, ".spec.replicas").map(|cause| cause.message);
        assert_eq!(message.as_deref(), Some(expected));
    }
}
