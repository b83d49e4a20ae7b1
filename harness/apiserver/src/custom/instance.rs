//! Objects of custom resources between clients and storage (apiextensions' `customresource_handler.go` and
//! `registry/customresource`, Kubernetes 1.20). What a client sends is pruned and gets its defaults by the schema of the
//! version that it speaks; what is stored is in the storage version; and what is read gets today's defaults.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::definition::{CustomVersion, VersionRules};
use super::path::Path;
use super::schema::{
    Schema, Strictness, Validator, coerce, fill_defaults, prune, prune_nulls, validate_embedded, validate_lists,
};
use crate::go;
use crate::normal;
use crate::registry::Resource;
use crate::scale;
use crate::status::{Cause, Failure};

fn rules<'a>(custom: &'a CustomVersion, api_version: &str) -> Option<&'a VersionRules> {
    custom.family.versions.get(api_version)
}

fn api_version(object: &Value) -> &str {
    object.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
}

/// Runs `change` on everything but the object's own metadata, which has a shape of its own.
fn beside_metadata(object: &mut Value, change: impl FnOnce(&mut Value)) {
    let metadata = object.as_object_mut().and_then(|map| map.shift_remove("metadata"));
    change(object);
    if let (Some(metadata), Some(map)) = (metadata, object.as_object_mut()) {
        map.insert("metadata".to_owned(), metadata);
    }
}

/// Removes what the schema does not know, and brings objects inside into their shape.
fn fit(schema: &Schema, object: &mut Value, strictness: Strictness) -> Result<(), Cause> {
    let mut outcome = Ok(());
    beside_metadata(object, |object| {
        prune(schema, object);
        prune_nulls(schema, object);
        outcome = coerce(&Path::top(), schema, object, strictness);
    });
    outcome
}

/// Brings an object from a client into the shape that its version has, apart from its metadata.
///
/// # Errors
/// What the original's decoder says.
pub fn read(resource: &Resource, object: &mut Value) -> Result<(), String> {
    let Some(rules) = resource.custom.as_ref().and_then(|custom| rules(custom, &resource.api_version())) else {
        return Ok(());
    };
    fit(&rules.shape, object, Strictness::Refuse).map_err(|cause| format!("{}: {}", cause.field, cause.message))?;
    beside_metadata(object, |object| fill_defaults(&rules.shape, object));
    Ok(())
}

/// Gives what applying a configuration made its defaults. Nobody decodes it, so that it is validated as it is, with the
/// nulls that stand for what was emptied.
pub fn fill_applied(resource: &Resource, object: &mut Value) {
    if let Some(rules) = resource.custom.as_ref().and_then(|custom| rules(custom, &resource.api_version())) {
        beside_metadata(object, |object| fill_defaults(&rules.shape, object));
    }
}

/// The object as it is stored: in the storage version.
#[must_use]
pub fn stored(resource: &Resource, mut object: Value) -> Value {
    if let Some(custom) = &resource.custom {
        convert(custom, custom.storage_version(), &mut object);
    }
    go::canonical(object)
}

/// A stored object as it is served: with the defaults of its stored version, in the resource's version.
#[must_use]
pub fn served(resource: &Resource, stored: &Value) -> Value {
    let mut object = stored.clone();
    if let Some(custom) = &resource.custom {
        // What a webhook made has no defaults of its new version.
        let is_made = has_webhook(resource) && api_version(&object) != custom.storage_version();
        if let Some(rules) = rules(custom, api_version(&object)).filter(|_| !is_made) {
            // What was stored under another schema may not fit; the original drops it when it reads.
            let _ = fit(&rules.shape, &mut object, Strictness::Drop);
            beside_metadata(&mut object, |object| fill_defaults(&rules.shape, object));
        }
        if let Some(metadata) = object.get_mut("metadata") {
            // What was applied is stored with what it left empty.
            let _ = normal::normalize("meta.ObjectMeta", metadata);
        }
        convert(custom, &resource.api_version(), &mut object);
    }
    go::canonical(object)
}

