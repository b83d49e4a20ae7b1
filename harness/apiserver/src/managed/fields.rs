//! The fields that an object names, and an object without some of them.

use serde_json::{Map, Value};

use super::elements;
use super::path::Element;
use super::schema::{ListSchema, MapSchema, ObjectType, TypeId, View};
use super::set::{Node, Set};
use crate::types::ListType;

/// Every leaf and every element that `value`, which fits its schema, names.
#[must_use]
pub fn named(kind: ObjectType<'_>, value: &Value) -> Set {
    node(kind, kind.root, value).below
}

fn node(kind: ObjectType<'_>, id: TypeId, value: &Value) -> Node {
    let leaf = Node { member: true, below: Set::default() };
    let mut below = Set::default();
    match kind.get(id).and_then(|known| known.view(Some(value))) {
        None => {}
        Some(View::Scalar(_)) => return leaf,
        Some(View::List(list)) => {
            if list.kind == ListType::Atomic {
                return leaf;
            }
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                if let Ok(element) = elements::name(list, index, item) {
                    let node = Node { member: true, ..node(kind, list.element, item) };
                    below.put(element, node);
                }
            }
        }
        Some(View::Map(map)) => {
            if map.atomic {
                return leaf;
            }
            for (name, inner) in value.as_object().into_iter().flatten() {
                let Some(field) = map.field(name) else { continue };
                let mut node = node(kind, field, inner);
                // A key of a map is there by being named, a field of an object by what it holds.
                node.member |= !map.fields.contains_key(name);
                below.put(Element::field(name), node);
            }
        }
    }
    Node { member: false, below }
}

/// `value` without the fields and elements of `removed`. What was emptied by that is null, and so is, as in the
/// original, a leaf below which something should be removed.
#[must_use]
pub fn without(kind: ObjectType<'_>, value: &Value, removed: &Set) -> Value {
    cut(kind, kind.root, value, removed)
}

fn cut(kind: ObjectType<'_>, id: TypeId, value: &Value, removed: &Set) -> Value {
    match kind.get(id).and_then(|known| known.view(Some(value))) {
        None => Value::Null,
        Some(View::Scalar(_)) => value.clone(),
        Some(View::List(list)) => cut_list(kind, list, value, removed),
        Some(View::Map(map)) => cut_map(kind, map, value, removed),
    }
}

fn cut_list(kind: ObjectType<'_>, list: &ListSchema, value: &Value, removed: &Set) -> Value {
    if list.kind == ListType::Atomic {
        return Value::Null;
    }
    let mut kept = Vec::new();
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let node = elements::name(list, index, item).ok().and_then(|element| removed.get(&element));
        match node {
            Some(node) if node.member => {}
            Some(node) => kept.push(cut(kind, list.element, item, &node.below)),
            None => kept.push(item.clone()),
        }
    }
    if kept.is_empty() { Value::Null } else { Value::Array(kept) }
}

fn cut_map(kind: ObjectType<'_>, map: &MapSchema, value: &Value, removed: &Set) -> Value {
    if map.atomic {
        return Value::Null;
    }
    let mut kept = Map::new();
    for (name, inner) in value.as_object().into_iter().flatten() {
        match (removed.get(&Element::field(name)), map.field(name)) {
            (Some(node), _) if node.member => {}
            (Some(node), Some(field)) => {
                kept.insert(name.clone(), cut(kind, field, inner, &node.below));
            }
            _ => {
                kept.insert(name.clone(), inner.clone());
            }
        }
    }
    if kept.is_empty() { Value::Null } else { Value::Object(kept) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::super::{builtin, codec};
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::keys_of_maps(
        json!({"metadata": {"labels": {"a": "b"}}}),
        json!({"f:metadata": {"f:labels": {"f:a": {}}}})
    )]
    #[case::elements_with_their_fields(
        json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 1}]}]}}),
        json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:ports": {
            "k:{\"containerPort\":1,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}})
    )]
    #[case::sets_by_value(
        json!({"metadata": {"finalizers": ["x"]}}),
        json!({"f:metadata": {"f:finalizers": {"v:\"x\"": {}}}})
    )]
    #[case::no_empty_objects(json!({"spec": {"securityContext": {}}}), json!({}))]
    fn names_leaves_and_elements(#[case] value: Value, #[case] expected: Value) {
        let kind = builtin::object_type("core.v1.Pod").unwrap();
        assert_eq!(codec::write(&named(kind, &value)), expected);
    }

    #[rstest]
    #[case::a_key(json!({"f:metadata": {"f:labels": {"f:a": {}}}}), json!({"metadata": {"labels": {"b": "2"}}}))]
    #[case::all_keys(
        json!({"f:metadata": {"f:labels": {"f:a": {}, "f:b": {}}}}),
        json!({"metadata": {"labels": null}})
    )]
    fn removes_what_is_named(#[case] removed: Value, #[case] expected: Value) {
        let kind = builtin::object_type("core.v1.Pod").unwrap();
        let value = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
        assert_eq!(without(kind, &value, &codec::read(&removed).unwrap()), expected);
    }
}
