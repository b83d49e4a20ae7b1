//! Objects inside of objects: their kind, version and metadata follow the rules of all objects (apiextensions'
//! `objectmeta` package, Kubernetes 1.20).

use serde_json::{Map, Value};

use super::Schema;
use crate::custom::path::Path;
use crate::go;
use crate::jsoniter;
use crate::names;
use crate::normal;
use crate::status::Cause;

/// The type of metadata in the table of types.
const TYPE: &str = "meta.ObjectMeta";

/// What becomes of fields of a wrong type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// They are refused.
    Refuse,
    /// They are dropped.
    Drop,
}

/// Brings the metadata of objects inside of `value` into its shape. `schema` is that of `value`, which is an object
/// itself where it says so ([`Schema::as_resource`]).
///
/// # Errors
/// The first field of a wrong type, unless such are dropped.
pub fn coerce(path: &Path, schema: &Schema, value: &mut Value, strictness: Strictness) -> Result<(), Cause> {
    match value {
        Value::Object(map) => {
            if schema.embedded_resource {
                coerce_own(path, map, strictness)?;
            }
            for (name, inner) in map.iter_mut() {
                if let Some(known) = schema.properties.get(name) {
                    coerce(&path.child(name), known, inner, strictness)?;
                } else if let Some(additional) = schema.additional() {
                    coerce(&path.key(name), additional, inner, strictness)?;
                }
            }
        }
        Value::Array(items) => {
            if let Some(inner) = schema.item() {
                for (index, item) in items.iter_mut().enumerate() {
                    coerce(&path.index(index), inner, item, strictness)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn coerce_own(path: &Path, map: &mut Map<String, Value>, strictness: Strictness) -> Result<(), Cause> {
    for name in ["apiVersion", "kind"] {
        let Some(found) = map.get(name).filter(|found| !found.is_string()) else { continue };
        if strictness == Strictness::Refuse {
            return Err(Cause::invalid(path.child(name), go::shown(found), "must be a string"));
        }
        map.shift_remove(name);
    }
    let Some(metadata) = map.get_mut("metadata") else { return Ok(()) };
    match object_meta(metadata.clone(), strictness) {
        Ok(mut shaped) => {
            if let Value::Object(map) = &mut shaped {
                map.retain(|name, value| name != "creationTimestamp" || !value.is_null());
            }
            *metadata = shaped;
        }
        Err(text) if strictness == Strictness::Refuse => {
            return Err(Cause::invalid(path.child("metadata"), go::shown(metadata), &text));
        }
        Err(_) => {}
    }
    Ok(())
}

/// Metadata as it is after Go's type of it.
fn shaped(mut metadata: Value) -> Result<Value, String> {
    jsoniter::check(TYPE, metadata.to_string().as_bytes())?;
    normal::normalize(TYPE, &mut metadata)?;
    Ok(go::canonical(metadata))
}

/// Metadata in its shape: known fields of the right types.
fn object_meta(metadata: Value, strictness: Strictness) -> Result<Value, String> {
    let parts = go::canonical(metadata);
    match shaped(parts.clone()) {
        Ok(whole) => Ok(whole),
        Err(text) if strictness == Strictness::Refuse => Err(text),
        Err(text) => {
            let Value::Object(parts) = parts else { return Err(text) };
            let fitting = parts.into_iter().filter_map(|(name, value)| {
                let single = shaped(Value::Object(Map::from_iter([(name.clone(), value)]))).ok()?;
                Some((name.clone(), single.get(&name)?.clone()))
            });
            Ok(Value::Object(fitting.collect()))
        }
    }
}

/// Adds what is wrong with the kinds, versions and metadata of objects inside of `value`.
pub fn validate_embedded(path: &Path, schema: &Schema, value: &Value, causes: &mut Vec<Cause>) {
    match value {
        Value::Object(map) => {
            if schema.embedded_resource {
                validate_own(path, map, causes);
            }
            for (name, inner) in map {
                if let Some(known) = schema.properties.get(name) {
                    validate_embedded(&path.child(name), known, inner, causes);
                } else if let Some(additional) = schema.additional() {
                    validate_embedded(&path.key(name), additional, inner, causes);
                }
            }
        }
        Value::Array(items) => {
            if let Some(inner) = schema.item() {
                for (index, item) in items.iter().enumerate() {
                    validate_embedded(&path.index(index), inner, item, causes);
                }
            }
        }
        _ => {}
    }
}

fn validate_own(path: &Path, map: &Map<String, Value>, causes: &mut Vec<Cause>) {
    for name in ["apiVersion", "kind"] {
        if !map.contains_key(name) {
            causes.push(Cause::required(path.child(name), "must not be empty"));
        }
    }
    for (name, value) in map {
        let place = path.child(name);
        match (name.as_str(), value) {
            ("apiVersion" | "kind", Value::String(text)) if text.is_empty() => {
                causes.push(Cause::invalid(place, "\"\"", "must not be empty"));
            }
            ("apiVersion", Value::String(text)) if text.matches('/').count() > 1 => {
                let detail = format!("unexpected GroupVersion string: {text}");
                causes.push(Cause::invalid(place, go::quoted(text), &detail));
            }
            ("kind", Value::String(text)) => causes.extend(kind_fault(&place, text)),
            ("apiVersion" | "kind", other) if !other.is_string() => {
                causes.push(Cause::invalid(place, go::shown(other), "must be a string"));
            }
            ("metadata", metadata) => match object_meta(metadata.clone(), Strictness::Refuse) {
                Ok(shaped) => names::embedded_metadata(&shaped, &String::from(&place), causes),
                Err(text) => causes.push(Cause::invalid(place, go::shown(metadata), &text)),
            },
            _ => {}
        }
    }
}

fn kind_fault(path: &Path, kind: &str) -> Option<Cause> {
    let faults = names::label_1035(&kind.to_lowercase());
    let detail = format!("may have mixed case, but should otherwise match: {}", faults.join(","));
    (!faults.is_empty()).then(|| Cause::invalid(path, go::quoted(kind), &detail))
}
