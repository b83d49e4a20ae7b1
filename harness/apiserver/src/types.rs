//! Shapes of the built-in kinds: field types, patch strategies and protobuf numbers, as data.
//!
//! `data/types.json` was derived from the `/openapi/v2` of a kube-apiserver 1.20.2 (names, types, required,
//! `x-kubernetes-patch-*`) and from the public protobuf numbers of the same types; `data/README.md` says how. A field
//! is its type, or `[type, protobuf number, patch strategy, merge key, list type]`. A leading `!` marks a required
//! field; a number above 1000 is a field of an embedded message. The list type is given where the patch strategy does
//! not say how an applied list is merged: `atomic`, `set` or `map:KEY,KEY`, each key with its default where it has one
//! (`map:containerPort,protocol=TCP`).

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine as _;
use serde_json::{Map, Value};

/// The type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// Base64 text.
    Bytes,
    /// RFC 3339 to the second.
    Time,
    /// RFC 3339 to the microsecond.
    MicroTime,
    /// A Kubernetes quantity.
    Quantity,
    /// A number or text.
    IntOrString,
    /// Anything.
    Any,
    /// A list.
    List(Box<Type>),
    /// A map from text.
    Map(Box<Type>),
    /// A named type of the table.
    Object(String),
}

/// How strategic merge treats a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strategy {
    /// Lists are merged, not replaced.
    pub merge: bool,
    /// Keys absent from the patch are dropped when it says `$retainKeys`.
    pub retain_keys: bool,
}

/// What tells the elements of a list apart when it is applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ListType {
    /// Nothing: the list is one value.
    #[default]
    Atomic,
    /// Their value.
    Set,
    /// These fields of theirs.
    Map(Vec<ListKey>),
}

/// A field that tells the elements of a list apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListKey {
    /// The field.
    pub name: String,
    /// Its value where an element has none.
    pub default: Option<Value>,
}

/// Types whose objects are one value when they are applied: `x-kubernetes-map-type: atomic` of 1.20's OpenAPI.
const ATOMIC: &[&str] = &["meta.LabelSelector"];

/// Whether objects of the named type are applied as one value.
#[must_use]
pub fn is_atomic(name: &str) -> bool {
    ATOMIC.contains(&name)
}

/// A field of a type.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its type.
    pub kind: Type,
    /// Whether the original always writes it.
    pub required: bool,
    /// Protobuf number; 0 is unknown.
    pub number: u32,
    /// Patch strategy.
    pub strategy: Strategy,
    /// Key by which a merged list's elements are told apart; empty for lists of scalars.
    pub merge_key: String,
    /// What tells the elements of an applied list apart.
    pub list_type: ListType,
}

/// The fields of a type.
pub type Fields = HashMap<String, Field>;

static TYPES: LazyLock<HashMap<String, Fields>> = LazyLock::new(|| {
    let table: Map<String, Value> = serde_json::from_str(include_str!("../data/types.json")).unwrap_or_default();
    table.iter().map(|(name, fields)| (name.clone(), read_fields(fields))).collect()
});

/// The names of all types.
pub fn names() -> impl Iterator<Item = &'static str> {
    TYPES.keys().map(String::as_str)
}

/// The fields of the named type.
#[must_use]
pub fn fields(name: &str) -> Option<&'static Fields> {
    TYPES.get(name)
}

fn read_fields(fields: &Value) -> Fields {
    fields.as_object().into_iter().flatten().map(|(name, field)| (name.clone(), read_field(field))).collect()
}

fn read_field(field: &Value) -> Field {
    let at = |index: usize| if let Value::Array(parts) = field { parts.get(index) } else { None };
    let text = at(0).unwrap_or(field).as_str().unwrap_or("any");
    let texts = |index: usize| at(index).and_then(Value::as_str).unwrap_or_default();
    let (strategy, merge_key) = (texts(2), texts(3));
    let merge = strategy.split(',').any(|part| part == "merge");
    Field {
        kind: read_type(text.trim_start_matches('!')),
        required: text.starts_with('!'),
        number: at(1).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok()).unwrap_or(0),
        strategy: Strategy { merge, retain_keys: strategy.split(',').any(|part| part == "retainKeys") },
        merge_key: merge_key.to_owned(),
        list_type: read_list_type(texts(4), merge, merge_key),
    }
}

