//! What a merge patch has to say (RFC 7396) to turn one object into another.

use serde_json::{Map, Value};

/// The patch that turns `before` into `after`; none when they are the same.
pub(crate) fn patch(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return Some(after.clone()) };
    let mut changes = Map::new();
    for (name, value) in after {
        match before.get(name) {
            None => {
                changes.insert(name.clone(), value.clone());
            }
            Some(old) => {
                if let Some(change) = patch(old, value) {
                    changes.insert(name.clone(), change);
                }
            }
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changes.insert(name.clone(), Value::Null);
    }
    Some(Value::Object(changes))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::same(json!({"a": 1}), json!({"a": 1}), None)]
    #[case::added(json!({}), json!({"a": {"b": 1}}), Some(json!({"a": {"b": 1}})))]
    #[case::removed(json!({"a": 1, "b": 2}), json!({"b": 2}), Some(json!({"a": null})))]
    #[case::nested(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 3}}), Some(json!({"a": {"b": 3, "c": null}})))]
    #[case::list(json!({"a": [1, 2]}), json!({"a": [2]}), Some(json!({"a": [2]})))]
    fn says_what_changed(#[case] before: Value, #[case] after: Value, #[case] expected: Option<Value>) {
        assert_eq!(patch(&before, &after), expected);
    }
}
