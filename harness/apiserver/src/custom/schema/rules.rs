//! What a definition may say in a schema (`ValidateCustomResourceDefinitionOpenAPISchema` of Kubernetes 1.20).

use super::{Dependency, Items, Schema, SchemaOrBool};
use crate::custom::path::Path;
use crate::go;
use crate::status::Cause;

/// Types of OpenAPI v3, in the order of the text that names them.
const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Fields of every object, and why at the top they may have no defaults.
const OWN_FIELDS: [(&str, &str); 3] =
    [("apiVersion", "in top-level apiVersion"), ("kind", "in top-level kind"), ("metadata", "in top-level metadata")];

/// What holds at a place of a schema for what is above it.
#[derive(Debug, Clone, Copy, Default)]
struct Context {
    /// The schema is that of a whole object.
    root: bool,
    /// The schema is inside of a kind, version or metadata.
    in_meta: bool,
    /// What holds for the whole of it.
    laxity: Laxity,
}

impl Context {
    fn without_defaults(self, reason: &'static str) -> Self {
        Self { laxity: Laxity { no_defaults: Some(reason), ..self.laxity }, ..self }
    }
}

/// What a schema may have that others may not, and the other way round.
#[derive(Debug, Clone, Copy, Default)]
pub struct Laxity {
    /// Types that OpenAPI does not know.
    pub any_type: bool,
    /// Why there may be no defaults.
    pub no_defaults: Option<&'static str>,
}

/// Adds what is wrong with the whole `schema` at `path`.
pub fn validate_schema(path: &Path, schema: &Schema, laxity: Laxity, causes: &mut Vec<Cause>) {
    validate(path, schema, Context { root: true, in_meta: false, laxity }, causes);
}

/// Whether this schema, whatever is inside, has a type that OpenAPI does not know.
#[must_use]
pub fn has_strange_type(schema: &Schema) -> bool {
    !schema.kind.is_empty() && !TYPES.contains(&schema.kind.as_str())
}

fn validate(path: &Path, schema: &Schema, context: Context, causes: &mut Vec<Cause>) {
    unsupported(path, schema, context, causes);
    if schema.unique_items {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        causes.push(Cause::forbidden(path.child("uniqueItems"), detail));
    }
    below(path, schema, context, causes);
    if schema.preserve_unknown_fields == Some(false) {
        let place = path.child("x-kubernetes-preserve-unknown-fields");
        causes.push(Cause::invalid(place, false, "must be true or undefined"));
    }
    map_type(path, schema, causes);
    list_type(path, schema, causes);
    list_map(path, schema, causes);
    unique_elements(path, schema, causes);
}

/// What JSON schema knows and Kubernetes does not.
fn unsupported(path: &Path, schema: &Schema, context: Context, causes: &mut Vec<Cause>) {
    if !context.laxity.any_type && has_strange_type(schema) {
        let supported: Vec<String> = TYPES.iter().map(|name| go::quoted(name)).collect();
        causes.push(Cause::unsupported(path.child("type"), go::quoted(&schema.kind), &supported));
    }
    if let Some(reason) = context.laxity.no_defaults.filter(|_| schema.default.is_some()) {
        causes.push(Cause::forbidden(path.child("default"), &format!("must not be set {reason}")));
    }
    for (field, given, detail) in [
        ("id", !schema.id.is_empty(), "id is not supported"),
        ("additionalItems", schema.additional_items.is_some(), "additionalItems is not supported"),
        ("patternProperties", !schema.pattern_properties.is_empty(), "patternProperties is not supported"),
        ("definitions", !schema.definitions.is_empty(), "definitions is not supported"),
        ("dependencies", !schema.dependencies.is_empty(), "dependencies is not supported"),
        ("$ref", schema.reference.is_some(), "$ref is not supported"),
        ("type", schema.kind == "null", "type cannot be set to null, use nullable as an alternative"),
        (
            "items",
            matches!(&schema.items, Some(Items::Many(schemas)) if !schemas.is_empty()),
            "items must be a schema object and not an array",
        ),
        (
            "x-kubernetes-embedded-resource",
            context.in_meta && schema.embedded_resource,
            "must not be used inside of resource meta",
        ),
    ] {
        if given {
            causes.push(Cause::forbidden(path.child(field), detail));
        }
    }
}

