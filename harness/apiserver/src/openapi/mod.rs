//! `/openapi/v2`, as far as clients read it: the definitions of all kinds (`kubectl explain`, and kubectl's own
//! validation), without upstream's prose, and for every kind its PATCH operation, where kubectl 1.20 looks whether
//! the kind knows `dryRun`.

mod custom;
mod protobuf;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::registry::{Registry, Resource};
use crate::types::{self, Field, Type};

pub use protobuf::document as as_protobuf;

/// The path of one object.
fn path(resource: &Resource) -> String {
    let root = if resource.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", resource.group) };
    let place = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
    format!("{root}/{}/{place}{}/{{name}}", resource.version, resource.plural)
}

fn patched(registry: &Registry) -> impl Iterator<Item = &Resource> {
    registry.resources().map(AsRef::as_ref).filter(|resource| resource.verbs.contains(&"patch"))
}

/// The name of a type's definition in the original.
fn definition_name(type_name: &str) -> String {
    let (prefix, own) = type_name.split_once('.').unwrap_or(("", type_name));
    match prefix {
        "meta" => format!("io.k8s.apimachinery.pkg.apis.meta.v1.{own}"),
        "apiextensions" => format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{own}"),
        "apiregistration" => format!("io.k8s.kube-aggregator.pkg.apis.apiregistration.{own}"),
        _ => format!("io.k8s.api.{type_name}"),
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/definitions/{name}")})
}

fn schema_of(kind: &Type) -> Value {
    match kind {
        Type::String => json!({"type": "string"}),
        Type::Int | Type::Long => json!({"type": "integer"}),
        Type::Number => json!({"type": "number"}),
        Type::Bool => json!({"type": "boolean"}),
        Type::Bytes => json!({"type": "string", "format": "byte"}),
        Type::Time => reference("io.k8s.apimachinery.pkg.apis.meta.v1.Time"),
        Type::MicroTime => reference("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"),
        Type::Quantity => reference("io.k8s.apimachinery.pkg.api.resource.Quantity"),
        Type::IntOrString => reference("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
        Type::Any | Type::SchemaOr(_) => json!({}),
        Type::List(inner) => json!({"type": "array", "items": schema_of(inner)}),
        Type::Map(inner) => json!({"type": "object", "additionalProperties": schema_of(inner)}),
        Type::Object(name) => reference(&definition_name(name)),
    }
}

fn property(field: &Field) -> Value {
    let mut schema = schema_of(&field.kind);
    let strategies = [(field.strategy.merge, "merge"), (field.strategy.retain_keys, "retainKeys")];
    let strategy: Vec<&str> = strategies.iter().filter(|(applies, _)| *applies).map(|(_, name)| *name).collect();
    if !field.merge_key.is_empty() {
        schema["x-kubernetes-patch-merge-key"] = Value::from(field.merge_key.as_str());
    }
    if !strategy.is_empty() {
        schema["x-kubernetes-patch-strategy"] = Value::from(strategy.join(","));
    }
    schema
}

const FIELDS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";

/// Fields that hold an object of any kind.
const OPEN: [(&str, &str, &str); 2] =
    [("meta.ManagedFieldsEntry", "fieldsV1", FIELDS), ("apps.v1.ControllerRevision", "data", RAW_EXTENSION)];

/// Definitions of plain values that have a name of their own.
fn plain() -> [(&'static str, Value); 6] {
    [
        (FIELDS, json!({"type": "object"})),
        (RAW_EXTENSION, json!({"type": "object"})),
        ("io.k8s.apimachinery.pkg.apis.meta.v1.Time", json!({"type": "string", "format": "date-time"})),
        ("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", json!({"type": "string", "format": "date-time"})),
        ("io.k8s.apimachinery.pkg.api.resource.Quantity", json!({"type": "string"})),
        ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", json!({"type": "string", "format": "int-or-string"})),
    ]
}

fn kind_of(resource: &Resource, kind: &str) -> Value {
    json!([{"group": resource.group, "kind": kind, "version": resource.version}])
}

const KINDS: &str = "x-kubernetes-group-version-kind";

/// The definitions of the built-in kinds: they never change.
static DEFINITIONS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let mut all: Map<String, Value> = plain().into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    for name in types::names() {
        let Some(fields) = types::fields(name) else { continue };
        let required: Vec<&String> = fields.iter().filter(|(_, field)| !field.optional).map(|(name, _)| name).collect();
        let mut properties: Map<String, Value> =
            fields.iter().map(|(name, field)| (name.clone(), property(field))).collect();
        for (_, field, definition) in OPEN.iter().filter(|(owner, ..)| *owner == name) {
            properties.insert((*field).to_owned(), reference(definition));
        }
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        all.insert(definition_name(name), schema);
    }
    for resource in Registry::new(Vec::new()).resources() {
        let Some(type_name) = resource.type_name else { continue };
        let own = definition_name(type_name);
        let text = || json!({"type": "string"});
        let list = json!({
            "type": "object",
            "properties": {
                "apiVersion": text(),
                "items": {"type": "array", "items": reference(&own)},
                "kind": text(),
                "metadata": reference(&definition_name("meta.ListMeta")),
            },
            "required": ["items"],
            KINDS: kind_of(resource, &resource.list_kind),
        });
        if resource.verbs.contains(&"list") {
            all.insert(format!("{own}List"), list);
        }
        if let Some(schema) = all.get_mut(&own) {
            schema[KINDS] = kind_of(resource, &resource.kind);
        }
    }
    all.sort_keys();
    all
});

/// The definitions of all kinds.
fn definitions(registry: &Registry) -> Map<String, Value> {
    let mut all = DEFINITIONS.clone();
    all.extend(custom::definitions(registry));
    all.sort_keys();
    all
}

/// The document as JSON.
#[must_use]
pub fn as_json(registry: &Registry) -> Value {
    let paths: Map<String, Value> = patched(registry)
        .map(|resource| {
            let kind = json!({"group": resource.group, "kind": resource.kind, "version": resource.version});
            let dry_run = json!({"name": "dryRun", "in": "query", "type": "string", "uniqueItems": true});
            let patch = json!({
                "parameters": [dry_run],
                "responses": {"200": {"description": "OK"}},
                "x-kubernetes-action": "patch",
                KINDS: kind,
            });
            (path(resource), json!({"patch": patch}))
        })
        .collect();
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.20.2"},
        "paths": paths,
        "definitions": definitions(registry),
    })
}
