//! Strategic merge patch: lists are merged by the keys that the type table names. What is a little odd here is so in
//! the original (`strategicpatch` of Kubernetes 1.20.2) too: what the object does not have yet is taken from the patch
//! as it is, with its directives, which are no fields and go when the object gets its shape.

mod lists;
mod lookup;
mod order;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::go;
use lookup::Shape;

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder";
const DELETE: &str = "$deleteFromPrimitiveList";

/// Why a patch was not merged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The patch is not written as it should be.
    #[error("{0}")]
    Malformed(&'static str),
    /// The patch says what cannot be.
    #[error("{0}")]
    Unprocessable(&'static str),
    /// The original has no kind for this.
    #[error("{0}")]
    Other(String),
}

const BAD_RETAIN: Refusal = Refusal::Malformed("invalid patch format of retainKeys");
const BAD_ORDER: Refusal = Refusal::Malformed("invalid patch format of setElementOrder list");
const BAD_DELETE: Refusal = Refusal::Malformed("invalid patch format of primitive list");

/// Applies `patch` to `original`, an object of the named type.
///
/// # Errors
/// Why it cannot be merged, in the original's words.
pub fn apply(type_name: &str, original: &mut Value, patch: &Map<String, Value>) -> Result<(), Refusal> {
    let Value::Object(map) = original else { return Ok(()) };
    let merged = merge_map(std::mem::take(map), patch.clone(), Shape::of(type_name))?;
    *original = Value::Object(merged);
    Ok(())
}

/// Go's name of the type that JSON's values become.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn wrong_type(expected: &str, found: &Value) -> Refusal {
    Refusal::Other(format!("expected a {expected}, but received a {}", go_type(found)))
}

fn unknown_directive(directive: &Value, map: &Map<String, Value>) -> Refusal {
    let map = go::plain(&Value::Object(map.clone()));
    Refusal::Other(format!("unknown patch type: {} in map: {map}", go::plain(directive)))
}

fn merge_map(
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    shape: Shape<'_>,
) -> Result<Map<String, Value>, Refusal> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.shift_remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Map::new()),
            _ => Err(unknown_directive(directive, &patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    set_orders(&mut original, &mut patch, shape)?;
    for (key, change) in patch {
        let deletes = key.starts_with(DELETE);
        let key = if deletes { below(&key, DELETE).ok_or(BAD_DELETE)?.to_owned() } else { key };
        if change.is_null() {
            original.shift_remove(&key);
            continue;
        }
        let merged = match (original.get_mut(&key).map(Value::take), change) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                Value::Object(merge_map(old, new, shape.field(&key)?.shape)?)
            }
            (Some(Value::Array(old)), Value::Array(new)) => {
                let field = shape.list(&key)?;
                Value::Array(lists::merge_field(&field, old, new, deletes)?)
            }
            (_, other) => other,
        };
        original.insert(key, merged);
    }
    Ok(original)
}

/// What follows `prefix` and a slash.
fn below<'k>(key: &'k str, prefix: &str) -> Option<&'k str> {
    key.split_once('/').filter(|(found, _)| *found == prefix).map(|(_, rest)| rest)
}

/// Drops what `$retainKeys` does not name.
fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), Refusal> {
    let Some(retained) = patch.shift_remove(RETAIN) else { return Ok(()) };
    let Value::Array(retained) = retained else { return Err(BAD_RETAIN) };
    let named = |key: &String| retained.iter().any(|kept| kept.as_str() == Some(key));
    let stray = patch
        .iter()
        .any(|(key, value)| !value.is_null() && !key.starts_with(DELETE) && !key.starts_with(ORDER) && !named(key));
    if stray {
        return Err(BAD_RETAIN);
    }
    original.retain(|key, _| named(key));
    Ok(())
}

/// Merges the lists for which the patch has an order, and brings them into it.
fn set_orders(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    shape: Shape<'_>,
) -> Result<(), Refusal> {
    let orders: Vec<String> = patch.keys().filter(|key| key.starts_with(ORDER)).cloned().collect();
    for directive in orders {
        let order = match patch.shift_remove(&directive) {
            Some(Value::Array(order)) => order,
            Some(other) => return Err(wrong_type("[]interface {}", &other)),
            None => continue,
        };
        let key = below(&directive, ORDER).ok_or(BAD_ORDER)?;
        let list = |map: &Map<String, Value>| match map.get(key) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items.clone())),
            Some(other) => Err(wrong_type("[]interface {}", other)),
        };
        let (old, new) = (list(original)?, list(patch)?);
        let field = shape.list(key)?;
        order::check(new.as_deref().unwrap_or_default(), &order, &field.merge_key)?;
        let merged = match (old.clone(), new.clone()) {
            (None, None) => continue,
            (Some(list), None) | (None, Some(list)) => list,
            (Some(old), Some(new)) => lists::merge_field(&field, old, new, false)?,
        };
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        let maps = lists::are_maps(&[&old, &new])?;
        let ordered = order::arrange(merged, &order, &old, &field.merge_key, maps)?;
        original.insert(key.to_owned(), Value::Array(ordered));
        patch.shift_remove(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
