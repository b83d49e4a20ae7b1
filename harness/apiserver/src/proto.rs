//! Reads Kubernetes' protobuf bodies, as kubectl 1.32 and later sends them, by the numbers of the type table.

pub mod encode;

use base64::Engine as _;
use serde_json::{Map, Value};

use crate::types::{self, Alternative, Field, Fields, SCHEMA, Type};

/// What every body starts with.
pub const MAGIC: &[u8] = b"k8s\0";

/// One field of a message.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Reads the fields of a message; stops at what cannot be read.
struct Message<'a> {
    rest: &'a [u8],
}

impl<'a> Message<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u32, Wire<'a>)> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok()?;
        let wire = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Number(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Number(u64::from(u32::from_le_bytes(self.take(4)?.try_into().ok()?))),
            _ => return None,
        };
        Some((number, wire))
    }
}

impl<'a> Iterator for Message<'a> {
    type Item = (u32, Wire<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() { None } else { self.field() }
    }
}

fn bytes_of(message: &[u8], wanted: u32) -> Option<&[u8]> {
    Message { rest: message }.find_map(|(number, wire)| match wire {
        Wire::Bytes(bytes) if number == wanted => Some(bytes),
        _ => None,
    })
}

fn number_of(message: &[u8], wanted: u32) -> Option<u64> {
    Message { rest: message }.find_map(|(number, wire)| match wire {
        Wire::Number(value) if number == wanted => Some(value),
        _ => None,
    })
}

fn text_of(message: &[u8], wanted: u32) -> String {
    bytes_of(message, wanted).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

/// The object in `body`, of the type that `type_name` finds for its `apiVersion` and kind.
#[must_use]
pub fn decode(body: &[u8], type_name: impl Fn(&str, &str) -> Option<&'static str>) -> Option<Value> {
    let envelope = body.strip_prefix(MAGIC)?;
    let type_meta = bytes_of(envelope, 1).unwrap_or_default();
    let (api_version, kind) = (text_of(type_meta, 1), text_of(type_meta, 2));
    let raw = bytes_of(envelope, 2).unwrap_or_default();
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), Value::from(api_version.as_str()));
    object.insert("kind".to_owned(), Value::from(kind.as_str()));
    let fields = types::fields(type_name(&api_version, &kind)?)?;
    read_message(raw, fields, 0, &mut object);
    Some(Value::Object(object))
}

/// The `apiVersion` and kind that the envelope of `body` names; nothing where there is no envelope.
#[must_use]
pub fn kind(body: &[u8]) -> Option<(String, String)> {
    let envelope = body.strip_prefix(MAGIC).filter(|envelope| !envelope.is_empty())?;
    let type_meta = bytes_of(envelope, 1)?;
    Some((text_of(type_meta, 1), text_of(type_meta, 2)))
}

/// Reads the fields of `message` whose numbers lie in the embedded message `base`.
fn read_message(message: &[u8], fields: &Fields, base: u32, into: &mut Map<String, Value>) {
    for (number, wire) in (Message { rest: message }) {
        let wanted = base * 1000 + number;
        if let Some((name, field)) = fields.iter().find(|(_, field)| field.number == wanted) {
            read_field(name, field, &wire, into);
        } else if base == 0
            && let Wire::Bytes(bytes) = wire
            && fields.values().any(|field| field.number / 1000 == number)
        {
            read_message(bytes, fields, number, into);
        }
    }
}

fn read_field(name: &str, field: &Field, wire: &Wire<'_>, into: &mut Map<String, Value>) {
    match &field.kind {
        Type::List(item) => {
            if let Some(value) = read_value(item, wire)
                && let Value::Array(items) = into.entry(name).or_insert_with(|| Value::Array(Vec::new()))
            {
                items.push(value);
            }
        }
        Type::Map(item) => {
            let Wire::Bytes(entry) = wire else { return };
            let key = text_of(entry, 1);
            let value = Message { rest: entry }.find(|(number, _)| *number == 2);
            let value = value.map_or(Wire::Bytes(&[]), |(_, wire)| wire);
            if let Some(value) = read_value(item, &value)
                && let Value::Object(items) = into.entry(name).or_insert_with(|| Value::Object(Map::new()))
            {
                items.insert(key, value);
            }
        }
        kind => {
            // A pointer's zero that was sent is meant.
            let zero = matches!(wire, Wire::Number(0)) && !field.pointer;
            if let Some(value) = read_value(kind, wire).filter(|value| !zero && !value.is_null()) {
                into.insert(name.to_owned(), value);
            }
        }
    }
}

