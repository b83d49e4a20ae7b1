//! Whether an object fits its schema.

use std::collections::BTreeSet;

use serde_json::Value;

use super::elements;
use super::schema::{ObjectType, Scalar, TypeId, View};
use super::trail::{Step, Trail, Violation, Violations};
use crate::go;
use crate::types::ListType;

/// Checks that `value` fits.
///
/// # Errors
/// All that does not, in the original's words.
pub fn validate(kind: ObjectType<'_>, value: &Value) -> Result<(), Violations> {
    let mut found = Vec::new();
    walk(kind, kind.root, value, &Trail::Root, &mut found);
    Violations::none_of(found)
}

/// What is wrong with a value where `scalar` belongs.
#[must_use]
pub fn misfit(scalar: Scalar, value: &Value) -> Option<String> {
    match (scalar, value) {
        (_, Value::Null)
        | (Scalar::Any, _)
        | (Scalar::Number, Value::Number(_))
        | (Scalar::Text, Value::String(_))
        | (Scalar::Boolean, Value::Bool(_)) => None,
        (Scalar::Number, _) => Some("expected numeric (int or float), got *value.valueUnstructured".to_owned()),
        (Scalar::Text, other) => {
            Some(format!("expected string, got &value.valueUnstructured{{Value:{}}}", go::syntax(other)))
        }
        (Scalar::Boolean, other) => Some(format!("expected boolean, got &{{{}}}", go::plain(other))),
    }
}

fn walk(kind: ObjectType<'_>, id: TypeId, value: &Value, at: &Trail<'_>, found: &mut Vec<Violation>) {
    match kind.get(id).and_then(|found| found.view(Some(value))) {
        None => found.push(at.violation("schema error: invalid atom: inlined")),
        Some(View::Scalar(scalar)) => found.extend(misfit(scalar, value).map(|text| at.violation(text))),
        Some(View::List(list)) => {
            let items = match value {
                Value::Array(items) => items,
                Value::Null => return,
                other => return found.push(at.violation(format!("expected list, got &{{{}}}", go::plain(other)))),
            };
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let element = match elements::name(list, index, item) {
                    Ok(element) => element,
                    Err(text) => return found.push(at.violation(format!("element {index}: {text}"))),
                };
                if list.kind != ListType::Atomic && seen.contains(&element) {
                    found.push(at.violation(format!("duplicate entries for key {element}")));
                }
                walk(kind, list.element, item, &at.then(Step::Element(&element)), found);
                if list.kind != ListType::Atomic {
                    seen.insert(element);
                }
            }
        }
        Some(View::Map(map)) => {
            let fields = match value {
                Value::Object(fields) => fields,
                Value::Null => return,
                other => return found.push(at.violation(format!("expected map, got &{{{}}}", go::plain(other)))),
            };
            for (name, inner) in fields {
                let below = at.then(Step::Field(name));
                let Some(field) = map.field(name) else {
                    return found.push(below.violation("field not declared in schema"));
                };
                walk(kind, field, inner, &below, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::super::builtin;
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::an_unknown_field(json!({"spec": {"foo": 1}}), ".spec.foo: field not declared in schema")]
    #[case::a_text_for_a_number(
        json!({"spec": {"replicas": "1"}}),
        ".spec.replicas: expected numeric (int or float), got *value.valueUnstructured"
    )]
    #[case::a_number_for_a_text(
        json!({"metadata": {"labels": {"a": 1}}}),
        ".metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}"
    )]
    #[case::a_text_for_a_boolean(json!({"spec": {"paused": "x"}}), ".spec.paused: expected boolean, got &{x}")]
    #[case::a_text_for_a_map(json!({"spec": "x"}), ".spec: expected map, got &{x}")]
    #[case::one_key_twice(
        json!({"spec": {"template": {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}}}),
        ".spec.template.spec.containers: duplicate entries for key [name=\"a\"]"
    )]
    #[case::an_element_without_its_key(
        json!({"spec": {"template": {"spec": {"imagePullSecrets": [{}]}}}}),
        ".spec.template.spec.imagePullSecrets: element 0: associative list with keys has an element that omits key field \"name\" (and doesn't have default value)"
    )]
    fn words_violations_as_the_original(#[case] value: Value, #[case] expected: &str) {
        let kind = builtin::object_type("apps.v1.Deployment").unwrap();
        assert_eq!(validate(kind, &value).unwrap_err().to_string(), expected);
    }

    #[test]
    fn takes_what_fits() {
        let kind = builtin::object_type("core.v1.ConfigMap").unwrap();
        let value = json!({"metadata": {"name": "a", "creationTimestamp": null}, "data": {"k": "v"}});
        assert_eq!(validate(kind, &value), Ok(()));
    }
}
