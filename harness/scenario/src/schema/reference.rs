//! The schema for reading: every key, act in the console and check, as Markdown.

use serde_json::{Map, Value};

use super::schema;
use crate::known::{ArgSpec, CheckSignature, Known};

/// Where parts of a file are in the schema, by heading.
const SECTIONS: [(&str, &str); 11] = [
    ("metadata", "/properties/metadata"),
    ("spec", "/properties/spec"),
    ("page", "/properties/spec/properties/page"),
    ("given.host, given.member", "/$defs/given"),
    ("knownIssue", "/properties/spec/properties/knownIssue"),
    ("A step", "/$defs/step"),
    ("until", "/$defs/step/properties/until"),
    ("expect", "/$defs/step/properties/expect"),
    ("console", "/$defs/console"),
    ("importCluster", "/$defs/console/properties/importCluster"),
    ("A kubeconfig", "/$defs/kubeconfig"),
];

/// Values with a form of their own.
const VALUES: [&str; 6] = ["duration", "pattern", "requirement", "fields", "objects", "delay"];

const HEAD: &str = "\
# What a scenario file can say

Written by `ks-e2e schema -o markdown`; editors read the same from [schema.json](schema.json).

```yaml
apiVersion: ks-e2e.dev/v1alpha1
kind: Scenario
metadata: {}
spec: {}
```
";

const CHECKS: &str = "
## Checks

`- NAME`, or `- NAME: {ARGUMENT: VALUE}`; an argument that may be left out stands in brackets.

| check | arguments | what holds when it passes |
|---|---|---|
";

/// The reference of the files that a parser with this knowledge takes.
#[must_use]
pub fn reference(known: &Known<'_>) -> String {
    let schema = schema(known);
    let at = |path: &str| schema.pointer(path).cloned().unwrap_or_default();
    let mut parts = vec![HEAD.to_owned()];
    for (title, path) in SECTIONS {
        parts.push(format!("\n## {title}\n\n| key | value | meaning |\n|---|---|---|\n{}", rows(&at(path))));
    }
    parts.push("\n## Values\n\n| value | meaning |\n|---|---|\n".to_owned());
    for name in VALUES {
        let value = at(&format!("/$defs/{name}"));
        let one_of = choice(&value).map(|words| format!(" One of {words}.")).unwrap_or_default();
        parts.push(format!("| {name} | {}{one_of} |\n", words_of(&value)));
    }
    parts.push(CHECKS.to_owned());
    parts.extend(known.checks.iter().map(check));
    parts.concat()
}

fn rows(object: &Value) -> String {
    let required: Vec<&str> =
        object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let empty = Map::new();
    let properties = object.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let row = |(key, value): (&String, &Value)| {
        let needed = if required.contains(&key.as_str()) { " (required)" } else { "" };
        let default = value.get("default").map(|default| format!(" Default: {}.", plain(default))).unwrap_or_default();
        format!("| `{key}`{needed} | {} | {}{default} |\n", kind(value), words_of(value))
    };
    properties.iter().map(row).collect()
}

/// What may stand there.
fn kind(value: &Value) -> String {
    if let Some(name) = value.get("$ref").and_then(Value::as_str) {
        return name.trim_start_matches("#/$defs/").to_owned();
    }
    if let Some(words) = choice(value) {
        return words;
    }
    match value.get("type").and_then(Value::as_str) {
        Some("array") => format!("list of {}", value.get("items").map(kind).unwrap_or_default()),
        Some(name) => name.to_owned(),
        None => String::new(),
    }
}

fn choice(value: &Value) -> Option<String> {
    let words = value.get("enum")?.as_array()?;
    Some(words.iter().map(|word| format!("`{}`", plain(word))).collect::<Vec<_>>().join(", "))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn words_of(value: &Value) -> String {
    cell(value.get("description").and_then(Value::as_str).unwrap_or_default())
}

/// Text that is to stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn check(signature: &CheckSignature) -> String {
    let argument = |arg: &ArgSpec| {
        let values = if arg.values.is_empty() { String::new() } else { format!(" ({})", arg.values.join(", ")) };
        let text = format!("`{}`{values}: {}", arg.name, arg.about);
        cell(&if arg.required { text } else { format!("[{text}]") })
    };
    let arguments: Vec<String> = signature.args.iter().map(argument).collect();
    format!("| `{}` | {} | {} |\n", signature.name, arguments.join("; "), cell(signature.about))
}
