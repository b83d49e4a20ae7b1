//! Strategic merge patch: lists are merged by the keys that the type table names.

use serde_json::{Map, Value};

use crate::types::{self, Field, Fields, Type};

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

/// Applies `patch` to `original`, an object of the named type.
///
/// # Errors
/// The original's text when the patch does not fit the object.
pub fn apply(type_name: &str, original: &mut Value, patch: &Value) -> Result<(), String> {
    merge_object(types::fields(type_name), original, patch)
}

fn merge_object(fields: Option<&Fields>, original: &mut Value, patch: &Value) -> Result<(), String> {
    let Value::Object(changes) = patch else {
        *original = patch.clone();
        return Ok(());
    };
    match changes.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => {
            *original = cleaned(patch);
            return Ok(());
        }
        Some("delete") => {
            *original = Value::Object(Map::new());
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(format!("unknown patch type found: {other}")),
    }
    if !original.is_object() {
        *original = Value::Object(Map::new());
    }
    let Value::Object(map) = original else { return Ok(()) };
    if let Some(Value::Array(retained)) = changes.get(RETAIN) {
        map.retain(|key, _| retained.iter().any(|kept| kept == key));
    }
    for (key, change) in changes {
        if let Some(name) = key.strip_prefix(DELETE) {
            if let (Some(Value::Array(items)), Value::Array(removed)) = (map.get_mut(name), change) {
                items.retain(|item| !removed.contains(item));
            }
            continue;
        }
        if key.starts_with('$') {
            continue;
        }
        let field = fields.and_then(|fields| fields.get(key));
        let order = changes.get(&format!("{ORDER}{key}")).and_then(Value::as_array);
        merge_field(field, map, key, change, order)?;
    }
    // An order may be given for a list that is not itself changed, and that was deleted from.
    for (key, order) in changes {
        if let (Some(name), Value::Array(order)) = (key.strip_prefix(ORDER), order)
            && !changes.contains_key(name)
            && let Some(Value::Array(items)) = map.get_mut(name)
        {
            let merge_key = fields.and_then(|fields| fields.get(name)).map_or("", |field| field.merge_key.as_str());
            let was = identities(items, merge_key);
            reorder(items, &identities(order, merge_key), &was, merge_key);
        }
    }
    Ok(())
}

fn merge_field(
    field: Option<&Field>,
    map: &mut Map<String, Value>,
    key: &str,
    change: &Value,
    order: Option<&Vec<Value>>,
) -> Result<(), String> {
    if change.is_null() {
        map.remove(key);
        return Ok(());
    }
    match change {
        Value::Object(_) => {
            let inner = field.and_then(|field| match &field.kind {
                Type::Object(name) => types::fields(name),
                _ => None,
            });
            if field.is_some_and(|field| matches!(field.kind, Type::List(_) | Type::String | Type::Int | Type::Bool)) {
                return Err("cannot restore slice from map".to_owned());
            }
            let slot = map.entry(key).or_insert(Value::Null);
            merge_object(inner, slot, change)
        }
        Value::Array(items) => {
            let Some(field) = field.filter(|field| field.strategy.merge) else {
                map.insert(key.to_owned(), cleaned(change));
                return Ok(());
            };
            let slot = map.entry(key).or_insert_with(|| Value::Array(Vec::new()));
            if !slot.is_array() {
                *slot = Value::Array(Vec::new());
            }
            let Value::Array(present) = slot else { return Ok(()) };
            let was = identities(present, &field.merge_key);
            let replaced = merge_list(field, present, items)?;
            if !replaced {
                reorder(present, &identities(order.unwrap_or(items), &field.merge_key), &was, &field.merge_key);
            }
            Ok(())
        }
        _ => {
            if field.is_some_and(|field| matches!(field.kind, Type::Map(_) | Type::Object(_))) {
                let kind = if change.is_string() { "string" } else { "int64" };
                return Err(format!("cannot restore map from {kind}"));
            }
            map.insert(key.to_owned(), change.clone());
            Ok(())
        }
    }
}

/// Merges `changes` into `present`; tells whether they replaced it.
fn merge_list(field: &Field, present: &mut Vec<Value>, changes: &[Value]) -> Result<bool, String> {
    let key = field.merge_key.as_str();
    if key.is_empty() {
        for change in changes {
            if !present.contains(change) {
                present.push(change.clone());
            }
        }
        return Ok(false);
    }
    if changes.iter().any(|change| change.get(DIRECTIVE).and_then(Value::as_str) == Some("replace")) {
        *present = changes.iter().filter(|change| !only_directive(change)).map(cleaned).collect();
        return Ok(true);
    }
    let inner = match &field.kind {
        Type::List(item) => match item.as_ref() {
            Type::Object(name) => types::fields(name),
            _ => None,
        },
        _ => None,
    };
    for change in changes {
        let Some(identity) = change.get(key) else {
            if change.get(DIRECTIVE).is_some() {
                continue;
            }
            return Err(format!("map: {change} does not contain declared merge key: {key}"));
        };
        let position = present.iter().position(|item| item.get(key) == Some(identity));
        if change.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") {
            present.retain(|item| item.get(key) != Some(identity));
        } else if let Some(item) = position.and_then(|position| present.get_mut(position)) {
            merge_object(inner, item, change)?;
        } else {
            let mut item = Value::Object(Map::new());
            merge_object(inner, &mut item, change)?;
            present.push(item);
        }
    }
    Ok(false)
}

