//! The definitions of custom kinds: their schemas as far as OpenAPI v2 and kubectl go (apiextensions'
//! `pkg/controller/openapi`, Kubernetes 1.20), without upstream's prose.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{KINDS, definition_name, kind_of, reference};
use crate::custom::schema::{Items, Schema, SchemaOrBool};
use crate::registry::{Registry, Resource};

/// Fields of a schema in the order in which go-openapi writes them, before its extensions.
const FIELDS: [&str; 22] = [
    "description",
    "type",
    "format",
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "enum",
    "maxProperties",
    "minProperties",
    "required",
    "items",
    "properties",
    "additionalProperties",
];
/// Its extensions.
const EXTENSIONS: [&str; 6] = [
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
];

fn metadata() -> Value {
    reference(&definition_name("meta.ObjectMeta"))
}

fn text() -> Value {
    json!({"type": "string"})
}

/// The name of the definition of `kind`: that of its group, from its end.
fn name(resource: &Resource, kind: &str) -> String {
    let mut parts: Vec<&str> = resource.group.split('.').collect();
    parts.reverse();
    format!("{}.{}.{kind}", parts.join("."), resource.version)
}

/// The definitions of the custom kinds of `registry`.
pub fn definitions(registry: &Registry) -> Map<String, Value> {
    let custom = registry.resources().filter(|resource| resource.custom.is_some());
    let definitions = custom.flat_map(|resource| {
        [(name(resource, &resource.kind), object(resource)), (name(resource, &resource.list_kind), list(resource))]
    });
    definitions.collect()
}

fn object(resource: &Resource) -> Value {
    let rules = resource.custom.as_ref().and_then(|custom| custom.family.versions.get(&resource.api_version()));
    let schema = rules.map(|rules| &rules.shape).filter(|schema| !schema.keeps_unknown_fields());
    let mut definition = match schema {
        // To kubectl a kind with some properties has no others.
        None => json!({"type": "object"}),
        Some(schema) => {
            let own = [("apiVersion", text()), ("kind", text()), ("metadata", metadata())];
            written(&second(schema), &own)
        }
    };
    definition[KINDS] = kind_of(resource, &resource.kind);
    definition
}

fn list(resource: &Resource) -> Value {
    json!({
        "required": ["items"],
        "properties": {
            "apiVersion": text(),
            "items": {"type": "array", "items": reference(&name(resource, &resource.kind))},
            "kind": text(),
            "metadata": reference(&definition_name("meta.ListMeta")),
        },
        KINDS: kind_of(resource, &resource.list_kind),
    })
}

/// `schema` without what OpenAPI v2, or kubectl, cannot have.
fn second(schema: &Schema) -> Schema {
    let mut out = Schema {
        all_of: Vec::new(),
        one_of: Vec::new(),
        any_of: Vec::new(),
        not: None,
        // Defaults are for the server alone.
        default: None,
        ..schema.clone()
    };
    let open = schema.keeps_unknown_fields();
    if schema.nullable || open {
        out.items = None;
        out.properties.clear();
    }
    if schema.nullable || (open && schema.kind == "object") || (out.items.is_none() && schema.kind == "array") {
        out.kind.clear();
    }
    out.nullable = false;
    out.required.retain(|name| !out.properties.get(name).is_some_and(|property| property.nullable));
    if schema.additional().is_some_and(|additional| additional.nullable) {
        out.required.clear();
    }
    if let Some(Items::One(item)) = &out.items {
        out.items = Some(Items::One(Box::new(second(item))));
    }
    out.properties = out.properties.iter().map(|(name, property)| (name.clone(), second(property))).collect();
    if let Some(SchemaOrBool::Schema(additional)) = &out.additional_properties {
        out.additional_properties = Some(SchemaOrBool::Schema(Box::new(second(additional))));
    }
    out
}

