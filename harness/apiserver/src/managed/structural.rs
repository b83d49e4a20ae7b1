//! The schema of a custom resource, as the original derives it from the definition: by way of OpenAPI, where what
//! OpenAPI cannot say is lost.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::builtin::Named;
use super::schema::{MapSchema, ObjectType, Scalar, Schema, Type, TypeId};
use crate::types::{ListKey, ListType};

/// The schema of one version of a custom resource.
#[derive(Debug)]
pub struct CustomSchema {
    schema: Schema,
    root: TypeId,
}

impl CustomSchema {
    /// The schema of objects with the structural schema `root`. `keeps_unknown` is `spec.preserveUnknownFields` of the
    /// definition.
    #[must_use]
    pub fn new(root: Option<&Value>, keeps_unknown: bool) -> Self {
        let mut schema = Schema::new();
        let free = if keeps_unknown { Schema::DEDUCED } else { Schema::UNTYPED };
        let root = match root {
            Some(root) => {
                let mut reader = Reader { schema: &mut schema, named: Named::default() };
                reader.object(root, keeps_unknown, true)
            }
            None => schema.add(Type::map(MapSchema { rest: Some(free), ..MapSchema::default() })),
        };
        Self { schema, root }
    }

    /// What whole objects are.
    #[must_use]
    pub fn object_type(&self) -> ObjectType<'_> {
        ObjectType { schema: &self.schema, root: self.root }
    }
}

/// The schemas of all versions of a custom resource, each made when it is first needed.
#[derive(Debug)]
pub struct CustomTypes {
    versions: Vec<(String, Option<Arc<Value>>, OnceLock<CustomSchema>)>,
    keeps_unknown: bool,
    deduced: bool,
}

/// Whether any part of a schema is a number or text. The original writes that as `anyOf`, which its parser of OpenAPI v2
/// refuses; it then deduces the types of all versions (`buildOpenAPIModelsForApply` of Kubernetes 1.20.2).
fn defies_openapi(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            map.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) || map.values().any(defies_openapi)
        }
        Value::Array(items) => items.iter().any(defies_openapi),
        _ => false,
    }
}

impl CustomTypes {
    /// The types of `versions`: `group/version` and structural schema.
    #[must_use]
    pub fn new(versions: impl IntoIterator<Item = (String, Option<Arc<Value>>)>, keeps_unknown: bool) -> Self {
        let versions: Vec<(String, Option<Arc<Value>>, OnceLock<CustomSchema>)> =
            versions.into_iter().map(|(name, schema)| (name, schema, OnceLock::new())).collect();
        let deduced = versions.iter().any(|(_, schema, _)| schema.as_deref().is_some_and(defies_openapi));
        Self { versions, keeps_unknown, deduced }
    }

    /// What objects of `api_version` are.
    #[must_use]
    pub fn object_type(&self, api_version: &str) -> Option<ObjectType<'_>> {
        let (_, schema, made) = self.versions.iter().find(|(name, ..)| name == api_version)?;
        let read = || {
            if self.deduced {
                return CustomSchema { schema: Schema::new(), root: Schema::DEDUCED };
            }
            CustomSchema::new(schema.as_deref(), self.keeps_unknown)
        };
        Some(made.get_or_init(read).object_type())
    }
}

struct Reader<'s> {
    schema: &'s mut Schema,
    named: Named,
}