fn only_directive(change: &Value) -> bool {
    change.as_object().is_some_and(|map| map.len() == 1 && map.contains_key(DIRECTIVE))
}

/// The identity of a list's element: its merge key, or itself.
fn identity(item: &Value, key: &str) -> Value {
    if key.is_empty() { item.clone() } else { item.get(key).cloned().unwrap_or_default() }
}

fn identities(items: &[Value], key: &str) -> Vec<Value> {
    items.iter().map(|item| identity(item, key)).collect()
}

/// Puts `items` in the order of the patch: those that it names in the order of `order`; the others stay in their own
/// order, each before a named one only where it stood before it in the list as it was (`was`).
fn reorder(items: &mut Vec<Value>, order: &[Value], was: &[Value], key: &str) {
    let position = |list: &[Value], item: &Value| {
        let wanted = identity(item, key);
        list.iter().position(|found| *found == wanted)
    };
    let (mut named, others): (Vec<Value>, Vec<Value>) =
        std::mem::take(items).into_iter().partition(|item| position(order, item).is_some());
    named.sort_by_key(|item| position(order, item));
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let other_first = match (others.peek(), named.peek()) {
            (None, None) => return,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(name)) => {
                matches!((position(was, other), position(was, name)), (Some(other), Some(name)) if other < name)
            }
        };
        items.extend(if other_first { others.next() } else { named.next() });
    }
}

/// `value` without directives.
fn cleaned(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, inner)| !key.starts_with('$') && !inner.is_null())
            .map(|(key, inner)| (key.clone(), cleaned(inner)))
            .collect(),
        Value::Array(items) => items.iter().map(cleaned).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::merges_containers_by_name(
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}),
        json!({"containers": [{"name": "b", "image": "2"}]}),
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]})
    )]
    #[case::deletes_an_element(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"containers": [{"name": "a", "$patch": "delete"}]}),
        json!({"containers": [{"name": "b"}]})
    )]
    #[case::orders_elements(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}], "containers": [{"name": "c"}]}),
        json!({"containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}]})
    )]
    #[case::puts_new_elements_first(
        json!({"containers": [{"name": "z"}, {"name": "x"}]}),
        json!({"containers": [{"name": "q"}]}),
        json!({"containers": [{"name": "q"}, {"name": "z"}, {"name": "x"}]})
    )]
    #[case::replaces_lists_without_strategy(
        json!({"containers": [{"name": "a", "args": ["x"]}]}),
        json!({"containers": [{"name": "a", "args": ["y"]}]}),
        json!({"containers": [{"name": "a", "args": ["y"]}]})
    )]
    #[case::removes_nulls(
        json!({"nodeName": "n", "hostNetwork": true}),
        json!({"nodeName": null}),
        json!({"hostNetwork": true})
    )]
    #[case::retains_named_keys(
        json!({"volumes": [{"name": "v", "configMap": {"name": "c"}}]}),
        json!({"volumes": [{"name": "v", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "emptyDir": {}}]})
    )]
    #[case::replaces_a_whole_list(
        json!({"containers": [{"name": "a"}]}),
        json!({"containers": [{"name": "b"}, {"$patch": "replace"}]}),
        json!({"containers": [{"name": "b"}]})
    )]
    fn patches_pod_specs(#[case] mut original: Value, #[case] patch: Value, #[case] expected: Value) {
        apply("core.v1.PodSpec", &mut original, &patch).unwrap();
        assert_eq!(original, expected);
    }

    #[test]
    fn merges_and_deletes_scalars_of_lists() {
        let mut original = json!({"metadata": {"finalizers": ["a", "b"]}});
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}});
        apply("core.v1.ConfigMap", &mut original, &patch).unwrap();
        assert_eq!(original["metadata"]["finalizers"], json!(["c", "b"]));
    }

    #[test]
    fn refuses_a_scalar_for_a_map() {
        let text = apply("core.v1.Secret", &mut json!({"data": {}}), &json!({"data": 3})).unwrap_err();
        assert_eq!(text, "cannot restore map from int64");
    }
}