/// `object`, which is kept or was sent, in the version `wanted`, where a webhook converts it; nothing where none does.
/// It waits for the webhook.
///
/// # Errors
/// 500, in the original's words.
pub fn through_webhook(resource: &Resource, object: &Value, wanted: &str) -> Result<Option<Value>, Failure> {
    let Some(custom) = &resource.custom else { return Ok(None) };
    let Some(converter) = custom.family.converter.as_ref().filter(|_| api_version(object) != wanted) else {
        return Ok(None);
    };
    let mut whole = object.clone();
    if let Some(rules) = rules(custom, api_version(&whole)) {
        let _ = fit(&rules.shape, &mut whole, Strictness::Drop);
        beside_metadata(&mut whole, |object| fill_defaults(&rules.shape, object));
    }
    // What is stored does not name its revision.
    let revision = go::object(&mut whole).get_mut("metadata").and_then(Value::as_object_mut);
    let revision = revision.and_then(|metadata| metadata.shift_remove("resourceVersion"));
    let mut made = converter.convert(&go::canonical(whole), wanted).map_err(Failure::internal)?;
    if let (Some(revision), Some(Value::Object(metadata))) = (revision, made.get_mut("metadata")) {
        metadata.insert("resourceVersion".to_owned(), revision);
    }
    if let Some(rules) = rules(custom, wanted) {
        let _ = fit(&rules.shape, &mut made, Strictness::Drop);
    }
    Ok(Some(go::canonical(made)))
}

/// Whether a webhook converts objects of `resource`.
#[must_use]
pub fn has_webhook(resource: &Resource) -> bool {
    resource.custom.as_ref().is_some_and(|custom| custom.family.converter.is_some())
}

/// Conversion `None`: the version changes, and what the new one does not know goes.
fn convert(custom: &CustomVersion, wanted: &str, object: &mut Value) {
    // A webhook was asked before, or must not be waited for here.
    if api_version(object) == wanted || custom.family.converter.is_some() {
        return;
    }
    go::object(object).insert("apiVersion".to_owned(), Value::from(wanted));
    if let Some(rules) = rules(custom, wanted) {
        let _ = fit(&rules.shape, object, Strictness::Drop);
    }
}

/// What is wrong with a new object, apart from its metadata.
#[must_use]
pub fn validate(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let Some((custom, rules)) = custom_rules(resource) else { return causes };
    values(rules, object, &mut causes);
    scale_rules(custom, object, true, &mut causes);
    validate_embedded(&Path::top(), &rules.shape, object, &mut causes);
    lists(rules, object, &mut causes);
    causes
}

/// What is wrong with an object that replaces `old`, apart from its metadata. Lists that were wrong before may stay so.
#[must_use]
pub fn validate_update(resource: &Resource, object: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let Some((custom, rules)) = custom_rules(resource) else { return causes };
    values(rules, object, &mut causes);
    scale_rules(custom, object, true, &mut causes);
    validate_embedded(&Path::top(), &rules.shape, object, &mut causes);
    let mut before = Vec::new();
    lists(rules, old, &mut before);
    if before.is_empty() {
        lists(rules, object, &mut causes);
    }
    causes
}

/// What is wrong with an object whose status was replaced.
#[must_use]
pub fn validate_status(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let Some((custom, rules)) = custom_rules(resource) else { return causes };
    values(rules, object, &mut causes);
    scale_rules(custom, object, false, &mut causes);
    causes
}

fn custom_rules(resource: &Resource) -> Option<(&CustomVersion, &VersionRules)> {
    let custom = resource.custom.as_ref()?;
    Some((custom, rules(custom, &resource.api_version())?))
}

fn values(rules: &VersionRules, object: &Value, causes: &mut Vec<Cause>) {
    causes.extend(Validator::OBJECTS.validate(&Path::top(), &rules.values, object));
}

fn lists(rules: &VersionRules, object: &Value, causes: &mut Vec<Cause>) {
    let empty = Map::new();
    validate_lists(&Path::top(), &rules.shape, object.as_object().unwrap_or(&empty), causes);
}

fn scale_rules(custom: &CustomVersion, object: &Value, spec: bool, causes: &mut Vec<Cause>) {
    let Some(paths) = &custom.scale else { return };
    if spec {
        causes.extend(scale::count_fault(object, &paths.spec_replicas_path));
    }
    causes.extend(scale::count_fault(object, &paths.status_replicas_path));
    if let Some(selector) = &paths.label_selector_path
        && let Err(text) = scale::text_at(object, selector)
    {
        causes.push(Cause::invalid(selector.clone(), "\"\"", &text));
    }
}

/// Whether `resource` is a custom one that is going away.
#[must_use]
pub fn is_terminating(resource: &Arc<Resource>) -> bool {
    resource.custom.as_ref().is_some_and(|custom| custom.terminating)
}
