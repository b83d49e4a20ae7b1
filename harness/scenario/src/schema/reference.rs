//! The schema for reading: every key, act in the console and check, as Markdown.

use serde_json::{Map, Value};

use super::schema;
use crate::known::{CheckSignature, Known};

/// The reference of the files that a parser with this knowledge takes.
#[must_use]
pub fn reference(known: &Known<'_>) -> String {
    let schema = schema(known);
    let at = |path: &str| schema.pointer(path).cloned().unwrap_or_default();
    let mut text = "# What a scenario file can say\n\nWritten by `ks-e2e schema -o markdown`; editors read the same from \
                    [schema.json](schema.json).\n\n```yaml\napiVersion: ks-e2e.dev/v1alpha1\nkind: Scenario\nmetadata: {}\nspec: {}\n```\n"
        .to_owned();
    let sections = [
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
    for (title, path) in sections {
        text += &format!("\n## {title}\n\n| key | value | meaning |\n|---|---|---|\n{}", rows(&at(path)));
    }
    text += "\n## Values\n\n| value | meaning |\n|---|---|\n";
    for name in ["duration", "pattern", "requirement", "fields", "delay"] {
        let def = at(&format!("/$defs/{name}"));
        text += &format!(
            "| {name} | {}{} |\n",
            words_of(&def),
            choice(&def).map(|words| format!(" One of {words}.")).unwrap_or_default()
        );
    }
    text += "\n## Checks\n\n`- NAME`, or `- NAME: {ARGUMENT: VALUE}`; an argument that may be left out stands in brackets.\n\n\
             | check | arguments | what holds when it passes |\n|---|---|---|\n";
    text + &known.checks.iter().map(check).collect::<String>()
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
    let argument = |arg: &crate::known::ArgSpec| {
        let values = if arg.values.is_empty() { String::new() } else { format!(" ({})", arg.values.join(", ")) };
        let text = format!("`{}`{values}: {}", arg.name, arg.about);
        cell(&if arg.required { text } else { format!("[{text}]") })
    };
    let arguments: Vec<String> = signature.args.iter().map(argument).collect();
    format!("| `{}` | {} | {} |\n", signature.name, arguments.join("; "), cell(signature.about))
}
