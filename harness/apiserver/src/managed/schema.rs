//! What the fields of an object are to server-side apply: leaves, or maps and lists that several writers share.

use std::collections::HashMap;

use serde_json::Value;

use crate::types::ListType;

/// A place in a [`Schema`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeId(usize);

/// A value that is none of map and list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// A number.
    Number,
    /// Text.
    Text,
    /// True or false.
    Boolean,
    /// Any of them.
    Any,
}

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSchema {
    /// Its elements.
    pub element: TypeId,
    /// What tells them apart.
    pub kind: ListType,
}

/// An object or a map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MapSchema {
    /// The fields that have names of their own.
    pub fields: HashMap<String, TypeId>,
    /// What every other field is; without it, there must be none.
    pub rest: Option<TypeId>,
    /// It is one value, which one writer has whole.
    pub atomic: bool,
}

/// What a value may be. Untyped values may be all three.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Type {
    /// Neither map nor list.
    pub scalar: Option<Scalar>,
    /// A list.
    pub list: Option<ListSchema>,
    /// A map.
    pub map: Option<MapSchema>,
}

/// How a certain value is looked at.
#[derive(Debug, Clone, Copy)]
pub enum View<'s> {
    /// As a scalar.
    Scalar(Scalar),
    /// As a list.
    List(&'s ListSchema),
    /// As a map.
    Map(&'s MapSchema),
}

impl MapSchema {
    /// The type of the field `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<TypeId> {
        self.fields.get(name).copied().or(self.rest)
    }
}

impl Type {
    /// A scalar.
    #[must_use]
    pub fn scalar(scalar: Scalar) -> Self {
        Self { scalar: Some(scalar), ..Self::default() }
    }

    /// A list.
    #[must_use]
    pub fn list(element: TypeId, kind: ListType) -> Self {
        Self { list: Some(ListSchema { element, kind }), ..Self::default() }
    }

    /// A map.
    #[must_use]
    pub fn map(map: MapSchema) -> Self {
        Self { map: Some(map), ..Self::default() }
    }

    /// How `value` is looked at: by what it is, if that is allowed; otherwise, as when there is none, as the first that
    /// is allowed of map, scalar and list.
    #[must_use]
    pub fn view(&self, value: Option<&Value>) -> Option<View<'_>> {
        let fitting = match value {
            Some(Value::Number(_) | Value::String(_) | Value::Bool(_)) => self.scalar.map(View::Scalar),
            Some(Value::Array(_)) => self.list.as_ref().map(View::List),
            Some(Value::Object(_)) => self.map.as_ref().map(View::Map),
            Some(Value::Null) | None => None,
        };
        fitting
            .or_else(|| self.map.as_ref().map(View::Map))
            .or_else(|| self.scalar.map(View::Scalar))
            .or_else(|| self.list.as_ref().map(View::List))
    }

    /// Whether two values are looked at alike.
    #[must_use]
    pub fn views_alike(&self, a: Option<&Value>, b: Option<&Value>) -> bool {
        let rank = |value| match self.view(value) {
            None => 0,
            Some(View::Scalar(_)) => 1,
            Some(View::List(_)) => 2,
            Some(View::Map(_)) => 3,
        };
        rank(a) == rank(b)
    }
}

/// Types that refer to each other.
#[derive(Debug)]
pub struct Schema {
    types: Vec<Type>,
}

impl Default for Schema {
    fn default() -> Self {
        Self::new()
    }
}

impl Schema {
    /// Whatever it is, one value.
    pub const UNTYPED: TypeId = TypeId(0);
    /// Maps are shared, all else is one value.
    pub const DEDUCED: TypeId = TypeId(1);

    /// A schema of the two types that say nothing.
    #[must_use]
    pub fn new() -> Self {
        let free = |rest: TypeId, atomic: bool| Type {
            scalar: Some(Scalar::Any),
            list: Some(ListSchema { element: Self::UNTYPED, kind: ListType::Atomic }),
            map: Some(MapSchema { fields: HashMap::new(), rest: Some(rest), atomic }),
        };
        Self { types: vec![free(Self::UNTYPED, true), free(Self::DEDUCED, false)] }
    }

    /// Adds a type.
    pub fn add(&mut self, kind: Type) -> TypeId {
        self.types.push(kind);
        TypeId(self.types.len() - 1)
    }

    /// A place for a type that is told later, so that types can refer to themselves.
    pub fn reserve(&mut self) -> TypeId {
        self.add(Type::default())
    }

    /// Tells what a reserved place is.
    pub fn define(&mut self, id: TypeId, kind: Type) {
        if let Some(slot) = self.types.get_mut(id.0) {
            *slot = kind;
        }
    }

    /// The type at `id`; `None` for a place of another schema.
    #[must_use]
    pub fn get(&self, id: TypeId) -> Option<&Type> {
        self.types.get(id.0)
    }
}

/// A schema and the type in it that whole objects have.
#[derive(Debug, Clone, Copy)]
pub struct ObjectType<'s> {
    /// The schema.
    pub schema: &'s Schema,
    /// The type of whole objects.
    pub root: TypeId,
}

impl<'s> ObjectType<'s> {
    /// The type at `id`.
    #[must_use]
    pub fn get(&self, id: TypeId) -> Option<&'s Type> {
        self.schema.get(id)
    }

    /// Whether nothing is known of the objects.
    #[must_use]
    pub fn is_deduced(&self) -> bool {
        self.root == Schema::DEDUCED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::scalars(json!(1), json!("a"), true)]
    #[case::a_scalar_and_a_list(json!(1), json!([]), false)]
    #[case::nothing_as_a_map(json!(null), json!({}), true)]
    fn looks_at_untyped_values_by_what_they_are(#[case] a: Value, #[case] b: Value, #[case] alike: bool) {
        let schema = Schema::new();
        let untyped = schema.get(Schema::UNTYPED).cloned().unwrap_or_default();
        assert_eq!(untyped.views_alike(Some(&a), Some(&b)), alike);
    }

    #[test]
    fn looks_at_a_misfit_as_what_is_allowed() {
        let text = Type::scalar(Scalar::Text);
        assert!(matches!(text.view(Some(&json!({}))), Some(View::Scalar(Scalar::Text))));
    }
}
