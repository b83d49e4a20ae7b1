//! The document as gnostic's `openapi.v2.Document`, which kubectl asks for. The numbers are those of gnostic's
//! `OpenAPIv2.proto`.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{DEFINITIONS, KINDS, custom, patched, path};
use crate::registry::Registry;
use crate::yaml;

fn varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

/// A field of a message.
fn field(number: usize, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, number << 3 | 2);
    varint(&mut out, body.len());
    out.extend_from_slice(body);
    out
}

/// `NamedAny {1 name, 2 value {2 yaml}}`.
fn extension(name: &str, yaml: &str) -> Vec<u8> {
    [field(1, name.as_bytes()), field(2, &field(2, yaml.as_bytes()))].concat()
}

/// `NamedSchema {1 name, 2 value}`.
fn named(name: &str, schema: &Value) -> Vec<u8> {
    [field(1, name.as_bytes()), field(2, &self::schema(schema))].concat()
}

/// What the fields of `Schema` hold, by their numbers.
enum Holds {
    Text(usize),
    Double(usize),
    /// A whole number, or true and false.
    Number(usize),
    /// `Any {2 yaml}`.
    Any(usize),
}

/// The fields of `Schema` that hold plain values.
fn plain(key: &str) -> Option<Holds> {
    Some(match key {
        "$ref" => Holds::Text(1),
        "format" => Holds::Text(2),
        "title" => Holds::Text(3),
        "description" => Holds::Text(4),
        "default" => Holds::Any(5),
        "multipleOf" => Holds::Double(6),
        "maximum" => Holds::Double(7),
        "exclusiveMaximum" => Holds::Number(8),
        "minimum" => Holds::Double(9),
        "exclusiveMinimum" => Holds::Number(10),
        "maxLength" => Holds::Number(11),
        "minLength" => Holds::Number(12),
        "pattern" => Holds::Text(13),
        "maxItems" => Holds::Number(14),
        "minItems" => Holds::Number(15),
        "uniqueItems" => Holds::Number(16),
        "maxProperties" => Holds::Number(17),
        "minProperties" => Holds::Number(18),
        "required" => Holds::Text(19),
        "enum" => Holds::Any(20),
        _ => return None,
    })
}

fn plain_value(holds: &Holds, value: &Value) -> Vec<u8> {
    if let Value::Array(items) = value {
        return items.iter().flat_map(|item| plain_value(holds, item)).collect();
    }
    match holds {
        Holds::Text(number) => field(*number, value.as_str().unwrap_or_default().as_bytes()),
        Holds::Any(number) => field(*number, &field(2, yaml::to_string(value).as_bytes())),
        Holds::Double(number) => {
            let mut out = Vec::new();
            varint(&mut out, *number << 3 | 1);
            out.extend(value.as_f64().unwrap_or_default().to_bits().to_le_bytes());
            out
        }
        Holds::Number(number) => {
            let given = value.as_u64().and_then(|given| usize::try_from(given).ok());
            let mut out = Vec::new();
            varint(&mut out, *number << 3);
            varint(&mut out, given.unwrap_or(usize::from(value.as_bool() == Some(true))));
            out
        }
    }
}

/// `AdditionalPropertiesItem {1 schema, 2 boolean}`.
fn additional(value: &Value) -> Vec<u8> {
    match value {
        Value::Bool(allows) => plain_value(&Holds::Number(2), &Value::from(*allows)),
        other => field(1, &schema(other)),
    }
}

/// `Schema {… 21 additional_properties, 22 type {1 value}, 23 items {1 schema}, 25 properties {1 named},
/// 31 vendor_extension}`.
fn schema(schema: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in schema.as_object().into_iter().flatten() {
        if let Some(holds) = plain(key) {
            out.extend(plain_value(&holds, value));
            continue;
        }
        match key.as_str() {
            "additionalProperties" => out.extend(field(21, &additional(value))),
            "type" => out.extend(field(22, &field(1, value.as_str().unwrap_or_default().as_bytes()))),
            "items" => out.extend(field(23, &field(1, &self::schema(value)))),
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                let body: Vec<u8> = properties.flat_map(|(name, schema)| field(1, &named(name, schema))).collect();
                out.extend(field(25, &body));
            }
            key if key == KINDS => out.extend(field(31, &extension(key, &kinds(value)))),
            key => out.extend(field(31, &extension(key, &yaml::to_string(value)))),
        }
    }
    out
}

/// Groups, versions and kinds as YAML.
fn kinds(value: &Value) -> String {
    let one = |kind: &Value| {
        let text = |key: &str| kind.get(key).and_then(Value::as_str).unwrap_or_default();
        format!("- group: \"{}\"\n  kind: {}\n  version: {}\n", text("group"), text("kind"), text("version"))
    };
    value.as_array().into_iter().flatten().map(one).collect()
}

static DEFINITIONS_MESSAGE: LazyLock<Vec<u8>> = LazyLock::new(|| definitions(&DEFINITIONS));

fn definitions(all: &Map<String, Value>) -> Vec<u8> {
    all.iter().flat_map(|(name, schema)| field(1, &named(name, schema))).collect()
}

/// The document: `Document {1 swagger, 2 info {1 title, 2 version}, 8 paths {2 path {1 name, 2 item {8 patch}}},
/// 9 definitions {1 named}}`. An operation has 8 parameters {1 parameter {2 `non_body` {3 query {2 in, 4 name}}}} and
/// 13 extensions.
#[must_use]
pub fn document(registry: &Registry) -> Vec<u8> {
    let info = [field(1, b"Kubernetes"), field(2, b"v1.20.2")].concat();
    let query = [field(2, b"query"), field(4, b"dryRun")].concat();
    let parameter = field(1, &field(2, &field(3, &query)));
    let mut paths = Vec::new();
    for resource in patched(registry) {
        let (group, kind, version) = (&resource.group, &resource.kind, &resource.version);
        let yaml = format!("group: \"{group}\"\nkind: {kind}\nversion: {version}\n");
        let operation = [field(8, &parameter), field(13, &extension(KINDS, &yaml))].concat();
        let item = [field(1, path(resource).as_bytes()), field(2, &field(8, &operation))].concat();
        paths.extend(field(2, &item));
    }
    let own = definitions(&custom::definitions(registry));
    let definitions = [DEFINITIONS_MESSAGE.as_slice(), &own].concat();
    [field(1, b"2.0"), field(2, &info), field(8, &paths), field(9, &definitions)].concat()
}
