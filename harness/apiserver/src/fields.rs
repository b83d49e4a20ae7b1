//! Fields of objects by their paths, found without copies of the names in them.

use serde_json::Value;

/// The value at `path`, as `/metadata/name`; of names alone, neither escaped nor of places in lists.
#[must_use]
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').skip(1).try_fold(value, |value, name| value.get(name))
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
    fn finds_texts(#[case] path: &str, #[case] expected: &str) {
        assert_eq!(text(&json!({"kind": "K", "metadata": {"name": "n"}}), path), expected);
    }
}
