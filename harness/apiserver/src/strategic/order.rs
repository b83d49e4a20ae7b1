//! The order of merged lists: what the patch names in its order, the rest where it stood.

use serde_json::Value;

use super::lists::without_key;
use super::{DIRECTIVE, Refusal, wrong_type};
use crate::go;

/// Where `item` stands in `list`, by its merge key if it is a map.
fn position(list: &[Value], item: &Value, key: &str, maps: bool) -> Option<usize> {
    let identity = |item| if maps { Value::get(item, key) } else { Some(item) };
    let wanted = identity(item);
    list.iter().position(|found| identity(found) == wanted)
}

fn deletes(item: &Value) -> bool {
    item.get(DIRECTIVE).and_then(Value::as_str) == Some("delete")
}

/// Checks that the elements of a patch stand in the order that it gives.
pub fn check(patch: &[Value], order: &[Value], key: &str) -> Result<(), Refusal> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    if !key.is_empty()
        && let Some(other) = patch.iter().find(|item| !item.is_object())
    {
        return Err(wrong_type("map[string]interface {}", other));
    }
    let kept: Vec<&Value> = patch.iter().filter(|item| key.is_empty() || !deletes(item)).collect();
    let mut wanted = order.iter();
    for item in kept.into_iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        loop {
            let Some(next) = wanted.next() else {
                let (patch, order) = (go::plain(&Value::from(patch)), go::plain(&Value::from(order)));
                return Err(Refusal::Other(format!(
                    "The order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{order}\n"
                )));
            };
            if same(item, next, key)? {
                break;
            }
        }
    }
    Ok(())
}

fn same(item: &Value, other: &Value, key: &str) -> Result<bool, Refusal> {
    if key.is_empty() {
        return Ok(item == other);
    }
    let identity = |value: &Value| match value {
        Value::Object(map) => map.get(key).cloned().ok_or_else(|| without_key(map, key)),
        other => Err(wrong_type("map[string]interface {}", other)),
    };
    Ok(identity(item)? == identity(other)?)
}

/// Brings `merged` into the order of `wanted`; what that does not name keeps the order of `was`, and stands before an
/// element that is named only where it stood before it.
pub fn arrange(
    merged: Vec<Value>,
    wanted: &[Value],
    was: &[Value],
    key: &str,
    maps: bool,
) -> Result<Vec<Value>, Refusal> {
    if maps {
        for item in merged.iter().chain(wanted) {
            match item {
                Value::Object(map) if map.contains_key(key) => {}
                Value::Object(map) => return Err(without_key(map, key)),
                other => return Err(wrong_type("map[string]interface {}", other)),
            }
        }
    }
    let (named, rest): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| position(wanted, item, key, maps).is_some());
    let (named, rest) = (sorted(named, wanted, key, maps), sorted(rest, was, key, maps));
    let mut out = Vec::with_capacity(named.len() + rest.len());
    let (mut named, mut rest) = (named.into_iter().peekable(), rest.into_iter().peekable());
    loop {
        let rest_first = match (rest.peek(), named.peek()) {
            (None, None) => return Ok(out),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(a), Some(b)) => {
                let places = (position(was, a, key, maps), position(was, b, key, maps));
                matches!(places, (Some(a), Some(b)) if a < b)
            }
        };
        out.extend(if rest_first { rest.next() } else { named.next() });
    }
}

/// `items` in the order of `order`, those to be deleted last. What the order does not name counts as smaller than what
/// stands before it, as in the original, which sorts by insertion.
fn sorted(items: Vec<Value>, order: &[Value], key: &str, maps: bool) -> Vec<Value> {
    let (deleted, mut items): (Vec<Value>, Vec<Value>) = items.into_iter().partition(|item| maps && deletes(item));
    let before = |a: &Value, b: &Value| match (position(order, a, key, maps), position(order, b, key, maps)) {
        (Some(a), Some(b)) => a < b,
        _ => true,
    };
    for end in 1..items.len() {
        let mut at = end;
        while at > 0
            && let (Some(item), Some(previous)) = (items.get(at), items.get(at - 1))
            && before(item, previous)
        {
            items.swap(at, at - 1);
            at -= 1;
        }
    }
    items.extend(deleted);
    items
}
