//! The shape of objects: what a client sent brought into what is stored.

use serde_json::{Map, Value};

use crate::custom::{definition, instance};
use crate::fields::text;
use crate::objects::Part;
use crate::registry::Resource;
use crate::status::{Cause, Failure};
use crate::{defaults, go, jsoniter, normal, validation};

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

/// The object as the original writes it: of built-in kinds by their type, of custom ones in the version in which they
/// are stored, with sorted keys.
pub fn in_order(resource: &Resource, mut object: Value) -> Value {
    if resource.custom.is_some() {
        return instance::stored(resource, object);
    }
    let Some(map) = object.as_object_mut() else { return object };
    map.insert("kind".to_owned(), Value::from(resource.kind.as_str()));
    map.insert("apiVersion".to_owned(), Value::from(resource.api_version()));
    if let Some(type_name) = resource.type_name {
        // What the server itself made has the right types.
        let _ = normal::normalize_stored(type_name, &mut object);
    }
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
        normal::normalize(type_name, object)?;
        return if &*resource.full_name == definition::RESOURCE { definition::shape(object) } else { Ok(()) };
    }
    let mut meta = Value::Object(std::mem::take(metadata(object)));
    jsoniter::check("meta.ObjectMeta", go::canonical(meta.clone()).to_string().as_bytes())?;
    normal::normalize("meta.ObjectMeta", &mut meta)?;
    if let (Value::Object(meta), Value::Object(map)) = (meta, &mut *object) {
        map.insert("metadata".to_owned(), Value::Object(meta));
    }
    instance::read(resource, object)
}

/// The same for what applying a configuration made. A custom object that is made so is validated and stored as it is.
///
/// # Errors
/// What the original's converter says.
pub fn shape_applied(resource: &Resource, object: &mut Value) -> Result<(), String> {
    if resource.custom.is_none() {
        return shape(resource, object);
    }
    instance::fill_applied(resource, object);
    Ok(())
}

/// Fills in what a client left out; custom resources got their defaults as they were read.
pub fn fill(resource: &Resource, object: &mut Value) {
    if resource.custom.is_none() {
        defaults::fill(resource, object);
    }
}

/// What is wrong with `object`, which a client sent in the version `asked`, and of which `part` replaces that of what was
/// before.
///
/// # Errors
/// 422, in the original's words.
pub fn check(
    resource: &Resource,
    asked: &Resource,
    object: &Value,
    before: Option<(&Value, Part)>,
) -> Result<(), Failure> {
    let mut causes = match before {
        Some((before, part)) => validation::validate_update(resource, asked, object, before, part),
        None => validation::validate(resource, asked, object),
    };
    let is_definition = &*resource.full_name == definition::RESOURCE;
    causes.extend(match before {
        Some((_, Part::Status)) if is_definition => definition::validate_status(object),
        None if is_definition => definition::validate(&asked.version, object),
        Some((before, _)) if is_definition => definition::validate_update(&asked.version, object, before),
        Some((_, Part::Status)) => instance::validate_status(resource, object),
        None => instance::validate(resource, object),
        Some((before, _)) => instance::validate_update(resource, object, before),
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
    let known = |key: &str| old.pointer(&format!("/metadata/{key}"));
    for key in ["creationTimestamp", "generation", "generateName"] {
        put_or_remove(meta, key, known(key));
    }
    // Only a deletion sets them; whoever tries is told so.
    if let Some(deleted) = known("deletionTimestamp") {
        meta.insert("deletionTimestamp".to_owned(), deleted.clone());
    }
    if let Some(grace) = known("deletionGracePeriodSeconds") {
        meta.entry("deletionGracePeriodSeconds").or_insert_with(|| grace.clone());
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
    let metadata = |value| Value::get(value, "metadata").unwrap_or(&Value::Null);
    same_entries(a, b, |key| key != "metadata")
        && same_entries(metadata(a), metadata(b), |key| key != "resourceVersion")
}

/// Whether two objects have the same entries, of those whose keys count.
pub fn same_entries(a: &Value, b: &Value, counts: impl Fn(&str) -> bool) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return a == b };
    let number = |map: &Map<String, Value>| map.keys().filter(|key| counts(key)).count();
    number(a) == number(b) && a.iter().all(|(key, value)| !counts(key) || b.get(key) == Some(value))
}
