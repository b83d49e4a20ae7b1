//! Shapes of the built-in kinds: field types, patch strategies and protobuf numbers, as data.
//!
//! `data/types.json` was derived from the Go types of Kubernetes 1.20.2 (names, tags, order); `data/README.md` says
//! how. A field is its type, or `[type, protobuf number, patch strategy, merge key, list type]`. A leading `!` marks a
//! field that is written even when it is empty (its tag has no `omitempty`), with a `?` one that clients may leave out
//! all the same, a `*` one that is a pointer, whose zero is meant; a number above 1000 is a field of an embedded
//! message. The list type is given where the patch strategy does not say how an applied list is merged: `atomic`, `set`
//! or `map:KEY,KEY`, each key with its default where it has one (`map:containerPort,protocol=TCP`). Fields are in the
//! order in which the original writes them.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

/// The type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// Base64 text.
    Bytes,
    /// RFC 3339 to the second.
    Time,
    /// RFC 3339 to the microsecond.
    MicroTime,
    /// A Kubernetes quantity.
    Quantity,
    /// A number or text.
    IntOrString,
    /// Anything.
    Any,
    /// A schema of a `CustomResourceDefinition`, or something else.
    SchemaOr(Alternative),
    /// A list.
    List(Box<Type>),
    /// A map from text.
    Map(Box<Type>),
    /// A named type of the table.
    Object(String),
}

/// What may stand in place of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alternative {
    /// True or false.
    Bool,
    /// A list of schemas.
    Array,
    /// A list of names.
    Strings,
}

/// How strategic merge treats a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strategy {
    /// Lists are merged, not replaced.
    pub merge: bool,
    /// Keys absent from the patch are dropped when it says `$retainKeys`.
    pub retain_keys: bool,
}

/// What tells the elements of a list apart when it is applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ListType {
    /// Nothing: the list is one value.
    #[default]
    Atomic,
    /// Their value.
    Set,
    /// These fields of theirs.
    Map(Vec<ListKey>),
}

/// A field that tells the elements of a list apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListKey {
    /// The field.
    pub name: String,
    /// Its value where an element has none.
    pub default: Option<Value>,
}

/// The type of the schemas of `CustomResourceDefinition`s.
pub const SCHEMA: &str = "apiextensions.v1.JSONSchemaProps";

/// Types whose objects are one value when they are applied: `x-kubernetes-map-type: atomic` of 1.20's OpenAPI.
const ATOMIC: &[&str] = &["meta.LabelSelector"];

/// Whether objects of the named type are applied as one value.
#[must_use]
pub fn is_atomic(name: &str) -> bool {
    ATOMIC.contains(&name)
}

/// A field of a type.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its type.
    pub kind: Type,
    /// Whether it is written even when it is empty.
    pub required: bool,
    /// Whether clients may leave it out.
    pub optional: bool,
    /// Whether it is a pointer: absent is not the same as empty.
    pub pointer: bool,
    /// Protobuf number; 0 is unknown.
    pub number: u32,
    /// Patch strategy.
    pub strategy: Strategy,
    /// Key by which a merged list's elements are told apart; empty for lists of scalars.
    pub merge_key: String,
    /// What tells the elements of an applied list apart.
    pub list_type: ListType,
}

/// The fields of a type, in the order in which the original writes them.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    ordered: Vec<(String, Field)>,
    places: HashMap<String, usize>,
}

impl Fields {
    /// The named field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.places.get(name).and_then(|place| self.ordered.get(*place)).map(|(_, field)| field)
    }

    /// All fields with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Field)> {
        self.ordered.iter().map(|(name, field)| (name, field))
    }

    /// All fields.
    pub fn values(&self) -> impl Iterator<Item = &Field> {
        self.ordered.iter().map(|(_, field)| field)
    }
}

impl FromIterator<(String, Field)> for Fields {
    fn from_iter<I: IntoIterator<Item = (String, Field)>>(fields: I) -> Self {
        let ordered: Vec<(String, Field)> = fields.into_iter().collect();
        let places = ordered.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
        Self { ordered, places }
    }
}

static TYPES: LazyLock<HashMap<String, Fields>> = LazyLock::new(|| {
    let table: Map<String, Value> = serde_json::from_str(include_str!("../data/types.json")).unwrap_or_default();
    table.iter().map(|(name, fields)| (name.clone(), read_fields(fields))).collect()
});

/// The fields of the named type.
#[must_use]
pub fn fields(name: &str) -> Option<&'static Fields> {
    TYPES.get(name)
}

