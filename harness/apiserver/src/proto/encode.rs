//! Writes objects as Kubernetes' protobuf, byte for byte as the original's generated code does (`generated.pb.go` and
//! `serializer/protobuf`, Kubernetes 1.20): fields in the order of their numbers, those that are no pointers always,
//! the entries of maps in the order of their keys.

use base64::Engine as _;
use serde_json::{Map, Value};

use super::MAGIC;
use crate::types::{self, Alternative, Field, Fields, SCHEMA, Type};

/// Numbers from here on are fields of embedded messages.
const CONTAINER_FIELD: u32 = 1000;

/// Grows a message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            // The lowest seven bits, and that more follow.
            self.0.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or_default());
    }

    fn number(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field) << 3);
        self.varint(value);
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(u64::try_from(bytes.len()).unwrap_or_default());
        self.0.extend_from_slice(bytes);
    }

    fn double(&mut self, field: u32, value: f64) {
        self.varint(u64::from(field) << 3 | 1);
        self.0.extend_from_slice(&value.to_bits().to_le_bytes());
    }
}

/// `object` of the named type in its envelope, or nothing where the table does not know all of its numbers.
#[must_use]
pub fn object(api_version: &str, kind: &str, type_name: &str, object: &Value) -> Option<Vec<u8>> {
    let fields = types::fields(type_name)?;
    Some(envelope(api_version, kind, &message(fields, object)?))
}

/// A list of objects of the named type in its envelope.
#[must_use]
pub fn list<'a>(
    api_version: &str,
    kind: &str,
    type_name: &str,
    metadata: &Value,
    objects: impl Iterator<Item = &'a Value>,
) -> Option<Vec<u8>> {
    let fields = types::fields(type_name)?;
    let mut out = Message::default();
    out.bytes(1, &list_metadata(metadata));
    for object in objects {
        out.bytes(2, &message(fields, object)?);
    }
    Some(envelope(api_version, kind, &out.0))
}

/// The metadata of an object in its envelope, as `PartialObjectMetadata` of `version`.
#[must_use]
pub fn partial(version: &str, metadata: &Value) -> Option<Vec<u8>> {
    Some(envelope(version, "PartialObjectMetadata", &partial_message(metadata)?))
}

/// A list of objects' metadata in its envelope.
#[must_use]
pub fn partial_list<'a>(version: &str, metadata: &Value, objects: impl Iterator<Item = &'a Value>) -> Option<Vec<u8>> {
    let mut out = Message::default();
    out.bytes(1, &list_metadata(metadata));
    for object in objects {
        out.bytes(2, &partial_message(object.get("metadata").unwrap_or(&Value::Null))?);
    }
    Some(envelope(version, "PartialObjectMetadataList", &out.0))
}

fn partial_message(metadata: &Value) -> Option<Vec<u8>> {
    let mut out = Message::default();
    out.bytes(1, &message(types::fields("meta.ObjectMeta")?, metadata)?);
    Some(out.0)
}

/// A `Status` in its envelope.
#[must_use]
pub fn status(status: &Value) -> Vec<u8> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mut out = Message::default();
    out.bytes(1, &list_metadata(status.get("metadata").unwrap_or(&Value::Null)));
    for (field, key) in [(2, "status"), (3, "message"), (4, "reason")] {
        out.bytes(field, text(status, key).as_bytes());
    }
    if let Some(details) = status.get("details") {
        let mut inner = Message::default();
        for (field, key) in [(1, "name"), (2, "group"), (3, "kind")] {
            inner.bytes(field, text(details, key).as_bytes());
        }
        for cause in details.get("causes").and_then(Value::as_array).into_iter().flatten() {
            let mut told = Message::default();
            for (field, key) in [(1, "reason"), (2, "message"), (3, "field")] {
                told.bytes(field, text(cause, key).as_bytes());
            }
            inner.bytes(4, &told.0);
        }
        inner.number(5, number(details, "retryAfterSeconds"));
        inner.bytes(6, text(details, "uid").as_bytes());
        out.bytes(5, &inner.0);
    }
    out.number(6, number(status, "code"));
    envelope("v1", "Status", &out.0)
}

