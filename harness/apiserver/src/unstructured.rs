//! Untyped objects made into Go's types by way of reflection, as the original does with what a strategic merge patch or
//! an applied configuration made: what does not fit is told in other words than the decoder of JSON has.

use base64::Engine as _;
use serde_json::Value;

use crate::types::{self, Type};

/// Checks that `value` can be made an object of the named type. Fields that the type does not know are passed over.
///
/// # Errors
/// Why it cannot.
pub fn check(type_name: &str, value: &Value) -> Result<(), String> {
    object(type_name, value)
}

/// Makes nothing of empty bytes in `value`, an object of the named type: what is made of text that way is null where
/// there is none (`FromUnstructured` of apimachinery's runtime/converter.go).
pub fn drop_empty_bytes(type_name: &str, value: &mut Value) {
    let (Some(known), Value::Object(map)) = (types::fields(type_name), value) else { return };
    for (name, field) in known.iter() {
        if let Some(inner) = map.get_mut(name) {
            drop_empty(&field.kind, inner);
        }
    }
}

fn drop_empty(kind: &Type, value: &mut Value) {
    match (kind, &mut *value) {
        (Type::Bytes, Value::String(text)) if text.is_empty() => *value = Value::Null,
        (Type::Object(name), _) => drop_empty_bytes(name, value),
        (Type::List(inner), Value::Array(items)) => items.iter_mut().for_each(|item| drop_empty(inner, item)),
        (Type::Map(inner), Value::Object(items)) => items.values_mut().for_each(|item| drop_empty(inner, item)),
        _ => {}
    }
}

fn object(type_name: &str, value: &Value) -> Result<(), String> {
    let Some(known) = types::fields(type_name) else { return Ok(()) };
    let Value::Object(map) = value else { return Err(format!("cannot restore struct from: {}", kind_of(value))) };
    for (name, field) in known.iter() {
        if let Some(inner) = map.get(name) {
            check_value(&field.kind, inner)?;
        }
    }
    Ok(())
}

fn check_value(kind: &Type, value: &Value) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    match kind {
        Type::Object(type_name) => object(type_name, value),
        Type::List(inner) => match value {
            Value::Array(items) => items.iter().try_for_each(|item| check_value(inner, item)),
            other => Err(format!("cannot restore slice from {}", kind_of(other))),
        },
        Type::Map(inner) => match value {
            Value::Object(items) => items.values().try_for_each(|item| check_value(inner, item)),
            other => Err(format!("cannot restore map from {}", kind_of(other))),
        },
        Type::Bytes => match value {
            Value::String(text) => base64_text(text),
            other => Err(format!("cannot restore slice from {}", kind_of(other))),
        },
        Type::String => plain(value, "string", value.is_string()),
        Type::Bool => plain(value, "bool", value.is_boolean()),
        Type::Number => plain(value, "float64", value.is_number()),
        Type::Int => plain(value, "int32", is_whole(value)),
        Type::Long => plain(value, "int64", is_whole(value)),
        // These read JSON themselves, in words of their own; the decoder has the same.
        Type::Time | Type::MicroTime | Type::Quantity | Type::IntOrString | Type::Any | Type::SchemaOr(_) => Ok(()),
    }
}

fn is_whole(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn plain(value: &Value, wanted: &str, fits: bool) -> Result<(), String> {
    if fits {
        return Ok(());
    }
    let found = kind_of(value);
    // Numbers are convertible to each other and, in Go, to text.
    let convertible = value.is_number() && wanted != "bool";
    Err(if convertible {
        format!("cannot convert {found} to {wanted}")
    } else {
        format!("unrecognized type: {wanted}")
    })
}

fn base64_text(text: &str) -> Result<(), String> {
    let at = match base64::engine::general_purpose::STANDARD.decode(text.replace(['\n', '\r'], "")) {
        Ok(_) => return Ok(()),
        Err(base64::DecodeError::InvalidByte(at, _)) => at,
        Err(base64::DecodeError::InvalidLastSymbol { offset, .. }) => offset,
        Err(base64::DecodeError::InvalidLength(length)) => length,
        Err(base64::DecodeError::InvalidPadding) => 0,
    };
    Err(format!("error decoding from json: illegal base64 data at input byte {at}"))
}

/// Go's kind of the type that a value of JSON becomes.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::a_map_for_a_list(json!({"containers": {}}), "cannot restore slice from map")]
    #[case::a_text_for_a_map(json!({"nodeSelector": "x"}), "cannot restore map from string")]
    #[case::a_number_for_a_struct(json!({"securityContext": 1}), "cannot restore struct from: int64")]
    #[case::a_number_for_a_text(json!({"nodeName": 1}), "cannot convert int64 to string")]
    #[case::a_text_for_a_number(json!({"priority": "1"}), "unrecognized type: int32")]
    #[case::a_text_for_a_long_number(json!({"activeDeadlineSeconds": "1"}), "unrecognized type: int64")]
    #[case::a_fraction_for_a_number(json!({"priority": 1.5}), "cannot convert float64 to int32")]
    fn words_what_does_not_fit(#[case] value: Value, #[case] expected: &str) {
        assert_eq!(check("core.v1.PodSpec", &value), Err(expected.to_owned()));
    }

    #[test]
    fn makes_nothing_of_empty_bytes() {
        let mut value = json!({"data": {"a": "", "b": "YQ=="}, "type": ""});
        drop_empty_bytes("core.v1.Secret", &mut value);
        assert_eq!(value, json!({"data": {"a": null, "b": "YQ=="}, "type": ""}));
    }

    #[test]
    fn passes_over_unknown_fields_and_nulls() {
        assert_eq!(check("core.v1.PodSpec", &json!({"x": 1, "nodeName": null})), Ok(()));
    }
}
