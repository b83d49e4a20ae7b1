//! Values as Go's `%#v` writes them, which the original puts into messages.

use serde_json::{Map, Value};

use crate::status::quoted;

/// A map of texts.
pub fn map(map: Option<&Map<String, Value>>) -> String {
    let Some(map) = map else { return "map[string]string(nil)".to_owned() };
    let mut entries: Vec<String> = map.iter().map(|(key, value)| format!("{}:{value}", quoted(key))).collect();
    entries.sort();
    format!("map[string]string{{{}}}", entries.join(", "))
}

/// A list of texts, of the named type.
pub fn list(kind: &str, items: &Value) -> String {
    match items.as_array() {
        Some(items) => {
            let items: Vec<String> = items.iter().map(ToString::to_string).collect();
            format!("[]{kind}{{{}}}", items.join(", "))
        }
        None => format!("[]{kind}(nil)"),
    }
}

/// A list of texts.
pub fn strings(items: &Value) -> String {
    list("string", items)
}

/// A text, quoted.
fn text(value: &Value, key: &str) -> String {
    quoted(value.get(key).and_then(Value::as_str).unwrap_or_default())
}

/// A selector of labels; `null` where there is none.
pub fn selector(selector: &Value) -> String {
    if selector.is_null() {
        return "\"null\"".to_owned();
    }
    let labels = map(selector.get("matchLabels").and_then(Value::as_object));
    let expressions = match selector.get("matchExpressions").and_then(Value::as_array) {
        Some(expressions) => {
            let one = |expression: &Value| {
                let values = strings(expression.get("values").unwrap_or(&Value::Null));
                let (key, operator) = (text(expression, "key"), text(expression, "operator"));
                format!("v1.LabelSelectorRequirement{{Key:{key}, Operator:{operator}, Values:{values}}}")
            };
            let all: Vec<String> = expressions.iter().map(one).collect();
            format!("[]v1.LabelSelectorRequirement{{{}}}", all.join(", "))
        }
        None => "[]v1.LabelSelectorRequirement(nil)".to_owned(),
    };
    format!("v1.LabelSelector{{MatchLabels:{labels}, MatchExpressions:{expressions}}}")
}

/// A number or a text.
pub fn int_or_string(value: &Value) -> String {
    match value {
        Value::String(text) => format!("intstr.IntOrString{{Type:1, IntVal:0, StrVal:{}}}", quoted(text)),
        other => format!("intstr.IntOrString{{Type:0, IntVal:{other}, StrVal:\"\"}}"),
    }
}

/// A reference to a role.
pub fn role_ref(reference: &Value) -> String {
    let part = |key: &str| text(reference, key);
    format!("rbac.RoleRef{{APIGroup:{}, Kind:{}, Name:{}}}", part("apiGroup"), part("kind"), part("name"))
}

/// A time as Go prints it; `null` where there is none.
pub fn time(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
        Err(_) => "\"null\"".to_owned(),
    }
}

/// A pointer to a number: what it points to, or `null`.
pub fn pointer(value: &Value) -> String {
    if value.is_null() { "\"null\"".to_owned() } else { value.to_string() }
}
