//! What may differ from one server to the next, and is replaced before answers are compared. This is the whole list:
//!
//! | replaced | by | because |
//! |---|---|---|
//! | UIDs | `<uid N>` | random; numbered by first appearance in a session, so that a reference to the wrong one shows |
//! | `resourceVersion` of objects | `<revision N>` | both servers count all writes, those of other clients too; numbered likewise |
//! | `resourceVersion` of lists and bookmarks | `<list revision>` | the revision of the whole store |
//! | revisions in texts | `<revision>` | the same |
//! | RFC 3339 times | `<time>`, `<micro time>` | the moment of the request |
//! | ages in cells of Tables | `<age>` | time since then |
//! | the server's own address, and the one it advertises | `<server>` | ports are free ones |
//! | addresses in 10.0.0.0/8 | `<ip N>`, `<ip range>` | allocated at random from the server's range; numbered likewise |
//! | node ports | `<node port N>` | allocated at random; numbered likewise |
//! | names made from `generateName` | `PREFIX<random>` | random |
//! | certificates and tokens | `<certificate>`, `<token>` | made anew for each server |
//! | descriptions of the columns of Tables | `<prose>` | upstream's documentation, of which no text is kept |
//! | descriptions in OpenAPI that are upstream's documentation | nothing | the same |
//! | `_v2` behind names of definitions | nothing | the original's servers merge their documents in any order |
//! | `continue` | `<continue>` | opaque |
//! | paths of the groups of other sessions | nothing | the original keeps the path of a group, should it have been quick enough to make it |
//! | the order of `conditions` of protected definitions | by type | two controllers of the original race for the first place |
//! | the order of lines of YAML, whose values are compared by themselves | sorted | they follow the order of `managedFields` |
//! | the order of causes of different managers | by manager | that of a map of Go, which is random |
//! | the order of `managedFields` of one operation | by manager and version | by time first: a second may end between two writes on one server alone |

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use http::HeaderMap;
use regex::{Captures, Regex};
use serde_json::{Map, Value};

use crate::exchange::Answer;

/// The headers that clients act upon.
const HEADERS: &[&str] =
    &["content-type", "warning", "retry-after", "location", "allow", "www-authenticate", "cache-control"];

/// An answer without what may differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Canonical {
    /// HTTP status.
    pub status: u16,
    /// Those headers that clients act upon.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The body.
    pub body: Body,
}

/// A body.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// JSON documents: one, or one a line of a stream.
    Documents(Vec<Value>),
    /// Anything else.
    Text(String),
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Documents(documents) => documents.iter().try_for_each(|document| writeln!(f, "{document}")),
        }
    }
}

/// What a session has met on one server: the n-th UID here is compared with the n-th there.
#[derive(Debug, Default)]
pub struct Seen {
    address: String,
    uids: Vec<String>,
    revisions: Vec<String>,
    addresses: Vec<String>,
    node_ports: Vec<String>,
    /// Names made from a prefix, with what stands for them.
    generated: Vec<(String, String)>,
    /// Prefixes of names that were asked for, as patterns, with what stands for such a name.
    prefixes: Vec<(Regex, String)>,
    namespace: String,
}

fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

/// A pattern and what replaces it.
struct Rule {
    pattern: LazyLock<Option<Regex>>,
    by: &'static str,
}

macro_rules! rule {
    ($pattern:literal => $by:literal) => {
        Rule { pattern: LazyLock::new(|| pattern($pattern)), by: $by }
    };
}

/// Replacements without a number, in the order in which they are tried.
static RULES: [Rule; 11] = [
    rule!(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)" => "<micro time>"),
    rule!(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)" => "<time>"),
    rule!(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+" => "<token>"),
    rule!(r"\bZXlK[\w+/]{40,}=*" => "<token>"),
    rule!(r"LS0tLS1CRUdJTi[\w+/=]+|-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----\n?" => "<certificate>"),
    rule!(r"(Too large resource version: )[1-9]\d*, current: [1-9]\d*" => "${1}<revision>, current: <revision>"),
    rule!(r"^(#/definitions/.*)_v2$" => "${1}"),
    rule!(r#"(?i)(resource ?version: "?)[1-9]\d*( \([1-9]\d*\))?"# => "${1}<revision>"),
    // Of an object that a message shows whole, and of the stored one that a precondition does not fit.
    rule!(r#"(\\*"resourceVersion\\*":\\*")[1-9]\d*"# => "${1}<revision>"),
    rule!(r"(?i)(ResourceVersion in (object meta: |record \())[1-9]\d*" => "${1}<revision>"),
    rule!(r":3[0-2]\d{3}/(TCP|UDP|SCTP)" => ":<node port>/${1}"),
];
static UID: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"));
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"\b10\.\d{1,3}\.\d{1,3}\.\d{1,3}(/\d+)?"));
static SESSION: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"^/apis/(s[0-9a-f]{10})\."));
static AGE: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"^(\d+(s|m|h|d|y))+$"));

