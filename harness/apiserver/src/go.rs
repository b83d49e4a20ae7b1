//! JSON values as Go knows them: what its decoder makes of numbers, how its encoder orders keys, and how `fmt` writes
//! values into messages.

use serde_json::{Map, Number, Value};

/// `value` as it is after Go's decoder and encoder: keys in order, whole numbers without a fraction.
///
/// Go keeps a JSON object as a map, which `encoding/json` writes sorted, and a number as `int64` where its text is one,
/// as `float64` otherwise (`k8s.io/apimachinery/pkg/util/json`, Kubernetes 1.20).
#[must_use]
pub fn canonical(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> =
                map.into_iter().map(|(key, value)| (key, canonical(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        Value::Number(number) => Value::Number(written(number)),
        other => other,
    }
}

/// A number as it is after Go's encoder: one that is too large for an `int64` is a `float64`, whose digits end early.
fn written(number: Number) -> Number {
    if let Some(whole) = whole(&number) {
        return Number::from(whole);
    }
    match number.as_u64() {
        // Below 1e21 `encoding/json` writes floats without an exponent.
        Some(_) => {
            number.as_f64().and_then(|float| format!("{float}").parse::<u64>().ok()).map_or(number, Number::from)
        }
        None => number,
    }
}

/// The largest whole number below which every `f64` without a fraction is an `i64`.
const WHOLE_LIMIT: f64 = 9_223_372_036_854_775_808.0;

/// `number` as an `int64`, where it has no fraction and fits.
#[must_use]
pub fn whole(number: &Number) -> Option<i64> {
    if let Some(whole) = number.as_i64() {
        return Some(whole);
    }
    number.as_f64().and_then(truncated).filter(|_| number.as_f64().is_some_and(|float| float.fract() == 0.0))
}

/// What Go's `int64(float)` gives for a number in range.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "the range is checked, and the fraction is to go")]
pub fn truncated(float: f64) -> Option<i64> {
    (-WHOLE_LIMIT..WHOLE_LIMIT).contains(&float).then_some(float as i64)
}

/// `int64` as `float64`.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "Go's conversion rounds too")]
pub fn widened(whole: i64) -> f64 {
    whole as f64
}

/// `text` as `%q` writes it.
#[must_use]
pub fn quoted(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            ' ' => out.push(' '),
            // A String takes every write.
            _ if u32::from(c) < 0x20 || c == '\u{7f}' => drop(write!(out, "\\x{:02x}", u32::from(c))),
            _ if c.is_control() || c.is_whitespace() || is_invisible(c) => match u32::from(c) {
                code @ ..=0xffff => drop(write!(out, "\\u{code:04x}")),
                code => drop(write!(out, "\\U{code:08x}")),
            },
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Formatting characters that Go's `unicode.IsPrint` does not count as printable.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{fff9}'..='\u{fffb}')
}

/// A `float64` as `%v` writes it: the shortest digits, with an exponent from seven digits on and below 1e-4.
#[must_use]
pub fn float(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// A number as `%v` writes it.
#[must_use]
pub fn number(number: &Number) -> String {
    number.as_i64().map_or_else(|| float(number.as_f64().unwrap_or_default()), |whole| whole.to_string())
}

/// A value as `%#v` writes an `interface{}` that holds it.
#[must_use]
pub fn syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(value) => number(value),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{}:{}", quoted(key), syntax(value))).collect();
            format!("map[string]interface {{}}{{{}}}", entries.join(", "))
        }
    }
}

/// A value as `%v` writes it.
#[must_use]
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(value) => number(value),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}:{}", plain(value))).collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

/// The type of a value, as `%T` names it.
#[must_use]
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as a field error shows it (`field.Error.ErrorBody`).
#[must_use]
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => quoted("null"),
        other => syntax(other),
    }
}

/// A map of texts as `%#v` writes it.
#[must_use]
pub fn texts(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[]string{{{}}}", items.join(", "))
}

/// The object in `value`, which becomes one if it is none.
pub fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object just above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn sorts_keys_and_drops_empty_fractions() {
        let value = canonical(json!({"b": 1.0, "a": {"d": 1.5, "c": [2.0]}}));
        assert_eq!(value.to_string(), r#"{"a":{"c":[2],"d":1.5},"b":1}"#);
    }

    #[rstest]
    #[case(1.5, "1.5")]
    #[case(100_000.0, "100000")]
    #[case(1_234_567.5, "1.2345675e+06")]
    #[case(1e21, "1e+21")]
    #[case(1.5e-7, "1.5e-07")]
    #[case(0.0001, "0.0001")]
    fn writes_floats_as_go(#[case] value: f64, #[case] expected: &str) {
        assert_eq!(float(value), expected);
    }

    #[test]
    fn writes_values_in_go_syntax() {
        let value = json!({"b": [1, "x", null], "a": true});
        assert_eq!(
            syntax(&value),
            r#"map[string]interface {}{"a":true, "b":[]interface {}{1, "x", interface {}(nil)}}"#
        );
    }

    #[rstest]
    #[case("a\u{1}b", r#""a\x01b""#)]
    #[case("tab\t", r#""tab\t""#)]
    #[case("é\"", r#""é\"""#)]
    fn quotes_as_go(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(quoted(text), expected);
    }
}
