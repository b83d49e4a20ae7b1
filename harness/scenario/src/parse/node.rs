//! YAML as a tree in which every key and value knows its position, so that one reading finds every mistake.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::MergeKeyPolicy;
use serde_saphyr::{MessageFormatter, Options, Spanned, UserMessageFormatter};

use crate::model::Location;
use crate::problem::Problem;

/// Line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    pub const START: Self = Self { line: 1, column: 1 };

    pub fn in_file(self, file: &str) -> Location {
        Location { file: file.to_owned(), line: self.line, column: self.column }
    }
}

impl From<serde_saphyr::Location> for Position {
    fn from(location: serde_saphyr::Location) -> Self {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
        Self { line: number(location.line()), column: number(location.column()) }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    pub at: Position,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that is no integer; its text is lost, so nothing takes one as text.
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

impl Node {
    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The value at a key of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }
}

impl Value {
    /// The word in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// A key, where it stands, and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub at: Position,
    pub node: Node,
}

/// Reads the only document of `bytes`.
pub fn read(file: &str, bytes: &[u8]) -> Result<Node, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(file, bytes, error.valid_up_to()))?;
    let root: Root = serde_saphyr::from_str_with_options(text, options()).map_err(|error| unreadable(file, &error))?;
    let node = Node::from(root.0);
    if node.value == Value::Null {
        return Err(Problem {
            location: Position::START.in_file(file),
            message: "the file holds no scenario".to_owned(),
            suggestion: Some("begin with `apiVersion: ks-e2e.dev/v1alpha1` and `kind: Scenario`".to_owned()),
        });
    }
    Ok(node)
}

/// YAML as its text stands: nothing but `true` and `false` is a boolean, `010` stays text. The limits are far above any
/// scenario and far below what an alias bomb needs.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: 20_000, max_depth: 64, max_aliases: 100, max_anchors: 100 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 20_000 },
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn not_utf8(file: &str, bytes: &[u8], valid_up_to: usize) -> Problem {
    let valid = String::from_utf8_lossy(&bytes[..valid_up_to]);
    let line = valid.matches('\n').count() + 1;
    let column = valid.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let byte = bytes.get(valid_up_to).copied().unwrap_or_default();
    Problem {
        location: Position { line, column }.in_file(file),
        message: format!("byte 0x{byte:02x} is not UTF-8"),
        suggestion: Some("save the file as UTF-8".to_owned()),
    }
}

fn unreadable(file: &str, error: &serde_saphyr::Error) -> Problem {
    use serde_saphyr::Error as Yaml;

    let error = error.without_snippet();
    let at = error.location().map_or(Position::START, Position::from);
    let (message, suggestion) = match error {
        Yaml::DuplicateMappingKey { key, .. } => (
            format!("the key \"{}\" stands twice in one map", key.as_deref().unwrap_or_default()),
            "keep one of the two".to_owned(),
        ),
        Yaml::MultipleDocuments { .. } => (
            "the file holds more than one YAML document".to_owned(),
            "keep one scenario in a file, and remove `---`".to_owned(),
        ),
        Yaml::MergeKeyNotAllowed { .. } => {
            ("`<<` merges maps, which a scenario must not".to_owned(), "write the keys out".to_owned())
        }
        Yaml::Budget { .. } | Yaml::AliasReplayLimitExceeded { .. } | Yaml::AliasReplayStackDepthExceeded { .. } => (
            format!("the file is too large for a scenario: {}", UserMessageFormatter.format_message(error)),
            "a scenario has at most 20000 values, 100 aliases and 64 levels".to_owned(),
        ),
        Yaml::UnsupportedTag { tag, .. } => (
            format!("the tag \"{tag}\" means nothing in a scenario"),
            "remove it, or put a text that begins with `!` in quotes".to_owned(),
        ),
        Yaml::UnknownAnchor { .. } => (
            "no anchor before this alias bears its name".to_owned(),
            "write the value out, or put a text that begins with `*` in quotes".to_owned(),
        ),
        Yaml::AliasError { error, .. } => return unreadable(file, error),
        _ => (
            format!("the file is not valid YAML: {}", UserMessageFormatter.format_message(error)),
            "check indentation, quotes and brackets here and in the line above".to_owned(),
        ),
    };
    Problem { location: at.in_file(file), message, suggestion: Some(suggestion) }
}

/// The deserializer knows positions only where a [`Spanned`] asks for them.
struct Root(Spanned<Value>);

impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self { at: spanned.referenced.into(), value: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value).map(Value::Integer).map_err(|_| E::custom(format!("the number {value} is too large")))
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Value, E> {
        Err(E::custom(format!("the number {value} is too large")))
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Value, E> {
        Err(E::custom(format!("the number {value} is too large")))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element::<Spanned<Value>>()? {
            nodes.push(node.into());
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<Value>>()? {
            let text = match key.value {
                Value::Text(text) => text,
                Value::Integer(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
                other => {
                    return Err(A::Error::custom(format!("a key must be text, not {}", other.kind())));
                }
            };
            let node = map.next_value::<Spanned<Value>>()?.into();
            entries.push(Entry { key: text, at: key.referenced.into(), node });
        }
        Ok(Value::Map(entries))
    }
}