fn read_value(kind: &Type, wire: &Wire<'_>) -> Option<Value> {
    match (kind, wire) {
        (Type::Int | Type::Long, Wire::Number(number)) => Some(Value::from(number.cast_signed())),
        (Type::Number, Wire::Number(number)) => Some(Value::from(f64::from_bits(*number))),
        (Type::Bool, Wire::Number(number)) => Some(Value::from(*number != 0)),
        (Type::String, Wire::Bytes(bytes)) => Some(Value::from(String::from_utf8_lossy(bytes).into_owned())),
        (Type::Bytes, Wire::Bytes(bytes)) => Some(Value::from(base64::engine::general_purpose::STANDARD.encode(bytes))),
        (Type::Time | Type::MicroTime, Wire::Bytes(bytes)) => read_time(kind, bytes),
        (Type::Quantity, Wire::Bytes(bytes)) => Some(Value::from(text_of(bytes, 1))),
        (Type::IntOrString, Wire::Bytes(bytes)) => Some(if number_of(bytes, 1) == Some(1) {
            Value::from(text_of(bytes, 3))
        } else {
            Value::from(number_of(bytes, 2).unwrap_or(0).cast_signed())
        }),
        (Type::Any, Wire::Bytes(bytes)) => {
            serde_json::from_slice(bytes_of(bytes, 1).unwrap_or(bytes)).ok().or(Some(Value::Object(Map::new())))
        }
        (Type::SchemaOr(alternative), Wire::Bytes(bytes)) => Some(read_schema_or(*alternative, bytes)),
        (Type::Object(name), Wire::Bytes(bytes)) => {
            let mut object = Map::new();
            read_message(bytes, types::fields(name)?, 0, &mut object);
            Some(Value::Object(object))
        }
        _ => None,
    }
}

/// A schema, or what stands in its place.
fn read_schema_or(alternative: Alternative, message: &[u8]) -> Value {
    let schema = |bytes: &[u8]| read_value(&Type::Object(SCHEMA.to_owned()), &Wire::Bytes(bytes)).unwrap_or_default();
    let at = if alternative == Alternative::Bool { 2 } else { 1 };
    if let Some(bytes) = bytes_of(message, at) {
        return schema(bytes);
    }
    let items = Message { rest: message }.filter_map(|(number, wire)| match wire {
        Wire::Bytes(bytes) if number == 2 => Some(bytes),
        _ => None,
    });
    match alternative {
        Alternative::Bool => Value::from(number_of(message, 1) == Some(1)),
        Alternative::Array => items.map(schema).collect(),
        Alternative::Strings => items.map(String::from_utf8_lossy).collect(),
    }
}

fn read_time(kind: &Type, bytes: &[u8]) -> Option<Value> {
    let seconds = number_of(bytes, 1)?.cast_signed();
    let moment = jiff::Timestamp::from_second(seconds).ok()?;
    if *kind == Type::Time {
        return Some(Value::from(moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
    }
    let micros = number_of(bytes, 2).unwrap_or(0) / 1000;
    Some(Value::from(format!("{}.{micros:06}Z", moment.strftime("%Y-%m-%dT%H:%M:%S"))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use serde_json::json;

    fn delimited(number: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(body.len()).unwrap()];
        out.extend_from_slice(body);
        out
    }

    #[test]
    fn reads_a_config_map() {
        let meta = delimited(1, b"x");
        let entry = [delimited(1, b"k"), delimited(2, b"v")].concat();
        let raw = [delimited(1, &meta), delimited(2, &entry)].concat();
        let type_meta = [delimited(1, b"v1"), delimited(2, b"ConfigMap")].concat();
        let body = [MAGIC.to_vec(), delimited(1, &type_meta), delimited(2, &raw)].concat();
        let value = decode(&body, |_, kind| (kind == "ConfigMap").then_some("core.v1.ConfigMap")).unwrap();
        assert_eq!(
            value,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"k": "v"}})
        );
    }
}
