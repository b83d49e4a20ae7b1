//! Merging lists.

use serde_json::{Map, Value};

use super::lookup::{Found, Shape};
use super::{DIRECTIVE, Refusal, go_type, merge_map, order, unknown_directive};
use crate::go;

/// A map that should have the merge key and does not.
pub fn without_key(map: &Map<String, Value>, key: &str) -> Refusal {
    let map = go::plain(&Value::Object(map.clone()));
    Refusal::Other(format!("map: {map} does not contain declared merge key: {key}"))
}

/// Merges `new` into `old`, or replaces it, as the field has it.
pub fn merge_field(field: &Found<'_>, old: Vec<Value>, new: Vec<Value>, deletes: bool) -> Result<Vec<Value>, Refusal> {
    if !field.merges {
        return Ok(new);
    }
    if old.is_empty() && new.is_empty() {
        return Ok(old);
    }
    let maps = are_maps(&[&old, &new])?;
    if !maps && deletes {
        return Ok(old.into_iter().filter(|item| !new.contains(item)).collect());
    }
    let key = field.merge_key.as_str();
    if !maps {
        let merged = without_duplicates(old.iter().chain(&new).cloned().collect());
        return order::arrange(merged, &new, &old, "", false);
    }
    if key.is_empty() {
        return Err(Refusal::Other(format!("cannot merge lists without merge key for {}", field.shape.kind())));
    }
    let (old, new) = apply_directives(old, new, key)?;
    let merged = merge_maps(old.clone(), &new, key, field.shape)?;
    order::arrange(merged, &new, &old, key, true)
}

/// Whether the elements of `lists`, which all must be of one type, are maps.
pub fn are_maps(lists: &[&[Value]]) -> Result<bool, Refusal> {
    let mut kind = None;
    for item in lists.iter().copied().flatten() {
        match kind {
            None if item.is_array() => return Err(Refusal::Unprocessable("lists of lists are not supported")),
            None => kind = Some(go_type(item)),
            Some(kind) if kind == go_type(item) => {}
            Some(_) => {
                let shown: Vec<Value> = lists.iter().map(|list| Value::from(list.to_vec())).collect();
                let shown = go::plain(&Value::Array(shown));
                // The lists are the only argument of a variadic print, which puts them into one more list.
                return Err(Refusal::Other(format!("list element types are not identical: {shown}")));
            }
        }
    }
    match kind {
        Some(kind) => Ok(kind == "map[string]interface {}"),
        None => Err(Refusal::Other("no elements in any of the given slices".to_owned())),
    }
}

/// Later ones of the same go, and the last one takes the place of each, as in the original.
fn without_duplicates(mut items: Vec<Value>) -> Vec<Value> {
    let mut at = 0;
    while at < items.len() {
        let mut other = at + 1;
        while other < items.len() {
            if items.get(at) == items.get(other) {
                items.swap_remove(other);
            } else {
                other += 1;
            }
        }
        at += 1;
    }
    items
}

/// Removes what the patch deletes, and everything if it replaces the list; what is left of both.
fn apply_directives(old: Vec<Value>, new: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), Refusal> {
    let (mut old, mut plain, mut replaces) = (old, Vec::new(), false);
    for item in new {
        let Some(map) = item.as_object() else { continue };
        let Some(directive) = map.get(DIRECTIVE) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let Some(wanted) = map.get(key) else { return Err(without_key(map, key)) };
                old.retain(|item| item.get(key) != Some(wanted));
            }
            Some("replace") => replaces = true,
            Some("merge") => {
                return Err(Refusal::Other("merging lists cannot yet be specified in the patch".to_owned()));
            }
            _ => return Err(unknown_directive(directive, map)),
        }
    }
    Ok(if replaces { (plain, Vec::new()) } else { (old, plain) })
}

fn merge_maps(mut merged: Vec<Value>, new: &[Value], key: &str, shape: Shape<'_>) -> Result<Vec<Value>, Refusal> {
    for item in new {
        let Value::Object(change) = item else { continue };
        let Some(wanted) = change.get(key) else { return Err(without_key(change, key)) };
        match merged.iter_mut().find(|item| item.get(key) == Some(wanted)) {
            Some(Value::Object(old)) => *old = merge_map(std::mem::take(old), change.clone(), shape)?,
            _ => merged.push(item.clone()),
        }
    }
    Ok(merged)
}