/// The schemas inside.
fn below(path: &Path, schema: &Schema, context: Context, causes: &mut Vec<Cause>) {
    let inner = Context { root: false, ..context };
    if let Some(additional) = &schema.additional_properties {
        let place = path.child("additionalProperties");
        if !schema.properties.is_empty() && *additional != SchemaOrBool::Bool(true) {
            causes.push(Cause::forbidden(&place, "additionalProperties and properties are mutual exclusive"));
        }
        if let SchemaOrBool::Schema(additional) = additional {
            let reason = "inside additionalProperties applying to object metadata";
            let below = if context.in_meta { inner.without_defaults(reason) } else { inner };
            validate(&place, additional, below, causes);
        }
    }
    for (name, property) in &schema.properties {
        let is_object = context.root || schema.embedded_resource;
        let own = if is_object { OWN_FIELDS.iter().find(|(field, _)| field == name) } else { None };
        let below = match own {
            Some((_, reason)) if context.root => Context { in_meta: true, ..inner }.without_defaults(reason),
            Some(_) => Context { in_meta: true, ..inner },
            None => inner,
        };
        validate(&path.child("properties").key(name), property, below, causes);
    }
    if let Some(not) = &schema.not {
        validate(&path.child("not"), not, inner, causes);
    }
    for (field, list) in [("allOf", &schema.all_of), ("oneOf", &schema.one_of), ("anyOf", &schema.any_of)] {
        for (index, schema) in list.iter().enumerate() {
            validate(&path.child(field).index(index), schema, inner, causes);
        }
    }
    for (name, schema) in &schema.definitions {
        validate(&path.child("definitions").key(name), schema, inner, causes);
    }
    match &schema.items {
        Some(Items::One(schema)) => validate(&path.child("items"), schema, inner, causes),
        Some(Items::Many(schemas)) => {
            for (index, schema) in schemas.iter().enumerate() {
                validate(&path.child("items").index(index), schema, inner, causes);
            }
        }
        _ => {}
    }
    for (name, dependency) in &schema.dependencies {
        if let Dependency::Schema(schema) = dependency {
            validate(&path.child("dependencies").key(name), schema, inner, causes);
        }
    }
}

fn map_type(path: &Path, schema: &Schema, causes: &mut Vec<Cause>) {
    let Some(map_type) = &schema.map_type else { return };
    if schema.kind != "object" {
        causes.push(wrong_type(path, &schema.kind, "must be object if x-kubernetes-map-type is specified"));
    }
    if map_type != "atomic" && map_type != "granular" {
        let supported = [go::quoted("atomic"), go::quoted("granular")];
        let place = path.child("x-kubernetes-map-type");
        causes.push(Cause::unsupported(place, go::quoted(map_type), &supported));
    }
}

fn wrong_type(path: &Path, found: &str, detail: &str) -> Cause {
    let place = path.child("type");
    match found {
        "" => Cause::required(place, detail),
        other => Cause::invalid(place, go::quoted(other), detail),
    }
}

fn list_type(path: &Path, schema: &Schema, causes: &mut Vec<Cause>) {
    let place = path.child("x-kubernetes-list-type");
    if let Some(list_type) = &schema.list_type {
        if schema.kind != "array" {
            causes.push(wrong_type(path, &schema.kind, "must be array if x-kubernetes-list-type is specified"));
        } else if list_type == "set"
            && let Some(item) = schema.item()
        {
            causes.extend(divisible_element(&path.child("items"), item));
        }
        if !matches!(list_type.as_str(), "atomic" | "set" | "map") {
            let supported = ["atomic", "set", "map"].map(go::quoted);
            causes.push(Cause::unsupported(&place, go::quoted(list_type), &supported));
        }
    }
    if !schema.list_map_keys.is_empty() {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        match schema.list_type.as_deref() {
            None => causes.push(Cause::required(place, detail)),
            Some("map") => {}
            Some(other) => causes.push(Cause::invalid(place, go::quoted(other), detail)),
        }
    }
}

/// Elements of a set are compared as a whole.
fn divisible_element(path: &Path, item: &Schema) -> Option<Cause> {
    let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    // The original shows the list type in both cases.
    let shown = item.list_type.as_deref().map_or_else(|| go::quoted("null"), go::quoted);
    match item.kind.as_str() {
        "array" if item.list_type.as_deref().is_some_and(|list_type| list_type != "atomic") => {
            Some(Cause::invalid(path.child("x-kubernetes-list-type"), shown, detail))
        }
        "object" if item.map_type.as_deref() != Some("atomic") => {
            Some(Cause::invalid(path.child("x-kubernetes-map-type"), shown, detail))
        }
        _ => None,
    }
}

