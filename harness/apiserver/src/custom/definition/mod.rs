//! `CustomResourceDefinition`s: their own rules, what becomes of them, and the resources that they make served.

mod approval;
mod conversion;
mod demands;
mod internal;
mod lifecycle;
mod memo;
mod model;
mod naming;
mod resources;
mod rules;

use std::sync::Arc;

use serde_json::Value;

use crate::registry::group_resource;
use crate::status::Cause;

pub use lifecycle::settle;
pub use memo::Memo;
pub use model::{CLEANUP_FINALIZER, Column, Definition, ScalePaths};
pub use resources::{CustomVersion, VersionRules};

/// The name of the resource of definitions.
pub const RESOURCE: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Where definitions are stored.
#[must_use]
pub fn table() -> Arc<str> {
    group_resource("customresourcedefinitions", "apiextensions.k8s.io")
}

/// Brings a definition from a client into its shape: known fields in their order.
///
/// # Errors
/// Where a field has a wrong type.
pub fn shape(object: &mut Value) -> Result<(), String> {
    Definition::read(object)?.write(object);
    Ok(())
}

fn change(object: &mut Value, change: impl FnOnce(&mut Definition)) {
    if let Ok(mut definition) = Definition::read(object) {
        change(&mut definition);
        definition.write(object);
    }
}

/// Fills in what the original does: names, conversion, the port of a webhook.
pub fn fill_defaults(object: &mut Value) {
    change(object, |definition| {
        let spec = &mut definition.spec;
        if spec.names.singular.is_empty() {
            spec.names.singular = spec.names.kind.to_lowercase();
        }
        if spec.names.list_kind.is_empty() && !spec.names.kind.is_empty() {
            spec.names.list_kind = format!("{}List", spec.names.kind);
        }
        let conversion =
            spec.conversion.get_or_insert_with(|| model::Conversion { strategy: "None".to_owned(), webhook: None });
        let config = conversion.webhook.as_mut().and_then(|webhook| webhook.client_config.as_mut());
        if let Some(service) = config.and_then(|config| config.service.as_mut()) {
            service.port.get_or_insert(443);
        }
        remember_storage_version(definition);
    });
}

/// The status of a new definition: nothing yet but the version in which objects will be stored.
pub fn begin_status(object: &mut Value) {
    change(object, |definition| {
        definition.status = model::Status::default();
        remember_storage_version(definition);
    });
}

/// Adds the version in which objects are stored to those in which some may be.
pub fn keep_status(object: &mut Value) {
    change(object, remember_storage_version);
}

fn remember_storage_version(definition: &mut Definition) {
    let version = definition.storage_version().to_owned();
    if !version.is_empty() && !definition.status.stored_versions.contains(&version) {
        definition.status.stored_versions.push(version);
    }
}

/// Marks a definition for deletion: its objects go first.
pub fn begin_deletion(object: &mut Value, now: &str) {
    change(object, |definition| {
        let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        definition.set_condition("Terminating", "True", "InstanceDeletionPending", message, now);
    });
}

/// What is wrong with a new definition, sent in `version`, apart from its metadata.
#[must_use]
pub fn validate(version: &str, object: &Value) -> Vec<Cause> {
    Definition::read(object).map(|definition| rules::validate(version, object, &definition)).unwrap_or_default()
}

/// What is wrong with a definition, sent in `version`, that replaces `old`, apart from its metadata.
#[must_use]
pub fn validate_update(version: &str, object: &Value, old: &Value) -> Vec<Cause> {
    match (Definition::read(object), Definition::read(old)) {
        (Ok(definition), Ok(before)) => rules::validate_update(version, (object, &definition), (old, &before)),
        _ => Vec::new(),
    }
}

/// What is wrong with a definition whose status was replaced.
#[must_use]
pub fn validate_status(object: &Value) -> Vec<Cause> {
    Definition::read(object).map(|definition| rules::validate_status(&definition.status)).unwrap_or_default()
}
