//! Structural schemas: the rules that let a schema tell an object's shape without looking at its values
//! (apiextensions' `schema/validation.go` and `complete.go`, Kubernetes 1.20).

use super::{Schema, SchemaOrBool, pattern};
use crate::custom::path::Path;
use crate::go;
use crate::status::Cause;

/// Where a schema stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What keeps `schema` from being structural, in the original's order: that of the texts.
#[must_use]
pub fn validate_structural(path: &Path, schema: &Schema) -> Vec<Cause> {
    let mut causes = Vec::new();
    invariants(path, schema, Level::Root, &mut causes);
    completeness(schema, Some(schema), path, path, &mut causes);
    causes.sort_by_key(|cause| format!("{}: {}", cause.field, cause.message));
    causes
}

fn invariants(path: &Path, schema: &Schema, level: Level, causes: &mut Vec<Cause>) {
    if schema.kind == "array" && schema.item().is_none() {
        causes.push(Cause::required(path.child("items"), "must be specified"));
    }
    if let Some(inner) = schema.item() {
        invariants(&path.child("items"), inner, Level::Item, causes);
    }
    for (name, inner) in &schema.properties {
        invariants(&path.child("properties").key(name), inner, Level::Field, causes);
    }
    if schema.additional_properties.is_some() && level == Level::Root {
        causes.push(Cause::forbidden(path.child("additionalProperties"), "must not be used at the root"));
    }
    if let Some(inner) = schema.additional() {
        invariants(&path.child("additionalProperties"), inner, Level::Field, causes);
    }
    extensions(path, schema, causes);
    let skip_any = is_int_or_string(&schema.any_of);
    let skip_first = schema.all_of.first().is_some_and(|first| is_int_or_string(&first.any_of));
    values(path, schema, skip_any, skip_first, causes);
    own_type(path, schema, level, causes);
    object_fields(path, schema, level, causes);
    let open = schema.keeps_unknown_fields();
    if schema.embedded_resource && !open && schema.properties.is_empty() {
        let detail =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        causes.push(Cause::required(path.child("properties"), detail));
    }
}

fn extensions(path: &Path, schema: &Schema, causes: &mut Vec<Cause>) {
    let detail = "must be false if x-kubernetes-int-or-string is true";
    if schema.int_or_string && schema.keeps_unknown_fields() {
        causes.push(Cause::invalid(path.child("x-kubernetes-preserve-unknown-fields"), true, detail));
    }
    if schema.int_or_string && schema.embedded_resource {
        causes.push(Cause::invalid(path.child("x-kubernetes-embedded-resource"), true, detail));
    }
}

fn own_type(path: &Path, schema: &Schema, level: Level, causes: &mut Vec<Cause>) {
    let place = path.child("type");
    if schema.embedded_resource && schema.kind != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        causes.push(match schema.kind.as_str() {
            "" => Cause::required(&place, detail),
            other => Cause::invalid(&place, go::quoted(other), detail),
        });
    } else if schema.kind.is_empty() && !schema.int_or_string && !schema.keeps_unknown_fields() {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        causes.push(Cause::required(&place, detail));
    }
    if schema.embedded_resource && schema.additional_properties.is_some() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        causes.push(Cause::forbidden(path.child("additionalProperties"), detail));
    }
    if level == Level::Root && !schema.kind.is_empty() && schema.kind != "object" {
        causes.push(Cause::invalid(&place, go::quoted(&schema.kind), "must be object at the root"));
    }
}

/// The kind, version and metadata of an object have types of their own, and at the top only names can be restricted.
fn object_fields(path: &Path, schema: &Schema, level: Level, causes: &mut Vec<Cause>) {
    if level != Level::Root && !schema.embedded_resource {
        return;
    }
    for (name, wanted) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
        if let Some(known) = schema.properties.get(name).filter(|known| known.kind != wanted) {
            let place = path.child("properties").key(name).child("type");
            causes.push(Cause::invalid(place, go::quoted(&known.kind), &format!("must be {wanted}")));
        }
    }
    if level == Level::Root && schema.properties.get("metadata").is_some_and(|metadata| !restricts_names(metadata)) {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        causes.push(Cause::forbidden(path.child("properties").key("metadata"), detail));
    }
}