fn read_list_type(text: &str, merge: bool, merge_key: &str) -> ListType {
    let key = |text: &str| match text.split_once('=') {
        Some((name, default)) => ListKey { name: name.to_owned(), default: Some(Value::from(default)) },
        None => ListKey { name: text.to_owned(), default: None },
    };
    match (text, text.strip_prefix("map:")) {
        (_, Some(keys)) => ListType::Map(keys.split(',').map(key).collect()),
        ("set", _) => ListType::Set,
        ("", _) if merge && merge_key.is_empty() => ListType::Set,
        ("", _) if merge => ListType::Map(vec![key(merge_key)]),
        _ => ListType::Atomic,
    }
}

fn read_type(text: &str) -> Type {
    if let Some(inner) = text.strip_prefix("[]") {
        return Type::List(Box::new(read_type(inner)));
    }
    if let Some(inner) = text.strip_prefix("{}") {
        return Type::Map(Box::new(read_type(inner)));
    }
    match text {
        "string" => Type::String,
        "int" => Type::Int,
        "number" => Type::Number,
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "time" => Type::Time,
        "microtime" => Type::MicroTime,
        "quantity" => Type::Quantity,
        "intstr" => Type::IntOrString,
        "any" => Type::Any,
        name => Type::Object(name.to_owned()),
    }
}

/// Optional text fields that are pointers in the original: an empty text is kept.
const KEEPS_EMPTY: &[&str] = &["storageClassName", "holderIdentity", "ingressClassName"];

/// Brings `value` into the shape of the named type: unknown fields and nulls go, empty optional texts, maps and lists
/// go (as Go's `omitempty` has it), and a value of a wrong type is an error in the words of the original's decoder.
///
/// # Errors
/// The text after `cannot be handled as a KIND: `.
pub fn normalize(type_name: &str, value: &mut Value) -> Result<(), String> {
    let kind = type_name.rsplit('.').next().unwrap_or(type_name);
    let version = type_name.split('.').nth(1).unwrap_or("v1");
    match fields(type_name) {
        Some(known) => normalize_object(known, value, &format!("{version}.{kind}")),
        None => Ok(()),
    }
}

fn normalize_object(known: &Fields, value: &mut Value, path: &str) -> Result<(), String> {
    let Value::Object(map) = value else {
        return Err(format!("{path}: ReadObject: expect {{ or , or }} or n, but found {}", first_char(value)));
    };
    let given = std::mem::take(map);
    for (name, mut inner) in given {
        let Some(field) = known.get(&name) else { continue };
        if inner.is_null() {
            continue;
        }
        normalize_value(&field.kind, &mut inner, &format!("{path}.{}", capitalized(&name)))?;
        let empty = match &inner {
            Value::String(text) => {
                text.is_empty()
                    && !field.required
                    && matches!(field.kind, Type::String | Type::Time)
                    && !KEEPS_EMPTY.contains(&name.as_str())
            }
            Value::Array(items) => items.is_empty() && !field.required,
            Value::Object(items) => items.is_empty() && !field.required && matches!(field.kind, Type::Map(_)),
            _ => false,
        };
        if !empty {
            map.insert(name, inner);
        }
    }
    Ok(())
}

