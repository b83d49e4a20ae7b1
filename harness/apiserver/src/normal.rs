//! Objects as the original writes them: decoded into its Go types and encoded again. Unknown fields go, fields come in
//! the order of the type, what is empty goes or stays as its tag says, and quantities and times get their one form.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use serde_json::{Map, Value};

use crate::quantity::Quantity;
use crate::types::{self, Field, Fields, Type};

/// What an empty list, map or text of bytes is that must be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// What the client sent: empty is not null, and who writes one for the other owns it.
    AsGiven,
    /// Null: the storage does not tell them apart.
    AsStored,
}

/// Brings `value` into the shape of the named type; a value of a wrong type is an error in the words of the
/// original's decoder.
///
/// # Errors
/// The text after `cannot be handled as a KIND: `.
pub fn normalize(type_name: &str, value: &mut Value) -> Result<(), String> {
    shaped(type_name, value, Empty::AsGiven)
}

/// The same for what comes out of the storage.
///
/// # Errors
/// As [`normalize`].
pub fn normalize_stored(type_name: &str, value: &mut Value) -> Result<(), String> {
    shaped(type_name, value, Empty::AsStored)
}

fn shaped(type_name: &str, value: &mut Value, empty: Empty) -> Result<(), String> {
    let kind = type_name.rsplit('.').next().unwrap_or(type_name);
    let version = match type_name.split('.').nth(1) {
        Some(version) if version.starts_with('v') => version,
        _ => "v1",
    };
    match types::fields(type_name) {
        Some(known) => object(known, value, &Path::Type { version, kind }, empty),
        None => Ok(()),
    }
}

/// Where a value is, put into words only where something is wrong with it.
enum Path<'a> {
    Type { version: &'a str, kind: &'a str },
    Field(&'a Path<'a>, &'a str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { version, kind } => write!(out, "{version}.{kind}"),
            Self::Field(parent, name) => write!(out, "{parent}.{}", capitalized(name)),
        }
    }
}

fn object(known: &Fields, value: &mut Value, path: &Path<'_>, empty: Empty) -> Result<(), String> {
    let Value::Object(map) = value else {
        return Err(format!("{path}: ReadObject: expect {{ or , or }} or n, but found {}", first_char(value)));
    };
    let mut given = std::mem::take(map);
    // In the client's order, so that the first error is the decoder's.
    for (name, inner) in &mut given {
        if let Some(field) = known.get(name).filter(|_| !inner.is_null()) {
            checked(&field.kind, inner, &Path::Field(path, name), empty)?;
        }
    }
    *map = Map::with_capacity(given.len());
    for (name, field) in known.iter() {
        let (name, value) = match given.swap_remove_entry(name).filter(|(_, value)| !value.is_null()) {
            Some((name, value)) => (Cow::Owned(name), written(field, value, empty)),
            None => (Cow::Borrowed(name), absent(field).and_then(|value| written(field, value, Empty::AsStored))),
        };
        if let Some(value) = value {
            map.insert(name.into_owned(), value);
        }
    }
    Ok(())
}

/// What stands for a field that was not given: pointers nothing, or null where they must be written, the others their
/// zero.
fn absent(field: &Field) -> Option<Value> {
    if field.pointer {
        return field.required.then_some(Value::Null);
    }
    Some(zero(&field.kind))
}

fn zero(kind: &Type) -> Value {
    match kind {
        Type::String | Type::Bytes => Value::from(""),
        Type::Int | Type::Long | Type::Number | Type::IntOrString => Value::from(0),
        Type::Bool => Value::from(false),
        Type::Quantity => Value::from("0"),
        Type::Time | Type::MicroTime | Type::Any | Type::SchemaOr(_) => Value::Null,
        Type::List(_) => Value::Array(Vec::new()),
        Type::Map(_) => Value::Object(Map::new()),
        Type::Object(name) => {
            let mut value = Value::Object(Map::new());
            if let Some(known) = types::fields(name) {
                // An empty object has the right type.
                let _ = object(known, &mut value, &Path::Type { version: "", kind: "" }, Empty::AsStored);
            }
            value
        }
    }
}

