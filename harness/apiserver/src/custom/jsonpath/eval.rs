//! Following a path. Where the original follows Go's random order of maps, this follows that of the object.

use std::borrow::Cow;

use serde_json::Value;

use super::{Filter, Node, Slice};
use crate::go;

/// Why a path could not be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// An element that is not there, or a list that is none.
    #[error("array index out of bounds, or no array at all")]
    Slice,
    /// Elements of something that has none.
    #[error("is not array or slice and cannot be filtered")]
    Filter,
    /// Values that cannot be compared.
    #[error("incompatible types for comparison")]
    Comparison,
    /// A word that means nothing.
    #[error("unrecognized identifier {0}")]
    Word(String),
}

type Values<'a> = Vec<Cow<'a, Value>>;

/// What `nodes` find, one after the other, beginning at `values`.
pub(super) fn list<'a>(nodes: &[Node], values: Values<'a>) -> Result<Values<'a>, EvalError> {
    nodes.iter().try_fold(values, |values, node| walk(node, values))
}

fn walk<'a>(node: &Node, values: Values<'a>) -> Result<Values<'a>, EvalError> {
    match node {
        Node::Text(text) => Ok(vec![Cow::Owned(Value::from(text.as_str()))]),
        Node::Constant(value) => Ok(values.iter().map(|_| Cow::Owned(value.clone())).collect()),
        Node::Field(name) => Ok(values.into_iter().filter_map(|value| field(value, name)).collect()),
        Node::Slice(slice) => {
            let mut found = Vec::new();
            for value in values.into_iter().filter(|value| !value.is_null()) {
                found.extend(elements(value, *slice)?);
            }
            Ok(found)
        }
        Node::Filter(filter) => {
            let mut found = Vec::new();
            for value in values {
                found.extend(filtered(value, filter)?);
            }
            Ok(found)
        }
        Node::Wildcard => Ok(values.into_iter().flat_map(children).collect()),
        Node::Recursive => Ok(recursive(values)),
        Node::Union(lists) => {
            let mut found = Vec::new();
            for nodes in lists {
                found.extend(list(nodes, values.clone())?);
            }
            Ok(found)
        }
        Node::Word(word) => Err(EvalError::Word(word.clone())),
    }
}

fn field<'a>(value: Cow<'a, Value>, name: &str) -> Option<Cow<'a, Value>> {
    match value {
        Cow::Borrowed(value) => value.as_object()?.get(name).map(Cow::Borrowed),
        Cow::Owned(value) => value.as_object()?.get(name).cloned().map(Cow::Owned),
    }
}

fn items(value: Cow<'_, Value>) -> Option<Values<'_>> {
    match value {
        Cow::Borrowed(value) => Some(value.as_array()?.iter().map(Cow::Borrowed).collect()),
        Cow::Owned(Value::Array(items)) => Some(items.into_iter().map(Cow::Owned).collect()),
        Cow::Owned(_) => None,
    }
}

fn children(value: Cow<'_, Value>) -> Values<'_> {
    match value {
        Cow::Borrowed(Value::Object(map)) => map.values().map(Cow::Borrowed).collect(),
        Cow::Owned(Value::Object(map)) => map.into_iter().map(|(_, value)| Cow::Owned(value)).collect(),
        // Go's texts are lists of bytes.
        value if value.is_string() => {
            let bytes: Vec<u8> = value.as_str().unwrap_or_default().bytes().collect();
            bytes.into_iter().map(|byte| Cow::Owned(Value::from(byte))).collect()
        }
        other => items(other).unwrap_or_default(),
    }
}

fn recursive(values: Values<'_>) -> Values<'_> {
    let mut found = Vec::new();
    for value in values.into_iter().filter(|value| value.is_object() || value.is_array()) {
        let below = children(value.clone());
        if !below.is_empty() {
            found.push(value);
            found.extend(recursive(below));
        }
    }
    found
}

fn elements(value: Cow<'_, Value>, slice: Slice) -> Result<Values<'_>, EvalError> {
    let items = items(value).ok_or(EvalError::Slice)?;
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let mut start = slice.start.unwrap_or(0);
    if start < 0 {
        start += length;
    }
    let mut end = slice.end.unwrap_or(length);
    if end < 0 || (end == 0 && slice.single) {
        end += length;
    }
    if start == end {
        return Ok(Vec::new());
    }
    let inside = (0..length).contains(&start) && (0..=length).contains(&end) && start <= end;
    let step = usize::try_from(slice.step.unwrap_or(1)).ok().filter(|step| *step > 0);
    let (Some(step), true) = (step, inside) else { return Err(EvalError::Slice) };
    let skip = usize::try_from(start).unwrap_or(0);
    let take = usize::try_from(end - start).unwrap_or(0);
    Ok(items.into_iter().skip(skip).take(take).step_by(step).collect())
}

fn filtered<'a>(value: Cow<'a, Value>, filter: &Filter) -> Result<Values<'a>, EvalError> {
    let mut found = Vec::new();
    for item in items(value).ok_or(EvalError::Filter)? {
        let left = list(&filter.left, vec![item.clone()]);
        if filter.operator == "exists" {
            if left.is_ok_and(|left| !left.is_empty()) {
                found.push(item);
            }
            continue;
        }
        let Some(left) = single(left?)? else { continue };
        let Some(right) = single(list(&filter.right, vec![item.clone()])?)? else { continue };
        if compare(&left, &filter.operator, &right)? {
            found.push(item);
        }
    }
    Ok(found)
}

fn single(values: Values<'_>) -> Result<Option<Cow<'_, Value>>, EvalError> {
    if values.len() > 1 {
        return Err(EvalError::Comparison);
    }
    Ok(values.into_iter().next())
}

/// Compares values of one kind, as Go's templates do.
fn compare(left: &Value, operator: &str, right: &Value) -> Result<bool, EvalError> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = match (left, right) {
        (Value::Bool(left), Value::Bool(right)) if matches!(operator, "==" | "!=") => left.cmp(right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Number(_), Value::Number(_)) if go::type_name(left) == go::type_name(right) => {
            let whole = left.as_i64().zip(right.as_i64()).map(|(left, right)| left.cmp(&right));
            let float = || left.as_f64().zip(right.as_f64()).and_then(|(left, right)| left.partial_cmp(&right));
            whole.or_else(float).ok_or(EvalError::Comparison)?
        }
        _ => return Err(EvalError::Comparison),
    };
    match operator {
        "==" => Ok(order == Equal),
        "!=" => Ok(order != Equal),
        "<" => Ok(order == Less),
        "<=" => Ok(order != Greater),
        ">" => Ok(order == Greater),
        ">=" => Ok(order != Less),
        _ => Err(EvalError::Comparison),
    }
}
