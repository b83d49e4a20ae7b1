//! YAML as go-yaml writes it (v2, by which the API server answers in YAML; Kubernetes 1.20): keys in a natural order,
//! lists not indented below their keys, quotes where a text would be read as something else, lines folded at 80.

pub mod read;

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// Beyond it a line is folded at the next blank.
const WIDTH: usize = 80;

/// `value` as YAML.
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => mapping(&mut out, value, 0),
        Value::Array(items) if !items.is_empty() => sequence(&mut out, value, 0),
        scalar => {
            inline(&mut out, scalar, 2);
            out.push('\n');
        }
    }
    out
}

fn indent(out: &mut String, by: usize) {
    out.extend(std::iter::repeat_n(' ', by));
}

fn mapping(out: &mut String, value: &Value, level: usize) {
    let mut entries: Vec<(&String, &Value)> = value.as_object().into_iter().flatten().collect();
    entries.sort_by(|a, b| natural(a.0, b.0));
    for (index, (key, value)) in entries.into_iter().enumerate() {
        // The first key of an element of a list stands behind its dash.
        if index > 0 || out.is_empty() || out.ends_with('\n') {
            indent(out, level);
        }
        text(out, key, level, false);
        out.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                out.push('\n');
                mapping(out, value, level + 2);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                sequence(out, value, level);
            }
            scalar => {
                out.push(' ');
                inline(out, scalar, level + 2);
                out.push('\n');
            }
        }
    }
}

fn sequence(out: &mut String, value: &Value, level: usize) {
    for item in value.as_array().into_iter().flatten() {
        indent(out, level);
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => mapping(out, item, level + 2),
            Value::Array(items) if !items.is_empty() => {
                // A list in a list begins on the same line.
                let mut inner = String::new();
                sequence(&mut inner, item, level + 2);
                out.push_str(inner.trim_start_matches(' '));
            }
            scalar => {
                inline(out, scalar, level + 2);
                out.push('\n');
            }
        }
    }
}

fn inline(out: &mut String, value: &Value, level: usize) {
    match value {
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        Value::String(string) => text(out, string, level, true),
        other => out.push_str(&other.to_string()),
    }
}

fn text(out: &mut String, text: &str, level: usize, may_fold: bool) {
    let special = text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{feff}');
    if text.contains('\n') && may_fold && !special && !text.ends_with(' ') && !text.contains(" \n") {
        return literal(out, text, level);
    }
    if special || text.contains('\n') || is_something_else(text) {
        return double_quoted(out, text);
    }
    if text.is_empty() || !is_plain(text) {
        out.push('\'');
        folded(out, &text.replace('\'', "''"), level, may_fold);
        out.push('\'');
        return;
    }
    folded(out, text, level, may_fold);
}

/// Writes words; a blank beyond the width becomes a line break.
fn folded(out: &mut String, text: &str, level: usize, may_fold: bool) {
    let mut column = out.chars().rev().take_while(|c| *c != '\n').count();
    let mut chars = text.char_indices().peekable();
    let mut after_blank = false;
    while let Some((at, c)) = chars.next() {
        let blank_follows = chars.peek().is_none_or(|(_, next)| *next == ' ');
        if c == ' ' && may_fold && !after_blank && column > WIDTH && at > 0 && !blank_follows {
            out.push('\n');
            indent(out, level);
            column = level;
        } else {
            out.push(c);
            column += 1;
        }
        after_blank = c == ' ';
    }
}

fn literal(out: &mut String, text: &str, level: usize) {
    out.push('|');
    if text.starts_with([' ', '\n']) {
        out.push('2');
    }
    let body = text.trim_end_matches('\n');
    match text.len() - body.len() {
        0 => out.push('-'),
        1 if !body.is_empty() => {}
        _ => out.push('+'),
    }
    let kept = text.strip_suffix('\n').unwrap_or(text);
    for line in kept.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, level);
            out.push_str(line);
        }
    }
}