fn flag(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

impl Reader<'_> {
    /// `keeps_unknown` is what holds around: fields that no schema names are kept.
    fn value(&mut self, schema: &Value, keeps_unknown: bool) -> TypeId {
        let has_fields = schema.get("properties").is_some() || flag(schema, "x-kubernetes-embedded-resource");
        match text(schema, "type") {
            "object" | "" if has_fields => {
                let embedded = flag(schema, "x-kubernetes-embedded-resource");
                self.object(schema, keeps_unknown, embedded)
            }
            "object" => {
                let inner = schema.get("additionalProperties").filter(|inner| inner.is_object());
                let rest = match inner {
                    Some(inner) => self.value(inner, keeps_unknown),
                    None => free(keeps_unknown),
                };
                let atomic = text(schema, "x-kubernetes-map-type") == "atomic";
                self.schema.add(Type::map(MapSchema { rest: Some(rest), atomic, ..MapSchema::default() }))
            }
            "array" => {
                let items = schema.get("items");
                let element = items.map_or(free(keeps_unknown), |items| self.value(items, keeps_unknown));
                self.schema.add(Type::list(element, list_type(schema)))
            }
            "integer" | "number" => self.schema.add(Type::scalar(Scalar::Number)),
            "boolean" => self.schema.add(Type::scalar(Scalar::Boolean)),
            // Formats are stripped with the other value validations before the original looks.
            "string" => self.schema.add(Type::scalar(Scalar::Text)),
            _ => free(keeps_unknown),
        }
    }

    /// `whole` marks a whole object, which has a kind and metadata whatever its schema says.
    fn object(&mut self, schema: &Value, keeps_unknown: bool, whole: bool) -> TypeId {
        let keeps_unknown = keeps_unknown || flag(schema, "x-kubernetes-preserve-unknown-fields");
        let mut map = MapSchema {
            rest: keeps_unknown.then_some(Schema::DEDUCED),
            atomic: text(schema, "x-kubernetes-map-type") == "atomic",
            ..MapSchema::default()
        };
        for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            map.fields.insert(name.clone(), self.value(inner, keeps_unknown));
        }
        if whole {
            let text = self.schema.add(Type::scalar(Scalar::Text));
            map.fields.insert("apiVersion".to_owned(), text);
            map.fields.insert("kind".to_owned(), text);
            map.fields.insert("metadata".to_owned(), self.named.object(self.schema, "meta.ObjectMeta"));
        }
        self.schema.add(Type::map(map))
    }
}

fn free(keeps_unknown: bool) -> TypeId {
    if keeps_unknown { Schema::DEDUCED } else { Schema::UNTYPED }
}

fn list_type(schema: &Value) -> ListType {
    match text(schema, "x-kubernetes-list-type") {
        "set" => ListType::Set,
        "map" => {
            let names = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten();
            let default = |name: &str| schema.pointer("/items/properties")?.get(name)?.get("default").cloned();
            ListType::Map(
                names
                    .filter_map(Value::as_str)
                    .map(|name| ListKey { name: name.to_owned(), default: default(name) })
                    .collect(),
            )
        }
        _ => ListType::Atomic,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn field(schema: &Value) -> (CustomSchema, TypeId) {
        let root = json!({"type": "object", "properties": {"a": schema}});
        let custom = CustomSchema::new(Some(&root), false);
        let kind = custom.object_type();
        let id = kind.get(kind.root).unwrap().map.as_ref().unwrap().field("a").unwrap();
        (custom, id)
    }

    #[rstest]
    #[case::text(json!({"type": "string"}), Scalar::Text)]
    #[case::text_of_a_format(json!({"type": "string", "format": "date-time"}), Scalar::Text)]
    #[case::numbers(json!({"type": "integer"}), Scalar::Number)]
    #[case::numbers_or_texts(json!({"x-kubernetes-int-or-string": true}), Scalar::Any)]
    fn reads_scalars(#[case] schema: Value, #[case] expected: Scalar) {
        let (custom, id) = field(&schema);
        assert_eq!(custom.object_type().get(id).unwrap().scalar, Some(expected));
    }

    #[test]
    fn reads_keys_with_their_defaults() {
        let items = json!({"type": "object", "properties": {"p": {"type": "string", "default": "TCP"}}});
        let (custom, id) = field(&json!({"type": "array", "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["p"], "items": items}));
        let expected = ListType::Map(vec![ListKey { name: "p".to_owned(), default: Some(json!("TCP")) }]);
        assert_eq!(custom.object_type().get(id).unwrap().list.as_ref().unwrap().kind, expected);
    }

    #[test]
    fn knows_the_metadata_of_whole_objects() {
        let custom = CustomSchema::new(Some(&json!({"type": "object"})), false);
        let kind = custom.object_type();
        let metadata = kind.get(kind.root).unwrap().map.as_ref().unwrap().field("metadata").unwrap();
        assert!(kind.get(metadata).unwrap().map.as_ref().unwrap().fields.contains_key("labels"));
    }
}