fn normalize_value(kind: &Type, value: &mut Value, path: &str) -> Result<(), String> {
    match (kind, &mut *value) {
        (Type::Any, _)
        | (Type::String | Type::Time | Type::MicroTime, Value::String(_))
        | (Type::Bool, Value::Bool(_))
        | (Type::Number, Value::Number(_))
        | (Type::Quantity | Type::IntOrString, Value::String(_) | Value::Number(_)) => Ok(()),
        (Type::Int, Value::Number(number)) => {
            if number.is_i64() || number.is_u64() {
                return Ok(());
            }
            // YAML and some clients write whole numbers with a fraction; Go's decoder refuses them.
            Err(format!("{path}: readInt64: can not decode float as int"))
        }
        (Type::Bytes, Value::String(text)) => {
            let standard = &base64::engine::general_purpose::STANDARD;
            match standard.decode(text.replace(['\n', '\r'], "")) {
                Ok(_) => Ok(()),
                Err(error) => {
                    Err(format!("{path}: decode base64: illegal base64 data at input byte {}", offset(&error)))
                }
            }
        }
        (Type::List(inner), Value::Array(items)) => {
            items.iter_mut().try_for_each(|item| normalize_value(inner, item, path))
        }
        (Type::Map(inner), Value::Object(items)) => {
            items.values_mut().filter(|item| !item.is_null()).try_for_each(|item| normalize_value(inner, item, path))
        }
        (Type::Object(name), _) => match fields(name) {
            Some(known) => normalize_object(known, value, path),
            None => Ok(()),
        },
        (_, found) => Err(format!("{path}: {}, but found {}", expectation(kind), first_char(found))),
    }
}

fn offset(error: &base64::DecodeError) -> usize {
    match error {
        base64::DecodeError::InvalidByte(at, _) => *at,
        base64::DecodeError::InvalidLastSymbol { offset, .. } => *offset,
        base64::DecodeError::InvalidLength(length) => *length,
        base64::DecodeError::InvalidPadding => 0,
    }
}

fn expectation(kind: &Type) -> &'static str {
    match kind {
        Type::Bool => "ReadBool: expect t or f",
        Type::Int | Type::Number => "readUint64: unexpected character: \u{fffd}",
        Type::List(_) => "decode slice: expect [ or n",
        Type::Map(_) => "ReadMapCB: expect { or n",
        _ => "ReadString: expects \" or n",
    }
}

fn first_char(value: &Value) -> char {
    value.to_string().chars().next().unwrap_or('n')
}

fn capitalized(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn knows_merge_keys_of_containers() {
        let containers = &fields("core.v1.PodSpec").unwrap()["containers"];
        assert!(containers.strategy.merge);
        assert_eq!(containers.merge_key, "name");
    }

    #[rstest]
    #[case::by_merge_key("core.v1.PodSpec", "containers", "name")]
    #[case::by_several_keys("core.v1.ServiceSpec", "ports", "port,protocol")]
    #[case::by_a_key_with_a_default("core.v1.Container", "ports", "containerPort,protocol=TCP")]
    fn tells_applied_elements_apart(#[case] name: &str, #[case] field: &str, #[case] keys: &str) {
        let ListType::Map(found) = &fields(name).unwrap()[field].list_type else { panic!("{name}.{field}") };
        let text = |key: &ListKey| match &key.default {
            Some(default) => format!("{}={}", key.name, default.as_str().unwrap()),
            None => key.name.clone(),
        };
        assert_eq!(found.iter().map(text).collect::<Vec<_>>().join(","), keys);
    }

    #[rstest]
    #[case::of_primitives("meta.ObjectMeta", "finalizers", ListType::Set)]
    #[case::without_strategy("core.v1.Container", "args", ListType::Atomic)]
    #[case::declared_atomic("core.v1.ServiceSpec", "clusterIPs", ListType::Atomic)]
    fn knows_lists_without_keys(#[case] name: &str, #[case] field: &str, #[case] expected: ListType) {
        assert_eq!(fields(name).unwrap()[field].list_type, expected);
    }

    #[test]
    fn drops_unknown_fields_and_empty_optionals() {
        let mut value = json!({"metadata": {"name": "a", "namespace": "", "labels": {}}, "data": {"k": ""}, "x": 1});
        normalize("core.v1.ConfigMap", &mut value).unwrap();
        assert_eq!(value, json!({"metadata": {"name": "a"}, "data": {"k": ""}}));
    }

    #[test]
    fn tells_wrong_types_as_the_decoder_does() {
        let mut value = json!({"data": {"a": 1}});
        let text = normalize("core.v1.ConfigMap", &mut value).unwrap_err();
        assert_eq!(text, "v1.ConfigMap.Data: ReadString: expects \" or n, but found 1");
    }
}