fn list_map(path: &Path, schema: &Schema, causes: &mut Vec<Cause>) {
    if schema.list_type.as_deref() != Some("map") {
        return;
    }
    let keys = path.child("x-kubernetes-list-map-keys");
    if schema.list_map_keys.is_empty() {
        causes.push(Cause::required(&keys, "must not be empty if x-kubernetes-list-type is map"));
    }
    let items = path.child("items");
    let item = match &schema.items {
        None => {
            causes.push(Cause::required(items, "must have a schema if x-kubernetes-list-type is map"));
            return;
        }
        Some(Items::One(item)) => item,
        Some(_) => return,
    };
    if item.kind != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        causes.push(Cause::invalid(items.child("type"), go::quoted(&item.kind), detail));
        return;
    }
    for (index, key) in schema.list_map_keys.iter().enumerate() {
        let shown = || go::texts(&schema.list_map_keys);
        match item.properties.get(key) {
            None => causes.push(Cause::invalid(&keys, shown(), "entries must all be names of item properties")),
            Some(property) if property.kind == "array" || property.kind == "object" => {
                let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                let place = items.child("properties").key(key).child("type");
                causes.push(Cause::invalid(place, go::quoted(&item.kind), detail));
            }
            Some(_) => {}
        }
        if schema.list_map_keys.iter().take(index).any(|before| before == key) {
            causes.push(Cause::invalid(&keys, shown(), "must not contain duplicate entries"));
        }
    }
}

/// What sets and maps tell apart is always there.
fn unique_elements(path: &Path, schema: &Schema, causes: &mut Vec<Cause>) {
    let (Some(item), Some(list_type @ ("set" | "map"))) = (schema.item(), schema.list_type.as_deref()) else { return };
    let items = path.child("items");
    if item.nullable {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        causes.push(Cause::forbidden(items.child("nullable"), &detail));
    }
    if list_type == "set" {
        return;
    }
    for key in &schema.list_map_keys {
        let Some(property) = item.properties.get(key) else { continue };
        let place = items.child("properties").key(key);
        if !item.required.contains(key) && property.default.is_none() {
            let detail =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            causes.push(Cause::required(place.child("default"), detail));
        }
        if property.nullable {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            causes.push(Cause::forbidden(place.child("nullable"), detail));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[rstest]
    #[case::unknown_type(
        json!({"type": "foo"}),
        &["s.type: Unsupported value: \"foo\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\""]
    )]
    #[case::reference(json!({"$ref": "#/x"}), &["s.$ref: Forbidden: $ref is not supported"])]
    #[case::unique_items(
        json!({"uniqueItems": true}),
        &["s.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"]
    )]
    #[case::default_of_metadata(
        json!({"properties": {"metadata": {"properties": {"name": {"default": "x"}}}}}),
        &["s.properties[metadata].properties[name].default: Forbidden: must not be set in top-level metadata"]
    )]
    #[case::properties_and_additional(
        json!({"properties": {"a": {}}, "additionalProperties": false}),
        &["s.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"]
    )]
    #[case::pruning_turned_off(
        json!({"x-kubernetes-preserve-unknown-fields": false}),
        &["s.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined"]
    )]
    #[case::set_of_objects(
        json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}}),
        &["s.items.x-kubernetes-map-type: Invalid value: \"null\": must be atomic as item of a list with x-kubernetes-list-type=set"]
    )]
    #[case::map_without_keys(
        json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}),
        &["s.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"]
    )]
    #[case::optional_key(
        json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}}}}),
        &["s.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"]
    )]
    #[case::unknown_key(
        json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object"}}),
        &["s.x-kubernetes-list-map-keys: Invalid value: []string{\"k\"}: entries must all be names of item properties"]
    )]
    fn names_what_a_schema_may_not_say(#[case] schema: Value, #[case] expected: &[&str]) {
        let mut causes = Vec::new();
        validate_schema(&Path::new("s"), &serde_json::from_value(schema).unwrap(), Laxity::default(), &mut causes);
        let texts: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        assert_eq!(texts, expected);
    }
}
