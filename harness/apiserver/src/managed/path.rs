//! Paths into objects: how the original names a field, or an element of a list.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

/// One step of a path.
#[derive(Debug, Clone)]
pub enum Element {
    /// A field of an object.
    Field(Box<str>),
    /// The element of a list that has these fields, ordered by name.
    Key(Vec<(Box<str>, Value)>),
    /// The element of a set that is this value.
    Value(Value),
    /// The element of a list at this place.
    Index(i64),
}

impl Element {
    /// The field `name`.
    #[must_use]
    pub fn field(name: &str) -> Self {
        Self::Field(Box::from(name))
    }

    /// The element with the fields `key`, given in any order.
    #[must_use]
    pub fn key(mut key: Vec<(Box<str>, Value)>) -> Self {
        key.sort_by(|a, b| a.0.cmp(&b.0));
        Self::Key(key)
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => {
                let differing = a.iter().zip(b).find_map(|((name, value), (other_name, other_value))| {
                    let order = name.cmp(other_name).then_with(|| compare(value, other_value));
                    (order != Ordering::Equal).then_some(order)
                });
                differing.unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            (Self::Value(a), Self::Value(b)) => compare(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Element {}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(key) => {
                let parts: Vec<String> = key.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect();
                write!(f, "[{}]", parts.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", shown(value)),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A value as the original shows it within a path.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            map.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().concat()
        }
        plain => plain.to_string(),
    }
}

/// A path as the original shows it.
#[must_use]
pub fn text(path: &[Element]) -> String {
    path.iter().map(Element::to_string).collect()
}

/// The original's order of values: numbers, texts, booleans, lists, maps, null.
#[must_use]
pub fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let differing = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| *order != Ordering::Equal);
            differing.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let sorted = |map: &serde_json::Map<String, Value>| {
                let mut entries: Vec<_> = map.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                entries
            };
            let (a, b) = (sorted(a), sorted(b));
            let differing = a.iter().zip(&b).find_map(|((name, value), (other_name, other_value))| {
                let order = name.cmp(other_name).then_with(|| compare(value, other_value));
                (order != Ordering::Equal).then_some(order)
            });
            differing.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

/// Whether two values are the same: numbers by what they count, maps in any order.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => compare(a, b) == Ordering::Equal,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::fields_before_keys(Element::field("z"), Element::key(vec![("a".into(), json!(1))]))]
    #[case::keys_before_values(Element::key(vec![("a".into(), json!(1))]), Element::Value(json!(1)))]
    #[case::values_before_places(Element::Value(json!("z")), Element::Index(0))]
    #[case::numbers_by_size(Element::Value(json!(2)), Element::Value(json!(10)))]
    #[case::numbers_before_texts(Element::Value(json!(10)), Element::Value(json!("1")))]
    #[case::shorter_keys_first(
        Element::key(vec![("a".into(), json!(1))]),
        Element::key(vec![("b".into(), json!(1)), ("a".into(), json!(1))])
    )]
    fn orders_elements_as_the_original(#[case] first: Element, #[case] second: Element) {
        assert!(first < second);
    }

    #[test]
    fn shows_a_path_as_the_original() {
        let path = [
            Element::field("spec"),
            Element::key(vec![("protocol".into(), json!("TCP")), ("containerPort".into(), json!(80))]),
            Element::Value(json!("x")),
            Element::Index(3),
        ];
        assert_eq!(text(&path), ".spec[containerPort=80,protocol=\"TCP\"][=\"x\"][3]");
    }

    #[test]
    fn takes_a_whole_float_for_the_integer() {
        assert!(same(&json!({"a": [1]}), &json!({"a": [1.0]})));
    }
}
