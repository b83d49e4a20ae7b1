//! Lists that are sets or maps: no element, or no key, twice (apiextensions' `listtype` package, Kubernetes 1.20).

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::Schema;
use crate::custom::path::Path;
use crate::go;
use crate::status::Cause;

/// Adds what is wrong with the lists in the object `map`.
pub fn validate_lists(path: &Path, schema: &Schema, map: &Map<String, Value>, causes: &mut Vec<Cause>) {
    if let Some(additional) = schema.additional() {
        for (key, value) in map {
            validate_value(&path.key(key), additional, value, causes);
        }
    }
    for (name, value) in map {
        if let Some(known) = schema.properties.get(name) {
            validate_value(&path.child(name), known, value, causes);
        }
    }
}

fn validate_value(path: &Path, schema: &Schema, value: &Value, causes: &mut Vec<Cause>) {
    match value {
        Value::Array(items) => validate_list(path, schema, items, causes),
        Value::Object(map) => validate_lists(path, schema, map, causes),
        _ => {}
    }
}

fn validate_list(path: &Path, schema: &Schema, items: &[Value], causes: &mut Vec<Cause>) {
    match schema.list_type.as_deref() {
        Some("set") => {
            for index in repeated(items) {
                causes.extend(items.get(index).map(|item| duplicate(&path.index(index), item)));
            }
        }
        Some("map") => validate_map(path, schema, items, causes),
        _ => {}
    }
    if let Some(inner) = schema.item() {
        for (index, item) in items.iter().enumerate() {
            validate_value(&path.index(index), inner, item, causes);
        }
    }
}

fn validate_map(path: &Path, schema: &Schema, items: &[Value], causes: &mut Vec<Cause>) {
    let stranger = items.iter().position(|item| !item.is_object() && !item.is_null());
    if let Some(index) = stranger {
        let shown = items.get(index).map(go::shown).unwrap_or_default();
        causes.push(Cause::invalid(path.index(index), shown, "must be an object for an array of list-type map"));
        return;
    }
    let keys: Vec<Value> = items.iter().map(|item| key(schema, item)).collect();
    for index in repeated(&keys) {
        causes.extend(keys.get(index).map(|key| duplicate(&path.index(index), key)));
    }
}

/// The keys of an element, those that it has.
fn key(schema: &Schema, item: &Value) -> Value {
    let entries = schema.list_map_keys.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone())));
    Value::Object(entries.collect())
}

/// The places where something appears for the second time.
fn repeated(items: &[Value]) -> Vec<usize> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut places = Vec::new();
    for (index, item) in items.iter().enumerate() {
        // Go compares scalars with their types, and lists and objects as JSON.
        let shown = match item {
            Value::Array(_) | Value::Object(_) => go::canonical(item.clone()).to_string(),
            scalar => format!("{} {scalar}", go::type_name(scalar)),
        };
        let times = seen.entry(shown).or_default();
        *times += 1;
        if *times == 2 {
            places.push(index);
        }
    }
    places
}

fn duplicate(path: &Path, value: &Value) -> Cause {
    let message = format!("Duplicate value: {}", go::shown(value));
    Cause { reason: "FieldValueDuplicate", message, field: path.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::set(json!({"x-kubernetes-list-type": "set"}), json!(["a", "b", "a", "a"]), &["l[2]: Duplicate value: \"a\""])]
    #[case::numbers_of_two_types(json!({"x-kubernetes-list-type": "set"}), json!([1, 1.0]), &[])]
    #[case::one_key(
        json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}),
        json!([{"k": "a"}, {"k": "a"}, {}, {}]),
        &[
            "l[1]: Duplicate value: map[string]interface {}{\"k\":\"a\"}",
            "l[3]: Duplicate value: map[string]interface {}{}",
        ]
    )]
    #[case::two_keys(
        json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"]}),
        json!([{"k": "a", "p": 1}, {"k": "a", "p": 2}, {"p": 1, "k": "a"}]),
        &["l[2]: Duplicate value: map[string]interface {}{\"k\":\"a\", \"p\":1}"]
    )]
    #[case::no_object(
        json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}),
        json!([{"k": "a"}, 5]),
        &["l[1]: Invalid value: 5: must be an object for an array of list-type map"]
    )]
    fn names_what_is_there_twice(#[case] list: Value, #[case] items: Value, #[case] expected: &[&str]) {
        let schema = serde_json::from_value(json!({"properties": {"l": list}})).unwrap();
        let object = json!({"l": items});
        let mut causes = Vec::new();
        validate_lists(&Path::top(), &schema, object.as_object().unwrap(), &mut causes);
        let texts: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        assert_eq!(texts, expected);
    }
}
