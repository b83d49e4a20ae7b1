//! A definition as data (`CustomResourceDefinition` of `apiextensions.k8s.io/v1`), fields in the original's order.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::custom::schema::{Schema, is_false, or_default};

/// Whether objects live in namespaces.
pub const NAMESPACED: &str = "Namespaced";
/// Holds a definition that is being deleted until its objects are gone.
pub const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// What is to be served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct Spec {
    #[serde(deserialize_with = "or_default")]
    pub group: String,
    #[serde(deserialize_with = "or_default")]
    pub names: Names,
    #[serde(deserialize_with = "or_default")]
    pub scope: String,
    #[serde(deserialize_with = "or_default")]
    pub versions: Vec<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion: Option<Conversion>,
    #[serde(skip_serializing_if = "is_false", deserialize_with = "or_default")]
    pub preserve_unknown_fields: bool,
}

/// How the resource and its objects are called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct Names {
    #[serde(deserialize_with = "or_default")]
    pub plural: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub singular: String,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub short_names: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub list_kind: String,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub categories: Vec<String>,
}

/// One version of the resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct Version {
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub served: bool,
    #[serde(deserialize_with = "or_default")]
    pub storage: bool,
    #[serde(skip_serializing_if = "is_false", deserialize_with = "or_default")]
    pub deprecated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecation_warning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Validation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresources: Option<Subresources>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub additional_printer_columns: Vec<Column>,
}

/// The schema of a version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct Validation {
    #[serde(rename = "openAPIV3Schema", skip_serializing_if = "Option::is_none")]
    pub schema: Option<Schema>,
}

/// What is served below an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct Subresources {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusSubresource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScalePaths>,
}

/// The status is a part of its own; there is nothing to say about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusSubresource {}

/// Where the numbers of the scale subresource are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct ScalePaths {
    #[serde(deserialize_with = "or_default")]
    pub spec_replicas_path: String,
    #[serde(deserialize_with = "or_default")]
    pub status_replicas_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector_path: Option<String>,
}

/// A column that `kubectl get` shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct Column {
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub format: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub description: String,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    pub priority: i32,
    #[serde(deserialize_with = "or_default")]
    pub json_path: String,
}

/// How objects are brought from one version to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct Conversion {
    #[serde(deserialize_with = "or_default")]
    pub strategy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// Who converts objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct Webhook {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_config: Option<ClientConfig>,
    #[serde(serialize_with = "null_if_empty", deserialize_with = "or_default")]
    pub conversion_review_versions: Vec<String>,
}

/// How a webhook is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct ClientConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceReference>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub ca_bundle: String,
}

/// A Service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct ServiceReference {
    #[serde(deserialize_with = "or_default")]
    pub namespace: String,
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

/// What became of the definition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct Status {
    #[serde(serialize_with = "null_if_empty", deserialize_with = "or_default")]
    pub conditions: Vec<Condition>,
    #[serde(deserialize_with = "or_default")]
    pub accepted_names: Names,
    #[serde(serialize_with = "null_if_empty", deserialize_with = "or_default")]
    pub stored_versions: Vec<String>,
}

/// One aspect of what became of the definition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, clippy::struct_field_names, reason = "the fields are the API's own")]
pub struct Condition {
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    #[serde(deserialize_with = "or_default")]
    pub status: String,
    pub last_transition_time: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub message: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

fn null_if_empty<S: Serializer, T: Serialize>(items: &Vec<T>, serializer: S) -> Result<S::Ok, S::Error> {
    if items.is_empty() { serializer.serialize_none() } else { items.serialize(serializer) }
}

/// A definition, apart from its metadata.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Definition {
    /// What is to be served.
    #[serde(deserialize_with = "or_default")]
    pub spec: Spec,
    /// What became of it.
    #[serde(deserialize_with = "or_default")]
    pub status: Status,
}

impl Definition {
    /// The definition in `object`.
    ///
    /// # Errors
    /// Where a field has a wrong type.
    pub fn read(object: &Value) -> Result<Self, String> {
        Self::deserialize(object).map_err(|error| error.to_string())
    }

    /// Writes this definition into `object`, whose metadata stays.
    pub fn write(&self, object: &mut Value) {
        let Ok(Value::Object(parts)) = serde_json::to_value(self) else { return };
        let map = crate::go::object(object);
        map.retain(|key, _| matches!(key.as_str(), "kind" | "apiVersion" | "metadata"));
        map.extend(parts);
    }

    /// The version in which objects are stored.
    #[must_use]
    pub fn storage_version(&self) -> &str {
        self.spec
            .versions
            .iter()
            .find(|version| version.storage)
            .map(|version| version.name.as_str())
            .unwrap_or_default()
    }

    /// Whether the condition `kind` is true.
    #[must_use]
    pub fn is_true(&self, kind: &str) -> bool {
        self.status.conditions.iter().any(|condition| condition.kind == kind && condition.status == "True")
    }

    /// Sets a condition; its time changes with its status alone.
    pub fn set_condition(&mut self, kind: &str, status: &str, reason: &str, message: &str, now: &str) {
        let known = self.status.conditions.iter().position(|condition| condition.kind == kind);
        let last = known.and_then(|at| self.status.conditions.get(at));
        let unchanged = last.filter(|last| last.status == status).and_then(|last| last.last_transition_time.clone());
        let condition = Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            last_transition_time: Some(unchanged.unwrap_or_else(|| now.to_owned())),
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        match known.and_then(|at| self.status.conditions.get_mut(at)) {
            Some(slot) => *slot = condition,
            None => self.status.conditions.push(condition),
        }
    }
}

/// The annotations of `object`.
#[must_use]
pub fn annotations(object: &Value) -> Option<&Map<String, Value>> {
    object.pointer("/metadata/annotations").and_then(Value::as_object)
}
