//! Objects in part, for steps that wait for what a cluster holds.

use serde_json::{Map, Value as Json};

use super::fields::Notes;
use super::node::{Node, Value};
use super::step::Around;
use crate::model::{Objects, Wanted};

/// The keys of such steps, with what each waits for.
pub const KEYS: [(&str, Wanted); 3] = [("assert", Wanted::Some), ("error", Wanted::None), ("absent", Wanted::Absent)];

/// What `absent` looks at: the rest of an object that is not there cannot differ.
const OF_ABSENT: [&str; 3] = ["apiVersion", "kind", "metadata"];

pub fn partial(what: &str, node: &Node, wanted: Wanted, around: &Around<'_>, notes: &mut Notes<'_>) -> Option<Objects> {
    let before = notes.problems.len();
    let partial = json(node, around, notes);
    for key in ["apiVersion", "kind"] {
        if partial.get(key).and_then(Json::as_str).is_none_or(str::is_empty) {
            let help = "begin with `apiVersion: v1` and `kind: Namespace`, for example".to_owned();
            notes.note(node.at, format!("\"{what}\" lacks \"{key}\""), Some(help));
        }
    }
    for (path, node) in texts(node) {
        if !matches!(node.value, Value::Text(_) | Value::Null) {
            let help = "put it between quotes, as \"True\"".to_owned();
            notes.note(node.at, format!("{path} is text in every object, and here {}", node.value.kind()), Some(help));
        }
    }
    if let (Wanted::Absent, Value::Map(entries)) = (wanted, &node.value) {
        for entry in entries.iter().filter(|entry| !OF_ABSENT.contains(&entry.key.as_str())) {
            let message = format!("\"{}\" does not say which object is to be absent", entry.key);
            notes.note(entry.at, message, Some("remove it, or use `error` in place of `absent`".to_owned()));
        }
    }
    (notes.problems.len() == before).then_some(Objects { wanted, partial })
}

/// Values that are text in every object of Kubernetes, and that YAML takes for something else without quotes: labels,
/// annotations, and the status of conditions (`meta/v1` of apimachinery 0.20, types.go).
fn texts(object: &Node) -> Vec<(String, &Node)> {
    let mut found = Vec::new();
    for key in ["labels", "annotations"] {
        let map = object.get("metadata").and_then(|metadata| metadata.get(key));
        found.extend(
            map.into_iter().flat_map(Node::entries).map(|entry| (format!("metadata.{key}.{}", entry.key), &entry.node)),
        );
    }
    let conditions = object.get("status").and_then(|status| status.get("conditions"));
    if let Some(Node { value: Value::List(items), .. }) = conditions {
        found.extend(
            items.iter().filter_map(|item| Some(("the status of a condition".to_owned(), item.get("status")?))),
        );
    }
    found
}

fn json(node: &Node, around: &Around<'_>, notes: &mut Notes<'_>) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Integer(value) => Json::from(*value),
        Value::Number(value) => Json::from(*value),
        Value::Text(text) => {
            around.variables.check(text, node.at, notes);
            Json::from(text.as_str())
        }
        Value::List(items) => items.iter().map(|item| json(item, around, notes)).collect(),
        Value::Map(entries) => {
            let fields = entries.iter().map(|entry| (entry.key.clone(), json(&entry.node, around, notes)));
            Json::Object(fields.collect::<Map<_, _>>())
        }
    }
}