/// The names of all types.
pub fn names() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<&str> = TYPES.keys().map(String::as_str).collect();
    names.sort_unstable();
    names.into_iter()
}

/// The name of a type of the table, as long-lived as the table.
#[must_use]
pub fn known(name: &str) -> Option<&'static str> {
    TYPES.get_key_value(name).map(|(name, _)| name.as_str())
}

fn read_fields(fields: &Value) -> Fields {
    fields.as_object().into_iter().flatten().map(|(name, field)| (name.clone(), read_field(field))).collect()
}

fn read_field(field: &Value) -> Field {
    let at = |index: usize| if let Value::Array(parts) = field { parts.get(index) } else { None };
    let text = at(0).unwrap_or(field).as_str().unwrap_or("any");
    let texts = |index: usize| at(index).and_then(Value::as_str).unwrap_or_default();
    let (strategy, merge_key) = (texts(2), texts(3));
    let merge = strategy.split(',').any(|part| part == "merge");
    Field {
        kind: read_type(text.trim_start_matches(['!', '?', '*'])),
        required: text.starts_with('!'),
        optional: !text.starts_with('!') || text.starts_with("!?"),
        pointer: text.trim_start_matches(['!', '?']).starts_with('*'),
        number: at(1).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok()).unwrap_or(0),
        strategy: Strategy { merge, retain_keys: strategy.split(',').any(|part| part == "retainKeys") },
        merge_key: merge_key.to_owned(),
        list_type: read_list_type(texts(4), merge, merge_key),
    }
}

fn read_list_type(text: &str, merge: bool, merge_key: &str) -> ListType {
    let key = |text: &str| match text.split_once('=') {
        Some((name, default)) => ListKey { name: name.to_owned(), default: Some(Value::from(default)) },
        None => ListKey { name: text.to_owned(), default: None },
    };
    match (text, text.strip_prefix("map:")) {
        (_, Some(keys)) => ListType::Map(keys.split(',').map(key).collect()),
        ("set", _) => ListType::Set,
        ("", _) if merge && merge_key.is_empty() => ListType::Set,
        ("", _) if merge => ListType::Map(vec![key(merge_key)]),
        _ => ListType::Atomic,
    }
}

fn read_type(text: &str) -> Type {
    if let Some(inner) = text.strip_prefix("[]") {
        return Type::List(Box::new(read_type(inner)));
    }
    if let Some(inner) = text.strip_prefix("{}") {
        return Type::Map(Box::new(read_type(inner)));
    }
    match text {
        "string" => Type::String,
        "int" => Type::Int,
        "long" => Type::Long,
        "number" => Type::Number,
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "time" => Type::Time,
        "microtime" => Type::MicroTime,
        "quantity" => Type::Quantity,
        "intstr" => Type::IntOrString,
        "any" => Type::Any,
        "schemaorbool" => Type::SchemaOr(Alternative::Bool),
        "schemaorarray" => Type::SchemaOr(Alternative::Array),
        "schemaorstrings" => Type::SchemaOr(Alternative::Strings),
        name => Type::Object(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    #[test]
    fn knows_merge_keys_of_containers() {
        let containers = fields("core.v1.PodSpec").unwrap().get("containers").unwrap();
        assert!(containers.strategy.merge);
        assert_eq!(containers.merge_key, "name");
    }

    #[rstest]
    #[case::by_merge_key("core.v1.PodSpec", "containers", "name")]
    #[case::by_several_keys("core.v1.ServiceSpec", "ports", "port,protocol")]
    #[case::by_a_key_with_a_default("core.v1.Container", "ports", "containerPort,protocol=TCP")]
    fn tells_applied_elements_apart(#[case] name: &str, #[case] field: &str, #[case] keys: &str) {
        let ListType::Map(found) = &fields(name).unwrap().get(field).unwrap().list_type else {
            panic!("{name}.{field}")
        };
        let text = |key: &ListKey| match &key.default {
            Some(default) => format!("{}={}", key.name, default.as_str().unwrap()),
            None => key.name.clone(),
        };
        assert_eq!(found.iter().map(text).collect::<Vec<_>>().join(","), keys);
    }

    #[rstest]
    #[case::of_primitives("meta.ObjectMeta", "finalizers", ListType::Set)]
    #[case::without_strategy("core.v1.Container", "args", ListType::Atomic)]
    #[case::declared_atomic("core.v1.ServiceSpec", "clusterIPs", ListType::Atomic)]
    fn knows_lists_without_keys(#[case] name: &str, #[case] field: &str, #[case] expected: ListType) {
        assert_eq!(fields(name).unwrap().get(field).unwrap().list_type, expected);
    }
}
