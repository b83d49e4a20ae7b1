//! JSON patches (RFC 6902) with the liberties of the library that Kubernetes 1.20 uses (evanphx/json-patch 4.9): a key
//! that is not there can be replaced, a null counts as absent, and indices may count from the end.

use serde_json::{Map, Value};

/// The most operations that a patch may have (`maxJSONPatchOperations` of apiserver's handlers).
pub const MOST_OPERATIONS: usize = 10_000;

/// A patch that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPatch(Vec<Map<String, Value>>);

/// The patch does not apply; the original never tells why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the patch does not apply")]
pub struct DoesNotApply;

/// What Go's decoder calls a value of JSON.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl JsonPatch {
    /// The patch that `value` is.
    ///
    /// # Errors
    /// The text of Go's decoder.
    pub fn read(value: Value) -> Result<Self, String> {
        let wrong = |value: &Value, wanted: &str| {
            format!("json: cannot unmarshal {} into Go value of type jsonpatch.{wanted}", kind(value))
        };
        let operation = |value: Value| match value {
            Value::Object(map) => Ok(map),
            Value::Null => Ok(Map::new()),
            other => Err(wrong(&other, "Operation")),
        };
        match value {
            Value::Null => Ok(Self(Vec::new())),
            Value::Array(operations) => operations.into_iter().map(operation).collect::<Result<_, _>>().map(Self),
            other => Err(wrong(&other, "Patch")),
        }
    }

    /// How many operations there are.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.0.len()
    }

    /// Applies the patch.
    ///
    /// # Errors
    /// When one operation does not apply.
    pub fn apply(&self, object: &mut Value) -> Result<(), DoesNotApply> {
        self.0.iter().try_for_each(|operation| apply(operation, object))?;
        if let Value::Object(map) = object {
            map.sort_keys();
        }
        Ok(())
    }
}

fn text<'a>(operation: &'a Map<String, Value>, key: &str) -> Result<&'a str, DoesNotApply> {
    operation.get(key).and_then(Value::as_str).ok_or(DoesNotApply)
}

fn apply(operation: &Map<String, Value>, object: &mut Value) -> Result<(), DoesNotApply> {
    let value = || operation.get("value").cloned().unwrap_or_default();
    let place = |key: &str| Pointer::read(text(operation, key)?).ok_or(DoesNotApply);
    match text(operation, "op")? {
        "add" => place("path")?.add(object, value()),
        "remove" => place("path")?.remove(object).map(drop),
        "replace" => place("path")?.replace(object, value()),
        "move" => {
            let moved = place("from")?.remove(object)?;
            place("path")?.add(object, moved)
        }
        "copy" => {
            let copied = place("from")?.get(object)?.cloned().unwrap_or_default();
            place("path")?.add(object, copied)
        }
        "test" => {
            let found = place("path")?.get(object)?;
            let expected = operation.get("value");
            let holds = match (found, expected) {
                (None, Some(expected)) => expected.is_null(),
                (Some(found), Some(expected)) => found == expected,
                (_, None) => false,
            };
            if holds { Ok(()) } else { Err(DoesNotApply) }
        }
        _ => Err(DoesNotApply),
    }
}

/// A place within an object: the container's path, and the key there.
struct Pointer {
    parents: Vec<String>,
    key: String,
}

/// Where in a list an operation means.
enum Index {
    End,
    At(usize),
}

impl Pointer {
    /// Reads a pointer. What comes before the first slash does not count; without one there is no place.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('/').skip(1).map(decoded);
        let mut parents: Vec<String> = parts.by_ref().collect();
        let key = parents.pop()?;
        Some(Self { parents, key })
    }

    fn container<'a>(&self, object: &'a Value) -> Result<&'a Value, DoesNotApply> {
        let step = |at: &'a Value, part: &String| match at {
            Value::Object(map) => map.get(part),
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        };
        let found = self.parents.iter().try_fold(object, step).ok_or(DoesNotApply)?;
        if found.is_object() || found.is_array() { Ok(found) } else { Err(DoesNotApply) }
    }

    /// The container, to be changed. What the original takes apart on the way it writes with sorted keys; messages
    /// that quote a patched object show it.
    fn container_mut<'a>(&self, object: &'a mut Value) -> Result<&'a mut Value, DoesNotApply> {
        let step = |at: &'a mut Value, part: &String| match at {
            Value::Object(map) => {
                map.sort_keys();
                map.get_mut(part)
            }
            Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
            _ => None,
        };
        let found = self.parents.iter().try_fold(object, step).ok_or(DoesNotApply)?;
        if let Value::Object(map) = found {
            map.sort_keys();
        }
        Ok(found)
    }

    /// The place in a list of `length`; `beyond` says whether the end counts.
    fn index(&self, length: usize, beyond: bool) -> Result<Index, DoesNotApply> {
        if self.key == "-" && beyond {
            return Ok(Index::End);
        }
        let length = i64::try_from(length).map_err(|_| DoesNotApply)? + i64::from(beyond);
        let index = self.key.parse::<i64>().map_err(|_| DoesNotApply)?;
        let index = if index < 0 { index + length } else { index };
        if (0..length).contains(&index) {
            usize::try_from(index).map(Index::At).map_err(|_| DoesNotApply)
        } else {
            Err(DoesNotApply)
        }
    }

    /// The value here; one that is null, or absent from an object, is none.
    fn get<'a>(&self, object: &'a Value) -> Result<Option<&'a Value>, DoesNotApply> {
        let found = match self.container(object)? {
            Value::Object(map) => map.get(&self.key),
            Value::Array(items) => match self.index(items.len(), false)? {
                Index::At(index) if !self.key.starts_with('-') => items.get(index),
                _ => return Err(DoesNotApply),
            },
            _ => None,
        };
        Ok(found.filter(|value| !value.is_null()))
    }

    fn add(&self, object: &mut Value, value: Value) -> Result<(), DoesNotApply> {
        match self.container_mut(object)? {
            Value::Object(map) => {
                map.insert(self.key.clone(), value);
            }
            Value::Array(items) => match self.index(items.len(), true)? {
                Index::End => items.push(value),
                Index::At(index) => items.insert(index, value),
            },
            _ => return Err(DoesNotApply),
        }
        Ok(())
    }

    fn replace(&self, object: &mut Value, value: Value) -> Result<(), DoesNotApply> {
        self.get(object)?;
        match self.container_mut(object)? {
            Value::Object(map) => {
                map.insert(self.key.clone(), value);
            }
            Value::Array(items) => {
                let Index::At(index) = self.index(items.len(), false)? else { return Err(DoesNotApply) };
                *items.get_mut(index).ok_or(DoesNotApply)? = value;
            }
            _ => return Err(DoesNotApply),
        }
        Ok(())
    }

    fn remove(&self, object: &mut Value) -> Result<Value, DoesNotApply> {
        match self.container_mut(object)? {
            Value::Object(map) => map.shift_remove(&self.key).ok_or(DoesNotApply),
            Value::Array(items) => match self.index(items.len(), false)? {
                Index::At(index) => Ok(items.remove(index)),
                Index::End => Err(DoesNotApply),
            },
            _ => Err(DoesNotApply),
        }
    }
}