fn restricts_names(metadata: &Schema) -> bool {
    let names_only = metadata.properties.keys().all(|name| name == "name" || name == "generateName");
    let rest = Schema {
        kind: String::new(),
        default: None,
        properties: std::collections::BTreeMap::new(),
        // These are no part of a structural schema.
        external_docs: None,
        example: None,
        preserve_unknown_fields: metadata.preserve_unknown_fields.filter(|kept| *kept),
        ..metadata.clone()
    };
    names_only && rest == Schema::default()
}

/// `anyOf` of exactly an integer and a text.
fn is_int_or_string(alternatives: &[Schema]) -> bool {
    let plain = |schema: &Schema, kind: &str| {
        let bare = Schema { external_docs: None, example: None, ..schema.clone() };
        bare == Schema { kind: kind.to_owned(), ..Schema::default() }
    };
    matches!(alternatives, [first, second] if plain(first, "integer") && plain(second, "string"))
}

/// The rules for what looks at values.
fn values(path: &Path, schema: &Schema, skip_any: bool, skip_first: bool, causes: &mut Vec<Cause>) {
    if !skip_any {
        for (index, inner) in schema.any_of.iter().enumerate() {
            nested(&path.child("anyOf").index(index), inner, false, causes);
        }
    }
    for (index, inner) in schema.all_of.iter().enumerate() {
        nested(&path.child("allOf").index(index), inner, skip_first && index == 0, causes);
    }
    for (index, inner) in schema.one_of.iter().enumerate() {
        nested(&path.child("oneOf").index(index), inner, false, causes);
    }
    if let Some(inner) = &schema.not {
        nested(&path.child("not"), inner, false, causes);
    }
    if !schema.pattern.is_empty()
        && let Err(error) = pattern::check(&schema.pattern)
    {
        let detail = format!("must be a valid regular expression, but isn't: {error}");
        causes.push(Cause::invalid(path.child("pattern"), go::quoted(&schema.pattern), &detail));
    }
}

/// Inside of `allOf` and its kin nothing may tell the shape.
fn nested(path: &Path, schema: &Schema, skip_any: bool, causes: &mut Vec<Cause>) {
    values(path, schema, skip_any, false, causes);
    if let Some(inner) = schema.item() {
        nested(&path.child("items"), inner, false, causes);
    }
    for (name, inner) in &schema.properties {
        nested(&path.child("properties").key(name), inner, false, causes);
    }
    for (field, given, demand) in [
        ("type", !schema.kind.is_empty(), "empty"),
        ("additionalProperties", schema.additional_properties.is_some(), "undefined"),
        ("default", schema.default.is_some(), "undefined"),
        ("title", !schema.title.is_empty(), "empty"),
        ("description", !schema.description.is_empty(), "empty"),
        ("nullable", schema.nullable, "false"),
        ("x-kubernetes-preserve-unknown-fields", schema.keeps_unknown_fields(), "false"),
        ("x-kubernetes-embedded-resource", schema.embedded_resource, "false"),
        ("x-kubernetes-int-or-string", schema.int_or_string, "false"),
        ("x-kubernetes-list-map-keys", !schema.list_map_keys.is_empty(), "empty"),
        ("x-kubernetes-list-type", schema.list_type.is_some(), "undefined"),
        ("x-kubernetes-map-type", schema.map_type.is_some(), "undefined"),
    ] {
        if given {
            causes.push(Cause::forbidden(path.child(field), &format!("must be {demand} to be structural")));
        }
    }
    if schema.properties.contains_key("metadata") {
        let place = path.child("properties").key("metadata");
        causes.push(Cause::forbidden(place, "must not be specified in a nested context"));
    }
}

/// Every field and list that `allOf` and its kin speak of is in the schema itself. `shape` is what the schema says of
/// the place, if it says anything.
fn completeness(schema: &Schema, shape: Option<&Schema>, shape_path: &Path, path: &Path, causes: &mut Vec<Cause>) {
    if shape.is_none() {
        causes.push(Cause::required(shape_path, &format!("because it is defined in {path}")));
        return;
    }
    if let Some(inner) = &schema.not {
        nested_completeness(inner, shape, shape_path, &path.child("not"), causes);
    }
    for (name, list) in [("allOf", &schema.all_of), ("anyOf", &schema.any_of), ("oneOf", &schema.one_of)] {
        for (index, inner) in list.iter().enumerate() {
            nested_completeness(inner, shape, shape_path, &path.child(name).index(index), causes);
        }
    }
}

