//! `spec.matrix`: one file, a cell for each combination of its parameters' values.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::{self, Fields, Notes};
use super::node::{Entry, Node, Value};
use super::variables;

/// A scenario's tree with one combination of values in place of `${parameter}`.
pub struct Variant {
    /// What the cell's name tells of it: parameter to value.
    pub params: BTreeMap<String, String>,
    pub root: Node,
}

/// One value of a parameter.
#[derive(Clone)]
struct Choice {
    /// The value in the cell's name.
    name: String,
    /// What it stands for, by variable.
    values: Vec<(String, Value)>,
}

/// The variants of the file; the file itself where it has no matrix.
pub fn variants(root: Node, notes: &mut Notes<'_>) -> Vec<Variant> {
    let Some((without, matrix)) = taken_out(&root) else {
        return vec![Variant { params: BTreeMap::new(), root }];
    };
    let parameters = parameters(&matrix, notes);
    let mut combinations: Vec<Vec<(&str, &Choice)>> = vec![Vec::new()];
    for (parameter, choices) in &parameters {
        combinations = combinations
            .into_iter()
            .flat_map(|before| {
                choices.iter().map(move |choice| {
                    let mut combination = before.clone();
                    combination.push((parameter.as_str(), choice));
                    combination
                })
            })
            .collect();
    }
    let variants: Vec<Variant> = combinations.iter().map(|combination| variant(&without, combination)).collect();
    unused(&without, &matrix, &parameters, notes);
    variants
}

fn variant(root: &Node, combination: &[(&str, &Choice)]) -> Variant {
    let params = combination.iter().map(|(parameter, choice)| ((*parameter).to_owned(), choice.name.clone())).collect();
    let values: BTreeMap<&str, &Value> = combination
        .iter()
        .flat_map(|(_, choice)| choice.values.iter().map(|(variable, value)| (variable.as_str(), value)))
        .collect();
    Variant { params, root: with(root, &values) }
}

/// The tree without `spec.matrix`, and that.
fn taken_out(root: &Node) -> Option<(Node, Node)> {
    let mut root = root.clone();
    let Value::Map(entries) = &mut root.value else { return None };
    let spec = entries.iter_mut().find(|entry| entry.key == "spec")?;
    let Value::Map(entries) = &mut spec.node.value else { return None };
    let place = entries.iter().position(|entry| entry.key == "matrix")?;
    let matrix = entries.remove(place).node;
    Some((root, matrix))
}

fn parameters(matrix: &Node, notes: &mut Notes<'_>) -> Vec<(String, Vec<Choice>)> {
    let Value::Map(entries) = &matrix.value else {
        Fields::of("spec.matrix", matrix, notes);
        return Vec::new();
    };
    entries
        .iter()
        .filter_map(|entry| {
            good_name(entry, notes).then_some(())?;
            let choices = choices(entry, notes);
            if choices.is_empty() && matches!(entry.node.value, Value::List(_) | Value::Map(_)) {
                let help = format!("write `{}: [one, another]`, or remove it", entry.key);
                notes.note(entry.at, format!("the parameter \"{}\" has no value", entry.key), Some(help));
            }
            Some((entry.key.clone(), choices))
        })
        .collect()
}

fn good_name(entry: &Entry, notes: &mut Notes<'_>) -> bool {
    if !variables::is_name(&entry.key) {
        let help = "begin with a lower-case letter, and use letters and digits only, as hostName".to_owned();
        notes.note(entry.at, format!("\"{}\" is not a valid parameter name", entry.key), Some(help));
        return false;
    }
    if variables::BUILT_IN.contains(&entry.key.as_str()) {
        let help = "give the parameter another name".to_owned();
        notes.note(entry.at, format!("\"{}\" is built in", entry.key), Some(help));
        return false;
    }
    true
}

