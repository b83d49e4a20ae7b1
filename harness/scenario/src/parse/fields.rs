//! Takes values out of a tree by key and type, and notes what does not fit.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::node::{Entry, Node, Position, Value};
use crate::model::Requirement;
use crate::problem::{Problem, did_you_mean};
use crate::requirement::BadRequirement;

/// Collects the problems of one file.
pub struct Notes<'a> {
    pub file: &'a str,
    pub problems: Vec<Problem>,
}

impl Notes<'_> {
    pub fn note(&mut self, at: Position, message: impl Into<String>, suggestion: impl Into<Option<String>>) {
        self.problems.push(Problem {
            location: at.in_file(self.file),
            message: message.into(),
            suggestion: suggestion.into(),
        });
    }

    fn wrong_type(&mut self, what: &str, node: &Node, wanted: &str, example: &str) {
        let what = if what.is_empty() { "the file".to_owned() } else { format!("\"{what}\"") };
        self.note(node.at, format!("{what} must be {wanted}, not {}", node.value.kind()), format!("write {example}"));
    }
}

/// The entries of a map, of which each is taken once; what is left over is unknown.
pub struct Fields<'n> {
    /// The map's name in messages: `spec.given.host`.
    what: String,
    at: Position,
    entries: Vec<&'n Entry>,
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The map's entries; none, with a note, when the node is no map.
    pub fn of(what: &str, node: &'n Node, notes: &mut Notes<'_>) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            notes.wrong_type(what, node, "a map", "`key: value` lines below it");
            return None;
        };
        Some(Self { what: what.to_owned(), at: node.at, entries: entries.iter().collect(), known: Vec::new() })
    }

    pub fn at(&self) -> Position {
        self.at
    }

    /// Whether every entry was taken.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// `what.key`.
    pub fn path(&self, key: &str) -> String {
        if self.what.is_empty() { key.to_owned() } else { format!("{}.{key}", self.what) }
    }

    pub fn take(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.known.push(key);
        let position = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(position))
    }

    pub fn require(&mut self, key: &'static str, example: &str, notes: &mut Notes<'_>) -> Option<&'n Entry> {
        let entry = self.take(key);
        if entry.is_none() {
            // A misspelled key is one mistake, not two.
            let misspelled = self.entries.iter().any(|entry| crate::problem::closest(&entry.key, [key]).is_some());
            if !misspelled {
                let place = if self.what.is_empty() { "the file".to_owned() } else { format!("\"{}\"", self.what) };
                notes.note(self.at, format!("{place} lacks the key \"{key}\""), format!("add `{key}: {example}`"));
            }
        }
        entry
    }

    pub fn text(&mut self, key: &'static str, notes: &mut Notes<'_>) -> Option<String> {
        let entry = self.take(key)?;
        text(&self.path(key), &entry.node, notes)
    }

    pub fn required_text(&mut self, key: &'static str, example: &str, notes: &mut Notes<'_>) -> Option<String> {
        let path = self.path(key);
        let entry = self.require(key, example, notes)?;
        text(&path, &entry.node, notes)
    }

    /// Notes the keys that nobody took.
    pub fn finish(self, notes: &mut Notes<'_>) {
        let place = if self.what.is_empty() { String::new() } else { format!(" in \"{}\"", self.what) };
        for entry in self.entries {
            let suggestion = did_you_mean(&entry.key, "known keys", &self.known);
            notes.note(entry.at, format!("unknown key \"{}\"{place}", entry.key), suggestion);
        }
    }
}

pub fn text(what: &str, node: &Node, notes: &mut Notes<'_>) -> Option<String> {
    match &node.value {
        Value::Text(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Text(_) | Value::Null => {
            notes.note(node.at, format!("\"{what}\" is empty"), Some("give it a value, or remove the key".to_owned()));
            None
        }
        Value::Bool(_) | Value::Integer(_) | Value::Number(_) => {
            notes.wrong_type(what, node, "text", "it in quotes");
            None
        }
        Value::List(_) | Value::Map(_) => {
            notes.wrong_type(what, node, "text", "one value on one line");
            None
        }
    }
}

/// Text, or a number or boolean as text: where `count: 3` and `count: "3"` mean the same.
pub fn scalar(what: &str, node: &Node, notes: &mut Notes<'_>) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Integer(value) => Some(value.to_string()),
        Value::Null => Some(String::new()),
        Value::Number(_) => {
            notes.wrong_type(what, node, "text or an integer", "it in quotes");
            None
        }
        Value::List(_) | Value::Map(_) => {
            notes.wrong_type(what, node, "one value", "one value on one line");
            None
        }
    }
}

