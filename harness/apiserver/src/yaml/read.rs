//! YAML as go-yaml reads it (v2.4, through sigs.k8s.io/yaml; Kubernetes 1.20): that of YAML 1.1, where `n` is false and
//! `0644` an octal number, made into JSON.

use std::collections::HashMap;
use std::sync::LazyLock;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};
use regex::Regex;
use serde::Deserialize as _;
use serde_json::{Map, Number, Value};

use crate::go;

/// How many values anchors keep and aliases repeat, as a bound on what a small body can become.
const MOST_REPEATED: usize = 100_000;

/// Reads the first document of `text`.
///
/// # Errors
/// The text of go-yaml.
pub fn from_str(text: &str) -> Result<Value, String> {
    // Of the two parsers this one fails in the words of libyaml, which go-yaml is too.
    if let Some(document) = serde_yaml::Deserializer::from_str(text).next() {
        serde::de::IgnoredAny::deserialize(document).map_err(|error| worded(&error))?;
    }
    let mut composer = Composer { events: Parser::new_from_str(text), anchors: HashMap::new(), repeated: 0 };
    Ok(go::canonical(composer.document()?))
}

/// The error of go-yaml for one of `serde_yaml`: both are libyaml's, worded differently.
fn worded(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    // Where it happened is worded differently, and within what is not told.
    let what = text.split(" at line ").next().and_then(|text| text.split(", while ").next()).unwrap_or_default();
    match error.location().map(|location| location.line()) {
        Some(line) if line > 1 => format!("yaml: line {}: {what}", line - 1),
        _ => format!("yaml: {what}"),
    }
}

struct Composer<'a> {
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Value>,
    repeated: usize,
}

/// A key of a mapping.
enum Key {
    /// What stands before the colon, as text.
    Named(String),
    /// `<<`: what follows is merged.
    Merge,
}

impl<'a> Composer<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        loop {
            match self.events.next_event() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, _))) => return Ok(event),
                Some(Err(error)) => return Err(unreadable(&error)),
                None => return Ok(Event::StreamEnd),
            }
        }
    }

    fn document(&mut self) -> Result<Value, String> {
        loop {
            match self.next()? {
                Event::StreamEnd | Event::DocumentEnd => return Ok(Value::Null),
                Event::StreamStart | Event::DocumentStart(..) => {}
                event => return self.node(event),
            }
        }
    }

    fn node(&mut self, event: Event<'a>) -> Result<Value, String> {
        let anchor = event.anchor_id();
        let value = match event {
            Event::Alias(id) => {
                let value = self.anchors.get(&id).cloned().unwrap_or_default();
                self.count(&value)?;
                value
            }
            Event::Scalar(text, style, _, tag) => scalar(&text, style, tag.as_deref())?,
            Event::SequenceStart(..) => self.sequence()?,
            Event::MappingStart(..) => self.mapping()?,
            _ => Value::Null,
        };
        if let Some(id) = anchor {
            self.count(&value)?;
            self.anchors.insert(id, value.clone());
        }
        Ok(value)
    }

    /// Counts a copy of `value`.
    fn count(&mut self, value: &Value) -> Result<(), String> {
        self.repeated += size(value);
        if self.repeated > MOST_REPEATED {
            return Err("yaml: document contains excessive aliasing".to_owned());
        }
        Ok(())
    }

    fn sequence(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd | Event::StreamEnd => return Ok(Value::Array(items)),
                event => items.push(self.node(event)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<Value, String> {
        let mut map = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd | Event::StreamEnd => return Ok(Value::Object(map)),
                Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<" => Key::Merge,
                event => Key::Named(key_text(&self.node(event)?)?),
            };
            let event = self.next()?;
            let value = self.node(event)?;
            match key {
                Key::Named(name) => {
                    map.insert(name, value);
                }
                Key::Merge => merge(&mut map, value)?,
            }
        }
    }
}