/// The value as it is written, if it is.
fn written(field: &Field, value: Value, of: Empty) -> Option<Value> {
    if field.pointer {
        return Some(value);
    }
    // A Go struct is never empty for `omitempty`; lists and maps are.
    let empty = match (&field.kind, &value) {
        (Type::String | Type::Bytes, Value::String(text)) => text.is_empty(),
        (Type::Int | Type::Long | Type::Number, Value::Number(number)) => number.as_f64() == Some(0.0),
        (Type::Bool, Value::Bool(flag)) => !flag,
        (Type::List(_), Value::Array(items)) => items.is_empty(),
        (Type::Map(_), Value::Object(items)) => items.is_empty(),
        _ => return Some(value),
    };
    match (&field.kind, empty) {
        (_, true) if !field.required => None,
        (Type::List(_) | Type::Map(_) | Type::Bytes, true) if of == Empty::AsStored => Some(Value::Null),
        _ => Some(value),
    }
}

/// Amounts of resources are no finer than a thousandth.
fn round(amount: &mut Value) {
    if let Some(quantity) = amount.as_str().and_then(|text| Quantity::parse(text).ok()) {
        *amount = Value::from(quantity.rounded_up().to_string());
    }
}

fn checked(kind: &Type, value: &mut Value, path: &Path<'_>, empty: Empty) -> Result<(), String> {
    match (kind, &mut *value) {
        (Type::Any | Type::SchemaOr(_), _)
        | (Type::String, Value::String(_))
        | (Type::Bool, Value::Bool(_))
        | (Type::Number, Value::Number(_))
        | (Type::IntOrString, Value::String(_) | Value::Number(_)) => Ok(()),
        (Type::Time | Type::MicroTime, Value::String(text)) => {
            *value = time(text, *kind == Type::MicroTime).map_err(|why| format!("{path}: {why}"))?;
            Ok(())
        }
        (Type::Quantity, Value::String(_) | Value::Number(_)) => {
            let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
            let quantity = Quantity::parse(&text).map_err(|why| format!("{path}: unmarshalerDecoder: {why}"))?;
            *value = Value::from(quantity.to_string());
            Ok(())
        }
        (Type::Int | Type::Long, Value::Number(number)) => {
            if number.is_i64() || number.is_u64() {
                return Ok(());
            }
            // YAML and some clients write whole numbers with a fraction; Go's decoder refuses them.
            Err(format!("{path}: readInt64: can not decode float as int"))
        }
        (Type::Bytes, Value::String(text)) => bytes(text).map_err(|why| format!("{path}: {why}")),
        (Type::List(inner), Value::Array(items)) => {
            items.iter_mut().try_for_each(|item| element(inner, item, path, empty))
        }
        (Type::Map(inner), Value::Object(items)) => {
            items.values_mut().try_for_each(|item| element(inner, item, path, empty))?;
            if **inner == Type::Quantity {
                items.values_mut().for_each(round);
            }
            if items.keys().is_sorted() {
                return Ok(());
            }
            // Go writes maps by key.
            items.sort_keys();
            Ok(())
        }
        (Type::Object(name), _) => match types::fields(name) {
            Some(known) => object(known, value, path, empty),
            None => Ok(()),
        },
        (_, found) => Err(format!("{path}: {}, but found {}", expectation(kind), first_char(found))),
    }
}

/// An element of a list or a map: null is its zero. Bytes that are none are empty only when the storage has had them.
fn element(kind: &Type, value: &mut Value, path: &Path<'_>, empty: Empty) -> Result<(), String> {
    if value.is_null() && *kind == Type::Bytes && empty == Empty::AsGiven {
        return Ok(());
    }
    if value.is_null() {
        *value = zero(kind);
    }
    checked(kind, value, path, empty)
}

