//! The shape of objects: what a client sent brought into what is stored.

use serde_json::{Map, Value};

use crate::objects::Part;
use crate::registry::Resource;
use crate::status::{Cause, Failure};
use crate::{defaults, normal, schema, validation};

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
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
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

/// The object as the original writes it: of built-in kinds by their type, of others kind, version and metadata first.
pub fn in_order(resource: &Resource, mut object: Value) -> Value {
    let Some(map) = object.as_object_mut() else { return object };
    let api_version =
        resource.custom.as_ref().map_or_else(|| resource.api_version(), |custom| custom.storage_version.clone());
    map.insert("kind".to_owned(), Value::from(resource.kind.as_str()));
    map.insert("apiVersion".to_owned(), Value::from(api_version));
    if let Some(type_name) = resource.type_name {
        // What the server itself made has the right types.
        let _ = normal::normalize(type_name, &mut object);
        return object;
    }
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        *metadata = ordered(std::mem::take(metadata), METADATA_ORDER);
    }
    *map = ordered(std::mem::take(map), &["kind", "apiVersion", "metadata", "spec", "status"]);
    object
}

/// Kinds whose objects count the changes of their spec, as their strategies in pkg/registry say (Kubernetes 1.20).
pub fn counts_generations(resource: &Resource) -> bool {
    resource.custom.is_some()
        || matches!(
            &*resource.full_name,
            "replicationcontrollers"
                | "daemonsets.apps"
                | "deployments.apps"
                | "replicasets.apps"
                | "statefulsets.apps"
                | "endpointslices.discovery.k8s.io"
                | "ingressclasses.networking.k8s.io"
                | "ingresses.networking.k8s.io"
                | "networkpolicies.networking.k8s.io"
                | "poddisruptionbudgets.policy"
                | "priorityclasses.scheduling.k8s.io"
                | "flowschemas.flowcontrol.apiserver.k8s.io"
                | "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io"
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
    if let Some(type_name) = resource.type_name {
        return normal::normalize(type_name, object);
    }
    let mut meta = Value::Object(std::mem::take(metadata(object)));
    normal::normalize("meta.ObjectMeta", &mut meta)?;
    if let (Value::Object(meta), Value::Object(map)) = (meta, object) {
        map.insert("metadata".to_owned(), Value::Object(meta));
    }
    Ok(())
}

pub fn fill(resource: &Resource, object: &mut Value) {
    match &resource.custom {
        None => defaults::fill(resource, object),
        Some(custom) => {
            if let Some(schema) = &custom.schema {
                schema::prune(schema, object, true);
                schema::fill_defaults(schema, object);
            }
        }
    }
}

pub fn check(resource: &Resource, object: &Value, before: Option<(&Value, Part)>) -> Result<(), Failure> {
    let mut causes = match before {
        Some((before, part)) => validation::validate_update(resource, object, before, part),
        None => validation::validate(resource, object),
    };
    if let Some(schema) = resource.custom.as_ref().and_then(|custom| custom.schema.as_deref()) {
        causes.extend(schema::validate(schema, object));
    }
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
    // These two kinds' strategies ask for the first group that has them, which is their oldest one.
    let group = match &*resource.full_name {
        "ingresses.networking.k8s.io" | "networkpolicies.networking.k8s.io" => "extensions",
        _ => &resource.group,
    };
    Err(Failure::invalid(&resource.kind, group, text(object, "/metadata/name"), causes))
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