/// An event of a watch with its length before it; `object` is in its envelope.
#[must_use]
pub fn event(kind: &str, object: &[u8]) -> Vec<u8> {
    let mut extension = Message::default();
    extension.bytes(1, object);
    let mut event = Message::default();
    event.bytes(1, kind.as_bytes());
    event.bytes(2, &extension.0);
    let length = u32::try_from(event.0.len()).unwrap_or(u32::MAX);
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(&event.0);
    frame
}

fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut type_meta = Message::default();
    type_meta.bytes(1, api_version.as_bytes());
    type_meta.bytes(2, kind.as_bytes());
    let mut out = Message(MAGIC.to_vec());
    out.bytes(1, &type_meta.0);
    out.bytes(2, raw);
    out.bytes(3, b"");
    out.bytes(4, b"");
    out.0
}

fn list_metadata(metadata: &Value) -> Vec<u8> {
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut out = Message::default();
    for (field, key) in [(1, "selfLink"), (2, "resourceVersion"), (3, "continue")] {
        out.bytes(field, text(key).as_bytes());
    }
    if let Some(remaining) = metadata.get("remainingItemCount").and_then(Value::as_u64) {
        out.number(4, remaining);
    }
    out.0
}

/// A message of `fields`; those of embedded messages are gathered into theirs.
fn message(fields: &Fields, value: &Value) -> Option<Vec<u8>> {
    let empty = Map::new();
    let map = value.as_object().unwrap_or(&empty);
    let mut numbered: Vec<(u32, &String, &Field)> = Vec::new();
    for (name, field) in fields.iter() {
        match field.number {
            // Kind and version are the envelope's.
            0 if matches!(name.as_str(), "kind" | "apiVersion") => {}
            0 => return None,
            number => numbered.push((number, name, field)),
        }
    }
    // Embedded messages stand where their own number says: 2003 is field 3 of message 2.
    let place = |number: u32| {
        if number >= CONTAINER_FIELD { (number / CONTAINER_FIELD, number % CONTAINER_FIELD) } else { (number, 0) }
    };
    numbered.sort_by_key(|(number, ..)| place(*number));
    let mut out = Message::default();
    let mut rest = numbered.as_slice();
    while let Some(((number, name, field), after)) = rest.split_first() {
        if *number < CONTAINER_FIELD {
            write_field(&mut out, *number, field, map.get(name.as_str()))?;
            rest = after;
            continue;
        }
        let container = number / CONTAINER_FIELD;
        let count = rest.iter().take_while(|(number, ..)| number / CONTAINER_FIELD == container).count();
        let mut inner = Message::default();
        for (number, name, field) in rest.iter().take(count) {
            write_field(&mut inner, number % CONTAINER_FIELD, field, map.get(name.as_str()))?;
        }
        out.bytes(container, &inner.0);
        rest = rest.get(count..).unwrap_or_default();
    }
    Some(out.0)
}

fn write_field(out: &mut Message, number: u32, field: &Field, value: Option<&Value>) -> Option<()> {
    let value = value.filter(|value| !value.is_null());
    match (&field.kind, value) {
        (Type::List(item), value) => {
            for item_value in value.and_then(Value::as_array).into_iter().flatten() {
                write_value(out, number, item, item_value)?;
            }
            Some(())
        }
        (Type::Map(item), value) => {
            let mut entries: Vec<(&String, &Value)> = value.and_then(Value::as_object).into_iter().flatten().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (key, item_value) in entries {
                let mut entry = Message::default();
                entry.bytes(1, key.as_bytes());
                match &**item {
                    // A list of texts is a message of its own here, as `ExtraValue`.
                    Type::List(inner) => {
                        let mut items = Message::default();
                        for text in item_value.as_array().into_iter().flatten() {
                            write_value(&mut items, 1, inner, text)?;
                        }
                        entry.bytes(2, &items.0);
                    }
                    item => write_value(&mut entry, 2, item, item_value)?,
                }
                out.bytes(number, &entry.0);
            }
            Some(())
        }
        (kind, Some(value)) => write_value(out, number, kind, value),
        (_, None) if field.pointer => Some(()),
        // No bytes are none, and anything is nothing.
        (Type::Bytes | Type::Any | Type::SchemaOr(_), None) => Some(()),
        (kind, None) => write_value(out, number, kind, &Value::Null),
    }
}

