//! The schema of the built-in kinds, made of the table of types.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::schema::{MapSchema, ObjectType, Scalar, Schema, Type, TypeId};
use crate::types::{self, Field, ListKey, ListType};

static BUILT_IN: LazyLock<BuiltIn> = LazyLock::new(BuiltIn::new);

struct BuiltIn {
    schema: Schema,
    types: HashMap<String, TypeId>,
}

impl BuiltIn {
    fn new() -> Self {
        let mut schema = Schema::new();
        let mut named = Named::default();
        for name in types::names() {
            named.object(&mut schema, name);
        }
        Self { schema, types: named.known }
    }
}

/// What whole objects of the named type are.
#[must_use]
pub fn object_type(type_name: &str) -> Option<ObjectType<'static>> {
    let root = *BUILT_IN.types.get(type_name)?;
    Some(ObjectType { schema: &BUILT_IN.schema, root })
}

/// The named types that a schema has already.
#[derive(Default)]
pub struct Named {
    known: HashMap<String, TypeId>,
}

impl Named {
    /// The named type, added with all it refers to where it is new.
    pub fn object(&mut self, schema: &mut Schema, name: &str) -> TypeId {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        let Some(fields) = types::fields(name) else { return Schema::UNTYPED };
        let id = schema.reserve();
        self.known.insert(name.to_owned(), id);
        let fields = fields.iter().map(|(field, known)| (field.clone(), self.field(schema, known))).collect();
        schema.define(id, Type::map(MapSchema { fields, rest: None, atomic: types::is_atomic(name) }));
        id
    }

    fn field(&mut self, schema: &mut Schema, field: &Field) -> TypeId {
        match &field.kind {
            types::Type::List(inner) => {
                let element = self.plain(schema, inner);
                schema.add(Type::list(element, with_defaults(&field.list_type, inner)))
            }
            kind => self.plain(schema, kind),
        }
    }

    fn plain(&mut self, schema: &mut Schema, kind: &types::Type) -> TypeId {
        match kind {
            types::Type::Object(name) => self.object(schema, name),
            types::Type::List(inner) => {
                let element = self.plain(schema, inner);
                schema.add(Type::list(element, ListType::Atomic))
            }
            types::Type::Map(inner) => {
                let rest = Some(self.plain(schema, inner));
                schema.add(Type::map(MapSchema { rest, ..MapSchema::default() }))
            }
            types::Type::Any | types::Type::SchemaOr(_) => Schema::UNTYPED,
            types::Type::Int | types::Type::Long | types::Type::Number => schema.add(Type::scalar(Scalar::Number)),
            types::Type::Bool => schema.add(Type::scalar(Scalar::Boolean)),
            // The OpenAPI of a quantity has no format: only text is applied, although numbers can be written.
            types::Type::String | types::Type::Bytes | types::Type::Quantity => schema.add(Type::scalar(Scalar::Text)),
            types::Type::Time | types::Type::MicroTime | types::Type::IntOrString => {
                schema.add(Type::scalar(Scalar::Any))
            }
        }
    }
}

/// Keys that are always written have a default in the OpenAPI of the original's code: their zero.
fn with_defaults(list_type: &ListType, element: &types::Type) -> ListType {
    let (ListType::Map(keys), types::Type::Object(name)) = (list_type, element) else { return list_type.clone() };
    let zero = |key: &str| {
        let field = types::fields(name)?.get(key).filter(|field| field.required && !field.pointer)?;
        match field.kind {
            types::Type::String => Some(Value::from("")),
            types::Type::Int | types::Type::Long => Some(Value::from(0)),
            _ => None,
        }
    };
    let key =
        |key: &ListKey| ListKey { name: key.name.clone(), default: key.default.clone().or_else(|| zero(&key.name)) };
    ListType::Map(keys.iter().map(key).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    fn at<'s>(kind: ObjectType<'s>, path: &[&str]) -> &'s Type {
        let root = kind.get(kind.root).unwrap();
        path.iter().fold(root, |at, name| {
            let map = match &at.list {
                Some(list) => kind.get(list.element).unwrap().map.as_ref().unwrap(),
                None => at.map.as_ref().unwrap(),
            };
            kind.get(map.field(name).unwrap()).unwrap()
        })
    }

    #[rstest]
    #[case::text(&["metadata", "name"], Scalar::Text)]
    #[case::times(&["metadata", "creationTimestamp"], Scalar::Any)]
    #[case::numbers(&["spec", "replicas"], Scalar::Number)]
    #[case::quantities(&["spec", "template", "spec", "containers", "resources", "limits", "cpu"], Scalar::Text)]
    #[case::numbers_or_texts(&["spec", "strategy", "rollingUpdate", "maxSurge"], Scalar::Any)]
    fn knows_scalars_of_deployments(#[case] path: &[&str], #[case] expected: Scalar) {
        let kind = object_type("apps.v1.Deployment").unwrap();
        assert_eq!(at(kind, path).scalar, Some(expected));
    }

    #[test]
    fn takes_a_selector_for_one_value() {
        let kind = object_type("apps.v1.Deployment").unwrap();
        assert!(at(kind, &["spec", "selector"]).map.as_ref().unwrap().atomic);
    }
}
