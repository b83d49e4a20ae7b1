//! `FieldsV1`: a set of paths as JSON. A key is `f:NAME`, `k:{KEYS}`, `v:VALUE` or `i:INDEX`; the key `.` says that an
//! element with something below it is itself a member.

use serde_json::{Map, Value};
use thiserror::Error;

use super::path::Element;
use super::set::{Node, Set};

/// A text that is no set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// `set` in the original's form and order.
#[must_use]
pub fn write(set: &Set) -> Value {
    Value::Object(contents(set, false))
}

fn contents(set: &Set, itself: bool) -> Map<String, Value> {
    let mut map = Map::new();
    if itself && !set.is_empty() {
        map.insert(".".to_owned(), Value::Object(Map::new()));
    }
    for (element, node) in set.nodes() {
        map.insert(key(element), Value::Object(contents(&node.below, node.member)));
    }
    map
}

fn key(element: &Element) -> String {
    match element {
        Element::Field(name) => format!("f:{name}"),
        Element::Key(fields) => {
            let map: Map<String, Value> =
                fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
            format!("k:{}", Value::Object(map))
        }
        Element::Value(value) => format!("v:{value}"),
        Element::Index(index) => format!("i:{index}"),
    }
}

/// The set that `fields` is.
///
/// # Errors
/// When a key is none of a path, or a value no object.
pub fn read(fields: &Value) -> Result<Set, Unreadable> {
    Ok(node(fields)?.0)
}

/// What lies below, and whether the element itself is a member.
fn node(value: &Value) -> Result<(Set, bool), Unreadable> {
    let mut set = Set::default();
    let mut member = false;
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                if key == "." {
                    member = true;
                    continue;
                }
                let Some(element) = element(key)? else { continue };
                let (below, member) = node(inner)?;
                set.put(element, Node { member, below });
            }
        }
        Value::Null => {}
        other => return Err(Unreadable(format!("ReadMapCB: expect {{ or n, but found {other}"))),
    }
    // An element without anything below it is there for its own sake.
    member |= set.is_empty();
    Ok((set, member))
}

/// The element that `key` names; `None` for kinds of a later version, which are passed over.
fn element(key: &str) -> Result<Option<Element>, Unreadable> {
    let Some((kind, rest)) = key.split_at_checked(2) else {
        return Err(Unreadable("key must be 2 characters long:".to_owned()));
    };
    let json = || serde_json::from_str::<Value>(rest).map_err(|error| Unreadable(error.to_string()));
    match kind {
        "f:" => Ok(Some(Element::field(rest))),
        "v:" => Ok(Some(Element::Value(json()?))),
        "k:" => match json()? {
            Value::Object(map) => Ok(Some(Element::key(map.into_iter().map(|(k, v)| (k.into(), v)).collect()))),
            other => Err(Unreadable(format!("ReadObjectCB: expect {{ or n, but found {other}"))),
        },
        "i:" => match rest.parse() {
            Ok(index) => Ok(Some(Element::Index(index))),
            Err(_) => Err(Unreadable(format!("strconv.Atoi: parsing {rest:?}: invalid syntax"))),
        },
        _ if kind.ends_with(':') => Ok(None),
        _ => Err(Unreadable(format!("missing colon: {key}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::fields(json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}, "f:metadata": {"f:labels": {"f:x": {}}}}))]
    #[case::keys(json!({"f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}}}))]
    #[case::values_and_places(json!({"f:a": {"v:\"x\"": {}, "v:1": {}}, "f:b": {"i:0": {}, "i:10": {}}}))]
    fn writes_what_it_read(#[case] fields: Value) {
        assert_eq!(write(&read(&fields).unwrap()), fields);
    }

    #[test]
    fn writes_in_the_order_of_paths() {
        let read = read(&json!({"f:b": {}, "f:a": {"f:c": {}, ".": {}}})).unwrap();
        assert_eq!(write(&read).to_string(), r#"{"f:a":{".":{},"f:c":{}},"f:b":{}}"#);
    }

    #[rstest]
    #[case::no_colon(json!({"abc": {}}))]
    #[case::too_short(json!({"f": {}}))]
    #[case::a_place_that_is_no_number(json!({"i:x": {}}))]
    #[case::no_object(json!({"f:a": 1}))]
    fn refuses_what_is_no_set(#[case] fields: Value) {
        assert!(read(&fields).is_err());
    }

    #[test]
    fn passes_over_kinds_of_a_later_version() {
        assert!(read(&json!({"x:a": {}})).unwrap().is_empty());
    }
}