fn replaced(pattern: &LazyLock<Option<Regex>>, text: String, by: impl FnMut(&Captures<'_>) -> String) -> String {
    match &**pattern {
        Some(pattern) if pattern.is_match(&text) => pattern.replace_all(&text, by).into_owned(),
        _ => text,
    }
}

/// Whether a description is one that upstream gives to fields of all kinds, or to the lists of custom ones.
fn is_documentation(text: &str) -> bool {
    text.contains("/sig-architecture/api-conventions.md") || text.contains(" is a list of ")
}

/// Whether a condition is one for whose place controllers race.
fn is_of_a_race(condition: &Value) -> bool {
    condition["type"] == "KubernetesAPIApprovalPolicyConformant"
}

/// Whether a cause is that a manager owns a field.
fn is_conflict(cause: &Value) -> bool {
    cause.get("reason").and_then(Value::as_str) == Some("FieldManagerConflict")
}

/// The number of `value` among those seen.
fn numbered(seen: &mut Vec<String>, value: &str) -> usize {
    if let Some(index) = seen.iter().position(|known| known == value) {
        return index + 1;
    }
    seen.push(value.to_owned());
    seen.len()
}

impl Seen {
    /// Nothing seen yet on the server at `address`.
    #[must_use]
    pub fn on(address: &str) -> Self {
        Self { address: address.to_owned(), ..Self::default() }
    }

    /// Nothing seen yet on the server at `address` in the session of `namespace`.
    #[must_use]
    pub fn in_session(address: &str, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..Self::on(address) }
    }

    /// A name is asked for that begins with `prefix`: refusals show it too.
    pub fn expect_generated(&mut self, prefix: &str) {
        let random = format!(r"\b{}[bcdfghjklmnpqrstvwxz2456789]{{5}}\b", regex::escape(prefix));
        self.prefixes.extend(pattern(&random).map(|pattern| (pattern, format!("{prefix}<random>"))));
    }

    /// `answer` without what may differ.
    pub fn canonical(&mut self, answer: &Answer) -> Canonical {
        let headers = self.headers(&answer.headers);
        let is_yaml = answer.headers.get("content-type").is_some_and(|media| media == "application/yaml");
        let body = if is_yaml { self.yaml(&answer.body) } else { self.body(&answer.body) };
        Canonical { status: answer.status, headers, body }
    }

    /// The values of a YAML document, and its lines for how they are written.
    fn yaml(&mut self, body: &[u8]) -> Body {
        let Ok(document) = serde_yaml::from_slice::<Value>(body) else { return self.body(body) };
        let document = self.value("", &document, false);
        let text = String::from_utf8_lossy(body).into_owned();
        let mut lines: Vec<String> = text.lines().map(|line| self.text(line)).collect();
        lines.sort();
        Body::Documents(vec![document, Value::from(lines)])
    }

    fn headers(&mut self, headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
        let mut kept = BTreeMap::new();
        for name in HEADERS {
            let values = headers.get_all(*name).iter().filter_map(|value| value.to_str().ok());
            let values: Vec<String> = values.map(|value| self.text(value)).collect();
            if !values.is_empty() {
                kept.insert((*name).to_owned(), values);
            }
        }
        kept
    }

    fn body(&mut self, body: &[u8]) -> Body {
        let documents: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(body).into_iter().collect();
        match documents {
            Ok(documents) => Body::Documents(documents.iter().map(|value| self.value("", value, false)).collect()),
            Err(_) => Body::Text(self.text(&String::from_utf8_lossy(body))),
        }
    }

    /// `value` of the field `key`; `listed`: it is the metadata of a list or a bookmark.
    fn value(&mut self, key: &str, value: &Value, listed: bool) -> Value {
        match value {
            Value::Object(map) => Value::Object(self.object(key, map, listed)),
            Value::Array(items) if key == "cells" => items.iter().map(|item| self.cell(item)).collect(),
            Value::String(_) if key == "columnDefinitions/description" => Value::from("<prose>"),
            Value::Array(items) if key == "managedFields" => {
                let mut items: Vec<&Value> = items.iter().collect();
                items.sort_by_key(|item| ["operation", "manager", "apiVersion"].map(|key| item[key].to_string()));
                items.into_iter().map(|item| self.value(key, item, false)).collect()
            }
            Value::Array(items) if key == "conditions" && items.iter().any(is_of_a_race) => {
                let mut items: Vec<&Value> = items.iter().collect();
                items.sort_by_key(|item| item["type"].to_string());
                items.into_iter().map(|item| self.value(key, item, false)).collect()
            }
            Value::Array(items) if key == "paths" => {
                items.iter().filter(|path| !self.is_of_another_session(path)).cloned().collect()
            }
            Value::Array(items) if key == "causes" && items.iter().all(is_conflict) => {
                let mut items: Vec<&Value> = items.iter().collect();
                items.sort_by_key(|item| item["message"].to_string());
                items.into_iter().map(|item| self.value(key, item, false)).collect()
            }
            Value::Array(items) => items.iter().map(|item| self.value(key, item, false)).collect(),
            Value::String(text) if key == "resourceVersion" && !text.is_empty() && text != "0" => {
                if listed {
                    return Value::from("<list revision>");
                }
                Value::from(format!("<revision {}>", numbered(&mut self.revisions, text)))
            }
            Value::String(_) if key == "serverAddress" => Value::from("<server>"),
            Value::String(text) if key == "continue" && !text.is_empty() => Value::from("<continue>"),
            Value::String(text) => Value::from(self.text(text)),
            Value::Number(number) if key == "nodePort" && number.as_u64().is_some_and(|port| port > 0) => {
                Value::from(format!("<node port {}>", numbered(&mut self.node_ports, &number.to_string())))
            }
            other => other.clone(),
        }
    }

    /// The object `map` of the field `name`.
    fn object(&mut self, name: &str, map: &Map<String, Value>, listed: bool) -> Map<String, Value> {
        self.learn_generated(map);
        let is_list = map.contains_key("items") || map.contains_key("rows") || map.contains_key("columnDefinitions");
        let is_bookmark = map.get("type").and_then(Value::as_str) == Some("BOOKMARK");
        let mut out = Map::new();
        for (key, value) in map {
            let inner = match key.as_str() {
                "metadata" => is_list || listed,
                "object" => is_bookmark,
                _ => listed && key == "resourceVersion",
            };
            if key == "description" && name != "columnDefinitions" && value.as_str().is_some_and(is_documentation) {
                continue;
            }
            let is_prose = name == "columnDefinitions" && key == "description";
            let field = if is_prose { "columnDefinitions/description" } else { key };
            out.insert(self.text(key), self.value(field, value, inner));
        }
        out
    }

    /// Whether `path` is one of the API groups that sessions name after their namespaces, and not of this one.
    fn is_of_another_session(&self, path: &Value) -> bool {
        let path = path.as_str().unwrap_or_default();
        let named = SESSION.as_ref().and_then(|session| session.captures(path)).and_then(|found| found.get(1));
        named.is_some_and(|named| named.as_str() != self.namespace)
    }

    /// Notes a name that was made from a prefix.
    fn learn_generated(&mut self, map: &Map<String, Value>) {
        let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
        let (prefix, name) = (text("generateName"), text("name"));
        let made = !prefix.is_empty() && name.len() == prefix.len() + 5 && name.starts_with(prefix);
        if made && !self.generated.iter().any(|(known, _)| known == name) {
            self.generated.push((name.to_owned(), format!("{prefix}<random>")));
        }
    }

    fn cell(&mut self, cell: &Value) -> Value {
        match cell {
            Value::String(text) if AGE.as_ref().is_some_and(|age| age.is_match(text)) => Value::from("<age>"),
            other => self.value("", other, false),
        }
    }

    fn text(&mut self, text: &str) -> String {
        let mut text = text.replace(&self.address, "<server>");
        for (name, by) in &self.generated {
            text = text.replace(name, by);
        }
        for (pattern, by) in &self.prefixes {
            text = pattern.replace_all(&text, by).into_owned();
        }
        for rule in &RULES {
            if let Some(pattern) = &*rule.pattern {
                text = pattern.replace_all(&text, rule.by).into_owned();
            }
        }
        let uids = &mut self.uids;
        text =
            replaced(&UID, text, |found| format!("<uid {}>", numbered(uids, found.get(0).map_or("", |m| m.as_str()))));
        let addresses = &mut self.addresses;
        replaced(&ADDRESS, text, |found| {
            if found.get(1).is_some() {
                return "<ip range>".to_owned();
            }
            format!("<ip {}>", numbered(addresses, found.get(0).map_or("", |m| m.as_str())))
        })
    }
}
