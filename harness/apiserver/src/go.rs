//! Values as Go's `fmt` writes them into messages.

use serde_json::Value;

/// `%v`: maps with sorted keys, texts bare.
#[must_use]
pub fn plain(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}:{}", plain(value))).collect();
            format!("map[{}]", entries.join(" "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

/// `%#v`: Go syntax.
#[must_use]
pub fn syntax(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), syntax(value))).collect();
            format!("map[string]interface {{}}{{{}}}", entries.join(", "))
        }
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Null => "interface {}(nil)".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn writes_maps_with_sorted_keys() {
        assert_eq!(plain(&json!({"b": ["x", 1], "a": null})), "map[a:<nil> b:[x 1]]");
    }

    #[test]
    fn writes_go_syntax() {
        assert_eq!(syntax(&json!({"a": ["x"]})), r#"map[string]interface {}{"a":[]interface {}{"x"}}"#);
    }
}