fn double_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\u{1b}' => out.push_str("\\e"),
            c if c.is_control() || c == '\u{feff}' => {
                // Writing to a text does not fail.
                let code = u32::from(c);
                let _ = if code < 0x100 { write!(out, "\\x{code:02X}") } else { write!(out, "\\u{code:04X}") };
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whether `text` can stand without quotes.
fn is_plain(text: &str) -> bool {
    let first = text.chars().next().unwrap_or(' ');
    let second_is_blank = text.chars().nth(1).is_none_or(|c| c == ' ');
    let indicator = ",[]{}#&*!|>'\"%@`".contains(first) || ("-?:".contains(first) && second_is_blank);
    !indicator
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.contains(": ")
        && !text.ends_with(':')
        && !text.contains(" #")
}

fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"^([-+]?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9][0-9_]*)|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)$",
    )
});
/// A number to the base of sixty, as YAML 1.1 had them.
static BASE_SIXTY: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$"));
static MOMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?([Zz]|[-+][0-9:]+)?)?$")
});

/// Whether `text` without quotes would be read as no text.
fn is_something_else(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", "y", "Y", "yes", "Yes",
        "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF", ".nan", ".NaN", ".NAN", ".inf",
        ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", "<<",
    ];
    let fits = |pattern: &Option<Regex>| pattern.as_ref().is_some_and(|pattern| pattern.is_match(text));
    WORDS.contains(&text) || fits(&NUMBER) || fits(&BASE_SIXTY) || fits(&MOMENT)
}

/// The order of keys: letters after all else, and digits as the numbers that they make.
fn natural(a: &str, b: &str) -> Ordering {
    let (left, right): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = left.iter().zip(&right).position(|(l, r)| l != r) else { return left.len().cmp(&right.len()) };
    let (rest_left, rest_right) = (left.get(at..).unwrap_or_default(), right.get(at..).unwrap_or_default());
    let (Some(l), Some(r)) = (rest_left.first(), rest_right.first()) else { return Ordering::Equal };
    match (l.is_alphabetic(), r.is_alphabetic()) {
        (true, true) => return l.cmp(r),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let digits = |rest: &[char]| rest.iter().take_while(|c| c.is_ascii_digit()).collect::<String>();
    let (digits_left, digits_right) = (digits(rest_left), digits(rest_right));
    let number = |digits: &str| digits.parse::<u64>().unwrap_or(0);
    number(&digits_left).cmp(&number(&digits_right)).then(digits_left.len().cmp(&digits_right.len())).then(l.cmp(r))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"b": 1, "a": "x", "metadata": {}}), "a: x\nb: 1\nmetadata: {}\n")]
    #[case(json!({"l": ["a", {"k": "v", "j": 2}], "e": []}), "e: []\nl:\n- a\n- j: 2\n  k: v\n")]
    #[case(json!({"n": "1", "t": "2024-01-02T03:04:05Z", "b": "true", "e": ""}), "b: \"true\"\ne: \"\"\n\"n\": \"1\"\nt: \"2024-01-02T03:04:05Z\"\n")]
    #[case(json!({"q": "a: b", "s": "it's #1", "f:k": {}}), "f:k: {}\nq: 'a: b'\ns: 'it''s #1'\n")]
    #[case(json!({"x": "one\ntwo\n", "z": "one\ntwo"}), "x: |\n  one\n  two\nz: |-\n  one\n  two\n")]
    #[case(json!({"a10": 1, "a9": 2}), "a9: 2\na10: 1\n")]
    fn writes_as_go_yaml(#[case] value: Value, #[case] expected: &str) {
        assert_eq!(to_string(&value), expected);
    }

    #[test]
    fn folds_long_lines_at_blanks() {
        let message = "only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
        let expected = "message: 'only the following media types are accepted: application/json;stream=watch,\n  application/vnd.kubernetes.protobuf;stream=watch'\n";
        assert_eq!(to_string(&json!({"message": message})), expected);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            "[ -~]{0,90}".prop_map(Value::from),
            "[a-z: #'\"\n-]{0,12}".prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z0-9:.-]{1,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn writes_what_is_read_again(value in value()) {
            let read: Value = serde_yaml::from_str(&to_string(&value)).unwrap();
            // Keys are put in order.
            let sorted = |value: &Value| {
                serde_json::from_str::<std::collections::BTreeMap<String, Value>>(&json!({"v": value}).to_string()).unwrap()
            };
            prop_assert_eq!(sorted(&read), sorted(&value));
        }
    }
}
