//! A schema in Go's syntax, as a fault of the whole schema shows it. Where Go shows the address of a pointer inside,
//! nothing is shown.

use std::collections::BTreeMap;

use super::{Dependency, Items, Schema, SchemaOrBool};
use crate::go;

const KIND: &str = "apiextensions.JSONSchemaProps";

fn pointer(kind: &str, given: bool) -> String {
    format!("(*{kind})({})", if given { "" } else { "nil" })
}

fn list(kind: &str, items: impl ExactSizeIterator<Item = String>) -> String {
    if items.len() == 0 {
        return format!("[]{kind}(nil)");
    }
    format!("[]{kind}{{{}}}", items.collect::<Vec<_>>().join(", "))
}

fn texts(items: &[String]) -> String {
    list("string", items.iter().map(|item| go::quoted(item)))
}

fn map<T>(kind: &str, entries: &BTreeMap<String, T>, show: impl Fn(&T) -> String) -> String {
    if entries.is_empty() {
        return format!("{kind}(nil)");
    }
    let entries: Vec<String> =
        entries.iter().map(|(key, value)| format!("{}:{}", go::quoted(key), show(value))).collect();
    format!("{kind}{{{}}}", entries.join(", "))
}

/// `schema` in Go's syntax (`%#v`).
#[must_use]
pub fn syntax(schema: &Schema) -> String {
    let quoted = |text: &str| go::quoted(text);
    let schemas = |list_of: &[Schema]| list(KIND, list_of.iter().map(syntax));
    let or_bool = |given: Option<&SchemaOrBool>| pointer("apiextensions.JSONSchemaPropsOrBool", given.is_some());
    let items = schema.items.as_ref().is_some_and(|items| !matches!(items, Items::Nothing));
    let dependency = |found: &Dependency| {
        let (schema, names): (bool, &[String]) = match found {
            Dependency::Schema(_) => (true, &[]),
            Dependency::Properties(names) => (false, names),
            Dependency::Nothing => (false, &[]),
        };
        let kind = "apiextensions.JSONSchemaPropsOrStringArray";
        format!("{kind}{{Schema:{}, Property:{}}}", pointer(KIND, schema), texts(names))
    };
    let fields = [
        ("ID", quoted(&schema.id)),
        ("Schema", quoted(&schema.schema)),
        ("Ref", pointer("string", schema.reference.is_some())),
        ("Description", quoted(&schema.description)),
        ("Type", quoted(&schema.kind)),
        ("Nullable", schema.nullable.to_string()),
        ("Format", quoted(&schema.format)),
        ("Title", quoted(&schema.title)),
        ("Default", pointer("apiextensions.JSON", schema.default.is_some())),
        ("Maximum", pointer("float64", schema.maximum.is_some())),
        ("ExclusiveMaximum", schema.exclusive_maximum.to_string()),
        ("Minimum", pointer("float64", schema.minimum.is_some())),
        ("ExclusiveMinimum", schema.exclusive_minimum.to_string()),
        ("MaxLength", pointer("int64", schema.max_length.is_some())),
        ("MinLength", pointer("int64", schema.min_length.is_some())),
        ("Pattern", quoted(&schema.pattern)),
        ("MaxItems", pointer("int64", schema.max_items.is_some())),
        ("MinItems", pointer("int64", schema.min_items.is_some())),
        ("UniqueItems", schema.unique_items.to_string()),
        ("MultipleOf", pointer("float64", schema.multiple_of.is_some())),
        ("Enum", list("apiextensions.JSON", schema.allowed.iter().map(go::syntax))),
        ("MaxProperties", pointer("int64", schema.max_properties.is_some())),
        ("MinProperties", pointer("int64", schema.min_properties.is_some())),
        ("Required", texts(&schema.required)),
        ("Items", pointer("apiextensions.JSONSchemaPropsOrArray", items)),
        ("AllOf", schemas(&schema.all_of)),
        ("OneOf", schemas(&schema.one_of)),
        ("AnyOf", schemas(&schema.any_of)),
        ("Not", pointer(KIND, schema.not.is_some())),
        ("Properties", map(&format!("map[string]{KIND}"), &schema.properties, syntax)),
        ("AdditionalProperties", or_bool(schema.additional_properties.as_ref())),
        ("PatternProperties", map(&format!("map[string]{KIND}"), &schema.pattern_properties, syntax)),
        ("Dependencies", map("apiextensions.JSONSchemaDependencies", &schema.dependencies, dependency)),
        ("AdditionalItems", or_bool(schema.additional_items.as_ref())),
        ("Definitions", map("apiextensions.JSONSchemaDefinitions", &schema.definitions, syntax)),
        ("ExternalDocs", pointer("apiextensions.ExternalDocumentation", schema.external_docs.is_some())),
        ("Example", pointer("apiextensions.JSON", schema.example.is_some())),
        ("XPreserveUnknownFields", pointer("bool", schema.preserve_unknown_fields.is_some())),
        ("XEmbeddedResource", schema.embedded_resource.to_string()),
        ("XIntOrString", schema.int_or_string.to_string()),
        ("XListMapKeys", texts(&schema.list_map_keys)),
        ("XListType", pointer("string", schema.list_type.is_some())),
        ("XMapType", pointer("string", schema.map_type.is_some())),
    ];
    let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("{KIND}{{{}}}", fields.join(", "))
}
