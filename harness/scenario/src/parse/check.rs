//! The checks of a scenario file.

use std::collections::BTreeMap;

use super::fields::{self, Notes};
use super::node::{Entry, Node, Position, Value};
use super::variables::Variables;
use crate::known::{ArgSpec, CheckSignature};
use crate::model::CheckCall;
use crate::problem::did_you_mean;

/// What a check may refer to.
pub struct Before<'b> {
    pub signatures: &'b [CheckSignature],
    pub variables: &'b Variables,
    pub has_member: bool,
    pub step_names: &'b [&'b str],
}

pub fn checks(node: &Node, before: &Before<'_>, notes: &mut Notes<'_>) -> Vec<CheckCall> {
    let items = fields::list("spec.checks", node, notes).unwrap_or_default();
    items.iter().filter_map(|node| check(node, before, notes)).collect()
}

fn check(node: &Node, before: &Before<'_>, notes: &mut Notes<'_>) -> Option<CheckCall> {
    let (name, at, entries) = call(node, notes)?;
    let Some(signature) = before.signatures.iter().find(|signature| signature.name == name) else {
        let names: Vec<&str> = before.signatures.iter().map(|signature| signature.name).collect();
        notes.note(at, format!("unknown check \"{name}\""), did_you_mean(name, "known checks", &names));
        return None;
    };
    let mut args = BTreeMap::new();
    for entry in entries {
        let Some(spec) = signature.args.iter().find(|spec| spec.name == entry.key) else {
            let names: Vec<&str> = signature.args.iter().map(|spec| spec.name).collect();
            let suggestion = did_you_mean(&entry.key, "its arguments", &names)
                .unwrap_or_else(|| format!("write `- {name}` alone: it takes no arguments"));
            notes.note(entry.at, format!("the check \"{name}\" has no argument \"{}\"", entry.key), suggestion);
            continue;
        };
        if let Some(value) = argument(spec, entry, before, notes) {
            args.insert(entry.key.clone(), value);
        }
    }
    let given = |spec: &&ArgSpec| entries.iter().any(|entry| entry.key == spec.name);
    for missing in signature.args.iter().filter(|spec| spec.required && !given(spec)) {
        let value = missing.values.first().copied().unwrap_or("VALUE");
        let help = format!("write `- {name}: {{{}: {value}}}`", missing.name);
        notes.note(at, format!("the check \"{name}\" lacks the argument \"{}\"", missing.name), help);
    }
    Some(CheckCall { name: name.to_owned(), args, location: at.in_file(notes.file) })
}

/// Name and arguments of `- name` or `- name: {argument: value}`.
fn call<'n>(node: &'n Node, notes: &mut Notes<'_>) -> Option<(&'n str, Position, &'n [Entry])> {
    let form = "write `- name` or `- name: {argument: value}`";
    match &node.value {
        Value::Text(name) => Some((name, node.at, &[])),
        Value::Map(entries) => {
            let [entry] = entries.as_slice() else {
                let help = "write `- name: {argument: value}`, with the arguments indented below the name".to_owned();
                notes.note(node.at, "an item of \"spec.checks\" has one key, the check's name", help);
                return None;
            };
            match &entry.node.value {
                Value::Null => Some((&entry.key, entry.at, &[])),
                Value::Map(arguments) => Some((&entry.key, entry.at, arguments)),
                other => {
                    let message = format!("the arguments of a check are a map, not {}", other.kind());
                    notes.note(entry.node.at, message, form.to_owned());
                    None
                }
            }
        }
        other => {
            notes.note(node.at, format!("a check is a name, not {}", other.kind()), form.to_owned());
            None
        }
    }
}

fn argument(spec: &ArgSpec, entry: &Entry, before: &Before<'_>, notes: &mut Notes<'_>) -> Option<String> {
    let value = fields::scalar(spec.name, &entry.node, notes)?;
    let at = entry.node.at;
    before.variables.check(&value, at, notes);
    if !spec.values.is_empty() && !spec.values.contains(&value.as_str()) {
        let suggestion = did_you_mean(&value, "values", spec.values);
        notes.note(at, format!("\"{value}\" is not a value of \"{}\"", spec.name), suggestion);
    } else if spec.name == "on" && value == "member" && !before.has_member {
        let help = "add `member: {kubesphere: absent}` to `spec.given`".to_owned();
        notes.note(at, "the scenario has no member cluster", help);
    } else if spec.name == "step" && !before.step_names.contains(&value.as_str()) {
        let suggestion = did_you_mean(&value, "steps", before.step_names);
        notes.note(at, format!("the scenario has no step \"{value}\""), suggestion);
    }
    Some(value)
}