fn nested_completeness(
    schema: &Schema,
    shape: Option<&Schema>,
    shape_path: &Path,
    path: &Path,
    causes: &mut Vec<Cause>,
) {
    completeness(schema, shape, shape_path, path, causes);
    let Some(shape) = shape else { return };
    if let Some(inner) = schema.item() {
        nested_completeness(inner, shape.item(), &shape_path.child("items"), &path.child("items"), causes);
    }
    for (name, inner) in &schema.properties {
        let below = path.child("properties").key(name);
        let shape_below = shape_path.child("properties").key(name);
        nested_completeness(inner, shape.properties.get(name), &shape_below, &below, causes);
    }
}

/// What keeps a schema from being read as a structural one at all; the other rules refuse most of it before.
#[must_use]
pub fn unreadable(schema: &Schema) -> Option<String> {
    let unsupported = [
        ("id", !schema.id.is_empty()),
        ("schema", !schema.schema.is_empty()),
        ("$ref", schema.reference.as_deref().is_some_and(|reference| !reference.is_empty())),
        ("patternProperties", !schema.pattern_properties.is_empty()),
        ("dependencies", !schema.dependencies.is_empty()),
        ("additionalItems", schema.additional_items.is_some()),
        ("definitions", !schema.definitions.is_empty()),
    ];
    if let Some((name, _)) = unsupported.iter().find(|(_, given)| *given) {
        return Some(format!("OpenAPIV3Schema '{name}' is not supported"));
    }
    if matches!(&schema.items, Some(super::Items::Many(schemas)) if !schemas.is_empty()) {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
    }
    let combined =
        schema.not.iter().map(AsRef::as_ref).chain(&schema.all_of).chain(&schema.any_of).chain(&schema.one_of);
    let additional = match &schema.additional_properties {
        Some(SchemaOrBool::Schema(inner)) => Some(&**inner),
        _ => None,
    };
    combined.chain(additional).chain(schema.item()).chain(schema.properties.values()).find_map(unreadable)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[rstest]
    #[case::no_type(json!({}), &["s.type: Required value: must not be empty at the root"])]
    #[case::wrong_type(json!({"type": "string"}), &["s.type: Invalid value: \"string\": must be object at the root"])]
    #[case::untyped_field(
        json!({"type": "object", "properties": {"a": {}}}),
        &["s.properties[a].type: Required value: must not be empty for specified object fields"]
    )]
    #[case::list_without_items(
        json!({"type": "object", "properties": {"a": {"type": "array"}}}),
        &["s.properties[a].items: Required value: must be specified"]
    )]
    #[case::type_inside_of_any_of(
        json!({"type": "object", "anyOf": [{"type": "object"}]}),
        &["s.anyOf[0].type: Forbidden: must be empty to be structural"]
    )]
    #[case::int_or_string(
        json!({"type": "object", "properties": {"a": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}}}),
        &[]
    )]
    #[case::metadata(
        json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
        &["s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"]
    )]
    #[case::names(
        json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "pattern": "^a"}}}}}),
        &[]
    )]
    #[case::incomplete(
        json!({"type": "object", "not": {"properties": {"a": {"minLength": 1}}}}),
        &["s.properties[a]: Required value: because it is defined in s.not.properties[a]"]
    )]
    #[case::pattern(
        json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}),
        &["s.properties[a].pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: error parsing regexp: missing closing ): `(`"]
    )]
    #[case::additional_properties(
        json!({"type": "object", "additionalProperties": true}),
        &["s.additionalProperties: Forbidden: must not be used at the root"]
    )]
    fn names_what_is_not_structural(#[case] schema: Value, #[case] expected: &[&str]) {
        let causes = validate_structural(&Path::new("s"), &serde_json::from_value(schema).unwrap());
        let texts: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        assert_eq!(texts, expected);
    }
}
