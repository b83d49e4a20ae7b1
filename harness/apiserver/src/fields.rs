//! Fields of objects by their paths, found without copies of the names in them.

use serde_json::Value;

/// The value at `path`, as `/metadata/name` or `/spec/containers/0`. Unlike those of a JSON pointer, names are not escaped.
#[must_use]
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').skip(1).try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

/// The text at `path`; empty where there is none.
#[must_use]
pub fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::a_field("/kind", "K")]
    #[case::below("/metadata/name", "n")]
    #[case::no_text("/metadata", "")]
    #[case::missing("/metadata/name/first", "")]
    #[case::in_a_list("/items/1/name", "b")]
    #[case::beyond_a_list("/items/2/name", "")]
    #[case::no_place_in_a_list("/items/name", "")]
    fn finds_texts(#[case] path: &str, #[case] expected: &str) {
        let items = json!([{"name": "a"}, {"name": "b"}]);
        assert_eq!(text(&json!({"kind": "K", "metadata": {"name": "n"}, "items": items}), path), expected);
    }
}
