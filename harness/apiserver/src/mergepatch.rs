//! Merge patches (RFC 7396) with the liberties of the library that Kubernetes 1.20 uses (evanphx/json-patch 4.9): of
//! what is new, nulls go from lists as well.

use serde_json::{Map, Value};

/// Merges `patch` into `object`. What the original takes apart it writes with sorted keys; messages that quote a
/// patched object show it.
pub fn apply(object: &mut Map<String, Value>, patch: &Map<String, Value>) {
    object.sort_keys();
    for (key, value) in patch {
        if value.is_null() {
            object.shift_remove(key);
            continue;
        }
        match (object.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(patch)) => apply(inner, patch),
            // What replaces an object is taken as it is.
            (Some(slot @ Value::Object(_)), other) => *slot = other.clone(),
            (Some(slot), other) => *slot = without_nulls(other),
            (None, other) => {
                object.insert(key.clone(), without_nulls(other));
            }
        }
    }
    object.sort_keys();
}

/// `value` without the nulls in its objects and lists.
#[must_use]
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            let mut kept: Map<String, Value> = kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect();
            kept.sort_keys();
            Value::Object(kept)
        }
        Value::Array(items) => Value::Array(items.iter().filter(|item| !item.is_null()).map(without_nulls).collect()),
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
    #[case(json!({"a": {"b": 1}}), json!({"a": {"b": 1, "x": 1}, "l": [1], "s": "t"}))]
    #[case(json!({"a": null}), json!({"l": [1], "s": "t"}))]
    #[case(json!({"a": [null, 1]}), json!({"a": [null, 1], "l": [1], "s": "t"}))]
    #[case(json!({"l": [null, {"x": null}]}), json!({"a": {"x": 1}, "l": [{}], "s": "t"}))]
    #[case(json!({"n": {"x": null, "y": [null]}}), json!({"a": {"x": 1}, "l": [1], "s": "t", "n": {"y": []}}))]
    fn merges(#[case] patch: Value, #[case] expected: Value) {
        let mut object = json!({"a": {"x": 1}, "l": [1], "s": "t"});
        apply(object.as_object_mut().unwrap(), patch.as_object().unwrap());
        assert_eq!(object, expected);
    }
}