/// `[value, …]`, or `{name: {variable: value, …}, …}` where a value is long, or several things change together.
fn choices(entry: &Entry, notes: &mut Notes<'_>) -> Vec<Choice> {
    let what = format!("spec.matrix.{}", entry.key);
    match &entry.node.value {
        Value::Map(named) => named
            .iter()
            .filter_map(|named| {
                readable(&named.key, named.at, &entry.key, notes)?;
                let mut values = vec![(entry.key.clone(), Value::Text(named.key.clone()))];
                let Value::Map(variables) = &named.node.value else {
                    Fields::of(&format!("{what}.{}", named.key), &named.node, notes);
                    return None;
                };
                for variable in variables {
                    good_name(variable, notes).then_some(())?;
                    fields::scalar(&format!("{what}.{}.{}", named.key, variable.key), &variable.node, notes)?;
                    values.push((variable.key.clone(), variable.node.value.clone()));
                }
                Some(Choice { name: named.key.clone(), values })
            })
            .collect(),
        _ => fields::list(&what, &entry.node, notes)
            .unwrap_or_default()
            .iter()
            .filter_map(|node| {
                let name = fields::scalar(&what, node, notes)?;
                readable(&name, node.at, &entry.key, notes)?;
                Some(Choice { name, values: vec![(entry.key.clone(), node.value.clone())] })
            })
            .collect(),
    }
}

/// A value that stands in a cell's name as it is, which a person gives back to `run`.
fn readable(value: &str, at: super::node::Position, parameter: &str, notes: &mut Notes<'_>) -> Option<()> {
    let good = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if !good {
        let help = format!("give it a name: `{parameter}: {{short-name: {{someVariable: {value:?}}}}}`");
        notes.note(at, format!("\"{value}\" cannot stand in the name of a cell"), Some(help));
    }
    good.then_some(())
}

/// A parameter that changes nothing makes cells that are all the same.
fn unused(root: &Node, matrix: &Node, parameters: &[(String, Vec<Choice>)], notes: &mut Notes<'_>) {
    let mut used = BTreeSet::new();
    collect(root, &mut used);
    let Value::Map(entries) = &matrix.value else { return };
    for (parameter, choices) in parameters {
        let variables = choices.iter().flat_map(|choice| choice.values.iter().map(|(variable, _)| variable));
        let all: BTreeSet<&str> = variables.map(String::as_str).chain([parameter.as_str()]).collect();
        if !all.iter().any(|variable| used.contains(*variable))
            && let Some(entry) = entries.iter().find(|entry| entry.key == *parameter)
        {
            let help = format!("use ${{{parameter}}} in a step or check, or remove it");
            notes.note(entry.at, format!("nothing depends on the parameter \"{parameter}\""), Some(help));
        }
    }
}

fn collect(node: &Node, used: &mut BTreeSet<String>) {
    match &node.value {
        Value::Text(text) => used.extend(variables::used(text).map(str::to_owned)),
        Value::List(nodes) => nodes.iter().for_each(|node| collect(node, used)),
        Value::Map(entries) => entries.iter().for_each(|entry| collect(&entry.node, used)),
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Number(_) => {}
    }
}

/// The tree with values in place of parameters. A text that is nothing but a parameter takes its type, too.
fn with(node: &Node, values: &BTreeMap<&str, &Value>) -> Node {
    let value = match &node.value {
        Value::Text(text) => replaced(text, values),
        Value::List(nodes) => Value::List(nodes.iter().map(|node| with(node, values)).collect()),
        Value::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|entry| Entry { key: entry.key.clone(), at: entry.at, node: with(&entry.node, values) })
                .collect(),
        ),
        other => other.clone(),
    };
    Node { value, at: node.at }
}

fn replaced(text: &str, values: &BTreeMap<&str, &Value>) -> Value {
    let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    if let Some(value) = whole.and_then(|name| values.get(name)) {
        return (*value).clone();
    }
    let mut text = text.to_owned();
    for (name, value) in values {
        let value = match value {
            Value::Text(value) => value.clone(),
            Value::Bool(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            _ => String::new(),
        };
        text = text.replace(&format!("${{{name}}}"), &value);
    }
    Value::Text(text)
}