/// One value; null stands for the zero of its type.
fn write_value(out: &mut Message, number: u32, kind: &Type, value: &Value) -> Option<()> {
    let text = || value.as_str().unwrap_or_default();
    match kind {
        Type::String => out.bytes(number, text().as_bytes()),
        Type::Bytes => out.bytes(number, &base64::engine::general_purpose::STANDARD.decode(text()).ok()?),
        Type::Int | Type::Long => out.number(number, value.as_i64().unwrap_or(0).cast_unsigned()),
        Type::Bool => out.number(number, u64::from(value.as_bool().unwrap_or(false))),
        Type::Number => out.double(number, value.as_f64().unwrap_or(0.0)),
        Type::Time | Type::MicroTime => out.bytes(number, &time(text())),
        Type::Quantity => {
            let mut quantity = Message::default();
            let shown = if value.is_null() { "0".to_owned() } else { scalar_text(value) };
            quantity.bytes(1, shown.as_bytes());
            out.bytes(number, &quantity.0);
        }
        Type::IntOrString => {
            let mut either = Message::default();
            either.number(1, u64::from(value.is_string()));
            either.number(2, value.as_i64().unwrap_or(0).cast_unsigned());
            either.bytes(3, text().as_bytes());
            out.bytes(number, &either.0);
        }
        Type::Any => {
            let mut raw = Message::default();
            raw.bytes(1, &serde_json::to_vec(value).ok()?);
            out.bytes(number, &raw.0);
        }
        Type::SchemaOr(alternative) => out.bytes(number, &schema_or(*alternative, value)?),
        Type::Object(name) => out.bytes(number, &message(types::fields(name)?, value)?),
        // Nothing on the surface has lists of lists or of maps.
        Type::List(_) | Type::Map(_) => return None,
    }
    Some(())
}

/// A schema, or what stands in its place.
fn schema_or(alternative: Alternative, value: &Value) -> Option<Vec<u8>> {
    let schema = |value: &Value| message(types::fields(SCHEMA)?, value);
    let mut out = Message::default();
    if alternative == Alternative::Bool {
        out.number(1, u64::from(value.as_bool().unwrap_or(value.is_object())));
    }
    let at = if alternative == Alternative::Bool { 2 } else { 1 };
    match value {
        Value::Object(_) => out.bytes(at, &schema(value)?),
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::String(text) => out.bytes(2, text.as_bytes()),
                    other => out.bytes(2, &schema(other)?),
                }
            }
        }
        _ => {}
    }
    Some(out.0)
}

fn scalar_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A moment; the zero of times is an empty message.
fn time(text: &str) -> Vec<u8> {
    let Ok(moment) = text.parse::<jiff::Timestamp>() else { return Vec::new() };
    let mut out = Message::default();
    out.number(1, moment.as_second().cast_unsigned());
    out.number(2, u64::from(moment.subsec_nanosecond().unsigned_abs()));
    out.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use serde_json::json;

    #[test]
    fn writes_what_it_reads() {
        let pod = json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "p", "creationTimestamp": "2024-01-02T03:04:05Z", "labels": {"b": "1", "a": "2"}},
            "spec": {
                "containers": [{
                    "name": "c", "image": "i", "resources": {"limits": {"cpu": "100m"}},
                    "ports": [{"containerPort": 80}],
                    "livenessProbe": {"httpGet": {"path": "/", "port": "web"}, "initialDelaySeconds": 3},
                }],
                "terminationGracePeriodSeconds": 0,
            },
            "status": {},
        });
        let bytes = object("v1", "Pod", "core.v1.Pod", &pod).unwrap();
        let read = super::super::decode(&bytes, |_, _| Some("core.v1.Pod")).unwrap();
        assert_eq!(read["metadata"]["labels"], json!({"a": "2", "b": "1"}));
        assert_eq!(read["spec"]["containers"][0]["livenessProbe"]["httpGet"]["port"], "web");
        assert_eq!(read["spec"]["terminationGracePeriodSeconds"], 0);
        assert_eq!(read["metadata"]["creationTimestamp"], "2024-01-02T03:04:05Z");
    }

    #[test]
    fn writes_a_config_map_as_the_original() {
        let bytes = object("v1", "ConfigMap", "core.v1.ConfigMap", &json!({"metadata": {"name": "x"}})).unwrap();
        let expected =
            b"k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x12\x15\n\x13\n\x01x\x12\0\x1a\0\"\0*\x002\08\0B\0z\0\x1a\0\"\0";
        assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(expected));
    }
}