/// A step of a pointer: `~1` is a slash, `~0` a tilde.
fn decoded(part: &str) -> String {
    let mut pieces = part.split('~');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        if let Some(rest) = piece.strip_prefix(['0', '1']) {
            out.push(if piece.starts_with('0') { '~' } else { '/' });
            out.push_str(rest);
        } else {
            out.push('~');
            out.push_str(piece);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"op": "add", "path": "/a/x", "value": 1}), json!({"a": {"x": 1}, "l": [1, 2]}))]
    #[case(json!({"op": "add", "path": "/l/-", "value": 3}), json!({"a": {}, "l": [1, 2, 3]}))]
    #[case(json!({"op": "add", "path": "/l/1", "value": 3}), json!({"a": {}, "l": [1, 3, 2]}))]
    #[case(json!({"op": "add", "path": "/l/-1", "value": 3}), json!({"a": {}, "l": [1, 2, 3]}))]
    #[case(json!({"op": "replace", "path": "/new", "value": 3}), json!({"a": {}, "l": [1, 2], "new": 3}))]
    #[case(json!({"op": "replace", "path": "/l/0", "value": 3}), json!({"a": {}, "l": [3, 2]}))]
    #[case(json!({"op": "remove", "path": "/l/-1"}), json!({"a": {}, "l": [1]}))]
    #[case(json!({"op": "move", "from": "/l", "path": "/a/l"}), json!({"a": {"l": [1, 2]}}))]
    #[case(json!({"op": "copy", "from": "/none", "path": "/b"}), json!({"a": {}, "l": [1, 2], "b": null}))]
    #[case(json!({"op": "test", "path": "/l", "value": [1, 2]}), json!({"a": {}, "l": [1, 2]}))]
    #[case(json!({"op": "test", "path": "/none", "value": null}), json!({"a": {}, "l": [1, 2]}))]
    #[case(json!({"op": "add", "path": "/a~1b~0", "value": 1}), json!({"a": {}, "l": [1, 2], "a/b~": 1}))]
    #[case(json!({"op": "add", "path": "x/b", "value": 1}), json!({"a": {}, "l": [1, 2], "b": 1}))]
    fn applies(#[case] operation: Value, #[case] expected: Value) {
        let mut object = json!({"a": {}, "l": [1, 2]});
        JsonPatch::read(json!([operation])).unwrap().apply(&mut object).unwrap();
        assert_eq!(object, expected);
    }

    #[rstest]
    #[case(json!({"op": "remove", "path": "/none"}))]
    #[case(json!({"op": "remove", "path": "/l/2"}))]
    #[case(json!({"op": "add", "path": "/l/3", "value": 1}))]
    #[case(json!({"op": "add", "path": "/l/x", "value": 1}))]
    #[case(json!({"op": "add", "path": "/none/x", "value": 1}))]
    #[case(json!({"op": "add", "path": "/l/0/x", "value": 1}))]
    #[case(json!({"op": "add", "path": "", "value": 1}))]
    #[case(json!({"op": "add", "value": 1}))]
    #[case(json!({"op": "test", "path": "/l", "value": [1]}))]
    #[case(json!({"op": "test", "path": "/l/0", "value": 1.0}))]
    #[case(json!({"op": "other", "path": "/a"}))]
    #[case(json!({}))]
    #[case(json!(null))]
    fn does_not_apply(#[case] operation: Value) {
        let mut object = json!({"a": {}, "l": [1, 2]});
        assert_eq!(JsonPatch::read(json!([operation])).unwrap().apply(&mut object), Err(DoesNotApply));
    }

    #[rstest]
    #[case(json!({}), "json: cannot unmarshal object into Go value of type jsonpatch.Patch")]
    #[case(json!(["x"]), "json: cannot unmarshal string into Go value of type jsonpatch.Operation")]
    fn refuses_what_is_no_patch(#[case] value: Value, #[case] expected: &str) {
        assert_eq!(JsonPatch::read(value).unwrap_err(), expected);
    }
}