/// A time in UTC, as the original writes it; an empty text is no time.
fn time(text: &str, micro: bool) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let moment: jiff::Timestamp = text.parse().map_err(|_| {
        let layout = if micro { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
        format!("unmarshalerDecoder: parsing time \"{text}\" as \"{layout}\": cannot parse \"{text}\" as \"2006\"")
    })?;
    let format = if micro { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(Value::from(moment.strftime(format).to_string()))
}

fn bytes(text: &str) -> Result<(), String> {
    match base64::engine::general_purpose::STANDARD.decode(text.replace(['\n', '\r'], "")) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("decode base64: illegal base64 data at input byte {}", offset(&error))),
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
        Type::Int | Type::Long | Type::Number => "readUint64: unexpected character: \u{fffd}",
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

    /// As text, so that the order of the fields counts.
    #[rstest]
    #[case::unknown_and_empty(
        "core.v1.ConfigMap",
        json!({"x": 1, "data": {"z": null, "k": ""}, "metadata": {"name": "a", "namespace": "", "labels": {}}}),
        r#"{"metadata":{"name":"a","creationTimestamp":null},"data":{"k":"","z":""}}"#
    )]
    #[case::structs_stay(
        "core.v1.PersistentVolumeClaim",
        json!({"metadata": {"creationTimestamp": null}}),
        r#"{"metadata":{"creationTimestamp":null},"spec":{"resources":{}},"status":{}}"#
    )]
    #[case::pointers_keep_zeros(
        "apps.v1.ReplicaSet",
        json!({"metadata": {"creationTimestamp": "2020-01-01T02:00:00+02:00"}, "spec": {"replicas": 0, "minReadySeconds": 0}}),
        r#"{"metadata":{"creationTimestamp":"2020-01-01T00:00:00Z"},"spec":{"replicas":0,"selector":null,"template":{"metadata":{"creationTimestamp":null},"spec":{"containers":null}}},"status":{"replicas":0}}"#
    )]
    #[case::lists_that_must_be_written(
        "rbac.v1.Role",
        json!({"metadata": {"creationTimestamp": null}}),
        r#"{"metadata":{"creationTimestamp":null},"rules":null}"#
    )]
    #[case::quantities("core.v1.ResourceRequirements", json!({"limits": {"memory": "1024Mi", "cpu": 1}}), r#"{"limits":{"cpu":"1","memory":"1Gi"}}"#)]
    fn writes_as_the_original(#[case] type_name: &str, #[case] mut value: Value, #[case] expected: &str) {
        normalize(type_name, &mut value).unwrap();
        assert_eq!(value.to_string(), expected);
    }

    #[rstest]
    #[case::as_it_was_given(normalize, json!({"k": null, "l": ""}))]
    #[case::as_the_storage_has_it(normalize_stored, json!({"k": "", "l": ""}))]
    fn writes_bytes_that_are_none(
        #[case] normalize: fn(&str, &mut Value) -> Result<(), String>,
        #[case] expected: Value,
    ) {
        let mut value = json!({"data": {"k": null, "l": ""}});
        normalize("core.v1.Secret", &mut value).unwrap();
        assert_eq!(value["data"], expected);
    }

    #[rstest]
    #[case::as_it_was_given(normalize, json!([]))]
    #[case::as_the_storage_has_it(normalize_stored, json!(null))]
    fn writes_an_empty_list(#[case] normalize: fn(&str, &mut Value) -> Result<(), String>, #[case] expected: Value) {
        let mut value = json!({"rules": []});
        normalize("rbac.v1.Role", &mut value).unwrap();
        assert_eq!(value["rules"], expected);
    }

    #[test]
    fn tells_wrong_types_as_the_decoder_does() {
        let mut value = json!({"data": {"a": 1}});
        let text = normalize("core.v1.ConfigMap", &mut value).unwrap_err();
        assert_eq!(text, "v1.ConfigMap.Data: ReadString: expects \" or n, but found 1");
    }
}
