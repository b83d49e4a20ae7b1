//! How the elements of a list are told apart.

use serde_json::Value;

use super::path::Element;
use super::schema::ListSchema;
use crate::types::{ListKey, ListType};

/// How the element `item` at `index` of a list is named.
///
/// # Errors
/// Why it cannot be told from the others, in the original's words.
pub fn name(list: &ListSchema, index: usize, item: &Value) -> Result<Element, String> {
    match &list.kind {
        ListType::Atomic => Ok(Element::Index(i64::try_from(index).unwrap_or(i64::MAX))),
        ListType::Map(keys) => by_keys(keys, item),
        ListType::Set => match item {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
            plain => Ok(Element::Value(plain.clone())),
        },
    }
}

fn by_keys(keys: &[ListKey], item: &Value) -> Result<Element, String> {
    let fields = match item {
        Value::Object(fields) => fields,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(value) = fields.get(&key.name).or(key.default.as_ref()) else {
            return Err(format!(
                "associative list with keys has an element that omits key field {:?} (and doesn't have default value)",
                key.name
            ));
        };
        found.push((Box::from(key.name.as_str()), value.clone()));
    }
    Ok(Element::key(found))
}

#[cfg(test)]
mod tests {
    use super::super::schema::Schema;
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn list(kind: ListType) -> ListSchema {
        ListSchema { element: Schema::UNTYPED, kind }
    }

    fn ports() -> ListSchema {
        let key = |name: &str, default: Option<Value>| ListKey { name: name.to_owned(), default };
        list(ListType::Map(vec![key("port", None), key("protocol", Some(json!("TCP")))]))
    }

    #[rstest]
    #[case::by_all_keys(ports(), json!({"port": 1, "protocol": "UDP"}), "[port=1,protocol=\"UDP\"]")]
    #[case::by_a_default(ports(), json!({"port": 1}), "[port=1,protocol=\"TCP\"]")]
    #[case::by_value(list(ListType::Set), json!("a"), "[=\"a\"]")]
    #[case::by_place(list(ListType::Atomic), json!("a"), "[7]")]
    fn names_elements(#[case] list: ListSchema, #[case] item: Value, #[case] expected: &str) {
        assert_eq!(name(&list, 7, &item).map(|element| element.to_string()), Ok(expected.to_owned()));
    }

    #[rstest]
    #[case::without_a_key(ports(), json!({"protocol": "TCP"}))]
    #[case::null(ports(), json!(null))]
    #[case::a_map_in_a_set(list(ListType::Set), json!({}))]
    fn refuses_elements_that_cannot_be_told_apart(#[case] list: ListSchema, #[case] item: Value) {
        assert!(name(&list, 0, &item).is_err());
    }
}