pub fn word<T: Clone>(what: &str, node: &Node, words: &[(&'static str, T)], notes: &mut Notes<'_>) -> Option<T> {
    let given = text(what, node, notes)?;
    let found = words.iter().find(|(word, _)| *word == given).map(|(_, value)| value.clone());
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        notes.note(
            node.at,
            format!("\"{given}\" is not a value of \"{what}\""),
            did_you_mean(&given, "values", &known),
        );
    }
    found
}

pub fn integer(what: &str, node: &Node, range: RangeInclusive<u8>, notes: &mut Notes<'_>) -> Option<u8> {
    let given = match &node.value {
        Value::Integer(value) => match u8::try_from(*value).ok().filter(|value| range.contains(value)) {
            Some(value) => return Some(value),
            None => value.to_string(),
        },
        other => other.kind().to_owned(),
    };
    let wanted = format!("an integer from {} to {}", range.start(), range.end());
    notes.note(node.at, format!("\"{what}\" must be {wanted}, not {given}"), format!("write {wanted}, without quotes"));
    None
}

pub fn list<'n>(what: &str, node: &'n Node, notes: &mut Notes<'_>) -> Option<&'n [Node]> {
    let Value::List(items) = &node.value else {
        notes.wrong_type(what, node, "a list", "`- item` lines below it");
        return None;
    };
    Some(items)
}

/// A map of text to text.
pub fn text_map(what: &str, node: &Node, notes: &mut Notes<'_>) -> BTreeMap<String, String> {
    let Some(fields) = Fields::of(what, node, notes) else {
        return BTreeMap::new();
    };
    fields
        .entries
        .iter()
        .filter_map(|entry| Some((entry.key.clone(), scalar(&fields.path(&entry.key), &entry.node, notes)?)))
        .collect()
}

/// `500ms`, `60s`, `2m`, `1h`.
pub fn duration(what: &str, node: &Node, notes: &mut Notes<'_>) -> Option<Duration> {
    let given = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        _ => {
            notes.wrong_type(what, node, "a duration", "it as 500ms, 60s or 2m");
            return None;
        }
    };
    let duration = parse_duration(&given);
    if duration.is_none() {
        let suggestion = if given.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("add a unit: {given}s")
        } else {
            "write a whole number with a unit, as 500ms, 60s or 2m; not 0".to_owned()
        };
        notes.note(node.at, format!("\"{given}\" is not a duration"), suggestion);
    }
    duration
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

/// A regular expression in which `^` and `$` match at line ends.
pub fn pattern(what: &str, node: &Node, notes: &mut Notes<'_>) -> Option<regex::Regex> {
    let given = text(what, node, notes)?;
    match regex::RegexBuilder::new(&given).multi_line(true).build() {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            // The last line tells the reason; the others draw the pattern.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("\"{what}\" is not a regular expression: {reason}");
            notes.note(
                node.at,
                message,
                Some("put \\ before a character that stands for itself: \\( \\[ \\{ \\. \\*".to_owned()),
            );
            None
        }
    }
}

/// A requirement that at least one known release fulfils.
pub fn requirement(what: &str, node: &Node, releases: &[&str], notes: &mut Notes<'_>) -> Option<Requirement> {
    let given = text(what, node, notes)?;
    match given.parse::<Requirement>() {
        Ok(requirement) if releases.is_empty() || releases.iter().any(|release| requirement.matches_name(release)) => {
            Some(requirement)
        }
        Ok(_) => {
            notes.note(
                node.at,
                format!("no release matches \"{given}\""),
                format!("releases: {}", releases.join(", ")),
            );
            None
        }
        Err(BadRequirement { part }) => {
            let message = format!("\"{part}\" is not a requirement on a release");
            notes.note(node.at, message, Some("write \">=3.3.0, <3.4.1\", \"=3.3.2\" or \"*\"".to_owned()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("500ms", Some(Duration::from_millis(500)))]
    #[case("60s", Some(Duration::from_mins(1)))]
    #[case("2m", Some(Duration::from_mins(2)))]
    #[case("1h", Some(Duration::from_hours(1)))]
    #[case("0s", None)]
    #[case("60", None)]
    #[case("1.5s", None)]
    #[case("-1s", None)]
    #[case("s", None)]
    #[case("99999999999999999999s", None)]
    #[case("9999999999999999999h", None)]
    fn reads_durations(#[case] text: &str, #[case] expected: Option<Duration>) {
        assert_eq!(parse_duration(text), expected);
    }
}
