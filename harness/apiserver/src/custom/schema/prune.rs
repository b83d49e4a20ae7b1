//! Pruning: what a schema does not name goes (apiextensions' `pruning` package, Kubernetes 1.20).

use serde_json::Value;

use super::Schema;

/// Fields of every object, whatever its schema says.
pub(super) const OBJECT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Removes from the whole object `value` what `schema` does not name.
pub fn prune(schema: &Schema, value: &mut Value) {
    let root = Node { schema: Some(schema), is_resource: true };
    root.prune(value);
}

/// Removes from `value`, which may be no object, what `schema` does not name.
pub(super) fn prune_value(schema: &Schema, value: &mut Value) {
    Node::of(Some(schema)).prune(value);
}

/// A place in a schema; without one nothing is named.
#[derive(Clone, Copy)]
struct Node<'a> {
    schema: Option<&'a Schema>,
    is_resource: bool,
}

impl<'a> Node<'a> {
    fn of(schema: Option<&'a Schema>) -> Self {
        Self { schema, is_resource: schema.is_some_and(|schema| schema.embedded_resource) }
    }

    fn is_own_field(self, name: &str) -> bool {
        self.is_resource && OBJECT_FIELDS.contains(&name)
    }

    /// What is below `name`: `None` where the schema says nothing about it.
    fn below(self, name: &str) -> Option<Node<'a>> {
        let schema = self.schema?;
        match schema.properties.get(name) {
            Some(known) => Some(Node::of(Some(known))),
            None => schema.additional_properties.as_ref().map(|_| Node::of(schema.additional())),
        }
    }

    fn item(self) -> Node<'a> {
        Node::of(self.schema.and_then(Schema::item))
    }

    fn prune(self, value: &mut Value) {
        if self.schema.is_some_and(Schema::keeps_unknown_fields) {
            self.keep(value);
            return;
        }
        match value {
            Value::Object(map) => map.retain(|name, inner| {
                if self.is_own_field(name) {
                    return true;
                }
                let Some(below) = self.below(name) else { return false };
                below.prune(inner);
                true
            }),
            Value::Array(items) => {
                for item in items {
                    self.item().prune(item);
                }
            }
            _ => {}
        }
    }

    /// Keeps unknown fields here, and prunes what the schema does name.
    fn keep(self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (name, inner) in map.iter_mut().filter(|(name, _)| !self.is_own_field(name)) {
                    if let Some(below) = self.below(name) {
                        below.prune(inner);
                    }
                }
            }
            Value::Array(items) => {
                let item = self.item();
                if item.schema.is_some() {
                    for inner in items {
                        item.keep(inner);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::unknown_fields(
        json!({"properties": {"a": {}}}),
        json!({"metadata": {"x": 1}, "a": 1, "b": 2}),
        json!({"metadata": {"x": 1}, "a": 1})
    )]
    #[case::kept_unknown_fields(
        json!({"x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"properties": {"b": {}}}}}),
        json!({"x": {"y": 1}, "a": {"b": 1, "c": 2}}),
        json!({"x": {"y": 1}, "a": {"b": 1}})
    )]
    #[case::additional_properties_without_a_schema(
        json!({"properties": {"a": {"additionalProperties": true}}}),
        json!({"a": {"b": 1, "c": {"d": 1}}}),
        json!({"a": {"b": 1, "c": {}}})
    )]
    #[case::lists(
        json!({"properties": {"l": {"items": {"properties": {"q": {}}}}}}),
        json!({"l": [{"q": 1, "r": 2}, 3]}),
        json!({"l": [{"q": 1}, 3]})
    )]
    #[case::embedded_objects(
        json!({"properties": {"t": {"x-kubernetes-embedded-resource": true, "properties": {"spec": {}}}}}),
        json!({"t": {"kind": "A", "metadata": {"x": 1}, "spec": {"y": 1}, "z": 1}}),
        json!({"t": {"kind": "A", "metadata": {"x": 1}, "spec": {}}})
    )]
    fn removes_what_is_not_named(#[case] schema: Value, #[case] mut value: Value, #[case] expected: Value) {
        prune(&serde_json::from_value(schema).unwrap(), &mut value);
        assert_eq!(value, expected);
    }
}