/// A schema as go-openapi writes it, with further properties.
fn written(schema: &Schema, own: &[(&str, Value)]) -> Value {
    let mut required = schema.required.clone();
    let mut properties: Map<String, Value> =
        schema.properties.iter().map(|(name, property)| (name.clone(), written(property, &[]))).collect();
    properties.extend(own.iter().map(|(name, property)| ((*name).to_owned(), property.clone())));
    if schema.embedded_resource && !schema.keeps_unknown_fields() {
        for (name, property) in [("apiVersion", text()), ("kind", text()), ("metadata", metadata())] {
            properties.insert(name.to_owned(), property);
        }
        for name in ["kind", "apiVersion"] {
            if !required.iter().any(|known| known == name) {
                required.push(name.to_owned());
            }
        }
    }
    properties.sort_keys();
    let flat = Schema { properties: BTreeMap::new(), items: None, additional_properties: None, ..schema.clone() };
    let mut fields = serde_json::to_value(flat).unwrap_or_default();
    if !required.is_empty() {
        fields["required"] = json!(required);
    }
    if let Some(item) = schema.item() {
        fields["items"] = written(item, &[]);
    }
    if !properties.is_empty() {
        fields["properties"] = Value::Object(properties);
    }
    match &schema.additional_properties {
        Some(SchemaOrBool::Bool(allows)) => fields["additionalProperties"] = Value::from(*allows),
        Some(SchemaOrBool::Schema(additional)) => {
            let additional = written(additional, &[]);
            // The document is read once more before it is served, and an empty schema is taken for none.
            let empty = additional.as_object().is_some_and(Map::is_empty);
            fields["additionalProperties"] = if empty { Value::from(false) } else { additional };
        }
        None => {}
    }
    let order = FIELDS.iter().chain(&EXTENSIONS);
    let ordered = order.filter_map(|key| Some(((*key).to_owned(), fields.get(*key)?.clone())));
    Value::Object(ordered.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    /// As text, so that the order of the fields counts.
    #[rstest]
    #[case::order(
        json!({"x-kubernetes-map-type": "atomic", "required": ["a"], "properties": {"a": {"default": 1, "type": "integer"}}, "type": "object", "description": "d"}),
        r#"{"description":"d","type":"object","required":["a"],"properties":{"a":{"type":"integer"}},"x-kubernetes-map-type":"atomic"}"#
    )]
    #[case::junctors(json!({"type": "string", "oneOf": [{"pattern": "a"}], "not": {"pattern": "b"}}), r#"{"type":"string"}"#)]
    #[case::nullable(
        json!({"type": "object", "required": ["n", "a"], "properties": {"n": {"type": "string", "nullable": true}, "a": {"type": "string"}}}),
        r#"{"type":"object","required":["a"],"properties":{"a":{"type":"string"},"n":{}}}"#
    )]
    #[case::nullable_additional_properties(
        json!({"type": "object", "additionalProperties": {"type": "integer", "nullable": true}, "required": ["z"]}),
        r#"{"type":"object","additionalProperties":false}"#
    )]
    #[case::unknown_fields(
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"q": {"type": "string"}}}),
        r#"{"x-kubernetes-preserve-unknown-fields":true}"#
    )]
    #[case::open(json!({"type": "object", "additionalProperties": true}), r#"{"type":"object","additionalProperties":true}"#)]
    fn publishes_what_the_second_version_can_say(#[case] schema: Value, #[case] expected: &str) {
        let schema: Schema = serde_json::from_value(schema).unwrap();
        assert_eq!(written(&second(&schema), &[]).to_string(), expected);
    }

    #[test]
    fn gives_embedded_objects_their_own_fields() {
        let schema = json!({"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}});
        let schema: Schema = serde_json::from_value(schema).unwrap();
        let published = written(&second(&schema), &[]);
        assert_eq!(published["required"], json!(["kind", "apiVersion"]));
        assert_eq!(published["properties"]["apiVersion"], json!({"type": "string"}));
    }
}