fn unreadable(error: &ScanError) -> String {
    format!("yaml: {error}")
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

/// Merges what a `<<` names; of several the first counts.
fn merge(map: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    match value {
        Value::Object(other) => map.extend(other),
        Value::Array(items) if items.iter().all(Value::is_object) => {
            items.into_iter().rev().try_for_each(|item| merge(map, item))?;
        }
        _ => return Err("yaml: map merge requires map or sequence of maps as the value".to_owned()),
    }
    Ok(())
}

/// A key as JSON has it: a text.
fn key_text(key: &Value) -> Result<String, String> {
    match key {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) if number.is_f64() => {
            // The original writes a `float32`.
            #[allow(clippy::cast_possible_truncation, reason = "the original narrows too")]
            let narrow = number.as_f64().unwrap_or_default() as f32;
            Ok(narrow.to_string().parse().map_or_else(|_| narrow.to_string(), go::float))
        }
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("Unsupported map key of type: {}, key: {}", go::type_name(other), go::syntax(other))),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let plain = style == ScalarStyle::Plain;
    match tag.map(|tag| tag.core_suffix()) {
        None if plain => resolved(text),
        Some(Some(suffix)) if suffix != "str" && suffix != "binary" => resolved(text),
        _ => Ok(Value::from(text)),
    }
}

static FLOAT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").ok());

/// What a text without quotes means.
fn resolved(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Ok(true.into()),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(false.into());
        }
        ".nan" | ".NaN" | ".NAN" => return Err("json: unsupported value: NaN".to_owned()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Err("json: unsupported value: +Inf".to_owned());
        }
        "-.inf" | "-.Inf" | "-.INF" => return Err("json: unsupported value: -Inf".to_owned()),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return Ok(Value::from(text));
    }
    let digits = if text.starts_with('.') { text.to_owned() } else { text.replace('_', "") };
    let number = whole(&digits).or_else(|| {
        let is_float = FLOAT.as_ref().is_some_and(|float| float.is_match(&digits));
        digits.parse().ok().filter(|_| is_float).and_then(Number::from_f64)
    });
    Ok(number.map_or_else(|| Value::from(text), Value::Number))
}

/// A whole number, whose base is that of its prefix (`strconv.ParseInt` with base 0).
fn whole(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = [("0x", 16), ("0b", 2), ("0o", 8)]
        .iter()
        .find_map(|(prefix, base)| lower.strip_prefix(prefix).map(|rest| (*base, rest)))
        .or_else(|| lower.strip_prefix('0').filter(|rest| !rest.is_empty()).map(|rest| (8, rest)))
        .unwrap_or((10, &lower));
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    if negative {
        return i64::from_str_radix(&format!("-{digits}"), base).ok().map(Number::from);
    }
    u64::from_str_radix(digits, base).ok().map(Number::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::words("{a: yes, b: n, c: 'no', d: ~}", r#"{"a":true,"b":false,"c":"no","d":null}"#)]
    #[case::keys("{n: 1, 5: 2, 1.5: 3, \"y\": 4}", r#"{"1.5":3,"5":2,"false":1,"y":4}"#)]
    #[case::numbers("[0644, 0x1F, 1_000, 08, 1.0, -5, .5, 1e3, +7]", "[420,31,1000,8,1,-5,0.5,1000,7]")]
    #[case::moments("{t: 2020-01-01, u: 2020-01-01T00:00:00Z}", r#"{"t":"2020-01-01","u":"2020-01-01T00:00:00Z"}"#)]
    #[case::aliases("{a: &x {k: 1}, b: *x}", r#"{"a":{"k":1},"b":{"k":1}}"#)]
    #[case::merges("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\n", r#"{"a":{"k":1,"l":2},"b":{"k":3,"l":2}}"#)]
    #[case::tags("[!!str 5, !!int '5']", r#"["5",5]"#)]
    #[case::the_first_document("a: 1\n---\nb: 2\n", r#"{"a":1}"#)]
    #[case::nothing("", "null")]
    fn reads_as_go_yaml(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(from_str(text).map(|value| value.to_string()), Ok(expected.to_owned()));
    }

    #[test]
    fn bounds_what_anchors_keep() {
        let item = format!("[{}]", vec!["x"; 2_000].join(", "));
        let text = (0..60).fold(item, |inner, level| format!("[&a{level} {inner}]"));
        assert_eq!(from_str(&text), Err("yaml: document contains excessive aliasing".to_owned()));
    }

    #[test]
    fn bounds_what_aliases_repeat() {
        use std::fmt::Write as _;
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..7 {
            let last = level - 1;
            let aliases = vec![format!("*a{last}"); 10].join(", ");
            writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap_or_default();
        }
        assert!(from_str(&text).is_err());
    }
}
