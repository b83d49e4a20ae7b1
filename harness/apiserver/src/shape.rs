//! The shape of objects: what a client sent brought into what is stored.

use serde_json::{Map, Value};

use crate::custom::{definition, instance};
use crate::objects::Part;
use crate::registry::Resource;
use crate::status::{Cause, Failure};
use crate::{defaults, types, validation};

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The metadata of an object, which gets some if it has none.
pub fn metadata(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else { unreachable!("made an object just above") };
    let slot = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    let Value::Object(map) = slot else { unreachable!("made an object just above") };
    map
}

/// Sets `key`, or removes it where there is no value.
pub fn put_or_remove(map: &mut Map<String, Value>, key: &str, value: Option<&Value>) {
    match value {
        Some(value) => {
            map.insert(key.to_owned(), value.clone());
        }
        None => {
            map.remove(key);
        }
    }
}

/// The order in which the original writes metadata; the rest follows.
const METADATA_ORDER: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "clusterName",
    "managedFields",
];

fn ordered(mut map: Map<String, Value>, first: &[&str]) -> Map<String, Value> {
    let mut out = Map::with_capacity(map.len());
    for key in first {
        if let Some(value) = map.shift_remove(*key) {
            out.insert((*key).to_owned(), value);
        }
    }
    out.extend(map);
    out
}

/// Metadata in the original's order.
pub fn metadata_in_order(metadata: Value) -> Value {
    match metadata {
        Value::Object(map) => Value::Object(ordered(map, METADATA_ORDER)),
        other => other,
    }
}

/// Kind, version and metadata first, as the original writes objects.
pub fn in_order(resource: &Resource, mut object: Value) -> Value {
    if resource.custom.is_some() {
        return instance::stored(resource, object);
    }
    let Some(map) = object.as_object_mut() else { return object };
    map.insert("kind".to_owned(), Value::from(resource.kind.as_str()));
    map.insert("apiVersion".to_owned(), Value::from(resource.api_version()));
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        *metadata = ordered(std::mem::take(metadata), METADATA_ORDER);
    }
    *map = ordered(std::mem::take(map), &["kind", "apiVersion", "metadata", "spec", "status"]);
    object
}

/// Kinds whose objects count the changes of their spec.
pub fn counts_generations(resource: &Resource) -> bool {
    resource.custom.is_some()
        || matches!(
            &*resource.full_name,
            "deployments.apps"
                | "replicasets.apps"
                | "customresourcedefinitions.apiextensions.k8s.io"
                | "validatingwebhookconfigurations.admissionregistration.k8s.io"
                | "mutatingwebhookconfigurations.admissionregistration.k8s.io"
        )
}

/// Brings an object from a client into its kind's shape.
///
/// # Errors
/// What the original's decoder says.
pub fn shape(resource: &Resource, object: &mut Value) -> Result<(), String> {
    if let Some(type_name) = resource.type_name.filter(|name| !name.is_empty()) {
        return types::normalize(type_name, object);
    }
    let mut meta = Value::Object(std::mem::take(metadata(object)));
    types::normalize("meta.ObjectMeta", &mut meta)?;
    if let (Value::Object(meta), Value::Object(map)) = (meta, &mut *object) {
        map.insert("metadata".to_owned(), Value::Object(meta));
    }
    match &*resource.full_name {
        definition::RESOURCE => definition::shape(object),
        _ => instance::read(resource, object),
    }
}

/// Fills in what a client left out; custom resources got their defaults as they were read.
pub fn fill(resource: &Resource, object: &mut Value) {
    if resource.custom.is_none() {
        defaults::fill(resource, object);
    }
}

/// What is wrong with `object`, of which `part` replaces that of `before`.
///
/// # Errors
/// 422, in the original's words.
pub fn check(resource: &Resource, object: &Value, part: Part, before: Option<&Value>) -> Result<(), Failure> {
    let mut causes = validation::validate(resource, object);
    if let Some(before) = before {
        causes.extend(validation::validate_update(resource, object, before));
    }
    let is_definition = &*resource.full_name == definition::RESOURCE;
    causes.extend(match (part, before) {
        (Part::Status, _) if is_definition => definition::validate_status(object),
        (_, None) if is_definition => definition::validate(object),
        (_, Some(before)) if is_definition => definition::validate_update(object, before),
        (Part::Status, _) => instance::validate_status(resource, object),
        (_, None) => instance::validate(resource, object),
        (_, Some(before)) => instance::validate_update(resource, object, before),
    });
    refuse(resource, object, &causes)
}

/// 422 for `causes`, if there are any.
///
/// # Errors
/// The refusal.
pub fn refuse(resource: &Resource, object: &Value, causes: &[Cause]) -> Result<(), Failure> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(&resource.kind, &resource.group, text(object, "/metadata/name"), causes))
}

/// What a client cannot change stays.
pub fn keep_identity(object: &mut Value, old: &Value) {
    let meta = metadata(object);
    for key in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName"] {
        put_or_remove(meta, key, old.pointer(&format!("/metadata/{key}")));
    }
    meta.remove("selfLink");
    meta.remove("managedFields");
    if !meta.contains_key("uid") {
        put_or_remove(meta, "uid", old.pointer("/metadata/uid"));
    }
    put_or_remove(meta, "resourceVersion", old.pointer("/metadata/resourceVersion"));
}

/// Whether nothing but the revision differs.
pub fn same(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return a == b };
    a.len() == b.len()
        && a.iter().all(|(key, value)| {
            let Some(other) = b.get(key) else { return false };
            if key != "metadata" {
                return value == other;
            }
            let plain = |value: &Value| {
                let mut value = value.clone();
                if let Some(map) = value.as_object_mut() {
                    map.remove("resourceVersion");
                }
                value
            };
            plain(value) == plain(other)
        })
}
